//! Proofs accepted without a check, and who disputes them: on states of all actors versions, written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/one_sector.rs"]
mod one_sector;
#[path = "common/state.rs"]
mod state;

use ledger::{Cause, Differ, Event};
use one_sector::{CLOSING, PERIOD, empty, one, places};
use state::{Sector, Sent, State, events, events_since, list, uint};

/// A tipset in which anybody disputes deadline 0's proof number `post`.
fn dispute(post: u64) -> Sent {
    (24, list(&[uint(0), uint(post)]), vec![])
}

fn three(actors: u8) -> State {
    let sectors = [1, 2, 3].map(|number| Sector { number, ..empty() });
    let partition_snapshot = vec![1, 2, 3];
    let proofs_snapshot = vec![vec![4], vec![0]];
    State {
        sectors: sectors.to_vec(),
        open_deadline: 20,
        partition_snapshot,
        proofs_snapshot,
        ..one(actors, empty())
    }
}

fn disputed(before: &State, after: &State, sent: &[Sent]) -> Vec<(u64, String)> {
    let events = events(&mut Differ::new(), before, after, PERIOD + 20 * 60 + 5, sent);
    let name = |event: &Event| event.cause.map_or(String::new(), |cause| cause.to_string());
    events.iter().map(|event| (event.sector.0, format!("{} {}", event.kind, name(event)))).collect()
}

fn numbered<const N: usize>(events: [(u64, &str); N]) -> Vec<(u64, String)> {
    events.map(|(number, name)| (number, name.to_owned())).to_vec()
}

#[test]
fn a_dispute_is_of_the_partitions_that_the_proof_proved() {
    let declare = (10, places(&[2]), vec![]);
    for actors in [3, 6, 7, 12, 16, 19] {
        let before = three(actors);
        let after = |faults| State { faults, ..before.clone() };
        let all = numbered([(1, "fault disputed"), (2, "fault disputed"), (3, "fault disputed")]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &[dispute(1)]), all, "v{actors}");
        // What another call had declared before.
        let both = [declare.clone(), dispute(1)];
        let expected = numbered([(2, "fault declared"), (1, "fault disputed"), (3, "fault disputed")]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &both), expected, "v{actors}");
        // A proof of another partition, though of this one all sectors fell.
        let expected = numbered([(1, "fault declared"), (2, "fault declared"), (3, "fault declared")]);
        let all = (10, places(&[1, 2, 3]), vec![]);
        assert_eq!(disputed(&before, &after(vec![1, 2, 3]), &[dispute(0), all]), expected, "v{actors}");
    }
}

#[test]
fn a_dispute_takes_the_snapshots_active_sectors_that_are_live_and_sound_yet() {
    for actors in [3, 9, 18] {
        // Sector 1 came to the partition since, and 2 was faulty already.
        let before = State { partition_snapshot: vec![2, 3], faults: vec![2], ..three(actors) };
        let after = State { faults: vec![2, 3], ..before.clone() };
        let found = disputed(&before, &after, &[dispute(1)]);
        assert_eq!(found, numbered([(3, "fault disputed")]), "v{actors}");
    }
}

#[test]
fn disputed_and_terminated_in_one_tipset_are_both_events() {
    for actors in [3, 9, 18] {
        let before = three(actors);
        let sectors = before.sectors[..2].to_vec();
        let after = State { sectors, faults: vec![1, 2], terminated: vec![3], ..before.clone() };
        let sent = [dispute(1), (9, places(&[3]), vec![])];
        let expected = numbered([
            (1, "fault disputed"),
            (2, "fault disputed"),
            (3, "fault disputed"),
            (3, "terminate active"),
        ]);
        assert_eq!(disputed(&before, &after, &sent), expected, "v{actors}");
        // The other way round, it is dead when the dispute comes.
        let sent = [(9, places(&[3]), vec![]), dispute(1)];
        let expected = numbered([(3, "terminate active"), (1, "fault disputed"), (2, "fault disputed")]);
        assert_eq!(disputed(&before, &after, &sent), expected, "v{actors}");
    }
}

#[test]
fn a_proof_whose_deadline_closed_in_a_null_round_can_be_disputed_at_once() {
    for actors in [3, 9, 18] {
        let before = State {
            open_deadline: 0,
            posted: true,
            proofs: vec![vec![0]],
            proofs_snapshot: vec![],
            partition_snapshot: vec![],
            ..three(actors)
        };
        let after = State { open_deadline: 1, posted: false, faults: vec![1, 2, 3], ..before.clone() };
        let heights = (CLOSING - 1, CLOSING + 3);
        let found = events_since(&mut Differ::new(), &before, &after, heights, &[dispute(0)]);
        let causes: Vec<_> = found.iter().filter_map(|event| event.cause).collect();
        assert_eq!(causes, [Cause::Disputed; 3], "v{actors}");
    }
}
