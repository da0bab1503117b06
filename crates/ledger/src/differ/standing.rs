//! Where a miner's sectors stand.

use chain::state::{Miner, Partition};
use chain::{Result, SectorNumber, SectorSet};

use crate::event::Status;

/// Partitions held at once while all of a miner's are read. One block may stand for very many of them, whose sets
/// would fill the memory, while their union is no larger than one.
const HELD_PARTITIONS: usize = 256;

/// Where the sectors of some partitions stand. The sets are unions over partitions: compaction renumbers
/// partitions and may move them, so they are never compared one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(super) active: SectorSet,
    pub(super) faulty: SectorSet,
    pub(super) unproven: SectorSet,
    pub(super) recovering: SectorSet,
}

impl Standing {
    /// Of all partitions of a miner.
    pub(crate) fn of(miner: &Miner<'_>) -> Result<Self> {
        let (mut all, mut partitions) = (Self::default(), Vec::new());
        miner.for_each_partition(&mut |_, _, partition| {
            partitions.push(partition);
            if partitions.len() == HELD_PARTITIONS {
                all = all.with(&Self::over(partitions.iter()));
                partitions.clear();
            }
            Ok(())
        })?;
        Ok(all.with(&Self::over(partitions.iter())))
    }

    /// Of its own partitions and those of another.
    fn with(&self, other: &Self) -> Self {
        let (faulty, unproven) = (self.faulty.union(&other.faulty), self.unproven.union(&other.unproven));
        let active = self.active.union(&other.active).difference(&faulty).difference(&unproven);
        Self { active, faulty, unproven, recovering: self.recovering.union(&other.recovering) }
    }

    /// Of some partitions.
    pub(super) fn over<'p>(partitions: impl Iterator<Item = &'p Partition> + Clone) -> Self {
        let live = SectorSet::union_of(partitions.clone().map(Partition::live).collect::<Vec<_>>().iter());
        let faulty =
            SectorSet::union_of(partitions.clone().map(|partition| &partition.faults)).intersection(&live);
        let unproven =
            SectorSet::union_of(partitions.clone().map(|partition| &partition.unproven)).intersection(&live);
        let recovering = SectorSet::union_of(partitions.map(|partition| &partition.recoveries));
        Self { active: live.difference(&faulty).difference(&unproven), faulty, unproven, recovering }
    }

    /// How many sectors live.
    pub(crate) fn live(&self) -> u64 {
        [&self.active, &self.faulty, &self.unproven]
            .map(SectorSet::len)
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Where one sector stands.
    pub(crate) fn status(&self, sector: SectorNumber) -> Status {
        if self.active.contains(sector.0) {
            Status::Active
        } else if self.faulty.contains(sector.0) {
            Status::Faulty
        } else if self.unproven.contains(sector.0) {
            Status::Unproven
        } else {
            Status::None
        }
    }

    /// The sectors that stand elsewhere after.
    pub(super) fn moved_to(&self, after: &Self) -> SectorSet {
        SectorSet::union_of([
            &self.active.symmetric_difference(&after.active),
            &self.faulty.symmetric_difference(&after.faulty),
            &self.unproven.symmetric_difference(&after.unproven),
        ])
    }
}
