//! What actors v1 to v18 do beyond what chains with known truth show: replacements, deletions, sleeping crons, several
//! proofs of a sector, null rounds of days, migrations that take sectors away; on states written by hand. Sources are
//! named where the rules are (`src/differ`).
#![allow(clippy::unwrap_used)]

#[path = "common/state.rs"]
mod state;

use chain::{Bytes, Epoch};
use ledger::columns::column;
use ledger::identities::{IDENTITIES, MinerDay};
use ledger::{Cause, ChainPower, Differ, Event, Kind, Power, Row, Status, Value};
use state::{
    MINER, Precommit, SIZE, Sector, Sent, State, bytes, events, events_since, int, list, open, set, uint,
};

const DAY: i64 = 2880;
/// Begin of a proving period, and the last epoch of its deadline 0.
const PERIOD: i64 = 700 * DAY;
const CLOSING: i64 = PERIOD + 59;
const LATER: i64 = PERIOD + 400 * DAY;
/// A period's begin that no cron has moved since.
const STALE: i64 = PERIOD - 10 * DAY;

/// A sector that was activated a year before and leaves long after.
fn sector(number: u64) -> Sector {
    let activation = PERIOD - 365 * DAY;
    Sector {
        number,
        activation,
        power_base: activation,
        expiration: LATER,
        verified_weight: 0,
        sealed: 1,
        full_qap: false,
    }
}

/// A miner with these sectors in deadline 0, which leave long after.
fn miner(actors: u8, numbers: &[u64]) -> State {
    State {
        actors,
        period_start: PERIOD,
        sectors: numbers.iter().map(|number| sector(*number)).collect(),
        queue: vec![(LATER as u64, numbers.to_vec(), vec![])],
        ..State::default()
    }
}

/// The same when the open deadline has closed.
fn closed(state: &State) -> State {
    State { open_deadline: state.open_deadline + 1, posted: false, ..state.clone() }
}

/// The same when these sectors have left the live set.
fn terminated(state: &State, numbers: &[u64]) -> State {
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

/// An event in words: what happened to which sector, and by which method, if a message did it.
fn word(event: &Event) -> String {
    let cause = event.cause.map_or(String::new(), |cause| format!(" {cause}"));
    let method = event.message.as_ref().map_or(String::new(), |message| format!(" by {}", message.method));
    format!("{}{cause} {}{method}", event.kind, event.sector)
}

fn told(before: &State, after: &State, height: i64, sent: &[Sent]) -> Vec<String> {
    events(&mut Differ::new(), before, after, height, sent).iter().map(word).collect()
}

/// Over null rounds: heights of the parent and of the tipset.
fn told_since(before: &State, after: &State, heights: (i64, i64), sent: &[Sent]) -> Vec<String> {
    events_since(&mut Differ::new(), before, after, heights, sent).iter().map(word).collect()
}

/// Methods 9, 10 and 11: `[[[deadline, partition, sectors]]]`.
fn naming(method: u64, deadline: u64, sectors: &[u64]) -> Sent {
    (method, list(&[list(&[list(&[uint(deadline), uint(0), set(sectors)])])]), vec![])
}

/// Method 5: a window `PoSt` of partition 0 that skips these.
fn post(deadline: u64, skipped: &[u64]) -> Sent {
    let partitions = list(&[list(&[uint(0), set(skipped)])]);
    (5, list(&[uint(deadline), partitions, list(&[]), int(0), bytes(&[])]), vec![])
}

fn prove_one(number: u64) -> Sent {
    (7, list(&[uint(number), bytes(&[])]), vec![])
}

fn prove_aggregate(numbers: &[u64]) -> Sent {
    (26, list(&[set(numbers), bytes(&[])]), vec![])
}

fn extend(expiration: i64, numbers: &[u64]) -> Sent {
    (8, list(&[list(&[list(&[uint(0), uint(0), set(numbers), int(expiration)])])]), vec![])
}

fn precommit(number: u64) -> Precommit {
    Precommit { number, epoch: PERIOD - 300, expiration: LATER, ..Precommit::default() }
}

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
        assert_eq!(told(&before, &after, PERIOD + 5, &sent), ["fault declared 1 by 10"], "v{actors}");
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
        let seen = told(&before, &open, CLOSING - 1, std::slice::from_ref(&prove));
        assert!(seen.contains(&"terminate active 8".to_owned()), "v{actors}: {seen:?}");
        // A pre-commit that replaces nothing, and from v7 one that says it does.
        let replaces = if actors == 7 { Some(8) } else { None };
        let (before, after, _) = replacement(actors, CLOSING);
        let plain = State { precommits: vec![Precommit { replaces, ..precommit(9) }], ..before };
        let seen = told(&plain, &after, CLOSING, &[post(0, &[]), prove]);
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
            assert_eq!(told(&before, &after, CLOSING, &sent), ["precommit_expired 9"], "v{actors}");
        }
        // What was onboarded, terminated and compacted away did not expire.
        let sent = [aggregate.clone(), naming(9, 3, &[9])];
        let seen = told(&before, &after, CLOSING, &sent);
        assert!(!seen.contains(&"precommit_expired 9".to_owned()), "v{actors}: {seen:?}");
        // A termination before the proof is none of it.
        let sent = [naming(9, 3, &[9]), aggregate.clone()];
        assert_eq!(told(&before, &after, CLOSING, &sent), ["precommit_expired 9"], "v{actors}");
    }
}

#[test]
fn deadlines_end_where_the_offset_of_the_period_says_whatever_day_the_state_names() {
    let seated = |actors, start, deadline, open| State {
        seat: (deadline, 0),
        period_start: start,
        open_deadline: open,
        ..miner(actors, &[8])
    };
    for actors in [4, 8, 18] {
        for start in [STALE, PERIOD] {
            let at = format!("v{actors}, period from {start}");
            // The period wraps: the end of deadline 47 is nothing to a sector in deadline 20.
            let before = seated(actors, start, 20, 47);
            let wrapped = State { period_start: PERIOD + DAY, open_deadline: 0, ..before.clone() };
            let height = PERIOD + 2879;
            let seen = told(&before, &terminated(&wrapped, &[8]), height, &[naming(9, 20, &[8])]);
            assert_eq!(seen, ["terminate active 8 by 9"], "{at}");
            let faulty = State { faults: vec![8], ..wrapped };
            let seen = told(&before, &faulty, height, &[naming(10, 20, &[8])]);
            assert_eq!(seen, ["fault declared 8 by 10"], "{at}");
            // Deadline 20 ends with the tipset's own epoch, after its messages.
            let before = seated(actors, start, 20, 20);
            let faulty = State { faults: vec![8], ..closed(&before) };
            let seen = told(&before, &faulty, PERIOD + 1259, &[post(20, &[8])]);
            assert_eq!(seen, ["fault skipped 8 by 5"], "{at}");
            let seen = told(&before, &faulty, PERIOD + 1259, &[]);
            assert_eq!(seen, ["fault missed 8"], "{at}");
            // In a null round before it, so before the messages.
            let gone = closed(&terminated(&before, &[8]));
            let seen = told_since(&before, &gone, (PERIOD + 1258, PERIOD + 1262), &[naming(9, 20, &[8])]);
            assert_eq!(seen, ["fault missed 8", "terminate active 8 by 9"], "{at}");
        }
    }
}

#[test]
fn the_migration_to_actors_v2_moves_frozen_miners_on_without_ending_their_deadlines() {
    for deadline in [3, 4, 20] {
        let before = State { period_start: STALE, open_deadline: 3, seat: (deadline, 0), ..miner(1, &[8]) };
        let after = State { actors: 2, period_start: PERIOD, open_deadline: 5, ..before.clone() };
        let height = PERIOD + 5 * 60 + 7;
        assert_eq!(told(&before, &after, height, &[]), [""; 0]);
        let faulty = State { faults: vec![8], ..after };
        let seen = told(&before, &faulty, height, &[naming(10, deadline, &[8])]);
        assert_eq!(seen, ["fault declared 8 by 10"], "deadline {deadline}");
    }
}

#[test]
fn a_deadline_that_ends_twice_over_a_day_of_null_rounds_does_to_a_sector_first_one_and_then_the_other() {
    for actors in [1, 2, 5, 8, 18] {
        let twice = (CLOSING - 1, CLOSING + DAY + 3);
        let before = miner(actors, &[8]);
        let moved = State { period_start: PERIOD + DAY, open_deadline: 1, ..before.clone() };
        // Missed once, and no more than once.
        let faulty = State { faults: vec![8], ..moved.clone() };
        assert_eq!(told_since(&before, &faulty, twice, &[]), ["fault missed 8"], "v{actors}");
        // The proof that is in is spent by the first end.
        let posted = State { posted: true, ..before.clone() };
        assert_eq!(told_since(&posted, &faulty, twice, &[]), ["fault missed 8"], "v{actors}");
        let once = State { open_deadline: 1, ..before.clone() };
        assert_eq!(told(&posted, &once, CLOSING, &[]), [""; 0], "v{actors}");
        // Its time comes between the two ends.
        let due = |epoch: i64, early| {
            let (on_time, early) = if early { (vec![], vec![8]) } else { (vec![8], vec![]) };
            let short = Sector { expiration: epoch, ..sector(8) };
            State { sectors: vec![short], queue: vec![(epoch as u64, on_time, early)], ..before.clone() }
        };
        let next = due(CLOSING + DAY, false);
        let gone = terminated(&moved, &[8]);
        let led = told_since(&next, &gone, twice, &[]);
        assert_eq!(led, ["fault missed 8", "expire on_time 8"], "v{actors}");
        let led = told_since(&State { posted: true, ..next }, &gone, twice, &[]);
        assert_eq!(led, ["expire on_time 8"], "v{actors}");
        // It had come by the first, though another follows.
        assert_eq!(told_since(&due(CLOSING, false), &gone, twice, &[]), ["expire on_time 8"], "v{actors}");
        let faulty = State { faults: vec![8], ..due(CLOSING + DAY, true) };
        assert_eq!(told_since(&faulty, &gone, twice, &[]), ["terminate passive 8"], "v{actors}");
        // The second is the tipset's own, after its messages.
        let own = (CLOSING - 1, CLOSING + DAY);
        let sent = [naming(9, 0, &[8])];
        let led = told_since(&due(CLOSING + DAY, false), &gone, own, &sent);
        assert_eq!(led, ["fault missed 8", "terminate active 8 by 9"], "v{actors}");
    }
}

#[test]
fn a_sector_missed_in_null_rounds_is_dropped_when_it_has_been_faulty_for_too_long() {
    for (actors, days) in [(5, 14), (6, 42)] {
        let before = miner(actors, &[8]);
        let over = |days: i64| {
            let heights = (CLOSING - 1, CLOSING + days * DAY);
            let moved = State { period_start: PERIOD + days * DAY, open_deadline: 1, ..before.clone() };
            told_since(&before, &terminated(&moved, &[8]), heights, &[])
        };
        assert_eq!(over(days), ["fault missed 8", "terminate passive 8"], "v{actors}");
        assert_eq!(over(days - 1), ["fault missed 8", "terminate active 8"], "v{actors}");
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
        let by = |sent: &[Sent]| told(&before, &after, PERIOD + 5, sent);
        assert_eq!(by(&[one.clone(), many]), ["onboard batch 9 by 26"], "v{actors}");
        assert_eq!(by(&[one.clone(), one.clone()]), ["onboard single 9 by 7"], "v{actors}");
        assert_eq!(by(&[one, prove_aggregate(&[10, 11, 12, 13])]), ["onboard single 9 by 7"], "v{actors}");
    }
}

#[test]
fn a_sector_past_its_time_that_a_message_terminates_was_not_taken_by_a_null_round() {
    for actors in 1..=8 {
        let overdue = Sector { expiration: CLOSING - 20 * DAY, ..sector(8) };
        for (faults, on_time, early, by_cron) in
            [(vec![], vec![8], vec![], "expire on_time 8"), (vec![8], vec![], vec![8], "terminate passive 8")]
        {
            let before = State {
                sectors: vec![overdue],
                faults,
                queue: vec![((CLOSING - 20 * DAY) as u64, on_time, early)],
                posted: true,
                ..miner(actors, &[8])
            };
            let after = closed(&terminated(&before, &[8]));
            let heights = (CLOSING - 1, CLOSING + 3);
            let seen = told_since(&before, &after, heights, &[naming(9, 0, &[8])]);
            assert_eq!(seen, ["terminate active 8 by 9"], "v{actors}");
            assert_eq!(told_since(&before, &after, heights, &[]), [by_cron], "v{actors}");
        }
    }
}

#[test]
fn a_sector_past_its_time_that_leaves_while_no_deadline_ends_was_terminated_from_inside() {
    for actors in [1, 2, 6, 10, 18] {
        let before = State { queue: vec![((CLOSING - DAY) as u64, vec![8], vec![])], ..miner(actors, &[8]) };
        let after = terminated(&before, &[8]);
        assert_eq!(told(&before, &after, CLOSING - 5, &[]), ["terminate active 8"], "v{actors}");
    }
}

#[test]
fn what_runs_inside_comes_before_the_tipsets_own_cron_and_after_that_of_null_rounds() {
    for actors in [7, 12, 18] {
        let before = miner(actors, &[8]);
        let longer = Sector { expiration: LATER + DAY, ..sector(8) };
        let snapped = Sector { sealed: 2, power_base: CLOSING, verified_weight: SIZE * 1000, ..sector(8) };
        for (changed, kind) in [(longer, "extend 8"), (snapped, "snap 8")] {
            let after = State { sectors: vec![changed], faults: vec![8], ..closed(&before) };
            let seen = events(&mut Differ::new(), &before, &after, CLOSING, &[]);
            assert_eq!(seen.iter().map(word).collect::<Vec<_>>(), [kind, "fault missed 8"], "v{actors}");
            assert_eq!((seen[0].status_before, seen[0].status_after), (Status::Active, Status::Active));
            let terms = |event: &Event| (event.qap_before, event.expiration_before);
            assert_eq!(terms(&seen[1]), (seen[0].qap_after, seen[0].expiration_after), "v{actors}");
            let late = told_since(&before, &after, (CLOSING - 1, CLOSING + 3), &[]);
            assert_eq!(late, ["fault missed 8", kind], "v{actors}");
        }
    }
}

#[test]
fn an_extension_that_changes_neither_date_nor_power_is_no_event() {
    for actors in [12, 16, 18] {
        let moved = Sector { power_base: PERIOD + 5, ..sector(8) };
        let after = State { sectors: vec![moved], ..miner(actors, &[8]) };
        let seen = told(&miner(actors, &[8]), &after, PERIOD + 5, &[extend(LATER, &[8])]);
        assert_eq!(seen, [""; 0], "v{actors}");
    }
    for actors in [2, 7, 11] {
        let before = State { faults: vec![8], recoveries: vec![8], ..miner(actors, &[8]) };
        let sent = [post(0, &[]), extend(LATER, &[8])];
        assert_eq!(told(&before, &miner(actors, &[8]), PERIOD + 5, &sent), ["recover 8 by 5"], "v{actors}");
    }
    // With deals, from v6, the spent part of their weight is lost by it.
    let with =
        |verified_weight| State { sectors: vec![Sector { verified_weight, ..sector(8) }], ..miner(6, &[8]) };
    let sent = [extend(LATER, &[8])];
    let seen = told(&with(SIZE * 1000), &with(SIZE * 500), PERIOD + 5, &sent);
    assert_eq!(seen, ["adjust extension 8 by 8"]);
}

#[test]
fn what_a_migration_takes_away_is_neither_terminated_nor_expired_and_the_balance_closes() {
    let before = State { faults: vec![3], ..miner(18, &[1, 2, 3]) };
    let emptied = State { actors: 19, sectors: vec![sector(1)], faults: vec![], ..before.clone() };
    let differ = &mut Differ::new();
    let opened = open(differ, &before, PERIOD);
    let dropped = events(differ, &before, &emptied, PERIOD + 5, &[]);
    let first = Row::of(None, &opened).unwrap();
    let row = Row::of(Some(&first), &dropped).unwrap();
    let value = |name| match row.value(column(name).unwrap()) {
        Some(Value::Integer(value)) => value,
        other => panic!("{name}: {other:?}"),
    };
    let seen = ["live_sector_count", "total_dropped_count", "total_terminate_count", "total_expire_count"]
        .map(value);
    assert_eq!(seen, [1, 2, 0, 0]);
    assert_eq!([value("live_sector_rbp"), value("total_dropped_rbp")], [SIZE, 2 * SIZE]);
    assert_eq!([value("live_sector_qap"), value("total_requalified_qap")], [SIZE, -2 * SIZE]);
    let power = |sectors| Power { rbp: Bytes(SIZE * sectors), qap: Bytes(SIZE * sectors) };
    let (claim, none) = (power(1), power(0));
    let power = ChainPower { miner: MINER, claim, live: claim, faulty: none, unproven: none };
    let day = MinerDay { previous: Some(&first), row: &row, power, opening: false };
    for identity in IDENTITIES {
        assert_eq!(identity.difference(|figure| day.value(figure)), Some(0), "{}", identity.name);
    }
    // What a migration only changes is not among them.
    let heavier = Sector { full_qap: true, ..sector(1) };
    let changed = State { actors: 19, sectors: vec![heavier], ..miner(18, &[1]) };
    let changed = events(&mut Differ::new(), &miner(18, &[1]), &changed, PERIOD + 5, &[]);
    let row = Row::of(None, &changed).unwrap();
    assert_eq!(row.value(column("total_dropped_count").unwrap()), Some(Value::Integer(0)));
}

#[test]
fn what_a_migration_takes_away_is_adjusted_and_not_terminated() {
    for actors in [1, 8, 15, 18] {
        let before = State { faults: vec![3], precommits: vec![precommit(9)], ..miner(actors, &[1, 2, 3]) };
        let next = State { actors: actors + 1, ..before.clone() };
        let emptied = State { sectors: vec![], faults: vec![], queue: vec![], ..next.clone() };
        let without = State { without_miner: true, ..next.clone() };
        let dropped = ["adjust migration 1", "adjust migration 2", "adjust migration 3"];
        // Its sectors alone; those and a deadline that ends by then; its sectors by a termination; the miner itself.
        let at = |after: &State, height| told(&before, after, height, &[]);
        assert_eq!(at(&emptied, PERIOD + 5), dropped, "from v{actors}");
        assert_eq!(at(&closed(&emptied), CLOSING), dropped, "from v{actors}");
        let seen = events(&mut Differ::new(), &before, &emptied, PERIOD + 5, &[]);
        for event in &seen {
            assert_eq!((event.kind, event.cause), (Kind::Adjust, Some(Cause::Migration)));
            assert_eq!(
                (event.status_after, event.qap_after, event.expiration_after),
                (Status::None, None, None)
            );
        }
        let all = at(&without, PERIOD + 5);
        assert_eq!(all[..3], dropped, "from v{actors}");
        assert_eq!(all[3..], ["precommit_expired 9"], "from v{actors}");
        // What a message or the queue explains is what it is.
        let by_message = told(&before, &emptied, PERIOD + 5, &[naming(9, 0, &[1, 2, 3])]);
        assert_eq!(by_message[0], "terminate active 1 by 9", "from v{actors}");
        let due = State { queue: vec![(CLOSING as u64, vec![1, 2, 3], vec![])], ..before.clone() };
        let by_queue = told(&due, &closed(&emptied), CLOSING, &[]);
        assert!(by_queue[0].starts_with("expire"), "from v{actors}: {by_queue:?}");
    }
}
