//! A miner with some sectors in deadline 0, written by hand, and the events that the differ derives, as text.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use ledger::{Differ, Event};

use super::state::{Precommit, Sector, Sent, State, bytes, events, events_since, int, list, set, uint};

pub const DAY: i64 = 2880;
/// Begin of a proving period, and the last epoch of its deadline 0.
pub const PERIOD: i64 = 700 * DAY;
pub const CLOSING: i64 = PERIOD + 59;
pub const LATER: i64 = PERIOD + 400 * DAY;
/// A period's begin that no cron has moved since.
pub const STALE: i64 = PERIOD - 10 * DAY;

/// A sector that was activated a year before and leaves long after.
pub fn sector(number: u64) -> Sector {
    Sector::empty(number, PERIOD - 365 * DAY, LATER)
}

/// A miner with these sectors in deadline 0, which leave long after.
pub fn miner(actors: u8, numbers: &[u64]) -> State {
    State {
        actors,
        period_start: PERIOD,
        sectors: numbers.iter().map(|number| sector(*number)).collect(),
        queue: vec![(LATER as u64, numbers.to_vec(), vec![])],
        ..State::default()
    }
}

/// The same when the open deadline has closed.
pub fn closed(state: &State) -> State {
    State { open_deadline: state.open_deadline + 1, posted: false, ..state.clone() }
}

/// The same when these sectors have left the live set.
pub fn terminated(state: &State, numbers: &[u64]) -> State {
    let without = |list: &[u64]| list.iter().filter(|number| !numbers.contains(number)).copied().collect();
    State {
        terminated: [&state.terminated, numbers].concat(),
        sectors: state.sectors.iter().filter(|sector| !numbers.contains(&sector.number)).copied().collect(),
        faults: without(&state.faults),
        recoveries: without(&state.recoveries),
        unproven: without(&state.unproven),
        queue: vec![],
        ..state.clone()
    }
}

/// An event as text: what happened to which sector, and by which method, if a message did it.
pub fn word(event: &Event) -> String {
    let cause = event.cause.map_or(String::new(), |cause| format!(" {cause}"));
    let method = event.message.as_ref().map_or(String::new(), |message| format!(" by {}", message.method));
    format!("{}{cause} {}{method}", event.kind, event.sector)
}

/// The events of a tipset at `height`, as text.
pub fn derived(before: &State, after: &State, height: i64, sent: &[Sent]) -> Vec<String> {
    events(&mut Differ::new(), before, after, height, sent).iter().map(word).collect()
}

/// Over null rounds: heights of the parent and of the tipset.
pub fn derived_since(before: &State, after: &State, heights: (i64, i64), sent: &[Sent]) -> Vec<String> {
    events_since(&mut Differ::new(), before, after, heights, sent).iter().map(word).collect()
}

/// Methods 9, 10 and 11: `[[[deadline, partition, sectors]]]`.
pub fn naming(method: u64, deadline: u64, sectors: &[u64]) -> Sent {
    (method, list(&[list(&[list(&[uint(deadline), uint(0), set(sectors)])])]), vec![])
}

/// Method 5: a window `PoSt` of partition 0 that skips these.
pub fn post(deadline: u64, skipped: &[u64]) -> Sent {
    let partitions = list(&[list(&[uint(0), set(skipped)])]);
    (5, list(&[uint(deadline), partitions, list(&[]), int(0), bytes(&[])]), vec![])
}

pub fn prove_one(number: u64) -> Sent {
    (7, list(&[uint(number), bytes(&[])]), vec![])
}

pub fn prove_aggregate(numbers: &[u64]) -> Sent {
    (26, list(&[set(numbers), bytes(&[])]), vec![])
}

pub fn extend(expiration: i64, numbers: &[u64]) -> Sent {
    (8, list(&[list(&[list(&[uint(0), uint(0), set(numbers), int(expiration)])])]), vec![])
}

pub fn precommit(number: u64) -> Precommit {
    Precommit { number, epoch: PERIOD - 300, expiration: LATER, ..Precommit::default() }
}
