//! What became of each sector in a tipset, step by step.
//!
//! A tipset runs the crons of the null rounds before it, then its messages, then its own cron. [`tell`] walks a
//! sector through these and lets each do what it can to a sector that stands as this one does by then, as far as
//! the outcome (the state after) allows it. What the outcome shows and no step explains is settled at the end, by the
//! rules that read the state alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain::state::{MinerCall, PartitionSectors, Precommit};
use chain::{Epoch, ExecutedMessage, MinerId, Result, SectorNumber, Transition, work};

use super::calls::{Call, items};
use super::changes::MinerChanges;
use super::registers::BothRegisters;
use super::tale::Tale;
use crate::event::{Cause, Event, Kind, MessageRef, Status};

/// Position of a step in a tipset's order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    stage: Stage,
    miner: MinerId,
    /// Faults and terminations are worked off deadline by deadline; other messages sector by sector.
    deadline: u64,
    sector: SectorNumber,
    nth: usize,
}

/// What ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Cron of a null round before the tipset.
    NullRound(Epoch),
    /// A state migration.
    Migration,
    /// The message of that position.
    Message(usize),
    /// Cron of the tipset's own epoch.
    Cron,
}

/// An event and when it happened within its tipset.
pub(super) struct Step {
    order: Order,
    event: Event,
    /// Position and method of the message that caused it.
    call: Option<(usize, u64)>,
}

impl Step {
    /// Its event, and position and method of the message that caused it.
    pub(super) const fn caused(&mut self) -> (&mut Event, Option<(usize, u64)>) {
        (&mut self.event, self.call)
    }
}

/// Puts the steps of a tipset in order and names their messages, each with the number of sectors it changed.
pub(super) fn in_order(mut steps: Vec<Step>, height: Epoch, messages: &[ExecutedMessage]) -> Vec<Event> {
    steps.sort_by_key(|step| step.order);
    let mut changed: BTreeMap<usize, BTreeSet<SectorNumber>> = BTreeMap::new();
    for step in &steps {
        if let Some((index, _)) = step.call {
            changed.entry(index).or_default().insert(step.event.sector);
        }
    }
    let mut named: BTreeMap<usize, Arc<MessageRef>> = BTreeMap::new();
    let mut message = |(index, method): (usize, u64)| {
        let cid = messages.get(index)?.message.cid;
        let message = named.entry(index).or_insert_with(|| {
            let sectors = changed.get(&index).map_or(0, BTreeSet::len);
            Arc::new(MessageRef { cid, method, sectors: u32::try_from(sectors).unwrap_or(u32::MAX) })
        });
        Some(Arc::clone(message))
    };
    steps
        .into_iter()
        .map(|step| Event { epoch: height, message: step.call.and_then(&mut message), ..step.event })
        .collect()
}

/// What became of one miner's sectors.
#[derive(Default)]
pub(super) struct Told {
    pub(super) steps: Vec<Step>,
    /// Sectors whose activation was overwritten, with the one they had.
    pub(super) overwritten: Vec<(MinerId, SectorNumber, Epoch)>,
}

/// Tells one miner's story.
pub(super) fn tell<'s>(
    miner: MinerId,
    changes: &MinerChanges<'s>,
    calls: &[Call],
    registers: &BothRegisters<'s>,
    transition: &Transition,
) -> Result<Told> {
    let scene = Scene::of(miner, changes, calls, registers, transition.height)?;
    let sectors = changes.changed()?.union(&scene.vanished()?);
    let mut told = Told::default();
    // Each sector is led through all calls, some of which are looked through several times.
    let looks = work::LOOKUP * 4 * items(calls);
    let each = changes.work_of_sector().saturating_add(looks);
    for sector in sectors.iter().map(SectorNumber) {
        changes.spend(each)?;
        if let Some(tale) = Tale::begin(&scene, sector)? {
            let (mut steps, overwritten) = tale.tell()?;
            changes.spend(work::RETAINED * steps.len() as u64)?;
            told.steps.append(&mut steps);
            told.overwritten.extend(overwritten.map(|before| (miner, sector, before)));
        }
    }
    for (number, (before, after)) in &changes.precommits {
        changes.spend(work::RETAINED + looks)?;
        scene.precommit(*number, before.as_ref(), after.as_ref(), &mut told.steps)?;
    }
    Ok(told)
}

/// Whether a message's list of sectors, which is in rising order, names one.
pub(super) fn names(sectors: &[SectorNumber], sector: SectorNumber) -> bool {
    sectors.binary_search(&sector).is_ok()
}

/// One miner in one tipset.
pub(super) struct Scene<'a, 's> {
    pub(super) miner: MinerId,
    pub(super) changes: &'a MinerChanges<'s>,
    pub(super) calls: &'a [Call],
    pub(super) registers: &'a BothRegisters<'s>,
    /// By the position of its message, what each dispute is about.
    disputes: BTreeMap<usize, Vec<PartitionSectors>>,
    pub(super) height: Epoch,
}

impl<'a, 's> Scene<'a, 's> {
    fn of(
        miner: MinerId,
        changes: &'a MinerChanges<'s>,
        calls: &'a [Call],
        registers: &'a BothRegisters<'s>,
        height: Epoch,
    ) -> Result<Self> {
        let mut disputes = BTreeMap::new();
        for call in calls {
            if let MinerCall::Dispute { deadline, post } = call.op {
                disputes.insert(call.index, changes.disputed(deadline, post)?);
            }
        }
        Ok(Self { miner, changes, calls, registers, disputes, height })
    }
}

impl Scene<'_, '_> {
    /// What a pre-commit or an onboarding from inside another actor counts as. Such callers use batches, which came with
    /// actors v5.
    pub(super) const fn unseen_cause(&self) -> Cause {
        if self.changes.version() < 5 { Cause::Single } else { Cause::Batch }
    }

    /// The sectors that a dispute is about.
    pub(super) fn disputed(&self, call: &Call) -> Option<&[PartitionSectors]> {
        self.disputes.get(&call.index).map(Vec::as_slice)
    }

    /// The events of a pre-commit that appeared, left or was replaced.
    fn precommit(
        &self,
        number: SectorNumber,
        before: Option<&Precommit>,
        after: Option<&Precommit>,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let replaced = before.is_some_and(|old| after.is_some_and(|new| new.epoch != old.epoch));
        let onboarded = self.changes.is_new(number) || self.came_and_went(number);
        if let Some(old) = before
            && (replaced || (after.is_none() && !onboarded))
        {
            let end = self.changes.closings.first().filter(|end| *end < self.height);
            let stage = end.map_or(Stage::Cron, Stage::NullRound);
            // The market drops the deals of a pre-commit that came to nothing: what it weighed, the state before tells.
            let qap = self.registers.before.precommitted_qap(old)?;
            let event = Event {
                qap_before: Some(qap),
                expiration_before: Some(old.expiration),
                ..self.blank(old, Kind::PrecommitExpired, None)
            };
            steps.push(self.step(stage, 0, number, 0, event, None));
        }
        if let Some(new) = after
            && (replaced || before.is_none())
        {
            let precommits =
                |call: &&Call| matches!(&call.op, MinerCall::Precommit(sectors) if names(sectors, number));
            let call = self.calls.iter().find(precommits);
            let cause = match call.map(|call| call.method) {
                Some(6) => Cause::Single,
                Some(_) => Cause::Batch,
                None => self.unseen_cause(),
            };
            let qap = self.registers.after.precommitted_qap(new)?;
            let event = Event {
                qap_after: Some(qap),
                expiration_after: Some(new.expiration),
                ..self.blank(new, Kind::Precommit, Some(cause))
            };
            let stage = Stage::Message(call.map_or(usize::MAX, |call| call.index));
            steps.push(self.step(stage, 0, number, 1, event, call.map(|call| (call.index, call.method))));
        }
        Ok(())
    }

    fn blank(&self, precommit: &Precommit, kind: Kind, cause: Option<Cause>) -> Event {
        Event {
            epoch: self.height,
            miner: self.miner,
            sector: precommit.number,
            kind,
            cause,
            sector_size: precommit.size,
            qap_before: None,
            qap_after: None,
            activation: None,
            expiration_before: None,
            expiration_after: None,
            backing_before: None,
            backing_after: None,
            status_before: Status::None,
            status_after: Status::None,
            message: None,
            uncertain: false,
        }
    }

    pub(super) fn step(
        &self,
        stage: Stage,
        deadline: u64,
        sector: SectorNumber,
        nth: usize,
        event: Event,
        call: Option<(usize, u64)>,
    ) -> Step {
        Step { order: Order { stage, miner: self.miner, deadline, sector, nth }, event, call }
    }
}
