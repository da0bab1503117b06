//! What of a miner is not the same before and after a tipset.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use chain::state::{
    ChangedPartition, ExpirationSet, Miner, Partition, PartitionSectors, Precommit, Sector, SectorRef,
};
use chain::{EPOCHS_PER_DAY, Epoch, Error, Result, SectorNumber, SectorSet, Transition, work};

use super::deadline_ends::{DeadlineEnds, PERIOD};
use super::partition_change::{PartitionChange, QueuedExpiration, SectorLocation};
use super::status_sets::SectorStatusSets;
use super::terms::Terms;
use crate::event::Status;

/// The actors versions whose CC upgrades schedule the old sector to leave before the deadlines' crons run. Actors v1 run
/// them the other way round (specs-actors v0.9.14 `power_actor.go`, `OnEpochTickEnd`), so that a sector replaced in its
/// deadline's last epoch leaves a day later; from v7 nothing is replaced.
const REPLACES_AT_ONCE: std::ops::RangeInclusive<u8> = 2..=6;
/// More sectors than a miner ever changes in a tipset, far above `SECTORS_MAX` of one proving period's faults.
const MOST_CHANGED: u64 = 1 << 26;

/// The fields of a sector that events contain: not how it will be extended.
fn meant<'b>(found: &Option<SectorRef<'b>>) -> Option<SectorRef<'b>> {
    found.map(|found| SectorRef { sector: Sector { simple_qap: false, ..found.sector }, ..found })
}

/// Everything of a miner that is not the same before and after a tipset.
pub(super) struct MinerChanges<'s> {
    before: Option<Miner<'s>>,
    after: Option<Miner<'s>>,
    version: u8,
    /// Whether a migration came in between.
    pub(super) migrated: bool,
    partitions: Vec<PartitionChange<'s>>,
    status_sets: (SectorStatusSets, SectorStatusSets),
    /// Of all partitions, read only if it is needed.
    everywhere: OnceCell<SectorStatusSets>,
    sectors: BTreeMap<SectorNumber, (Option<Terms>, Option<Terms>)>,
    /// The sectors that moved, and of these the terms that stayed; read if one is asked for.
    unchanged: OnceCell<(SectorSet, BTreeMap<SectorNumber, Terms>)>,
    /// Pre-commits before and after, by number.
    pub(super) precommits: BTreeMap<SectorNumber, (Option<Precommit>, Option<Precommit>)>,
    /// When deadlines ended.
    pub(super) deadline_ends: DeadlineEnds,
    /// Sectors for which a sector that was pre-committed to replace them came.
    replaced: BTreeSet<SectorNumber>,
    height: Epoch,
}

impl<'s> MinerChanges<'s> {
    /// Of a miner before and after, one of which is there. `migrated` says whether a state migration came in between.
    pub(super) fn between(
        before: Option<&Miner<'s>>,
        after: Option<&Miner<'s>>,
        migrated: bool,
        transition: &Transition,
    ) -> Result<Self> {
        let mut changes = Self {
            version: after.or(before).map_or(1, |miner| miner.layout().version),
            migrated,
            partitions: Vec::new(),
            status_sets: (SectorStatusSets::default(), SectorStatusSets::default()),
            everywhere: OnceCell::new(),
            sectors: BTreeMap::new(),
            unchanged: OnceCell::new(),
            precommits: BTreeMap::new(),
            deadline_ends: DeadlineEnds::NONE,
            replaced: BTreeSet::new(),
            height: transition.height,
            before: before.cloned(),
            after: after.cloned(),
        };
        match (before, after) {
            (Some(old), Some(new)) => changes.compare(old, new, transition)?,
            (None, Some(new)) => changes.take_all(new, false)?,
            (Some(old), None) => {
                changes.take_all(old, true)?;
                if !migrated {
                    changes.deadline_ends = DeadlineEnds::until_deletion(old, transition);
                }
            }
            (None, None) => {}
        }
        let seen = |side: fn(&ChangedPartition) -> Option<&Partition>| {
            SectorStatusSets::over(
                changes.partitions.iter().filter_map(move |partition| side(&partition.change)),
            )
        };
        changes.status_sets = (seen(|change| change.before.as_ref()), seen(|change| change.after.as_ref()));
        Ok(changes)
    }

    fn compare(&mut self, old: &Miner<'s>, new: &Miner<'s>, transition: &Transition) -> Result<()> {
        let changed = new.changed_partitions(old)?;
        self.partitions =
            changed.into_iter().map(|change| PartitionChange::of(change, Some(old.clone()))).collect();
        new.diff_sectors(old, &mut |number, old, new| {
            // Migrations rewrite sectors with the same meaning: compare what is decoded, except for what no event contains.
            if meant(&old) != meant(&new) {
                let old = old.as_ref().map(Terms::of).transpose()?;
                let new = new.as_ref().map(Terms::of).transpose()?;
                self.spend(work::RETAINED)?;
                self.sectors.insert(number, (old, new));
            }
            Ok(())
        })?;
        new.diff_precommits(old, &mut |number, old, new| {
            self.spend(work::RETAINED)?;
            self.precommits.insert(number, (old, new));
            Ok(())
        })?;
        self.deadline_ends = DeadlineEnds::between(old, new, transition);
        if REPLACES_AT_ONCE.contains(&self.version) {
            let replacing = |(number, (old, _)): (&SectorNumber, &(Option<Precommit>, _))| {
                old.as_ref().filter(|_| self.is_new(*number)).and_then(|precommit| precommit.replaces)
            };
            self.replaced = self.precommits.iter().filter_map(replacing).collect();
        }
        Ok(())
    }

    /// A miner that is there on one side only: everything that it has is new, or gone.
    fn take_all(&mut self, miner: &Miner<'s>, gone: bool) -> Result<()> {
        fn sides<T>(found: T, gone: bool) -> (Option<T>, Option<T>) {
            if gone { (Some(found), None) } else { (None, Some(found)) }
        }
        for (deadline, index, partition) in miner.all_partitions()? {
            let (before, after) = sides(partition, gone);
            let change = ChangedPartition { deadline, index, before, after };
            self.partitions.push(PartitionChange::of(change, gone.then(|| miner.clone())));
        }
        miner.for_each_sector(&mut |found| {
            self.spend(work::RETAINED)?;
            self.sectors.insert(found.sector.number, sides(Terms::of(&found)?, gone));
            Ok(())
        })?;
        miner.for_each_precommit(&mut |precommit| {
            self.spend(work::RETAINED)?;
            self.precommits.insert(precommit.number, sides(precommit, gone));
            Ok(())
        })
    }

    /// Counts work that is done for it.
    ///
    /// # Errors
    /// If it is more than the chain's files can need.
    pub(super) fn spend(&self, work: u64) -> Result<()> {
        self.before.as_ref().or(self.after.as_ref()).map_or(Ok(()), |miner| miner.store().spend(work))
    }

    /// Work of telling one sector that is there, beside what it asks for: among its partitions it is looked for several
    /// times, and each end of its deadline may have done something to it.
    pub(super) fn work_of_sector(&self) -> u64 {
        let ends = self.deadline_ends.periods();
        work::ITEM + work::LOOKUP * (16 * self.partitions.len() as u64).saturating_add(8 * ends)
    }

    /// Whether the miner itself is gone.
    pub(super) const fn deleted(&self) -> bool {
        self.after.is_none()
    }

    /// Whether the layout knows an unproven set (from actors v2).
    pub(super) const fn proves(&self) -> bool {
        self.version > 1
    }

    /// Epochs after which a faulty sector is dropped (`FaultMaxAge`): 14 days up to actors v5, 42 from v6.
    pub(super) const fn fault_age(&self) -> i64 {
        EPOCHS_PER_DAY * if self.version < 6 { 14 } else { 42 }
    }

    /// Whether a sector came in this tipset that was pre-committed to replace this one, by actors that schedule it to
    /// leave before they run the ends of deadlines.
    pub(super) fn was_replaced(&self, sector: SectorNumber) -> bool {
        self.replaced.contains(&sector)
    }

    /// The numbers of the sectors that changed in status or in terms.
    pub(super) fn changed(&self) -> Result<SectorSet> {
        let moved = self.status_sets.0.changed_in(&self.status_sets.1);
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
        self.version
    }

    /// Height of the tipset.
    pub(super) const fn height(&self) -> Epoch {
        self.height
    }

    /// Begin of one of the miner's proving periods, as the state before has it.
    pub(super) fn period_start(&self) -> Epoch {
        let miner = self.before.as_ref().or(self.after.as_ref());
        miner.map_or(Epoch(0), |miner| miner.proving_period_start)
    }

    /// Where the sectors of the changed partitions stood and stand.
    pub(super) const fn status_sets(&self) -> &(SectorStatusSets, SectorStatusSets) {
        &self.status_sets
    }

    /// The partitions that changed.
    pub(super) fn changed_partitions(&self) -> impl Iterator<Item = &ChangedPartition> {
        self.partitions.iter().map(|partition| &partition.change)
    }

    /// A partition that did not change, as it is; `None` if there is none such.
    pub(super) fn unchanged_partition(&self, deadline: u64, index: u64) -> Result<Option<Partition>> {
        self.after.as_ref().map_or(Ok(None), |miner| miner.partition(deadline, index))
    }

    /// Which partitions of a deadline have their window `PoSt` in, in the state before.
    pub(super) fn posted_before(&self, deadline: u64) -> Result<SectorSet> {
        self.before.as_ref().map_or_else(|| Ok(SectorSet::new()), |miner| miner.partitions_posted(deadline))
    }

    /// A sector's terms before and after, if it changed.
    pub(super) fn rewritten(&self, sector: SectorNumber) -> Option<&(Option<Terms>, Option<Terms>)> {
        self.sectors.get(&sector)
    }

    /// Of the sectors of the changed partitions, those that the crons of null rounds took, as the queue before says. Up to
    /// actors v8 what had come due a proving period before may have been left out of the deadline's queue, and live on.
    pub(super) fn due_in_null_rounds(&self) -> Result<SectorSet> {
        let mut taken = Vec::new();
        for PartitionChange { change, miner, .. } in &self.partitions {
            let ends = self.deadline_ends.of(change.deadline).take_while(|end| *end < self.height);
            if let (Some(miner), Some(before), Some(last)) = (miner, &change.before, ends.last()) {
                let due = before.expirations_until(miner.store(), last)?.into_iter();
                let in_time = due.filter(|entry| self.version() >= 9 || last - entry.epoch < PERIOD);
                taken.extend(in_time.flat_map(|entry| [entry.on_time, entry.early]));
            }
        }
        Ok(SectorSet::union_of(&taken))
    }

    /// Where a sector stood and stands.
    pub(super) fn statuses(&self, sector: SectorNumber) -> Result<(Status, Status)> {
        let changed = (self.status_sets.0.status(sector), self.status_sets.1.status(sector));
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
        if self.everywhere.get().is_none()
            && let Some(after) = &self.after
        {
            let _ = self.everywhere.set(SectorStatusSets::of(after)?);
        }
        let status = self.everywhere.get_or_init(SectorStatusSets::default).status(sector);
        Ok((status, status))
    }

    /// Whether a sector was declared to recover.
    pub(super) fn was_recovering(&self, sector: SectorNumber) -> bool {
        self.status_sets.0.recovering.contains(sector.0)
    }

    /// A sector's terms before and after; where they did not change, those in the state.
    pub(super) fn terms(&self, sector: SectorNumber) -> Result<(Option<Terms>, Option<Terms>)> {
        if let Some(terms) = self.sectors.get(&sector) {
            return Ok(terms.clone());
        }
        let Some(miner) = self.before.as_ref().or(self.after.as_ref()) else {
            return Ok((None, None));
        };
        if self.unchanged.get().is_none() {
            // Those that moved are asked for one by one, and lie together.
            let (mut moved, mut terms) = (self.changed()?, BTreeMap::new());
            moved = moved.difference(&SectorSet::from_numbers(self.sectors.keys().map(|of| of.0).collect()));
            miner.for_each_sector_in(&moved, &mut |found| {
                self.spend(work::RETAINED)?;
                terms.insert(found.sector.number, Terms::of(&found)?);
                Ok(())
            })?;
            let _ = self.unchanged.set((moved, terms));
        }
        let terms = match self.unchanged.get() {
            Some((moved, terms)) if moved.contains(sector.0) => terms.get(&sector).cloned(),
            _ => miner.sector(sector, |found| Terms::of(&found))?.transpose()?,
        };
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
    pub(super) fn location(&self, sector: SectorNumber) -> Option<SectorLocation> {
        self.partition_of(sector)
            .map(|found| SectorLocation { deadline: found.change.deadline, partition: found.change.index })
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
            Some(miner) => miner.partitions_posted(found.change.deadline)?.contains(found.change.index),
            None => false,
        };
        Ok(*found.posted.get_or_init(|| posted))
    }

    /// The sectors that a dispute of a deadline's proof is about, by partition, as the state before has them.
    pub(super) fn disputed(&self, deadline: u64, post: u64) -> Result<Vec<PartitionSectors>> {
        let Some(before) = &self.before else { return Ok(Vec::new()) };
        // A deadline that closed twice before the messages has had no proof since.
        let closed = self.deadline_ends.of(deadline).filter(|end| *end < self.height).count();
        if closed > 1 { Ok(Vec::new()) } else { before.disputed(deadline, post, closed == 1) }
    }

    /// From when the state before schedules the sector to leave at the end of its deadline, if by now, and how.
    pub(super) fn queued_expiration(
        &self,
        sector: SectorNumber,
    ) -> Result<Option<(Epoch, QueuedExpiration)>> {
        let Some(found) = self.partition_of(sector) else {
            return Ok(None);
        };
        if found.due.get().is_none() {
            let due = match (&found.miner, &found.change.before) {
                (Some(miner), Some(partition)) => partition.expirations_until(miner.store(), self.height)?,
                _ => Default::default(),
            };
            let _ = found.due.set(due);
        }
        self.spend(work::LOOKUP * found.due.get().map_or(0, Vec::len) as u64)?;
        let due = |entry: &ExpirationSet| match sector.0 {
            sector if entry.on_time.contains(sector) => Some((entry.epoch, QueuedExpiration::OnTime)),
            sector if entry.early.contains(sector) => Some((entry.epoch, QueuedExpiration::Early)),
            _ => None,
        };
        Ok(found.due.get_or_init(Default::default).iter().find_map(due))
    }
}
