//! One sector in one tipset.
//!
//! A [`SectorReplay`] begins where the state before leaves the sector and is led through what ran. Each step may change
//! where it stands or its terms ([`terms_changes`]), and adds the event that says so; [`SectorReplay::reconcile_with_state`] adds what no step explains.

mod terms_changes;

use chain::state::{MinerCall, PartitionSectors};
use chain::{Epoch, Result, SectorNumber};

use super::calls::Call;
use super::miner_context::MinerContext;
use super::partition_change::{QueuedExpiration, SectorLocation};
use super::steps::{Stage, Step};
use super::terms::Terms;
use crate::event::{Cause, Event, Kind, Status};

/// When calls from inside other actors count to have run: after the messages that show.
const INSIDE: (Stage, u64) = (Stage::Message(usize::MAX), 0);

/// One sector in one tipset: where it stands and on which terms, as the steps go by.
pub(super) struct SectorReplay<'a, 's> {
    context: &'a MinerContext<'a, 's>,
    sector: SectorNumber,
    location: Option<SectorLocation>,
    /// Where it stands after all.
    final_status: Status,
    /// Its terms after all, where the state still has them.
    final_terms: Option<Terms>,
    /// Its terms now; for a sector that is to be onboarded those it will have.
    terms: Terms,
    status: Status,
    recovering: bool,
    recovered: bool,
    posted: bool,
    /// The end of a deadline at which its proof was missed.
    missed: Option<Epoch>,
    /// The activation that the state before shows, or for a new sector the state after.
    activation: Epoch,
    steps: Vec<Step>,
}

impl<'a, 's> SectorReplay<'a, 's> {
    /// `None` if nothing happened to the sector that is an event.
    pub(super) fn new(context: &'a MinerContext<'a, 's>, sector: SectorNumber) -> Result<Option<Self>> {
        let (status, final_status) = context.changes.statuses(sector)?;
        let (before, final_terms) = context.changes.terms(sector)?;
        // A dead sector that was rewritten or compacted away.
        if status == Status::None && before.is_some() {
            return Ok(None);
        }
        let known = before.or_else(|| final_terms.clone());
        let Some(terms) =
            known.map_or_else(|| context.terms_of_transient(sector), |terms| Ok(Some(terms)))?
        else {
            return Ok(None);
        };
        let activation = terms.activation;
        Ok(Some(Self {
            context,
            sector,
            location: context.changes.location(sector),
            final_status,
            final_terms,
            terms,
            status,
            recovering: context.changes.was_recovering(sector),
            recovered: false,
            posted: false,
            missed: None,
            activation,
            steps: Vec::new(),
        }))
    }

    /// The steps, and the activation before if the state after shows another.
    pub(super) fn replay(mut self) -> Result<(Vec<Step>, Option<Epoch>)> {
        if self.was_dropped_by_migration()? {
            let cause = Some(Cause::Migration);
            self.add((Stage::Migration, 0), Kind::Adjust, cause, Status::None, None, None);
        }
        let deadline_ends = self.context.changes.deadline_ends;
        let ends = self.location.into_iter().flat_map(|location| deadline_ends.of(location.deadline));
        let (height, mut first) = (self.context.height, true);
        for end in ends.clone().take_while(|end| *end < height) {
            self.end_deadline(end, first)?;
            first = false;
        }
        for call in self.context.calls {
            self.call(call)?;
        }
        // Calls from inside other actors run before the tipset's own cron, too.
        self.reconcile_onboarding()?;
        if let Some(end) = ends.last().filter(|end| *end == height) {
            self.end_deadline(end, first)?;
        }
        self.reconcile_with_state();
        let shown = self.final_terms.as_ref().map(|settled| settled.activation);
        let overwritten = shown.is_some_and(|shown| shown != self.activation).then_some(self.activation);
        Ok((self.steps, overwritten))
    }

    const fn is_live(&self) -> bool {
        !matches!(self.status, Status::None)
    }

    /// Adds an event that moves the sector to `status` on `terms`.
    fn add(
        &mut self,
        at: (Stage, u64),
        kind: Kind,
        cause: Option<Cause>,
        status: Status,
        terms: Option<Terms>,
        call: Option<&Call>,
    ) {
        let terms = terms.unwrap_or_else(|| self.terms.clone());
        let (was, is) = (self.is_live(), status != Status::None);
        let event = Event {
            epoch: self.context.height,
            miner: self.context.miner,
            sector: self.sector,
            kind,
            cause,
            sector_size: terms.size,
            qap_before: was.then_some(self.terms.qap),
            qap_after: is.then_some(terms.qap),
            activation: Some(self.activation),
            expiration_before: was.then_some(self.terms.expiration),
            expiration_after: is.then_some(terms.expiration),
            backing_before: was.then_some(self.terms.backing),
            backing_after: is.then_some(terms.backing),
            status_before: self.status,
            status_after: status,
            message: None,
            uncertain: false,
        };
        let nth = self.steps.len();
        let call = call.map(|call| (call.index, call.method));
        self.steps.push(self.context.step(at.0, at.1, self.sector, nth, event, call));
        self.status = status;
        self.terms = terms;
    }

    /// Whether a state migration took the sector away: it is gone, and neither the queue nor a message explains that.
    fn was_dropped_by_migration(&self) -> Result<bool> {
        let changes = self.context.changes;
        if !changes.migrated || self.final_status != Status::None || !self.is_live() || self.is_terminated() {
            return Ok(false);
        }
        let last = self.location.and_then(|location| changes.deadline_ends.of(location.deadline).last());
        let due = changes.queued_expiration(self.sector)?;
        Ok(due.zip(last).is_none_or(|((due, _), end)| due > end))
    }

    /// Whether a successful message terminates the sector.
    fn is_terminated(&self) -> bool {
        let terminates =
            |call: &Call| matches!(&call.op, MinerCall::Terminate(places) if self.named(places).is_some());
        self.context.calls.iter().any(terminates)
    }

    /// The cron at the end of a deadline: sectors whose time has come leave, and those of a partition without a proof
    /// become faulty. What the state before has of proofs is spent by the first end.
    fn end_deadline(&mut self, end: Epoch, first: bool) -> Result<()> {
        if !self.is_live() {
            return Ok(());
        }
        let stage = if end < self.context.height { Stage::NullRound(end) } else { Stage::Cron };
        if self.final_status == Status::None && self.leaves_by_cron((stage, 0), end)? {
            return Ok(());
        }
        let stays_faulty = matches!(self.final_status, Status::Faulty | Status::None);
        if matches!(self.status, Status::Active | Status::Unproven)
            && stays_faulty
            && !self.posted
            && !(first && self.context.changes.was_posted(self.sector)?)
        {
            self.add((stage, 0), Kind::Fault, Some(Cause::Missed), Status::Faulty, None, None);
            self.missed = Some(end);
        }
        Ok(())
    }

    /// Lets the sector leave if its time has come by the end of its deadline: by the queue before, or by what happened
    /// since. A termination that names the sector and comes before the cron has done so already.
    fn leaves_by_cron(&mut self, at: (Stage, u64), end: Epoch) -> Result<bool> {
        let changes = self.context.changes;
        // Only live sectors can be terminated, so the cron of a null round did not take it, though its time had come: up
        // to network version 6 extensions left partitions out of their deadline's queue (specs-actors v2.3.6
        // `miner_actor.go`, `ExtendSectorExpiration`).
        if end < self.context.height && self.is_terminated() {
            return Ok(false);
        }
        // It was scheduled to leave when its replacement came, at the end of the tipset's messages.
        if end == self.context.height && changes.was_replaced(self.sector) {
            self.expire(at);
            return Ok(true);
        }
        let too_long = self.missed.is_some_and(|missed| missed + changes.fault_age() <= end);
        match changes.queued_expiration(self.sector)?.filter(|(due, _)| *due <= end) {
            Some((_, QueuedExpiration::OnTime)) => self.expire(at),
            // Recovered in this very tipset: it is back in the queue at its own expiration.
            Some((_, QueuedExpiration::Early)) if self.recovered => self.expire(at),
            None if !too_long => return Ok(false),
            Some((_, QueuedExpiration::Early)) | None => {
                self.add(at, Kind::Terminate, Some(Cause::Passive), Status::None, None, None);
            }
        }
        Ok(true)
    }

    fn expire(&mut self, at: (Stage, u64)) {
        // Left by an on-time entry although its own expiration is later: a CC sector that was replaced.
        let replaced = self.terms.expiration > self.context.height;
        let cause = if replaced { Cause::Replaced } else { Cause::OnTime };
        self.add(at, Kind::Expire, Some(cause), Status::None, None, None);
    }

    /// Lets a successful message do to the sector what it asked.
    fn call(&mut self, call: &Call) -> Result<()> {
        match &call.op {
            MinerCall::Prove(_) => {
                let proves = call.op.proves(self.sector).is_some();
                if proves && !(call.method == 7 && self.is_proven_by_another(call)) {
                    self.onboard((Stage::Message(call.index), 0), Some(call));
                }
            }
            MinerCall::Update(updates) => self.snap(updates, call)?,
            MinerCall::Extend(extensions) => self.extend(extensions, call)?,
            MinerCall::UpgradeQuality(upgrades) => self.upgrade(upgrades, call)?,
            MinerCall::Terminate(places) => {
                if let Some(place) = self.named(places)
                    && self.is_live()
                    && self.final_status == Status::None
                {
                    let at = (Stage::Message(call.index), place.deadline);
                    self.add(at, Kind::Terminate, Some(Cause::Active), Status::None, None, Some(call));
                }
            }
            MinerCall::DeclareFaults(places) => {
                if let Some(place) = self.named(places) {
                    self.fault((Stage::Message(call.index), place.deadline), Cause::Declared, call);
                }
            }
            MinerCall::DeclareRecoveries(places) => self.recovering |= self.named(places).is_some(),
            MinerCall::Post { deadline, partitions } => self.post(*deadline, partitions, call),
            MinerCall::Dispute { .. } => {
                if self.context.disputed(call).is_some_and(|places| self.named(places).is_some()) {
                    self.fault((Stage::Message(call.index), 0), Cause::Disputed, call);
                }
            }
            // In actors v1 it deletes the miner; later it costs a penalty alone.
            MinerCall::ReportConsensusFault => {
                if self.context.changes.deleted() && self.is_live() {
                    let at = (Stage::Message(call.index), 0);
                    self.add(at, Kind::Terminate, Some(Cause::Active), Status::None, None, Some(call));
                }
            }
            MinerCall::Precommit(_) | MinerCall::Other => {}
        }
        Ok(())
    }

    /// Whether a message after `call`, a `ProveCommitSector`, onboards the sector. That one only queues its proof, for the
    /// cron after all messages, which finds no pre-commit any more if an aggregate has used it up (specs-actors v5.0.6
    /// `miner_actor.go`, `ProveCommitSector` and `ProveCommitAggregate`).
    fn is_proven_by_another(&self, call: &Call) -> bool {
        self.context.calls.iter().any(|later| {
            later.index > call.index && later.method != 7 && later.op.proves(self.sector).is_some()
        })
    }

    /// Which of the places names the sector.
    fn named<'p>(&self, places: &'p [PartitionSectors]) -> Option<&'p PartitionSectors> {
        places.iter().find(|place| place.sectors.contains(self.sector.0))
    }

    fn onboard(&mut self, at: (Stage, u64), call: Option<&Call>) {
        if self.is_live() || !self.steps.is_empty() {
            return;
        }
        let cause = match call.map(|call| call.method) {
            Some(7) => Cause::Single,
            Some(36) => Cause::NonInteractive,
            Some(_) => Cause::Batch,
            // From inside another actor: a sector without a pre-commit can only be non-interactive.
            None if self.context.changes.precommits.contains_key(&self.sector) => self.context.unseen_cause(),
            None => Cause::NonInteractive,
        };
        self.add(at, Kind::Onboard, Some(cause), Status::Unproven, None, call);
        if !self.context.changes.proves() {
            self.add(at, Kind::Proven, None, Status::Active, None, call);
        }
    }

    fn fault(&mut self, at: (Stage, u64), cause: Cause, call: &Call) {
        if matches!(self.status, Status::Active | Status::Unproven)
            && matches!(self.final_status, Status::Faulty | Status::None)
        {
            self.add(at, Kind::Fault, Some(cause), Status::Faulty, None, Some(call));
        }
        self.recovering = false;
    }

    /// A window `PoSt`: what it skips becomes faulty; of the rest, the unproven are proven and the recovering
    /// recover.
    fn post(&mut self, deadline: u64, partitions: &[PartitionSectors], call: &Call) {
        let Some(location) = self.location.filter(|location| location.deadline == deadline) else {
            return;
        };
        let Some(place) = partitions.iter().find(|place| place.partition == location.partition) else {
            return;
        };
        self.posted = true;
        let at = (Stage::Message(call.index), 0);
        if place.sectors.contains(self.sector.0) {
            self.fault(at, Cause::Skipped, call);
            return;
        }
        match self.status {
            Status::Unproven if self.final_status != Status::Unproven => {
                self.add(at, Kind::Proven, None, Status::Active, None, Some(call));
            }
            Status::Faulty if self.recovering && self.final_status != Status::Faulty => {
                self.recovered = true;
                self.add(at, Kind::Recover, None, Status::Active, None, Some(call));
            }
            _ => {}
        }
    }

    /// Explains by the state alone what no step has.
    fn reconcile_with_state(&mut self) {
        match (self.status, self.final_status) {
            (before, after) if before == after => {}
            // Nothing leaves by cron but at the end of its deadline.
            (_, Status::None) => {
                self.add(INSIDE, Kind::Terminate, Some(Cause::Active), Status::None, None, None)
            }
            (Status::Active | Status::Unproven, Status::Faulty) => {
                self.add(INSIDE, Kind::Fault, Some(Cause::Declared), Status::Faulty, None, None);
            }
            (Status::Unproven, Status::Active) => {
                self.add(INSIDE, Kind::Proven, None, Status::Active, None, None)
            }
            (Status::Faulty, Status::Active) => {
                self.add(INSIDE, Kind::Recover, None, Status::Active, None, None)
            }
            (_, outcome) => self.add(INSIDE, Kind::Adjust, Some(Cause::Other), outcome, None, None),
        }
    }

    /// Onboardings and changes of terms that no message shows.
    fn reconcile_onboarding(&mut self) -> Result<()> {
        let arrived = self.final_status != Status::None || self.context.changes.is_new(self.sector);
        if !self.is_live() && self.steps.is_empty() && arrived {
            self.onboard(INSIDE, None);
        }
        self.reconcile_terms()
    }
}
