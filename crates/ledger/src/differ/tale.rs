//! One sector in one tipset.
//!
//! A [`Tale`] begins where the state before leaves the sector and is led through what ran. Each step may change
//! where it stands or its terms, and adds the event that says so; [`Tale::settle`] adds what no step explains.

use chain::state::{Op, Place};
use chain::{Epoch, Result, SectorNumber};

use super::calls::Call;
use super::changes::{Closing, Due, Seat};
use super::story::{Scene, Stage, Step};
use super::terms::Terms;
use crate::event::{Cause, Event, Kind, Status};

/// One sector in one tipset: where it stands and on which terms, as the steps go by.
pub(super) struct Tale<'a, 's> {
    scene: &'a Scene<'a, 's>,
    sector: SectorNumber,
    seat: Option<Seat>,
    /// Where it stands after all.
    outcome: Status,
    /// Its terms after all, where the state still has them.
    settled: Option<Terms>,
    /// Its terms now; for a sector that is to be onboarded those it will have.
    terms: Terms,
    status: Status,
    recovering: bool,
    recovered: bool,
    posted: bool,
    /// The activation that the state before shows, or for a new sector the state after.
    activation: Epoch,
    steps: Vec<Step>,
}

impl<'a, 's> Tale<'a, 's> {
    /// `None` if nothing happened to the sector that is an event.
    pub(super) fn begin(scene: &'a Scene<'a, 's>, sector: SectorNumber) -> Result<Option<Self>> {
        let (status, outcome) = scene.changes.statuses(sector)?;
        let (before, settled) = scene.changes.terms(sector)?;
        // A dead sector that was rewritten or compacted away.
        if status == Status::None && before.is_some() {
            return Ok(None);
        }
        let Some(terms) = before.or_else(|| settled.clone()) else {
            return Ok(None);
        };
        let activation = terms.activation;
        Ok(Some(Self {
            scene,
            sector,
            seat: scene.changes.seat(sector),
            outcome,
            settled,
            terms,
            status,
            recovering: scene.changes.was_recovering(sector),
            recovered: false,
            posted: false,
            activation,
            steps: Vec::new(),
        }))
    }

    /// The steps, and the activation before if the state after shows another.
    pub(super) fn tell(mut self) -> Result<(Vec<Step>, Option<Epoch>)> {
        let closings = &self.scene.changes.closings;
        let (null_rounds, own): (Vec<_>, Vec<_>) =
            closings.iter().partition(|closing| closing.epoch < self.scene.height);
        for closing in null_rounds {
            self.deadline_ends(closing)?;
        }
        for call in self.scene.calls {
            self.call(call);
        }
        for closing in own {
            self.deadline_ends(closing)?;
        }
        self.settle()?;
        let shown = self.settled.as_ref().map(|settled| settled.activation);
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
            epoch: self.scene.height,
            miner: self.scene.miner,
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
        self.steps.push(self.scene.step(at.0, at.1, self.sector, nth, event, call));
        self.status = status;
        self.terms = terms;
    }

    /// The cron at the end of a deadline: sectors whose time has come leave, and those of a partition
    /// without a proof become faulty.
    fn deadline_ends(&mut self, closing: &Closing) -> Result<()> {
        if !self.is_live() || self.seat.is_none_or(|seat| seat.deadline != closing.deadline) {
            return Ok(());
        }
        let at = (self.scene.stage_of(closing), 0);
        if self.outcome == Status::None && self.leaves_by_cron(at)? {
            return Ok(());
        }
        let stays_faulty = matches!(self.outcome, Status::Faulty | Status::None);
        if matches!(self.status, Status::Active | Status::Unproven)
            && stays_faulty
            && !self.posted
            && !self.scene.changes.was_posted(self.sector)?
        {
            self.add(at, Kind::Fault, Some(Cause::Missed), Status::Faulty, None, None);
        }
        Ok(())
    }

    /// Lets the sector leave if the queue before says that its time has come. A termination that names the
    /// sector and comes before the cron has done so already.
    fn leaves_by_cron(&mut self, at: (Stage, u64)) -> Result<bool> {
        let due = self.scene.changes.is_due(self.sector)?;
        // A null round's cron cannot take what a later message terminated, unless it was due.
        match due {
            Due::OnTime => self.expire(at),
            // Recovered in this very tipset: it is back in the queue at its own expiration.
            Due::Early if self.recovered => self.expire(at),
            Due::Early => self.add(at, Kind::Terminate, Some(Cause::Passive), Status::None, None, None),
            Due::Not => return Ok(false),
        }
        Ok(true)
    }

    fn expire(&mut self, at: (Stage, u64)) {
        // Left by an on-time entry although its own expiration lies ahead: a CC sector that was replaced.
        let replaced = self.terms.expiration > self.scene.height;
        let cause = if replaced { Cause::Replaced } else { Cause::OnTime };
        self.add(at, Kind::Expire, Some(cause), Status::None, None, None);
    }

    /// Lets a successful message do to the sector what it asked.
    fn call(&mut self, call: &Call) {
        match &call.op {
            Op::Prove(_) => {
                if call.op.proves(self.sector).is_some() {
                    self.onboard((Stage::Message(call.index), 0), Some(call));
                }
            }
            Op::Update(updates) => {
                if updates.iter().any(|update| update.sector == self.sector) {
                    self.snap((Stage::Message(call.index), 0), Some(call));
                }
            }
            Op::Extend(extensions) => {
                let sector = self.sector.0;
                for extension in extensions.iter().filter(|extension| extension.sectors.contains(sector)) {
                    self.extend((Stage::Message(call.index), 0), extension.expiration, call);
                }
            }
            Op::UpgradeQuality(upgrades) => {
                let sector = self.sector.0;
                for upgrade in upgrades.iter().filter(|upgrade| upgrade.sectors.contains(sector)) {
                    let expiration = upgrade.expiration.unwrap_or(self.terms.expiration);
                    self.extend((Stage::Message(call.index), 0), expiration, call);
                }
            }
            Op::Terminate(places) => {
                if let Some(place) = self.named(places)
                    && self.is_live()
                    && self.outcome == Status::None
                {
                    let at = (Stage::Message(call.index), place.deadline);
                    self.add(at, Kind::Terminate, Some(Cause::Active), Status::None, None, Some(call));
                }
            }
            Op::DeclareFaults(places) => {
                if let Some(place) = self.named(places) {
                    self.fault((Stage::Message(call.index), place.deadline), Cause::Declared, call);
                }
            }
            Op::DeclareRecoveries(places) => self.recovering |= self.named(places).is_some(),
            Op::Post { deadline, partitions } => self.post(*deadline, partitions, call),
            Op::Dispute { deadline, .. } => {
                // It takes whole partitions: where sectors stay active, something else found the faults.
                if self.seat.is_some_and(|seat| seat.deadline == *deadline)
                    && self.outcome == Status::Faulty
                    && self.scene.changes.fell_whole(self.sector)
                {
                    self.fault((Stage::Message(call.index), 0), Cause::Disputed, call);
                }
            }
            Op::Precommit(_) | Op::Other => {}
        }
    }

    /// Which of the places names the sector.
    fn named<'p>(&self, places: &'p [Place]) -> Option<&'p Place> {
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
            None if self.scene.changes.precommits.contains_key(&self.sector) => Cause::Batch,
            None => Cause::NonInteractive,
        };
        self.add(at, Kind::Onboard, Some(cause), Status::Unproven, None, call);
        if !self.scene.changes.proves {
            self.add(at, Kind::Proven, None, Status::Active, None, call);
        }
    }

    fn snap(&mut self, at: (Stage, u64), call: Option<&Call>) {
        let Some(settled) = &self.settled else { return };
        if !self.is_live() || settled.sealed == self.terms.sealed {
            return;
        }
        // What it weighs from here on is what it weighs after all, unless a later extension drops claims.
        let terms = Terms {
            sealed: settled.sealed.clone(),
            qap: settled.qap,
            backing: settled.backing,
            ..self.terms.clone()
        };
        self.add(at, Kind::Snap, None, self.status, Some(terms), call);
    }

    /// An extension, or an upgrade of quality, which may extend, too.
    fn extend(&mut self, at: (Stage, u64), expiration: Epoch, call: &Call) {
        if !self.is_live() || expiration < self.terms.expiration {
            return;
        }
        let (qap, backing) = match &self.settled {
            Some(settled) if !self.requalified_after(call) => (settled.qap, settled.backing),
            _ => (self.terms.qap, self.terms.backing),
        };
        let upgrade = matches!(call.op, Op::UpgradeQuality(_));
        let (kind, cause) = if expiration > self.terms.expiration {
            (Kind::Extend, None)
        } else if !upgrade {
            (Kind::Adjust, Some(Cause::Extension))
        } else if qap != self.terms.qap {
            (Kind::Adjust, Some(Cause::Other))
        } else {
            // It had full quality before, and was left as it is.
            return;
        };
        let terms = Terms { expiration, qap, backing, ..self.terms.clone() };
        self.add(at, kind, cause, self.status, Some(terms), Some(call));
    }

    /// Whether a message after `call` changes what the sector weighs: a snap, an extension that drops claims, or an
    /// upgrade of quality.
    fn requalified_after(&self, call: &Call) -> bool {
        self.scene.calls.iter().filter(|later| later.index > call.index).any(|later| match &later.op {
            Op::Update(updates) => updates.iter().any(|update| update.sector == self.sector),
            Op::Extend(extensions) => {
                extensions.iter().any(|extension| extension.drops_claims.contains(self.sector.0))
            }
            Op::UpgradeQuality(upgrades) => {
                upgrades.iter().any(|upgrade| upgrade.sectors.contains(self.sector.0))
            }
            _ => false,
        })
    }

    fn fault(&mut self, at: (Stage, u64), cause: Cause, call: &Call) {
        if matches!(self.status, Status::Active | Status::Unproven)
            && matches!(self.outcome, Status::Faulty | Status::None)
        {
            self.add(at, Kind::Fault, Some(cause), Status::Faulty, None, Some(call));
        }
        self.recovering = false;
    }

    /// A window `PoSt`: what it skips becomes faulty; of the rest, the unproven are proven and the recovering
    /// recover.
    fn post(&mut self, deadline: u64, partitions: &[Place], call: &Call) {
        let Some(seat) = self.seat.filter(|seat| seat.deadline == deadline) else {
            return;
        };
        let Some(place) = partitions.iter().find(|place| place.partition == seat.partition) else {
            return;
        };
        self.posted = true;
        let at = (Stage::Message(call.index), 0);
        if place.sectors.contains(self.sector.0) {
            self.fault(at, Cause::Skipped, call);
            return;
        }
        match self.status {
            Status::Unproven if self.outcome != Status::Unproven => {
                self.add(at, Kind::Proven, None, Status::Active, None, Some(call));
            }
            Status::Faulty if self.recovering && self.outcome != Status::Faulty => {
                self.recovered = true;
                self.add(at, Kind::Recover, None, Status::Active, None, Some(call));
            }
            _ => {}
        }
    }

    /// Explains by the state alone what no step has.
    fn settle(&mut self) -> Result<()> {
        let inside = (Stage::Message(usize::MAX), 0);
        if !self.is_live()
            && self.steps.is_empty()
            && (self.outcome != Status::None || self.scene.changes.is_new(self.sector))
        {
            self.onboard(inside, None);
        }
        self.settle_terms(inside);
        match (self.status, self.outcome) {
            (before, after) if before == after => {}
            (_, Status::None) => {
                let at = (Stage::Cron, 0);
                if !self.leaves_by_cron(at)? {
                    self.add(inside, Kind::Terminate, Some(Cause::Active), Status::None, None, None);
                }
            }
            (Status::Active | Status::Unproven, Status::Faulty) => {
                self.add(inside, Kind::Fault, Some(Cause::Declared), Status::Faulty, None, None);
            }
            (Status::Unproven, Status::Active) => {
                self.add(inside, Kind::Proven, None, Status::Active, None, None)
            }
            (Status::Faulty, Status::Active) => {
                self.add(inside, Kind::Recover, None, Status::Active, None, None)
            }
            (_, outcome) => self.add(inside, Kind::Adjust, Some(Cause::Other), outcome, None, None),
        }
        Ok(())
    }

    /// Snaps and extensions that no message shows, and changes that are neither.
    fn settle_terms(&mut self, inside: (Stage, u64)) {
        let Some(settled) = self.settled.clone() else {
            return;
        };
        if !self.is_live() {
            return;
        }
        self.snap(inside, None);
        if settled.expiration > self.terms.expiration {
            self.add(inside, Kind::Extend, None, self.status, Some(settled), None);
        } else if settled.expiration != self.terms.expiration || settled.qap != self.terms.qap {
            let cause = if self.scene.changes.migrated { Cause::Migration } else { Cause::Other };
            self.add(inside, Kind::Adjust, Some(cause), self.status, Some(settled), None);
        }
    }
}
