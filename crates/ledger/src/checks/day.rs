//! The events of one day.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use chain::{Bytes, Cid, Epoch, MinerId, SectorNumber};
use hashbrown::HashMap;

use super::event::{Check, Failure, LastState, broken, misfit, oversized};
use crate::event::{Event, Kind, MessageRef};

/// What the events of a day fail, by miner and check. Each miner's `events` are in the chain's order, `day` are its
/// epochs.
#[must_use]
pub fn check_day(events: &[Event], day: Range<Epoch>) -> Vec<Failure> {
    let mut order: Vec<&Event> = events.iter().collect();
    order.sort_by_key(|event| (event.miner, event.sector));
    let mut checks = DayChecks::new(day);
    checks.observe(&order);
    checks.finish()
}

/// Checks a day's events, some at a time. Of those that it has seen it keeps the last one, and what each message changed.
#[derive(Debug)]
pub struct DayChecks {
    day: Range<Epoch>,
    /// The event before, and the size of its miner's sectors.
    last: Option<(Event, Bytes)>,
    messages: Messages,
    failures: Failures,
}

/// The messages that events name.
#[derive(Debug, Default)]
struct Messages {
    changed: Vec<Changed>,
    /// The last event's message by its address in memory, and its index here: often the next event is of the same.
    last: (usize, usize),
    /// The index of each: by its address in memory, because most events of a message share it and that is found fastest; and
    /// by what it is. Each is held as long as it is known by its place.
    by_address: HashMap<usize, (usize, Arc<MessageRef>)>,
    by_cid: HashMap<Cid, usize>,
}

impl Messages {
    /// What the event's message has changed so far, if that is known.
    fn of(&mut self, event: &Event, message: &Arc<MessageRef>) -> &mut Changed {
        let Self { changed, last, by_address, by_cid } = self;
        let address = Arc::as_ptr(message).addr();
        if last.0 != address {
            let (at, _) = by_address.entry(address).or_insert_with(|| {
                let at = *by_cid.entry(message.cid).or_insert_with(|| {
                    changed.push(Changed {
                        first: EventKey::of(event),
                        message: Arc::clone(message),
                        last: event.sector,
                        sectors: 1,
                    });
                    changed.len() - 1
                });
                (at, Arc::clone(message))
            });
            *last = (address, *at);
        }
        &mut changed[last.1]
    }
}

impl DayChecks {
    /// Of a day of these epochs.
    #[must_use]
    pub fn new(day: Range<Epoch>) -> Self {
        Self { day, last: None, messages: Messages::default(), failures: Failures::default() }
    }

    /// Takes the next events: they come by miner, a miner's by sector, and a sector's in the chain's order.
    pub fn observe(&mut self, events: &[&Event]) {
        let held = self.last.take();
        let mut last = held.as_ref().map(|(event, size)| (event, *size));
        for event in events {
            let size = self.observe_one(event, last);
            last = Some((event, size));
        }
        self.last = match last {
            Some((event, size)) if !events.is_empty() => Some((event.clone(), size)),
            _ => held,
        };
    }

    /// Takes an event after the `last` one, which comes with the size of its miner's sectors; what that size is now.
    fn observe_one(&mut self, event: &Event, last: Option<(&Event, Bytes)>) -> Bytes {
        let last = last.filter(|(last, _)| last.miner == event.miner);
        let size = last.map_or(event.sector_size, |(_, size)| size);
        let before = last.map(|(last, _)| last).filter(|last| last.sector == event.sector);

        let mut note =
            |check, problem: Option<String>| self.failures.note(EventKey::of(event), check, problem);
        note(Check::Epochs, misplaced(event, &self.day));
        note(Check::Transitions, misfit(event).map(str::to_owned));
        note(Check::Sizes, oversized(event, size));
        if let Some(before) = before {
            let told = (before == event && event.kind != Kind::Adjust).then(|| "told twice".to_owned());
            note(Check::Continuity, told.or_else(|| broken(&LastState::of(before), event)));
        }
        if let Some(message) = &event.message {
            let changed = self.messages.of(event, message);
            changed.add(event.sector);
            note(Check::Messages, changed.misfit(event, message));
        }
        size
    }

    /// What failed, by miner and check.
    #[must_use]
    pub fn finish(mut self) -> Vec<Failure> {
        for changed in &self.messages.changed {
            self.failures.note(changed.first, Check::Messages, changed.miscount());
        }
        self.failures.0.into_values().collect()
    }
}

/// Which event it is.
#[derive(Clone, Copy, Debug)]
struct EventKey {
    miner: MinerId,
    sector: SectorNumber,
    kind: Kind,
    epoch: Epoch,
}

impl EventKey {
    const fn of(event: &Event) -> Self {
        Self { miner: event.miner, sector: event.sector, kind: event.kind, epoch: event.epoch }
    }
}

#[derive(Debug, Default)]
struct Failures(BTreeMap<(MinerId, Check), Failure>);

impl Failures {
    fn note(&mut self, of: EventKey, check: Check, problem: Option<String>) {
        let Some(problem) = problem else { return };
        let EventKey { miner, sector, kind, epoch } = of;
        let failure = self.0.entry((miner, check)).or_insert_with(|| Failure {
            miner,
            check,
            times: 0,
            example: format!("{kind} of sector {sector} at epoch {epoch}: {problem}"),
        });
        failure.times += 1;
    }
}

/// What a message changed.
#[derive(Debug)]
struct Changed {
    first: EventKey,
    message: Arc<MessageRef>,
    /// The sector it changed last: one that it changed more than once comes in one go.
    last: SectorNumber,
    sectors: u32,
}

impl Changed {
    fn add(&mut self, sector: SectorNumber) {
        if sector != self.last {
            self.last = sector;
            self.sectors = self.sectors.saturating_add(1);
        }
    }

    fn misfit(&self, event: &Event, message: &MessageRef) -> Option<String> {
        let same =
            *self.message == *message && self.first.miner == event.miner && self.first.epoch == event.epoch;
        (!same).then(|| format!("message {} ran once, to one miner, by one method", message.cid))
    }

    fn miscount(&self) -> Option<String> {
        let MessageRef { cid, sectors: said, .. } = *self.message;
        let seen = self.sectors;
        (seen != said).then(|| format!("message {cid} changed {said} sectors, events tell of {seen}"))
    }
}

fn misplaced(event: &Event, day: &Range<Epoch>) -> Option<String> {
    (!day.contains(&event.epoch)).then(|| format!("the day is of epochs {} to {}", day.start, day.end + -1))
}
