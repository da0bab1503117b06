//! What of a miner is not the same before and after a tipset.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use chain::state::{ChangedPartition, Miner, Partition, Precommit};
use chain::{BlockStore, Epoch, Error, Result, SectorNumber, SectorSet, Transition};

use super::terms::Terms;
use crate::event::Status;

pub(super) const DEADLINES: i64 = 48;
/// Epochs of a deadline (`WPoStChallengeWindow`).
pub(super) const WINDOW: i64 = 60;
/// More closings than any stretch of null rounds holds: a bound on what a hostile state can ask for.
const MOST_CLOSINGS: i64 = 4 * DEADLINES;
/// More sectors than a miner ever changes in a tipset, far above `SECTORS_MAX` of one proving period's faults.
const MOST_CHANGED: u64 = 1 << 26;

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

    fn over<'p>(partitions: impl Iterator<Item = &'p Partition> + Clone) -> Self {
        let live = SectorSet::union_of(partitions.clone().map(Partition::live).collect::<Vec<_>>().iter());
        let faulty =
            SectorSet::union_of(partitions.clone().map(|partition| &partition.faults)).intersection(&live);
        let unproven =
            SectorSet::union_of(partitions.clone().map(|partition| &partition.unproven)).intersection(&live);
        let recovering = SectorSet::union_of(partitions.map(|partition| &partition.recoveries));
        Self { active: live.difference(&faulty).difference(&unproven), faulty, unproven, recovering }
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

    fn moved_to(&self, after: &Self) -> SectorSet {
        SectorSet::union_of([
            &self.active.symmetric_difference(&after.active),
            &self.faulty.symmetric_difference(&after.faulty),
            &self.unproven.symmetric_difference(&after.unproven),
        ])
    }
}

/// The end of a deadline, when its cron ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) epoch: Epoch,
    pub(super) deadline: u64,
}

/// Where a sector's partition is, and when it is to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) deadline: u64,
    pub(super) partition: u64,
}

/// Everything of a miner that is not the same before and after a tipset.
pub(super) struct MinerChanges<'s> {
    before: Option<Miner<'s>>,
    after: Miner<'s>,
    /// Whether the two states are of different actors versions.
    pub(super) migrated: bool,
    /// Whether the layout knows an unproven set (from actors v2).
    pub(super) proves: bool,
    partitions: Vec<PartitionChange<'s>>,
    standing: (Standing, Standing),
    /// Of all partitions, read only if it is needed.
    everywhere: OnceCell<Standing>,
    sectors: BTreeMap<SectorNumber, (Option<Terms>, Option<Terms>)>,
    /// Pre-commits before and after, by number.
    pub(super) precommits: BTreeMap<SectorNumber, (Option<Precommit>, Option<Precommit>)>,
    /// Deadlines that closed, in order.
    pub(super) closings: Vec<Closing>,
    height: Epoch,
}

/// A changed partition, and of it what is read only if it is needed.
struct PartitionChange<'s> {
    change: ChangedPartition,
    miner: Option<Miner<'s>>,
    due: OnceCell<(SectorSet, SectorSet)>,
    posted: OnceCell<bool>,
    fallen: OnceCell<bool>,
}

impl<'s> MinerChanges<'s> {
    pub(super) fn between(
        before: &Option<Miner<'s>>,
        after: &Miner<'s>,
        transition: &Transition,
    ) -> Result<Self> {
        let mut changes = Self {
            migrated: before.as_ref().is_some_and(|old| old.layout().version != after.layout().version),
            proves: after.layout().version > 1,
            partitions: Vec::new(),
            standing: (Standing::default(), Standing::default()),
            everywhere: OnceCell::new(),
            sectors: BTreeMap::new(),
            precommits: BTreeMap::new(),
            closings: Vec::new(),
            height: transition.height,
            before: before.clone(),
            after: after.clone(),
        };
        match before {
            Some(old) => changes.compare(old, after, transition)?,
            None => changes.add_all(after)?,
        }
        let seen = |side: fn(&ChangedPartition) -> Option<&Partition>| {
            Standing::over(changes.partitions.iter().filter_map(move |partition| side(&partition.change)))
        };
        changes.standing = (seen(|change| change.before.as_ref()), seen(|change| change.after.as_ref()));
        Ok(changes)
    }

    fn compare(&mut self, old: &Miner<'s>, new: &Miner<'s>, transition: &Transition) -> Result<()> {
        let partition = |change| PartitionChange {
            change,
            miner: Some(old.clone()),
            due: OnceCell::new(),
            posted: OnceCell::new(),
            fallen: OnceCell::new(),
        };
        self.partitions = new.changed_partitions(old)?.into_iter().map(partition).collect();
        new.diff_sectors(old, &mut |number, old, new| {
            // Migrations rewrite sectors with the same meaning: compare what is decoded.
            if old != new {
                let old = old.as_ref().map(Terms::of).transpose()?;
                let new = new.as_ref().map(Terms::of).transpose()?;
                self.sectors.insert(number, (old, new));
            }
            Ok(())
        })?;
        new.diff_precommits(old, &mut |number, old, new| {
            self.precommits.insert(number, (old, new));
            Ok(())
        })?;
        self.closings = closings(old, new, transition);
        Ok(())
    }

    /// A miner that did not exist before: everything it has is new.
    fn add_all(&mut self, new: &Miner<'s>) -> Result<()> {
        new.for_each_partition(&mut |deadline, index, partition| {
            let change = ChangedPartition { deadline, index, before: None, after: Some(partition) };
            self.partitions.push(PartitionChange {
                change,
                miner: None,
                due: OnceCell::new(),
                posted: OnceCell::new(),
                fallen: OnceCell::new(),
            });
            Ok(())
        })?;
        new.for_each_sector(&mut |found| {
            self.sectors.insert(found.sector.number, (None, Some(Terms::of(&found)?)));
            Ok(())
        })?;
        new.for_each_precommit(&mut |precommit| {
            self.precommits.insert(precommit.number, (None, Some(precommit)));
            Ok(())
        })
    }

    /// Where the blocks of both states come from.
    pub(super) fn store(&self) -> &'s dyn BlockStore {
        self.after.store()
    }

    /// The numbers of the sectors that changed in standing or in terms.
    pub(super) fn changed(&self) -> Result<SectorSet> {
        let moved = self.standing.0.moved_to(&self.standing.1);
        if moved.len() > MOST_CHANGED {
            return Err(Error::Chain(format!(
                "a miner whose partitions claim {} changed sectors in one tipset",
                moved.len()
            )));
        }
        let rewritten = SectorSet::from_numbers(self.sectors.keys().map(|number| number.0).collect());
        Ok(moved.union(&rewritten))
    }

    /// The actors version that the tipset's messages met: a migration comes before them.
    pub(super) const fn version(&self) -> u8 {
        self.after.layout().version
    }

    /// Height of the tipset.
    pub(super) const fn height(&self) -> Epoch {
        self.height
    }

    /// Begin of one of the miner's proving periods, as the state before has it.
    pub(super) fn period_start(&self) -> Epoch {
        self.before.as_ref().unwrap_or(&self.after).proving_period_start
    }

    /// Where the sectors of the changed partitions stood and stand.
    pub(super) const fn standing(&self) -> &(Standing, Standing) {
        &self.standing
    }

    /// The partitions that changed.
    pub(super) fn changed_partitions(&self) -> impl Iterator<Item = &ChangedPartition> {
        self.partitions.iter().map(|partition| &partition.change)
    }

    /// A partition that did not change, as it is; `None` if there is none such.
    pub(super) fn unchanged_partition(&self, deadline: u64, index: u64) -> Result<Option<Partition>> {
        self.after.partition(deadline, index)
    }

    /// Which partitions of a deadline have their window `PoSt` in, in the state before.
    pub(super) fn posted_before(&self, deadline: u64) -> Result<SectorSet> {
        self.before.as_ref().map_or_else(|| Ok(SectorSet::new()), |miner| miner.posted(deadline))
    }

    /// A sector's terms before and after, if it changed.
    pub(super) fn rewritten(&self, sector: SectorNumber) -> Option<&(Option<Terms>, Option<Terms>)> {
        self.sectors.get(&sector)
    }

    /// Of the sectors of the changed partitions, those that the crons of null rounds took, as the queue before says.
    pub(super) fn due_in_null_rounds(&self) -> Result<SectorSet> {
        let mut taken = Vec::new();
        for closing in self.closings.iter().filter(|closing| closing.epoch < self.height) {
            for PartitionChange { change, miner, .. } in &self.partitions {
                if let (Some(miner), Some(before)) = (miner, &change.before)
                    && change.deadline == closing.deadline
                {
                    let (on_time, early) = before.due(miner.store(), closing.epoch)?;
                    taken.extend([on_time, early]);
                }
            }
        }
        Ok(SectorSet::union_of(&taken))
    }

    /// Where a sector stood and stands.
    pub(super) fn statuses(&self, sector: SectorNumber) -> Result<(Status, Status)> {
        let changed = (self.standing.0.status(sector), self.standing.1.status(sector));
        if changed != (Status::None, Status::None) || self.partition_of(sector).is_some() {
            return Ok(changed);
        }
        let (known, rewritten) = match self.sectors.get(&sector) {
            Some((before, after)) => (before.is_some(), after.is_some()),
            None => (false, false),
        };
        if !(known && rewritten) {
            return Ok(changed);
        }
        // Rewritten without its partition: it stands where it stood (a state migration does this).
        if self.everywhere.get().is_none() {
            let _ = self.everywhere.set(Standing::of(&self.after)?);
        }
        let status = self.everywhere.get_or_init(Standing::default).status(sector);
        Ok((status, status))
    }

    /// Whether a sector was declared to recover.
    pub(super) fn was_recovering(&self, sector: SectorNumber) -> bool {
        self.standing.0.recovering.contains(sector.0)
    }

    /// A sector's terms before and after; where they did not change, those in the state.
    pub(super) fn terms(&self, sector: SectorNumber) -> Result<(Option<Terms>, Option<Terms>)> {
        if let Some(terms) = self.sectors.get(&sector) {
            return Ok(terms.clone());
        }
        let miner = self.before.as_ref().unwrap_or(&self.after);
        let terms = miner.sector(sector, |found| Terms::of(&found))?.transpose()?;
        Ok((terms.clone(), terms))
    }

    /// Whether the sector is in the sectors array only after.
    pub(super) fn is_new(&self, sector: SectorNumber) -> bool {
        matches!(self.sectors.get(&sector), Some((None, Some(_))))
    }

    fn partition_of(&self, sector: SectorNumber) -> Option<&PartitionChange<'s>> {
        let holds = |partition: &Option<Partition>| {
            partition.as_ref().is_some_and(|partition| partition.sectors.contains(sector.0))
        };
        self.partitions
            .iter()
            .find(|partition| holds(&partition.change.before))
            .or_else(|| self.partitions.iter().find(|partition| holds(&partition.change.after)))
    }

    /// Where the sector's partition is: before, or for a new sector after.
    pub(super) fn seat(&self, sector: SectorNumber) -> Option<Seat> {
        self.partition_of(sector)
            .map(|found| Seat { deadline: found.change.deadline, partition: found.change.index })
    }

    /// Whether the state before has the window `PoSt` of the sector's partition in.
    pub(super) fn was_posted(&self, sector: SectorNumber) -> Result<bool> {
        let Some(found) = self.partition_of(sector) else {
            return Ok(false);
        };
        if let Some(posted) = found.posted.get() {
            return Ok(*posted);
        }
        let posted = match &found.miner {
            Some(miner) => miner.posted(found.change.deadline)?.contains(found.change.index),
            None => false,
        };
        Ok(*found.posted.get_or_init(|| posted))
    }

    /// Whether none of the sectors that were active in the sector's partition is so any more.
    pub(super) fn fell_whole(&self, sector: SectorNumber) -> bool {
        self.partition_of(sector).is_some_and(|found| {
            *found.fallen.get_or_init(|| {
                let active = |side: &Option<Partition>| Standing::over(side.iter()).active;
                active(&found.change.before).intersection(&active(&found.change.after)).is_empty()
            })
        })
    }

    /// Whether the state before schedules the sector to leave by now: on time, or early.
    pub(super) fn is_due(&self, sector: SectorNumber) -> Result<Due> {
        let Some(found) = self.partition_of(sector) else {
            return Ok(Due::Not);
        };
        if found.due.get().is_none() {
            let due = match (&found.miner, &found.change.before) {
                (Some(miner), Some(partition)) => partition.due(miner.store(), self.height)?,
                _ => Default::default(),
            };
            let _ = found.due.set(due);
        }
        let (on_time, early) = found.due.get_or_init(Default::default);
        Ok(if on_time.contains(sector.0) {
            Due::OnTime
        } else if early.contains(sector.0) {
            Due::Early
        } else {
            Due::Not
        })
    }
}

/// How the queue of expirations before a tipset says that a sector leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It does not, by the tipset's epoch.
    Not,
    /// At its time.
    OnTime,
    /// Before its time, for having been faulty too long.
    Early,
}

/// The deadlines that closed during a transition: those between the deadline current before and the one current
/// after, at the last epoch of each. A miner whose cron is asleep (actors v4 on) skips ahead when it wakes; it has
/// no sectors to which what it skips could matter.
fn closings(old: &Miner<'_>, new: &Miner<'_>, transition: &Transition) -> Vec<Closing> {
    let periods = new.proving_period_start - old.proving_period_start;
    let current = |miner: &Miner<'_>| i64::try_from(miner.current_deadline).unwrap_or(0);
    let steps =
        periods.div_euclid(WINDOW).saturating_add(current(new) - current(old)).clamp(0, MOST_CLOSINGS);
    (0..steps)
        .filter_map(|step| {
            let index = current(old) + step;
            let epoch = old.proving_period_start + ((index + 1) * WINDOW - 1);
            let deadline = u64::try_from(index.rem_euclid(DEADLINES)).ok()?;
            (epoch <= transition.height).then_some(Closing { epoch, deadline })
        })
        .collect()
}
