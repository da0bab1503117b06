//! What the calls of one tipset to one miner refute of each other.

use chain::state::{Extension, MinerCall, PartitionSectors, QualityUpgrade, ReplicaUpdate};
use chain::{Epoch, Result, SectorNumber, SectorSet};

use super::super::calls::Call;
use super::state_evidence::{StateEvidence, some};
use crate::event::Status;

/// A call among those that are not refuted so far.
pub(super) struct CallConflicts<'a, 's> {
    outcome: &'a StateEvidence<'a, 's>,
    earlier: &'a [Call],
    later: &'a [Call],
}

impl<'a, 's> CallConflicts<'a, 's> {
    /// Call number `at`.
    pub(super) fn new(outcome: &'a StateEvidence<'a, 's>, calls: &'a [Call], at: usize) -> Self {
        let (earlier, rest) = calls.split_at(at.min(calls.len()));
        Self { outcome, earlier, later: rest.get(1..).unwrap_or_default() }
    }

    fn others(&self) -> impl Iterator<Item = &'a Call> {
        self.earlier.iter().chain(self.later)
    }

    /// What the other calls allow the call to have done; `None` if they refute it.
    pub(super) fn allows(&self, call: &Call) -> Result<Option<MinerCall>> {
        let all = |refuted: bool| (!refuted).then(|| call.op.clone());
        Ok(match &call.op {
            MinerCall::Prove(activations) => {
                let mut proved = Vec::with_capacity(activations.len());
                for activation in activations {
                    if self.came(activation.sector)? {
                        proved.push(activation.clone());
                    }
                }
                some(proved).map(MinerCall::Prove)
            }
            MinerCall::Update(updates) => {
                let done = updates.iter().filter(|update| self.is_snapped(update));
                some(done.cloned().collect()).map(MinerCall::Update)
            }
            MinerCall::Terminate(places) => all(self.refutes_termination(places)?),
            MinerCall::DeclareFaults(places) => {
                all(places.iter().any(|place| self.was_sound_later(&place.sectors)))
            }
            MinerCall::Dispute { deadline, post } => {
                let places = self.outcome.changes.disputed(*deadline, *post)?;
                all(places.iter().any(|place| self.was_sound_later(&place.sectors)))
            }
            MinerCall::Extend(extensions) => self.extended(call, extensions)?.map(MinerCall::Extend),
            MinerCall::UpgradeQuality(upgrades) => all(self.refutes_upgrade(call, upgrades)?),
            MinerCall::Post { deadline, partitions } => {
                let partitions = partitions.iter().map(|place| self.skipped(*deadline, place)).collect();
                Some(MinerCall::Post { deadline: *deadline, partitions })
            }
            _ => all(false),
        })
    }

    /// Whether a sector that is to be onboarded stands in the state after, or was terminated and compacted away since.
    fn came(&self, sector: SectorNumber) -> Result<bool> {
        if self.outcome.changes.rewritten(sector).is_some() {
            return Ok(true);
        }
        let terminated = self.later.iter().any(|call| terminates(call, sector));
        Ok(terminated && self.outcome.changes.terms(sector)? == (None, None))
    }

    /// Whether the sector has the sealed CID that was asked for; or was snapped again, which takes an extension that
    /// drops what the first snap put in; or is gone.
    fn is_snapped(&self, update: &ReplicaUpdate) -> bool {
        let Some((_, Some(after))) = self.outcome.changes.rewritten(update.sector) else {
            return self.later.iter().any(|call| terminates(call, update.sector));
        };
        if after.sealed == update.sealed {
            return true;
        }
        let drops = |call: &Call| {
            matches!(&call.op, MinerCall::Extend(extensions)
                if extensions.iter().any(|one| one.drops_claims.contains(update.sector.0)))
        };
        let snaps_again = |call: &Call| {
            matches!(&call.op, MinerCall::Update(updates)
                if updates.iter().any(|one| one.sector == update.sector && one.sealed == after.sealed))
        };
        let dropped = self.later.iter().position(drops);
        dropped.is_some_and(|dropped| self.later[dropped..].iter().any(snaps_again))
    }

    /// A named sector was not there, or gone by then, or extended or snapped afterwards.
    fn refutes_termination(&self, places: &[PartitionSectors]) -> Result<bool> {
        for place in places {
            let gone = !self.outcome.gone_before()?.intersection(&place.sectors).is_empty();
            if gone || self.was_sound_later(&place.sectors) || self.is_left_to_later(&place.sectors) {
                return Ok(true);
            }
            let new = place.sectors.difference(&self.outcome.live.0);
            for sector in new.iter().map(SectorNumber) {
                if !self.earlier.iter().any(|call| call.op.proves(sector).is_some()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether later calls terminate all of the sectors, and one of them was still to be declared faulty, extended or
    /// snapped before: of what leaves no trace it is assumed that it took effect.
    fn is_left_to_later(&self, sectors: &SectorSet) -> bool {
        let mut left = sectors.clone();
        let mut changed = false;
        for call in self.later.iter().rev() {
            let asked = match &call.op {
                MinerCall::Terminate(places) => {
                    left = places.iter().fold(left, |left, place| left.difference(&place.sectors));
                    continue;
                }
                MinerCall::DeclareFaults(places) => {
                    SectorSet::union_of(places.iter().map(|one| &one.sectors))
                }
                MinerCall::Extend(extensions) => {
                    SectorSet::union_of(extensions.iter().map(|one| &one.sectors))
                }
                MinerCall::UpgradeQuality(upgrades) => {
                    SectorSet::union_of(upgrades.iter().map(|one| &one.sectors))
                }
                MinerCall::Update(updates) => {
                    SectorSet::from_numbers(updates.iter().map(|update| update.sector.0).collect())
                }
                _ => continue,
            };
            changed |= !asked.intersection(sectors).difference(&left).is_empty();
        }
        changed && left.is_empty()
    }

    /// Whether one of the sectors was active when a later call, as the outcome shows, changed its terms.
    fn was_sound_later(&self, sectors: &SectorSet) -> bool {
        (0..self.later.len()).any(|at| {
            let call = &self.later[at];
            let shows = |sector: u64| {
                sectors.contains(sector) && {
                    let others = self.others().filter(|other| !std::ptr::eq(*other, call));
                    shows_alone(self.outcome, call, SectorNumber(sector), others)
                }
            };
            match &call.op {
                MinerCall::Extend(extensions) => {
                    extensions.iter().any(|one| one.sectors.intersection(sectors).iter().any(shows))
                }
                MinerCall::UpgradeQuality(upgrades) => {
                    upgrades.iter().any(|one| one.sectors.intersection(sectors).iter().any(shows))
                }
                MinerCall::Update(updates) => updates.iter().any(|update| shows(update.sector.0)),
                _ => false,
            }
        })
    }

    /// What of an extension remains: sectors whose date it leaves as it is count only if nothing else explains their
    /// power base epoch.
    fn extended(&self, call: &Call, extensions: &[Extension]) -> Result<Option<Vec<Extension>>> {
        for extension in extensions {
            if self.refutes_terms(call, &extension.sectors, Some(extension.expiration))? {
                return Ok(None);
            }
        }
        let explained = self.explained(extensions);
        if explained.is_empty() {
            return Ok(Some(extensions.to_vec()));
        }
        let rest = extensions.iter().map(|one| Extension {
            sectors: one.sectors.difference(&explained),
            drops_claims: one.drops_claims.difference(&explained),
            dropped: one
                .dropped
                .iter()
                .filter(|(sector, _)| !explained.contains(sector.0))
                .copied()
                .collect(),
            expiration: one.expiration,
        });
        Ok(some(rest.filter(|one| !one.sectors.is_empty()).collect()))
    }

    /// The sectors of an extension to their own date whose power base epoch another call explains, unless another sector
    /// shows that the extension succeeded.
    fn explained(&self, extensions: &[Extension]) -> SectorSet {
        let mut explained = Vec::new();
        if self.outcome.version < 12 {
            return SectorSet::new();
        }
        for extension in extensions {
            for sector in extension.sectors.iter().map(SectorNumber) {
                let Some((Some(before), _)) = self.outcome.changes.rewritten(sector) else { continue };
                if extension.expiration == before.expiration
                    && self.others().any(|other| rebases(other, sector, extension.expiration))
                {
                    explained.push(sector.0);
                } else if asks(self.others(), sector, extension.expiration).is_none()
                    && self.shows(sector, extension.expiration)
                {
                    return SectorSet::new();
                }
            }
        }
        SectorSet::from_numbers(explained)
    }

    /// Whether the sector's expiration rose to what was asked.
    fn shows(&self, sector: SectorNumber, expiration: Epoch) -> bool {
        matches!(self.outcome.changes.rewritten(sector), Some((Some(before), Some(after)))
            if before.expiration < expiration && after.expiration == expiration)
    }

    /// A partition of a window `PoSt`, and what it skips of it. Of two that cover a partition and agree on all that the
    /// outcome shows, the one that recovers what leaves at once is believed.
    fn skipped(&self, deadline: u64, place: &PartitionSectors) -> PartitionSectors {
        let leaving = place
            .sectors
            .intersection(&self.outcome.changes.status_sets().0.recovering)
            .difference(&self.outcome.live.1);
        let mut skipped = place.sectors.clone();
        if leaving.is_empty() {
            return place.clone();
        }
        for other in self.others() {
            if let MinerCall::Post { deadline: same, partitions } = &other.op
                && *same == deadline
                && let Some(other) = partitions.iter().find(|other| other.partition == place.partition)
            {
                skipped = skipped.difference(&leaving.difference(&other.sectors));
            }
        }
        PartitionSectors { sectors: skipped, ..place.clone() }
    }

    fn refutes_upgrade(&self, call: &Call, upgrades: &[QualityUpgrade]) -> Result<bool> {
        for upgrade in upgrades {
            if self.refutes_terms(call, &upgrade.sectors, upgrade.expiration)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A named sector was not active by then, or leaves later than was asked though neither the call, which may name it
    /// again, nor a later one asks for that.
    fn refutes_terms(&self, call: &Call, sectors: &SectorSet, expiration: Option<Epoch>) -> Result<bool> {
        for sector in sectors.iter().map(SectorNumber) {
            let after = self.outcome.changes.rewritten(sector).and_then(|(_, after)| after.as_ref());
            if let (Some(expiration), Some(after)) = (expiration, after)
                && after.expiration > expiration
                && asks(self.later.iter().chain([call]), sector, after.expiration).is_none()
            {
                return Ok(true);
            }
            if !self.was_active(sector)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the sector was active when the call came. Of one that did not change at all, its terms show enough.
    fn was_active(&self, sector: SectorNumber) -> Result<bool> {
        let changes = self.outcome.changes;
        if changes.rewritten(sector).is_none() && !self.outcome.seen.contains(sector.0) {
            return Ok(true);
        }
        if self.outcome.gone_before()?.contains(sector.0) {
            return Ok(false);
        }
        let mut status = changes.statuses(sector)?.0;
        for call in self.earlier {
            match &call.op {
                MinerCall::Terminate(_) if terminates(call, sector) => return Ok(false),
                MinerCall::DeclareFaults(places) if named(places, sector) => status = Status::Faulty,
                MinerCall::Post { deadline, partitions } => {
                    status = self.posted(sector, status, *deadline, partitions);
                }
                _ => {}
            }
        }
        Ok(status == Status::Active)
    }

    /// Where a sector stands after a window `PoSt`.
    fn posted(
        &self,
        sector: SectorNumber,
        status: Status,
        deadline: u64,
        partitions: &[PartitionSectors],
    ) -> Status {
        let changes = self.outcome.changes;
        let Some(place) = changes
            .location(sector)
            .filter(|location| location.deadline == deadline)
            .and_then(|location| partitions.iter().find(|place| place.partition == location.partition))
        else {
            return status;
        };
        match status {
            _ if place.sectors.contains(sector.0) => Status::Faulty,
            Status::Unproven => Status::Active,
            Status::Faulty if changes.was_recovering(sector) => Status::Active,
            status => status,
        }
    }
}

/// Whether a place names the sector.
pub(super) fn named(places: &[PartitionSectors], sector: SectorNumber) -> bool {
    places.iter().any(|place| place.sectors.contains(sector.0))
}

fn terminates(call: &Call, sector: SectorNumber) -> bool {
    matches!(&call.op, MinerCall::Terminate(places) if named(places, sector))
}

/// The first of the calls that asks for that expiration of the sector.
pub(super) fn asks<'c>(
    calls: impl IntoIterator<Item = &'c Call>,
    sector: SectorNumber,
    expiration: Epoch,
) -> Option<&'c Call> {
    calls.into_iter().find(|call| match &call.op {
        MinerCall::Extend(extensions) => {
            extensions.iter().any(|one| one.expiration == expiration && one.sectors.contains(sector.0))
        }
        MinerCall::UpgradeQuality(upgrades) => {
            upgrades.iter().any(|one| one.expiration == Some(expiration) && one.sectors.contains(sector.0))
        }
        _ => false,
    })
}

/// Whether a call sets the sector's power base epoch in a way that leaves another trace than an extension to the date
/// `expiration`, its own, does.
fn rebases(call: &Call, sector: SectorNumber, expiration: Epoch) -> bool {
    match &call.op {
        MinerCall::Update(updates) => updates.iter().any(|update| update.sector == sector),
        MinerCall::Extend(extensions) => {
            extensions.iter().any(|one| one.expiration > expiration && one.sectors.contains(sector.0))
        }
        MinerCall::UpgradeQuality(upgrades) => upgrades.iter().any(|one| one.sectors.contains(sector.0)),
        _ => false,
    }
}

/// Whether the sector's terms after are what the call asked for, and none of the other calls asks for the same.
pub(super) fn shows_alone<'c>(
    outcome: &StateEvidence<'_, '_>,
    call: &Call,
    sector: SectorNumber,
    others: impl Iterator<Item = &'c Call>,
) -> bool {
    let Some((Some(before), Some(after))) = outcome.changes.rewritten(sector) else { return false };
    match &call.op {
        MinerCall::Update(updates) => {
            let asks = |updates: &[ReplicaUpdate]| {
                updates.iter().any(|update| update.sector == sector && update.sealed == after.sealed)
            };
            let same = |other: &Call| matches!(&other.op, MinerCall::Update(updates) if asks(updates));
            before.sealed != after.sealed && asks(updates) && !others.into_iter().any(same)
        }
        MinerCall::Extend(_) | MinerCall::UpgradeQuality(_) => {
            before.expiration < after.expiration
                && asks([call], sector, after.expiration).is_some()
                && asks(others, sector, after.expiration).is_none()
        }
        _ => false,
    }
}
