//! What actors v1 to v18 do beyond what chains with known truth show: replacements, deletions, several proofs of a
//! sector, extensions that change nothing; on states written by hand. Sources are named where the rules are
//! (`src/differ`).
#![allow(clippy::unwrap_used)]

#[path = "common/one_miner.rs"]
mod one_miner;
#[path = "common/state.rs"]
mod state;

use chain::Epoch;
use ledger::{Differ, Status};
use one_miner::{
    CLOSING, LATER, PERIOD, closed, derived, extend, miner, naming, post, precommit, prove_aggregate,
    prove_one, sector, terminated, word,
};
use state::{Precommit, SIZE, Sector, Sent, State, bytes, events, events_since, list};

#[test]
fn in_actors_v1_a_reported_consensus_fault_deletes_the_miner_and_terminates_its_sectors() {
    let before = State { faults: vec![3], precommits: vec![precommit(9)], ..miner(1, &[1, 2, 3]) };
    let after = State { without_miner: true, ..before.clone() };
    let report: Sent = (15, list(&[bytes(&[]), bytes(&[]), bytes(&[])]), vec![]);
    let by = |report: &[Sent], heights| events_since(&mut Differ::new(), &before, &after, heights, report);
    let seen = by(std::slice::from_ref(&report), (PERIOD + 4, PERIOD + 5));
    let words: Vec<_> = seen.iter().map(word).collect();
    let active = |number| format!("terminate active {number} by 15");
    assert_eq!(words, [active(1), active(2), active(3), "precommit_expired 9".to_owned()]);
    assert_eq!(seen[0].message.as_ref().unwrap().sectors, 3);
    let stood: Vec<_> = seen.iter().map(|event| event.status_before).collect();
    assert_eq!(stood, [Status::Active, Status::Active, Status::Faulty, Status::None]);
    assert!(seen.iter().all(|event| event.status_after == Status::None && event.qap_after.is_none()));
    // From inside another actor.
    let inside: Vec<_> = by(&[], (PERIOD + 4, PERIOD + 5)).iter().map(word).collect();
    let active = |number| format!("terminate active {number}");
    assert_eq!(inside, [active(1), active(2), active(3), "precommit_expired 9".to_owned()]);
    // The cron of a null round before found the proof missing, for nothing in the state says that it came.
    let late: Vec<_> = by(&[report], (CLOSING - 1, CLOSING + 3)).iter().map(word).collect();
    assert_eq!(late[..2], ["fault missed 1", "fault missed 2"]);
    assert_eq!(late.len(), 6);
}

#[test]
fn from_actors_v2_a_reported_consensus_fault_leaves_the_sectors_where_they_are() {
    for actors in [2, 7, 18] {
        let before = miner(actors, &[1]);
        let after = State { faults: vec![1], ..before.clone() };
        let sent = [(15, list(&[bytes(&[]), bytes(&[]), bytes(&[])]), vec![]), naming(10, 0, &[1])];
        assert_eq!(derived(&before, &after, PERIOD + 5, &sent), ["fault declared 1 by 10"], "v{actors}");
    }
}

/// A tipset in which sector 9 comes, which was to replace sector 8, and deadline 0 ends.
fn replacement(actors: u8, height: i64) -> (State, State, Sent) {
    let replacing = Precommit { replaces: Some(8), ..precommit(9) };
    let before = State { precommits: vec![replacing], ..miner(actors, &[8]) };
    let new = Sector { activation: height, power_base: height, ..sector(9) };
    let after = State {
        sectors: vec![new],
        unproven: if actors > 1 { vec![9] } else { vec![] },
        precommits: vec![],
        ..closed(&terminated(&before, &[8]))
    };
    (before, after, if actors < 5 { prove_one(9) } else { prove_aggregate(&[9]) })
}

#[test]
fn in_actors_v2_to_v6_a_sector_replaced_in_its_deadlines_last_epoch_expires_at_once() {
    for actors in 2..=6 {
        let (before, after, prove) = replacement(actors, CLOSING);
        let cause = if actors < 5 { "single 9 by 7" } else { "batch 9 by 26" };
        for sent in [vec![post(0, &[]), prove.clone()], vec![prove]] {
            // Its own proof may be missing: that and leaving are one cron's doing.
            let seen = events(&mut Differ::new(), &before, &after, CLOSING, &sent);
            let words: Vec<_> = seen.iter().map(word).collect();
            assert_eq!(words, [format!("onboard {cause}"), "expire replaced 8".to_owned()], "v{actors}");
            assert_eq!((seen[1].status_before, seen[1].message.as_ref()), (Status::Active, None));
            assert_eq!(seen[1].expiration_before, Some(Epoch(LATER)));
        }
    }
}

#[test]
fn a_sector_leaves_as_replaced_only_if_its_replacement_came_and_its_deadline_ends() {
    for actors in 2..=7 {
        // An epoch earlier no deadline ends: what took it was a message from inside.
        let (before, after, prove) = replacement(actors, CLOSING - 1);
        let open = State { open_deadline: 0, ..after };
        let seen = derived(&before, &open, CLOSING - 1, std::slice::from_ref(&prove));
        assert!(seen.contains(&"terminate active 8".to_owned()), "v{actors}: {seen:?}");
        // A pre-commit that replaces nothing, and from v7 one that says it does.
        let replaces = if actors == 7 { Some(8) } else { None };
        let (before, after, _) = replacement(actors, CLOSING);
        let plain = State { precommits: vec![Precommit { replaces, ..precommit(9) }], ..before };
        let seen = derived(&plain, &after, CLOSING, &[post(0, &[]), prove]);
        assert!(seen.contains(&"terminate active 8".to_owned()), "v{actors}: {seen:?}");
    }
}

#[test]
fn a_pre_commit_that_an_aggregate_passes_over_and_that_is_cleared_away_expires() {
    let aggregate = prove_aggregate(&[9, 10, 11, 12]);
    for actors in [5, 7, 8, 13, 17] {
        let before = State { precommits: vec![precommit(9)], ..miner(actors, &[1]) };
        let after = State { precommits: vec![], posted: false, ..closed(&before) };
        let before = State { posted: true, ..before };
        for sent in [vec![aggregate.clone()], vec![]] {
            assert_eq!(derived(&before, &after, CLOSING, &sent), ["precommit_expired 9"], "v{actors}");
        }
        // What was onboarded, terminated and compacted away did not expire.
        let sent = [aggregate.clone(), naming(9, 3, &[9])];
        let seen = derived(&before, &after, CLOSING, &sent);
        assert!(!seen.contains(&"precommit_expired 9".to_owned()), "v{actors}: {seen:?}");
        // A termination before the proof is none of it.
        let sent = [naming(9, 3, &[9]), aggregate.clone()];
        assert_eq!(derived(&before, &after, CLOSING, &sent), ["precommit_expired 9"], "v{actors}");
    }
}

#[test]
fn in_actors_v5_to_v13_an_aggregate_onboards_before_the_proof_that_a_single_one_queued() {
    for actors in 5..=13 {
        let before = State { precommits: vec![precommit(9)], ..miner(actors, &[1]) };
        let new = Sector { activation: PERIOD + 5, power_base: PERIOD + 5, ..sector(9) };
        let after =
            State { sectors: vec![sector(1), new], unproven: vec![9], precommits: vec![], ..before.clone() };
        let (one, many) = (prove_one(9), prove_aggregate(&[9, 10, 11, 12]));
        let by = |sent: &[Sent]| derived(&before, &after, PERIOD + 5, sent);
        assert_eq!(by(&[one.clone(), many]), ["onboard batch 9 by 26"], "v{actors}");
        assert_eq!(by(&[one.clone(), one.clone()]), ["onboard single 9 by 7"], "v{actors}");
        assert_eq!(by(&[one, prove_aggregate(&[10, 11, 12, 13])]), ["onboard single 9 by 7"], "v{actors}");
    }
}

#[test]
fn an_extension_that_changes_neither_date_nor_power_is_no_event() {
    for actors in [12, 16, 18] {
        let moved = Sector { power_base: PERIOD + 5, ..sector(8) };
        let after = State { sectors: vec![moved], ..miner(actors, &[8]) };
        let seen = derived(&miner(actors, &[8]), &after, PERIOD + 5, &[extend(LATER, &[8])]);
        assert_eq!(seen, [""; 0], "v{actors}");
    }
    for actors in [2, 7, 11] {
        let before = State { faults: vec![8], recoveries: vec![8], ..miner(actors, &[8]) };
        let sent = [post(0, &[]), extend(LATER, &[8])];
        assert_eq!(
            derived(&before, &miner(actors, &[8]), PERIOD + 5, &sent),
            ["recover 8 by 5"],
            "v{actors}"
        );
    }
    // With deals, from v6, the spent part of their weight is lost by it.
    let with =
        |verified_weight| State { sectors: vec![Sector { verified_weight, ..sector(8) }], ..miner(6, &[8]) };
    let sent = [extend(LATER, &[8])];
    let seen = derived(&with(SIZE * 1000), &with(SIZE * 500), PERIOD + 5, &sent);
    assert_eq!(seen, ["adjust extension 8 by 8"]);
}
