//! Activations that the state no longer shows.

use std::collections::HashMap;

use chain::{Epoch, MinerId, SectorNumber};

use crate::event::{Event, Status};
use crate::receipts::ReceiptCounts;
use crate::tipset_events::TipsetEvents;

/// The events of one transition with the activations that the state shows, before those of earlier transitions
/// are known.
#[derive(Debug, Default)]
pub(crate) struct TransitionEvents {
    pub(super) events: Vec<Event>,
    /// Whether receipts were read, and what was inferred without them.
    pub(super) receipts: ReceiptCounts,
    /// Sectors whose activation the transition overwrote, with the one they had.
    pub(super) overwritten: Vec<(MinerId, SectorNumber, Epoch)>,
}

impl TransitionEvents {
    /// How many events there are.
    pub(crate) const fn len(&self) -> usize {
        self.events.len()
    }
}

/// From actors v7 to v11 a snap overwrites a sector's activation, but its events keep the one first seen
/// (`docs/DEFINITIONS.md`, "Events"). Held only for sectors that live: some forty bytes each.
#[derive(Debug, Default)]
pub(super) struct Activations {
    first: HashMap<(MinerId, SectorNumber), Epoch>,
}

impl Activations {
    /// Notes the activation first seen of a sector that was overwritten before.
    pub(super) fn note(&mut self, miner: MinerId, sector: SectorNumber, first: Epoch) {
        self.first.entry((miner, sector)).or_insert(first);
    }

    /// Gives the events of the next transition, in order, their sectors' first activations.
    pub(super) fn restore(&mut self, transition: TransitionEvents) -> TipsetEvents {
        let TransitionEvents { mut events, receipts, overwritten } = transition;
        if self.first.is_empty() && overwritten.is_empty() {
            return TipsetEvents { events, receipts };
        }
        for event in events.iter_mut().filter(|event| event.activation.is_some()) {
            event.activation = self.first.get(&(event.miner, event.sector)).copied().or(event.activation);
        }
        for (miner, sector, before) in overwritten {
            self.note(miner, sector, before);
        }
        let left = |event: &&Event| event.status_before != Status::None && event.status_after == Status::None;
        for event in events.iter().filter(left) {
            self.first.remove(&(event.miner, event.sector));
        }
        TipsetEvents { events, receipts }
    }
}
