//! Which events the outcome does not determine.

use std::cell::OnceCell;

use chain::state::{MinerCall, PartitionSectors};
use chain::{Result, SectorNumber, work};

use super::super::calls::{Call, items};
use super::super::steps::{Step, names};
use super::call_conflicts::{asks, named, shows_alone};
use super::inferred_calls::InferredCalls;
use super::state_evidence::StateEvidence;
use crate::event::{Event, Kind};

/// Marks those of a miner's events that are of an ambiguous kind, and counts them.
pub(in super::super) fn mark_uncertain(steps: &mut [Step], judged: &InferredCalls<'_, '_>) -> Result<u64> {
    let mut marked = 0;
    let (calls, Some(outcome)) = (&*judged.calls, &judged.evidence) else { return Ok(marked) };
    let doubt = Uncertainty { outcome, calls, confirmed: calls.iter().map(|_| OnceCell::new()).collect() };
    outcome.changes.spend((steps.len() as u64).saturating_mul(work::LOOKUP * 4 * items(calls)))?;
    for step in steps {
        let (event, call) = step.caused();
        let at = call.and_then(|call| calls.iter().position(|one| (one.index, one.method) == call));
        if let Some(at) = at
            && !calls[at].certain
            && doubt.is_on(event, at)?
        {
            event.uncertain = true;
            marked += 1;
        }
    }
    Ok(marked)
}

struct Uncertainty<'a, 's> {
    outcome: &'a StateEvidence<'a, 's>,
    calls: &'a [Call],
    /// Whether a call has an effect that no other explains.
    confirmed: Vec<OnceCell<bool>>,
}

impl Uncertainty<'_, '_> {
    /// Whether the event may not have happened, or not by call number `at`.
    fn is_on(&self, event: &Event, at: usize) -> Result<bool> {
        let (call, sector) = (&self.calls[at], event.sector);
        let changes = self.outcome.changes;
        let in_doubt = match event.kind {
            // The further of two shows nothing of the first, and a sector that is gone nothing at all.
            Kind::Extend | Kind::Adjust => match changes.rewritten(sector) {
                Some((_, Some(after))) => Some(after.expiration) > event.expiration_after,
                _ => true,
            },
            // The flag of full quality stays.
            Kind::Snap | Kind::Upgrade => !matches!(changes.rewritten(sector), Some((_, Some(_)))),
            Kind::Fault | Kind::Recover | Kind::Proven if matches!(call.op, MinerCall::Post { .. }) => {
                self.is_gone(sector)
            }
            Kind::Fault if matches!(call.op, MinerCall::DeclareFaults(_)) => {
                self.is_gone(sector) || self.may_be_disputed(sector)?
            }
            Kind::Fault if matches!(call.op, MinerCall::Dispute { .. }) => self.is_gone(sector),
            Kind::Terminate => return Ok(self.is_doubled(sector, at) || self.may_have_closed(sector)?),
            _ => false,
        };
        let doubled = self.is_doubled(sector, at);
        // An extension that moves no date may have moved it, if the one that asked for the same date before failed.
        Ok((event.kind == Kind::Adjust && doubled) || ((in_doubt || doubled) && !self.is_confirmed(at)?))
    }

    fn is_gone(&self, sector: SectorNumber) -> bool {
        !self.outcome.live.1.contains(sector.0)
    }

    /// Whether another call that is not refuted asks the same of the sector.
    fn is_doubled(&self, sector: SectorNumber, at: usize) -> bool {
        let call = &self.calls[at];
        self.others(at).any(|other| match (&call.op, &other.op) {
            (MinerCall::Prove(_), _) => other.op.proves(sector).is_some(),
            (MinerCall::Precommit(_), MinerCall::Precommit(sectors)) => names(sectors, sector),
            (MinerCall::Update(ours), MinerCall::Update(theirs)) => ours.iter().any(|update| {
                update.sector == sector
                    && theirs.iter().any(|one| one.sector == sector && one.sealed == update.sealed)
            }),
            (MinerCall::Extend(extensions), MinerCall::Extend(_)) => extensions
                .iter()
                .any(|one| one.sectors.contains(sector.0) && asks([other], sector, one.expiration).is_some()),
            (MinerCall::UpgradeQuality(_), MinerCall::UpgradeQuality(upgrades)) => {
                upgrades.iter().any(|one| one.sectors.contains(sector.0))
            }
            (MinerCall::Terminate(_), MinerCall::Terminate(places))
            | (MinerCall::DeclareFaults(_), MinerCall::DeclareFaults(places)) => named(places, sector),
            (MinerCall::Post { deadline, .. }, MinerCall::Post { deadline: same, partitions }) => {
                deadline == same && self.covers(partitions, *deadline, sector)
            }
            (MinerCall::Dispute { .. }, MinerCall::Dispute { .. }) => call.op == other.op,
            _ => false,
        })
    }

    fn others(&self, at: usize) -> impl Iterator<Item = &Call> {
        self.calls.iter().enumerate().filter(move |(other, _)| *other != at).map(|(_, call)| call)
    }

    /// Whether a window `PoSt` of that deadline is of the sector's partition.
    fn covers(&self, partitions: &[PartitionSectors], deadline: u64, sector: SectorNumber) -> bool {
        self.outcome.changes.location(sector).is_some_and(|location| {
            location.deadline == deadline
                && partitions.iter().any(|place| place.partition == location.partition)
        })
    }

    /// Whether a dispute may have found the fault instead.
    fn may_be_disputed(&self, sector: SectorNumber) -> Result<bool> {
        for call in self.calls {
            if let MinerCall::Dispute { deadline, post } = call.op
                && named(&self.outcome.changes.disputed(deadline, post)?, sector)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// In actors v1 and v2, whether the sector may have left by the cron that closed its deadline.
    fn may_have_closed(&self, sector: SectorNumber) -> Result<bool> {
        let changes = self.outcome.changes;
        if self.outcome.version > 2 {
            return Ok(false);
        }
        let closed =
            changes.location(sector).is_some_and(|location| changes.deadline_ends.ended(location.deadline));
        Ok(closed && changes.queued_expiration(sector)?.is_some())
    }

    /// Whether the call has an effect that no other call or cron explains.
    fn is_confirmed(&self, at: usize) -> Result<bool> {
        if let Some(confirmed) = self.confirmed[at].get() {
            return Ok(*confirmed);
        }
        let confirmed = match &self.calls[at].op {
            MinerCall::Extend(extensions) => extensions
                .iter()
                .any(|one| one.sectors.iter().any(|sector| self.shows_alone(at, SectorNumber(sector)))),
            MinerCall::UpgradeQuality(upgrades) => upgrades
                .iter()
                .any(|one| one.sectors.iter().any(|sector| self.shows_alone(at, SectorNumber(sector)))),
            MinerCall::DeclareFaults(places) => places.iter().any(|place| self.faulted_alone(at, place)),
            MinerCall::Dispute { deadline, post } => {
                let places = self.outcome.changes.disputed(*deadline, *post)?;
                places.iter().any(|place| self.faulted_alone(at, place))
            }
            MinerCall::Post { deadline, partitions } => {
                partitions.iter().any(|place| self.posted_alone(at, *deadline, place))
            }
            _ => false,
        };
        Ok(*self.confirmed[at].get_or_init(|| confirmed))
    }

    fn shows_alone(&self, at: usize, sector: SectorNumber) -> bool {
        shows_alone(self.outcome, &self.calls[at], sector, self.others(at))
    }

    /// Whether a sector became faulty that only this declaration or dispute names, and no cron came to it.
    fn faulted_alone(&self, at: usize, place: &PartitionSectors) -> bool {
        let (before, after) = self.outcome.changes.status_sets();
        let fell = before.active.union(&before.unproven).intersection(&after.faulty);
        let closed = self.outcome.changes.deadline_ends.ended(place.deadline);
        let contested = |call: &Call| match &call.op {
            MinerCall::Dispute { deadline, .. } => *deadline == place.deadline,
            MinerCall::DeclareFaults(places) => {
                places.iter().any(|other| !other.sectors.intersection(&place.sectors).is_empty())
            }
            _ => false,
        };
        !closed && !place.sectors.intersection(&fell).is_empty() && !self.others(at).any(contested)
    }

    /// Whether something is so that only a proof of the partition brings about, and no other call proves it: a sector is
    /// proven or recovers, one that was skipped becomes faulty, or one stays active though the deadline closed.
    fn posted_alone(&self, at: usize, deadline: u64, place: &PartitionSectors) -> bool {
        let changes = self.outcome.changes;
        let also = |call: &Call| {
            matches!(&call.op, MinerCall::Post { deadline: same, partitions }
                if *same == deadline && partitions.iter().any(|other| other.partition == place.partition))
        };
        if self.others(at).any(also) {
            return false;
        }
        let Some(before) = changes
            .changed_partitions()
            .find(|change| (change.deadline, change.index) == (deadline, place.partition))
            .and_then(|change| change.before.as_ref())
        else {
            return false;
        };
        let after = &changes.status_sets().1;
        let closed = changes.deadline_ends.ended(deadline);
        let sound = before.live().difference(&before.faults).difference(&before.unproven);
        let proven = before.unproven.union(&before.faults).intersection(&after.active);
        let skipped = place.sectors.intersection(&sound).intersection(&after.faulty);
        !proven.is_empty()
            || if closed { !sound.intersection(&after.active).is_empty() } else { !skipped.is_empty() }
    }
}
