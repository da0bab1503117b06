//! The steps of a tipset: the events of its sectors in the order in which the tipset's parts ran.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chain::{Epoch, ExecutedMessage, MinerId, SectorNumber};

use crate::event::{Event, MessageRef};

/// Position of a step in a tipset's order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct StepOrder {
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
    order: StepOrder,
    event: Event,
    /// Position and method of the message that caused it.
    call: Option<(usize, u64)>,
}

impl Step {
    /// A step of a miner's sector; `nth` orders those of one sector within a stage.
    pub(super) const fn new(
        stage: Stage,
        (miner, sector): (MinerId, SectorNumber),
        deadline: u64,
        nth: usize,
        event: Event,
        call: Option<(usize, u64)>,
    ) -> Self {
        Self { order: StepOrder { stage, miner, deadline, sector, nth }, event, call }
    }

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

/// Whether a message's list of sectors, which is in rising order, names one.
pub(super) fn names(sectors: &[SectorNumber], sector: SectorNumber) -> bool {
    sectors.binary_search(&sector).is_ok()
}
