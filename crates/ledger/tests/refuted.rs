//! The rules by which calls are inferred to have failed where receipts are missing, one test each, on states written by
//! hand: an event that carries a method was caused by a message that nothing refutes; a question mark says that the event is marked
//! as uncertain.
#![allow(clippy::unwrap_used)]

#[path = "common/miner_calls.rs"]
mod miner_calls;
#[path = "common/state.rs"]
mod state;

use chain::{ExecutedMessage, dag_cbor_cid};
use ledger::{Differ, Event};
use miner_calls::{
    Call, declare_faults, dispute, extend, extend_old, onboard, precommit, prove, snap, snap_all, terminate,
    upgrade,
};
use state::{MINER, Precommit, SIZE, Sector, State, message};

const DAY: i64 = 2880;
const PERIOD: i64 = 700 * DAY;
const LATER: i64 = PERIOD + 400 * DAY;
/// Deadline 0 is long over and opens again long after.
const NOW: i64 = PERIOD + 500;
const LOCATION: (u64, u64) = (0, 0);
const A: u64 = 8;
const B: u64 = 9;

fn sector(number: u64) -> Sector {
    Sector::empty(number, PERIOD - 365 * DAY, LATER)
}

/// A miner with two active sectors, A and B, in deadline 0.
fn two(actors: u8) -> State {
    State {
        actors,
        period_start: PERIOD,
        open_deadline: 8,
        sectors: vec![sector(A), sector(B)],
        ..State::default()
    }
}

/// The two, of which some have other terms.
fn with(state: &State, changed: &[Sector]) -> State {
    let other = |sector: &Sector| *changed.iter().find(|one| one.number == sector.number).unwrap_or(sector);
    State { sectors: state.sectors.iter().map(other).collect(), ..state.clone() }
}

fn extended(number: u64, days: i64) -> Sector {
    Sector { expiration: LATER + days * DAY, power_base: NOW, ..sector(number) }
}

fn snapped(number: u64, sealed: u8) -> Sector {
    Sector { sealed, power_base: NOW, verified_weight: SIZE * 300, ..sector(number) }
}

fn dead(state: &State, numbers: &[u64]) -> State {
    State { terminated: numbers.to_vec(), ..state.clone() }
}

/// The state without some sectors at all: terminated and compacted away.
fn without(state: &State, numbers: &[u64]) -> State {
    let sectors = state.sectors.iter().filter(|sector| !numbers.contains(&sector.number)).copied().collect();
    State { sectors, ..state.clone() }
}

fn faulty(state: &State, numbers: &[u64]) -> State {
    State { faults: numbers.to_vec(), ..state.clone() }
}

/// The two, proven by a proof that can be disputed.
fn disputable() -> State {
    State { proofs_snapshot: vec![vec![0]], partition_snapshot: vec![A, B], ..two(18) }
}

fn precommitted(number: u64, epoch: i64) -> Precommit {
    Precommit { number, epoch, expiration: LATER, ..Precommit::default() }
}

fn sealed(seed: u8) -> Vec<u8> {
    dag_cbor_cid(&[seed]).to_bytes()
}

/// A sector that is onboarded now.
fn new(number: u64) -> Sector {
    Sector { activation: NOW, power_base: NOW, ..sector(number) }
}

fn derived_at(height: i64, before: &State, after: &State, asked: &[Call]) -> Vec<String> {
    derived_since((height - 1, height), before, after, asked)
}

/// The events derived for a tipset without receipts, by its parent's height and its own: `<event> <sector>( by <method>)(?)`.
fn derived_since(heights: (i64, i64), before: &State, after: &State, asked: &[Call]) -> Vec<String> {
    let executed = |(nonce, (method, params)): (u64, &Call)| ExecutedMessage {
        message: message((100, nonce), MINER.0, *method, params),
        receipt: None,
    };
    let messages = (0..).zip(asked).map(executed).collect();
    let derived = |event: &Event| {
        let cause = event.cause.map(|cause| format!(" {cause}")).unwrap_or_default();
        let by = event.message.as_ref().map(|message| format!(" by {}", message.method)).unwrap_or_default();
        format!("{}{cause} {}{by}{}", event.kind, event.sector, if event.uncertain { "?" } else { "" })
    };
    state::derived_since(&mut Differ::new(), before, after, heights, messages).iter().map(derived).collect()
}

fn derived(before: &State, after: &State, asked: &[Call]) -> Vec<String> {
    derived_at(NOW, before, after, asked)
}

#[test]
fn a_method_that_the_actors_version_does_not_have_was_not_called() {
    let before = State { precommits: vec![precommitted(A, NOW - 500)], sectors: vec![], ..two(18) };
    for (actors, method, has) in
        [(13, 7, true), (14, 7, false), (16, 26, true), (17, 26, false), (13, 34, true)]
    {
        let before = State { actors, ..before.clone() };
        let after = State { precommits: vec![], sectors: vec![new(A)], unproven: vec![A], ..before.clone() };
        let derived = derived(&before, &after, &[onboard(method, &[A])]);
        assert_eq!(derived[0].contains(&format!("by {method}")), has, "v{actors}: {derived:?}");
    }
    for (actors, method, has) in [(16, 8, true), (17, 8, false), (8, 32, false), (9, 32, true)] {
        let before = two(actors);
        let after = with(&before, &[extended(A, 100)]);
        let asked = if method == 8 { extend_old } else { extend }(LOCATION, &[A], LATER + 100 * DAY);
        let by = if has { format!("extend 8 by {method}") } else { "extend 8".into() };
        assert_eq!(derived(&before, &after, &[asked]), [by], "v{actors}");
    }
}

#[test]
fn a_window_post_for_a_deadline_that_is_not_open_failed() {
    let before = State { unproven: vec![A], ..two(18) };
    let after = State { unproven: vec![], ..before.clone() };
    let at = |height, open_deadline| {
        let open = |state: &State| State { open_deadline, ..state.clone() };
        derived_at(height, &open(&before), &open(&after), &[prove(LOCATION, &[])])
    };
    assert_eq!(at(PERIOD + 59, 0), ["proven 8 by 5"]);
    assert_eq!(at(PERIOD + 60, 1), ["proven 8"]);
}

#[test]
fn a_dispute_of_the_deadline_that_is_open_or_of_what_stays_sound_failed() {
    let before = disputable();
    let after = faulty(&before, &[A, B]);
    assert_eq!(derived(&before, &after, &[dispute(0)]), ["fault disputed 8 by 24", "fault disputed 9 by 24"]);
    let open = |state: &State| State { open_deadline: 0, ..state.clone() };
    let derived = derived_at(PERIOD + 5, &open(&before), &open(&after), &[dispute(0)]);
    assert_eq!(derived, ["fault declared 8", "fault declared 9"]);
    assert_eq!(self::derived(&before, &faulty(&before, &[A]), &[dispute(0)]), ["fault declared 8"]);
}

#[test]
fn a_declaration_for_a_deadline_that_is_open_or_opens_within_seventy_epochs_failed() {
    let at = |height: i64, location: (u64, u64)| {
        let before = State { location, open_deadline: 8, ..two(18) };
        derived_at(height, &before, &faulty(&before, &[A]), &[declare_faults(location, &[A])])
    };
    // Deadline 8 is open, deadline 9 opens at 540, deadline 10 at 600.
    assert_eq!(at(NOW, (8, 0)), ["fault declared 8"]);
    assert_eq!(at(NOW, (9, 0)), ["fault declared 8"]);
    assert_eq!(at(PERIOD + 529, (10, 0)), ["fault declared 8 by 10"]);
    assert_eq!(at(PERIOD + 530, (10, 0)), ["fault declared 8"]);
    assert_eq!(at(NOW, (7, 0)), ["fault declared 8 by 10"]);
}

#[test]
fn a_termination_in_the_open_deadline_or_the_next_failed_from_actors_v3() {
    for (actors, deadline, failed) in
        [(18, 8, true), (18, 9, true), (18, 10, false), (3, 9, true), (2, 8, false)]
    {
        let before = State { location: (deadline, 0), ..two(actors) };
        let derived = derived(&before, &dead(&before, &[A]), &[terminate((deadline, 0), &[A])]);
        let by = if failed { "terminate active 8" } else { "terminate active 8 by 9" };
        assert_eq!(derived, [by], "v{actors}, deadline {deadline}");
    }
}

#[test]
fn a_snap_in_the_open_deadline_or_the_next_failed() {
    for (actors, method) in [(7, 27), (9, 29), (18, 35)] {
        for (deadline, failed) in [(8, true), (9, true), (10, false)] {
            let before = State { location: (deadline, 0), ..two(actors) };
            let asked = snap(method, (deadline, 0), A, &sealed(2));
            let derived = derived(&before, &with(&before, &[snapped(A, 2)]), &[asked]);
            let by = if failed { "snap 8".into() } else { format!("snap 8 by {method}") };
            assert_eq!(derived, [by], "deadline {deadline}");
        }
    }
}

#[test]
fn a_termination_of_a_sector_that_lives_on_failed() {
    let before = two(18);
    let after = dead(&before, &[A]);
    assert_eq!(derived(&before, &after, &[terminate(LOCATION, &[A])]), ["terminate active 8 by 9"]);
    assert_eq!(
        derived(&before, &after, &[terminate(LOCATION, &[A, B])]),
        ["terminate active 8"],
        "all or nothing"
    );
    // Neither can a sector that was dead before, or never was.
    let before = dead(&before, &[B]);
    let after = dead(&before, &[A, B]);
    assert_eq!(derived(&before, &after, &[terminate(LOCATION, &[A, B])]), ["terminate active 8"]);
    assert_eq!(derived(&before, &after, &[terminate(LOCATION, &[A, 77])]), ["terminate active 8"]);
}

#[test]
fn a_termination_of_a_sector_that_a_null_round_took_failed() {
    for (actors, due_days_ago, failed) in [(18, 0, true), (18, 20, true), (8, 0, true), (8, 20, false)] {
        let due = PERIOD + 59 - due_days_ago * DAY;
        let before = State { queue: vec![(due as u64, vec![A], vec![])], open_deadline: 0, ..two(actors) };
        let before = with(&before, &[Sector { expiration: due - 50, ..sector(A) }]);
        let after = State { queue: vec![], open_deadline: 1, ..dead(&before, &[A, B]) };
        let derived =
            derived_since((PERIOD + 10, PERIOD + 70), &before, &after, &[terminate(LOCATION, &[A, B])]);
        let expected = if failed {
            ["expire on_time 8", "fault missed 9", "terminate active 9"].to_vec()
        } else {
            ["fault missed 8", "fault missed 9", "terminate active 8 by 9", "terminate active 9 by 9"]
                .to_vec()
        };
        assert_eq!(derived, expected, "v{actors}, due {due_days_ago} days ago");
    }
}

#[test]
fn a_declaration_of_a_sector_that_stays_sound_failed() {
    let before = two(18);
    let after = faulty(&before, &[A]);
    assert_eq!(derived(&before, &after, &[declare_faults(LOCATION, &[A])]), ["fault declared 8 by 10"]);
    assert_eq!(derived(&before, &after, &[declare_faults(LOCATION, &[A, B])]), ["fault declared 8"]);
    // One that was faulty before does not matter.
    let before = faulty(&before, &[B]);
    let after = faulty(&before, &[A, B]);
    assert_eq!(derived(&before, &after, &[declare_faults(LOCATION, &[A, B])]), ["fault declared 8 by 10"]);
}

#[test]
fn an_extension_failed_if_a_sector_has_another_expiration_than_asked_and_nobody_asks_for_that() {
    for actors in [9, 11, 12, 18] {
        let before = two(actors);
        let asked = |days| extend(LOCATION, &[A], LATER + days * DAY);
        let after = with(&before, &[extended(A, 100)]);
        assert_eq!(derived(&before, &after, &[asked(100)]), ["extend 8 by 32"], "v{actors}");
        assert_eq!(derived(&before, &after, &[asked(200)]), ["extend 8"], "less than asked");
        assert_eq!(derived(&before, &after, &[asked(50)]), ["extend 8"], "more than asked");
        assert_eq!(
            derived(&before, &after, &[asked(-50), asked(100)]),
            ["extend 8 by 32"],
            "less than it has"
        );
        assert_eq!(derived(&before, &after, &[asked(100), asked(50)]), ["extend 8 by 32"], "asked before");
        let both = extend(LOCATION, &[A, B], LATER + 100 * DAY);
        assert_eq!(derived(&before, &after, &[both]), ["extend 8"], "all or nothing");
    }
}

#[test]
fn an_extension_of_a_new_sector_or_one_that_was_not_active_by_then_failed() {
    let extension = || extend(LOCATION, &[A], LATER + 100 * DAY);
    for actors in [9, 18] {
        let before = faulty(&two(actors), &[A]);
        let after = with(&before, &[extended(A, 100)]);
        assert_eq!(derived(&before, &after, &[extension()]), ["extend 8"], "v{actors}: faulty");
        let before = State { unproven: vec![A], ..two(actors) };
        let after = with(&before, &[extended(A, 100)]);
        assert_eq!(derived(&before, &after, &[extension()]), ["extend 8"], "v{actors}: unproven");
    }
    // A proof makes it active in time.
    let before = State { unproven: vec![A], open_deadline: 0, ..two(18) };
    let at = PERIOD + 5;
    let after = with(&before, &[Sector { power_base: at, ..extended(A, 100) }]);
    let after = State { unproven: vec![], ..after };
    let in_time = derived_at(at, &before, &after, &[prove(LOCATION, &[]), extension()]);
    assert_eq!(in_time, ["proven 8 by 5", "extend 8 by 32"]);
    let late = derived_at(at, &before, &after, &[extension(), prove(LOCATION, &[])]);
    assert_eq!(late, ["proven 8 by 5", "extend 8"]);
}

#[test]
fn an_extension_failed_from_actors_v12_if_power_does_not_count_from_its_epoch() {
    for (actors, failed) in [(11, false), (12, true), (18, true)] {
        let before = two(actors);
        let after = with(&before, &[Sector { expiration: LATER + 100 * DAY, ..sector(A) }]);
        let derived = derived(&before, &after, &[extend(LOCATION, &[A], LATER + 100 * DAY)]);
        assert_eq!(derived, [if failed { "extend 8" } else { "extend 8 by 32" }], "v{actors}");
    }
}

#[test]
fn an_upgrade_of_quality_failed_if_the_sector_has_none_after() {
    let before = two(19);
    let upgraded = Sector { full_qap: true, power_base: NOW, ..sector(A) };
    let after = with(&before, &[upgraded]);
    let asked = upgrade(LOCATION, &[A], None);
    assert!(
        derived(&before, &after, std::slice::from_ref(&asked))
            .iter()
            .all(|derived| derived.contains("by 37"))
    );
    let after = with(&before, &[Sector { verified_weight: SIZE * 9, full_qap: false, ..upgraded }]);
    assert!(derived(&before, &after, &[asked]).iter().all(|derived| !derived.contains("by 37")));
    let after = with(&before, &[upgraded]);
    let both = upgrade(LOCATION, &[A, B], None);
    assert!(
        derived(&before, &after, &[both]).iter().all(|derived| !derived.contains("by 37")),
        "all or nothing"
    );
}

#[test]
fn a_window_post_failed_if_a_sector_that_it_does_not_skip_is_faulty_after_or_recovers_not() {
    let at = |before: &State, after: &State, skipped: &[u64]| {
        let open = |state: &State| State { open_deadline: 0, ..state.clone() };
        derived_at(PERIOD + 5, &open(before), &open(after), &[prove(LOCATION, skipped)])
    };
    let (before, after) = (two(18), faulty(&two(18), &[A]));
    assert_eq!(at(&before, &after, &[A]), ["fault skipped 8 by 5"]);
    assert_eq!(at(&before, &after, &[B]), ["fault declared 8"]);
    assert_eq!(at(&before, &after, &[A, B]), ["fault declared 8"], "what it skips is sound after");
    let before = State { recoveries: vec![A, B], ..faulty(&two(18), &[A, B]) };
    let after = State { recoveries: vec![], ..two(18) };
    assert_eq!(at(&before, &after, &[]), ["recover 8 by 5", "recover 9 by 5"]);
    let after = State { recoveries: vec![B], ..faulty(&two(18), &[B]) };
    assert_eq!(at(&before, &after, &[]), ["recover 8"]);
    assert_eq!(at(&before, &after, &[B]), ["recover 8 by 5"]);
}

#[test]
fn a_window_post_that_skips_all_there_is_failed() {
    let (before, after) = (two(18), faulty(&two(18), &[A, B]));
    let open = |state: &State| State { open_deadline: 0, ..state.clone() };
    let derived = derived_at(PERIOD + 5, &open(&before), &open(&after), &[prove(LOCATION, &[A, B])]);
    assert_eq!(derived, ["fault declared 8", "fault declared 9"]);
}

#[test]
fn a_pre_commit_failed_if_a_sector_that_it_names_has_none_after() {
    for (actors, method) in [(1, 6), (12, 6), (5, 25), (9, 28), (18, 28)] {
        let before = two(actors);
        let after = State { precommits: vec![precommitted(70, NOW)], ..before.clone() };
        let cause = if method == 6 { "single" } else { "batch" };
        let inside = if actors < 5 { "single" } else { "batch" };
        assert_eq!(
            derived(&before, &after, &[precommit(method, &[70])]),
            [format!("precommit {cause} 70 by {method}")]
        );
        assert_eq!(
            derived(&before, &after, &[precommit(method, &[71, 70])]),
            [format!("precommit {inside} 70")]
        );
    }
    // Nor does one that it had before.
    let before = State { precommits: vec![precommitted(71, NOW - 100)], ..two(18) };
    let after = State { precommits: vec![precommitted(70, NOW), precommitted(71, NOW - 100)], ..two(18) };
    assert_eq!(derived(&before, &after, &[precommit(28, &[70, 71])]), ["precommit batch 70"]);
}

#[test]
fn a_proof_counts_for_the_sectors_that_are_new_and_had_a_pre_commit() {
    let before =
        State { precommits: vec![precommitted(A, NOW - 500), precommitted(B, NOW - 500)], ..two(18) };
    let before = without(&before, &[A, B]);
    for (actors, method) in [(13, 7), (13, 26), (16, 26), (13, 34), (18, 34)] {
        let before = State { actors, ..before.clone() };
        let after = State {
            precommits: vec![precommitted(B, NOW - 500)],
            sectors: vec![new(A)],
            unproven: vec![A],
            ..before.clone()
        };
        let derived = derived(&before, &after, &[onboard(method, &[A, B])]);
        let cause = if method == 7 { "single" } else { "batch" };
        assert_eq!(derived, [format!("onboard {cause} 8 by {method}")], "v{actors}");
    }
    // Without a pre-commit, only method 36 onboards; with one it does not.
    let after = State { sectors: vec![new(A)], unproven: vec![A], ..without(&two(18), &[A, B]) };
    let none = without(&two(18), &[A, B]);
    assert_eq!(derived(&none, &after, &[onboard(34, &[A])]), ["onboard non_interactive 8"]);
    assert_eq!(derived(&none, &after, &[onboard(36, &[A, B])]), ["onboard non_interactive 8 by 36"]);
    let had = State { precommits: vec![precommitted(A, NOW - 500)], ..none };
    assert_eq!(derived(&had, &after, &[onboard(36, &[A])]), ["onboard batch 8"]);
}

#[test]
fn what_comes_and_goes_within_a_tipset_is_proven_only_if_it_is_terminated_after() {
    let before = State { precommits: vec![precommitted(A, NOW - 500)], ..without(&two(18), &[A]) };
    let after = without(&two(18), &[A]);
    let asked = [onboard(34, &[A]), terminate(LOCATION, &[A])];
    assert_eq!(derived(&before, &after, &asked[..1]), ["precommit_expired 8"]);
}

#[test]
fn a_snap_counts_for_the_sectors_that_have_the_sealed_cid_that_it_asks_for() {
    let before = two(18);
    let after = with(&before, &[snapped(A, 2)]);
    let (two, three) = (sealed(2), sealed(3));
    assert_eq!(derived(&before, &after, &[snap(35, LOCATION, A, &two)]), ["snap 8 by 35"]);
    assert_eq!(derived(&before, &after, &[snap(35, LOCATION, A, &three)]), ["snap 8"]);
    assert_eq!(
        derived(&before, &after, &[snap_all(35, LOCATION, &[(A, &two), (B, &two)])]),
        ["snap 8 by 35"]
    );
    let asked = [snap(35, LOCATION, A, &three), snap(35, LOCATION, A, &two)];
    assert_eq!(derived(&before, &after, &asked), ["snap 8 by 35"], "the second");
}

#[test]
fn an_extension_that_moves_no_date_counts_only_if_nothing_else_explains_the_power_base_epoch() {
    let before = two(18);
    let requalified = Sector { power_base: NOW, verified_weight: SIZE * 9, ..sector(A) };
    let same = || extend(LOCATION, &[A], LATER);
    assert_eq!(derived(&before, &with(&before, &[requalified]), &[same()]), ["adjust extension 8 by 32"]);
    let after = with(&before, &[snapped(A, 2)]);
    assert_eq!(derived(&before, &after, &[same(), snap(35, LOCATION, A, &sealed(2))]), ["snap 8 by 35"]);
    let after = with(&before, &[extended(A, 100)]);
    let further = extend(LOCATION, &[A], LATER + 100 * DAY);
    assert_eq!(derived(&before, &after, &[same(), further]), ["extend 8 by 32"]);
}

#[test]
fn of_several_that_ask_the_same_the_first_did_it_and_which_is_in_doubt() {
    let before = two(18);
    let extension = || extend(LOCATION, &[A], LATER + 100 * DAY);
    let after = with(&before, &[extended(A, 100)]);
    assert_eq!(derived(&before, &after, &[extension(), extension()]), ["extend 8 by 32?"]);
    // Another sector shows that the first did.
    let after = with(&before, &[extended(A, 100), extended(B, 100)]);
    let both = extend(LOCATION, &[A, B], LATER + 100 * DAY);
    assert_eq!(derived(&before, &after, &[both, extension()]), ["extend 8 by 32", "extend 9 by 32"]);
    let after = dead(&before, &[A]);
    let termination = || terminate(LOCATION, &[A]);
    assert_eq!(derived(&before, &after, &[termination(), termination()]), ["terminate active 8 by 9?"]);
}

#[test]
fn the_first_of_two_extensions_is_assumed_to_have_taken_effect() {
    let before = two(18);
    let extension = |sectors: &[u64], days| extend(LOCATION, sectors, LATER + days * DAY);
    let after = with(&before, &[extended(A, 200)]);
    let derived_of_one = derived(&before, &after, &[extension(&[A], 100), extension(&[A], 200)]);
    assert_eq!(derived_of_one, ["extend 8 by 32?", "extend 8 by 32"]);
    // Another sector shows that it did.
    let after = with(&before, &[extended(A, 200), extended(B, 100)]);
    let sure = derived(&before, &after, &[extension(&[A, B], 100), extension(&[A], 200)]);
    assert_eq!(sure, ["extend 8 by 32", "extend 9 by 32", "extend 8 by 32"]);
}

#[test]
fn what_was_declared_and_then_terminated_is_in_doubt_where_the_declaration_names_no_other_sector() {
    let before = two(18);
    let asked = |sectors: &[u64]| [declare_faults(LOCATION, sectors), terminate(LOCATION, &[A])];
    let alone = derived(&before, &dead(&before, &[A]), &asked(&[A]));
    assert_eq!(alone, ["fault declared 8 by 10?", "terminate active 8 by 9"]);
    let after = State { faults: vec![B], ..dead(&before, &[A]) };
    let sure = derived(&before, &after, &asked(&[A, B]));
    assert_eq!(sure, ["fault declared 8 by 10", "fault declared 9 by 10", "terminate active 8 by 9"]);
}

#[test]
fn in_actors_v1_and_v2_a_termination_while_the_deadline_closes_is_in_doubt() {
    for actors in [1, 2] {
        let due =
            State { queue: vec![(PERIOD as u64 + 59, vec![A], vec![])], open_deadline: 0, ..two(actors) };
        let before = with(&due, &[Sector { expiration: PERIOD + 9, ..sector(A) }]);
        let after = State { queue: vec![], open_deadline: 1, ..dead(&before, &[A]) };
        let derived =
            derived_at(PERIOD + 59, &before, &after, &[prove(LOCATION, &[]), terminate(LOCATION, &[A])]);
        assert_eq!(derived, ["terminate active 8 by 9?"], "v{actors}");
    }
}

#[test]
fn of_what_was_declared_and_disputed_the_declaration_is_assumed_and_only_the_cause_in_doubt() {
    let before = disputable();
    let after = faulty(&before, &[A, B]);
    for asked in [[dispute(0), declare_faults(LOCATION, &[A])], [declare_faults(LOCATION, &[A]), dispute(0)]]
    {
        let mut derived = derived(&before, &after, &asked);
        derived.sort();
        assert_eq!(derived, ["fault declared 8 by 10?", "fault disputed 9 by 24"]);
    }
}

#[test]
fn a_dispute_of_what_was_extended_afterwards_failed() {
    let before = disputable();
    let raised = Sector { expiration: LATER + 30 * DAY, power_base: NOW, ..sector(A) };
    let after = faulty(&with(&before, &[raised]), &[A, B]);
    let asked = [extend(LOCATION, &[A], raised.expiration), dispute(0)];
    let disputed = ["extend 8 by 32", "fault disputed 8 by 24", "fault disputed 9 by 24"];
    assert_eq!(derived(&before, &after, &asked), disputed);
    let [extend, dispute] = asked;
    let derived = derived(&before, &after, &[dispute, extend]);
    assert_eq!(derived, ["extend 8 by 32", "fault declared 8", "fault declared 9"]);
}

#[test]
fn of_what_was_disputed_and_terminated_the_fault_is_in_doubt_unless_another_sector_tells() {
    let before = disputable();
    let asked = |numbers: &[u64]| [dispute(0), terminate(LOCATION, numbers)];
    let gone = derived(&before, &dead(&before, &[A, B]), &asked(&[A, B]));
    let terminated = ["terminate active 8 by 9", "terminate active 9 by 9"];
    assert_eq!(gone, [&["fault disputed 8 by 24?", "fault disputed 9 by 24?"][..], &terminated].concat());
    let derived = derived(&before, &faulty(&dead(&before, &[A]), &[B]), &asked(&[A]));
    assert_eq!(derived, ["fault disputed 8 by 24", "fault disputed 9 by 24", "terminate active 8 by 9"]);
}

#[test]
fn a_window_post_that_skips_what_expires_at_once_is_in_doubt() {
    let due = State { queue: vec![(PERIOD as u64 + 59, vec![A, B], vec![])], open_deadline: 0, ..two(18) };
    let expired = |number| Sector { expiration: PERIOD + 9, ..sector(number) };
    let before = with(&due, &[expired(A), expired(B)]);
    let after = State { queue: vec![], open_deadline: 1, ..dead(&before, &[A, B]) };
    let derived_of_all = derived_at(PERIOD + 59, &before, &after, &[prove(LOCATION, &[A])]);
    assert_eq!(derived_of_all, ["fault skipped 8 by 5?", "expire on_time 8", "expire on_time 9"]);
    // The other sector, which stays active when the deadline closes, shows that the proof held.
    let before = with(&State { queue: vec![(PERIOD as u64 + 59, vec![A], vec![])], ..due }, &[expired(A)]);
    let after = State { queue: vec![], open_deadline: 1, ..dead(&before, &[A]) };
    let derived = derived_at(PERIOD + 59, &before, &after, &[prove(LOCATION, &[A])]);
    assert_eq!(derived, ["fault skipped 8 by 5", "expire on_time 8"]);
}

#[test]
fn what_was_extended_or_snapped_and_then_terminated_and_compacted_away_is_in_doubt() {
    let before = two(18);
    let after = without(&before, &[A]);
    let gone = terminate(LOCATION, &[A]);
    let extension = extend(LOCATION, &[A], LATER + 100 * DAY);
    assert_eq!(
        derived(&before, &after, &[extension, gone.clone()]),
        ["extend 8 by 32?", "terminate active 8 by 9"]
    );
    let update = snap(35, LOCATION, A, &sealed(2));
    let gone = terminate(LOCATION, &[A]);
    assert_eq!(derived(&before, &after, &[update, gone]), ["snap 8 by 35?", "terminate active 8 by 9"]);
}
