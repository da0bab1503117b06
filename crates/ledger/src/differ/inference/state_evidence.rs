//! What the two states alone refute.

use std::cell::OnceCell;

use chain::state::{Activation, MinerCall, Partition, PartitionSectors, ReplicaUpdate};
use chain::{Epoch, Result, SectorNumber, SectorSet};

use super::super::calls::Call;
use super::super::changes::MinerChanges;
use super::super::terms::Terms;
use super::proving_schedule::ProvingSchedule;

/// More sectors than any message may name (25,000 since actors v7, fewer before): one that names more failed.
pub(super) const MOST_NAMED: u64 = 1 << 16;

/// A miner before and after a tipset, as far as calls are checked against it.
pub(super) struct StateEvidence<'a, 's> {
    pub(super) changes: &'a MinerChanges<'s>,
    pub(super) height: Epoch,
    pub(super) version: u8,
    /// Sectors live before and after, of the partitions that changed.
    pub(super) live: (SectorSet, SectorSet),
    /// All sectors of the partitions that changed, before or after, dead ones included.
    pub(super) seen: SectorSet,
    gone_before: OnceCell<SectorSet>,
}

impl<'a, 's> StateEvidence<'a, 's> {
    pub(super) fn of(changes: &'a MinerChanges<'s>) -> Self {
        let (before, after) = changes.status_sets();
        let live = |of: &super::super::status_sets::SectorStatusSets| {
            SectorSet::union_of([&of.active, &of.faulty, &of.unproven])
        };
        let sides = changes.changed_partitions().flat_map(|change| [&change.before, &change.after]);
        let seen = SectorSet::union_of(sides.flatten().map(|partition| &partition.sectors));
        Self {
            changes,
            height: changes.height(),
            version: changes.version(),
            live: (live(before), live(after)),
            seen,
            gone_before: OnceCell::new(),
        }
    }

    /// What the states allow a call to have done; `None` if they refute it.
    pub(super) fn allows(&self, call: &Call, schedule: ProvingSchedule) -> Result<Option<MinerCall>> {
        let all = |refuted: bool| (!refuted).then(|| call.op.clone());
        Ok(match &call.op {
            MinerCall::Precommit(sectors) => all(!sectors.iter().all(|sector| self.is_precommitted(*sector))),
            MinerCall::Prove(activations) => {
                let proved = activations.iter().filter(|one| self.may_be_onboarded(one, call.method));
                some(proved.cloned().collect()).map(MinerCall::Prove)
            }
            MinerCall::Update(updates) => {
                let mutable = |update: &&ReplicaUpdate| !schedule.is_immutable(update.deadline);
                let done = updates.iter().filter(mutable).filter(|update| self.may_be_snapped(update));
                some(done.cloned().collect()).map(MinerCall::Update)
            }
            MinerCall::Terminate(places) => all(self.refutes_termination(places)?),
            MinerCall::DeclareFaults(places) => all(self.refutes_faults(places)?),
            MinerCall::Post { deadline, partitions } => {
                let partitions = self.proven(*deadline, partitions)?;
                partitions.map(|partitions| MinerCall::Post { deadline: *deadline, partitions })
            }
            MinerCall::Extend(extensions) => {
                let each = extensions.iter().map(|one| (&one.sectors, Some(one.expiration)));
                all(self.refutes_terms(each, false)?)
            }
            MinerCall::UpgradeQuality(upgrades) => {
                let each = upgrades.iter().map(|one| (&one.sectors, one.expiration));
                all(self.refutes_terms(each, true)?)
            }
            MinerCall::DeclareRecoveries(_) => all(false),
            MinerCall::Dispute { deadline, post } => {
                let places = self.changes.disputed(*deadline, *post)?;
                all(places.is_empty() || self.refutes_faults(&places)?)
            }
            // It deletes the miner of actors v1.
            MinerCall::ReportConsensusFault => all(!self.changes.deleted()),
            MinerCall::Other => None,
        })
    }

    /// Whether a pre-commit of the number appeared, or took the place of one that ran out.
    fn is_precommitted(&self, sector: SectorNumber) -> bool {
        self.changes.precommits.get(&sector).is_some_and(|(before, after)| {
            after.as_ref().is_some_and(|after| before.as_ref().is_none_or(|old| old.epoch != after.epoch))
        })
    }

    /// Whether the sector is new, and had the pre-commit that the method needs: none for method 36. One that neither state
    /// has may have come and gone within the tipset.
    fn may_be_onboarded(&self, activation: &Activation, method: u64) -> bool {
        let sector = activation.sector;
        let precommit = self.changes.precommits.get(&sector);
        let (had, has) = precommit.map_or((false, false), |(old, new)| (old.is_some(), new.is_some()));
        let fits = if method == 36 { !had } else { had };
        let came = match self.changes.rewritten(sector) {
            Some((before, _)) => before.is_none(),
            // Without a pre-commit, the message alone says for how long it comes.
            None if method == 36 => activation.commitment.is_some_and(|(_, until)| until > self.height),
            None => !has,
        };
        fits && came
    }

    /// Whether the sector's sealed CID changed to the one asked for; or the sector is gone, or was snapped again.
    fn may_be_snapped(&self, update: &ReplicaUpdate) -> bool {
        match self.changes.rewritten(update.sector) {
            Some((Some(before), Some(after))) => before.sealed != after.sealed,
            Some((Some(before), None)) => before.sealed != update.sealed,
            _ => false,
        }
    }

    /// A named sector is live after, or was dead before.
    fn refutes_termination(&self, places: &[PartitionSectors]) -> Result<bool> {
        for place in places {
            if too_many(&place.sectors) || !place.sectors.intersection(&self.live.1).is_empty() {
                return Ok(true);
            }
            // What was not live in a changed partition stands where it stood, or came within the tipset.
            for sector in place.sectors.difference(&self.live.0).iter().map(SectorNumber) {
                if self.changes.terms(sector)?.0.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A named sector is active or unproven before and after.
    fn refutes_faults(&self, places: &[PartitionSectors]) -> Result<bool> {
        let (before, after) = self.changes.status_sets();
        let sound = before.active.union(&before.unproven).intersection(&after.active.union(&after.unproven));
        for place in places {
            if too_many(&place.sectors) || !place.sectors.intersection(&sound).is_empty() {
                return Ok(true);
            }
            let elsewhere = place.sectors.difference(&self.seen);
            if elsewhere.is_empty() {
                continue;
            }
            let Some(partition) = self.changes.unchanged_partition(place.deadline, place.partition)? else {
                return Ok(true);
            };
            let dead_or_faulty = partition.terminated.union(&partition.faults);
            if !elsewhere.difference(&partition.sectors.intersection(&dead_or_faulty)).is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The partitions that a window `PoSt` may have proven; `None` if it failed. Source: builtin-actors,
    /// `submit_windowed_post`, `record_proven_sectors`.
    fn proven(
        &self,
        deadline: u64,
        partitions: &[PartitionSectors],
    ) -> Result<Option<Vec<PartitionSectors>>> {
        // Those whose proof the state before has: a second one fails, or in actors v1 and v2 does nothing.
        let reopened = self.changes.deadline_ends.of(deadline).next().is_some_and(|end| end < self.height);
        let posted = if reopened { SectorSet::new() } else { self.changes.posted_before(deadline)? };
        let second = |place: &&PartitionSectors| posted.contains(place.partition);
        if self.version >= 3 && partitions.iter().any(|place| second(&place)) {
            return Ok(None);
        }
        let mut proves = false;
        for place in partitions.iter().filter(|place| !second(place)) {
            match self.proven_of(deadline, place)? {
                Some(proven) => proves |= !proven.is_empty(),
                None => return Ok(None),
            }
        }
        // A message that skips whatever it could prove fails.
        let proven = partitions.iter().filter(|place| !second(place)).cloned().collect();
        Ok(some(proven).filter(|_| proves))
    }

    /// The sectors that a window `PoSt` may have proven in a partition; `None` if the outcome refutes that: one that it
    /// does not skip and that was active or unproven is faulty after, or one that was recovering is so still; one that
    /// it skips is sound after; or one is unproven still.
    fn proven_of(&self, deadline: u64, place: &PartitionSectors) -> Result<Option<SectorSet>> {
        let changed = self
            .changes
            .changed_partitions()
            .find(|change| (change.deadline, change.index) == (deadline, place.partition));
        let after = &self.changes.status_sets().1;
        let due_of = |partition: &Partition| {
            partition.live().difference(&partition.faults).union(&partition.recoveries)
        };
        let (due, faulty, sound) = match changed.map(|change| &change.before) {
            Some(Some(before)) => {
                let sound = after.active.union(&after.unproven).intersection(&before.sectors);
                let unproven = before.unproven.intersection(&after.unproven);
                (due_of(before), after.faulty.union(&unproven), sound)
            }
            // It came within the tipset, when it could not be proven.
            Some(None) => return Ok(None),
            None => match self.changes.unchanged_partition(deadline, place.partition)? {
                Some(partition) => {
                    let faulty = partition.faults.union(&partition.unproven);
                    let sound = partition.live().difference(&partition.faults);
                    (due_of(&partition), faulty, sound)
                }
                None => return Ok(None),
            },
        };
        let proven = due.difference(&place.sectors);
        let fits = proven.intersection(&faulty).is_empty() && place.sectors.intersection(&sound).is_empty();
        Ok(fits.then_some(proven))
    }

    /// A named sector's terms do not allow that it was extended, or upgraded.
    fn refutes_terms<'e>(
        &self,
        asked: impl Iterator<Item = (&'e SectorSet, Option<Epoch>)>,
        upgrade: bool,
    ) -> Result<bool> {
        for (sectors, expiration) in asked {
            if too_many(sectors) {
                return Ok(true);
            }
            for sector in sectors.iter().map(SectorNumber) {
                let refuted = match self.changes.rewritten(sector) {
                    Some((before, after)) => {
                        self.refutes_change(before.as_ref(), after.as_ref(), expiration, upgrade)
                    }
                    None => {
                        let (before, after) = self.changes.terms(sector)?;
                        self.refutes_change(before.as_ref(), after.as_ref(), expiration, upgrade)
                    }
                };
                if refuted {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The sector is new; or it was to leave later than is asked, or leaves before; or its power does not count from here
    /// on; or it did not get full quality. A sector that is gone shows nothing of what came after.
    fn refutes_change(
        &self,
        before: Option<&Terms>,
        after: Option<&Terms>,
        expiration: Option<Epoch>,
        upgrade: bool,
    ) -> bool {
        let Some(before) = before else { return true };
        let asked = expiration.unwrap_or(before.expiration);
        // One that has full quality is left as it is, unless its date moves.
        let rebased = !(upgrade && before.full_quality && asked == before.expiration);
        asked < before.expiration
            || after.is_some_and(|after| {
                after.expiration < asked
                    || (rebased && self.version >= 12 && after.power_base != self.height)
                    || (upgrade && !after.full_quality)
            })
    }

    /// Sectors that the crons of null rounds took before any message ran.
    pub(super) fn gone_before(&self) -> Result<&SectorSet> {
        if self.gone_before.get().is_none() {
            let _ = self.gone_before.set(self.changes.due_in_null_rounds()?.difference(&self.live.1));
        }
        Ok(self.gone_before.get_or_init(SectorSet::new))
    }
}

/// The list, if anything is in it.
pub(super) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn too_many(sectors: &SectorSet) -> bool {
    sectors.len() > MOST_NAMED
}
