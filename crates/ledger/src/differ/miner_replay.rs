//! Replays a tipset's messages and crons over a miner's sectors, step by step.
//!
//! A tipset runs the crons of the null rounds before it, then its messages, then its own cron. [`replay`] walks a
//! sector through these and lets each do what it can to a sector that stands as this one does by then, as far as
//! the outcome (the state after) allows it. What the outcome shows and no step explains is settled at the end, by the
//! rules that read the state alone.

use chain::state::{MinerCall, Precommit};
use chain::{Epoch, MinerId, Result, SectorNumber, Transition, work};

use super::calls::{Call, items};
use super::changes::MinerChanges;
use super::miner_context::MinerContext;
use super::registries::RegistryPair;
use super::sector_replay::SectorReplay;
use super::steps::{Stage, Step, names};
use crate::event::{Cause, Event, Kind};

/// What became of one miner's sectors.
#[derive(Default)]
pub(super) struct MinerSteps {
    pub(super) steps: Vec<Step>,
    /// Sectors whose activation was overwritten, with the one they had.
    pub(super) overwritten: Vec<(MinerId, SectorNumber, Epoch)>,
}

/// Replays one miner's calls and crons over its sectors.
pub(super) fn replay<'s>(
    miner: MinerId,
    changes: &MinerChanges<'s>,
    calls: &[Call],
    registries: &RegistryPair<'s>,
    transition: &Transition,
) -> Result<MinerSteps> {
    let context = MinerContext::new(miner, changes, calls, registries, transition.height)?;
    let sectors = changes.changed()?.union(&context.transient_sectors()?);
    let mut told = MinerSteps::default();
    // Each sector is led through all calls, some of which are looked through several times.
    let looks = work::LOOKUP * 4 * items(calls);
    let each = changes.work_of_sector().saturating_add(looks);
    for sector in sectors.iter().map(SectorNumber) {
        changes.spend(each)?;
        if let Some(replay) = SectorReplay::new(&context, sector)? {
            let (mut steps, overwritten) = replay.replay()?;
            changes.spend(work::RETAINED * steps.len() as u64)?;
            told.steps.append(&mut steps);
            told.overwritten.extend(overwritten.map(|before| (miner, sector, before)));
        }
    }
    for (number, (before, after)) in &changes.precommits {
        changes.spend(work::RETAINED + looks)?;
        context.precommit(*number, before.as_ref(), after.as_ref(), &mut told.steps)?;
    }
    Ok(told)
}

impl MinerContext<'_, '_> {
    /// The events of a pre-commit that appeared, left or was replaced.
    fn precommit(
        &self,
        number: SectorNumber,
        before: Option<&Precommit>,
        after: Option<&Precommit>,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let replaced = before.is_some_and(|old| after.is_some_and(|new| new.epoch != old.epoch));
        let onboarded = self.changes.is_new(number) || self.is_transient(number);
        if let Some(old) = before
            && (replaced || (after.is_none() && !onboarded))
        {
            let end = self.changes.deadline_ends.first().filter(|end| *end < self.height);
            let stage = end.map_or(Stage::Cron, Stage::NullRound);
            // The market drops the deals of a pre-commit that came to nothing: its weight is in the state before.
            let qap = self.registries.before.precommitted_qap(old)?;
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
            let qap = self.registries.after.precommitted_qap(new)?;
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
        let event = Event::blank(self.height, self.miner, precommit.number, kind, precommit.size);
        Event { cause, ..event }
    }
}
