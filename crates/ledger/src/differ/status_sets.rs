//! Where the sectors of a miner stand.

use chain::state::{Miner, Partition};
use chain::{Result, SectorNumber, SectorSet, SectorSetUnion};

use crate::event::Status;

/// Where the sectors of some partitions stand. The sets are unions over partitions: compaction renumbers
/// partitions and may move them, so they are never compared one by one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SectorStatusSets {
    pub(super) active: SectorSet,
    pub(super) faulty: SectorSet,
    pub(super) unproven: SectorSet,
    pub(super) recovering: SectorSet,
}

impl SectorStatusSets {
    /// Of all partitions of a miner, none of which is held: one block may stand for very many of them.
    pub(crate) fn of(miner: &Miner<'_>) -> Result<Self> {
        let mut all = SectorStatusSetsBuilder::default();
        miner.for_each_partition(&mut |_, _, partition| {
            all.add(&partition);
            Ok(())
        })?;
        Ok(all.finish())
    }

    /// Of some partitions.
    pub(super) fn over<'p>(partitions: impl Iterator<Item = &'p Partition>) -> Self {
        let mut all = SectorStatusSetsBuilder::default();
        partitions.for_each(|partition| all.add(partition));
        all.finish()
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

    /// The sectors that stand elsewhere in another.
    pub(super) fn changed_in(&self, after: &Self) -> SectorSet {
        SectorSet::union_of([
            &self.active.symmetric_difference(&after.active),
            &self.faulty.symmetric_difference(&after.faulty),
            &self.unproven.symmetric_difference(&after.unproven),
        ])
    }
}

/// The sets of partitions, added up.
#[derive(Default)]
struct SectorStatusSetsBuilder {
    live: SectorSetUnion,
    faulty: SectorSetUnion,
    unproven: SectorSetUnion,
    recovering: SectorSetUnion,
}

impl SectorStatusSetsBuilder {
    fn add(&mut self, partition: &Partition) {
        match partition.terminated.is_empty() {
            true => self.live.add(&partition.sectors),
            false => self.live.add(&partition.live()),
        }
        self.faulty.add(&partition.faults);
        self.unproven.add(&partition.unproven);
        self.recovering.add(&partition.recoveries);
    }

    fn finish(self) -> SectorStatusSets {
        let live = self.live.set();
        let (faulty, unproven) =
            (self.faulty.set().intersection(&live), self.unproven.set().intersection(&live));
        let active = live.difference(&faulty).difference(&unproven);
        SectorStatusSets { active, faulty, unproven, recovering: self.recovering.set() }
    }
}
