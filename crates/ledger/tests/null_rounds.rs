//! When deadlines end, and what their crons do before a tipset's messages and after them: over null rounds, days of
//! them, and after the cron has slept; on states written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/one_miner.rs"]
mod one_miner;
#[path = "common/state.rs"]
mod state;

use ledger::{Differ, Event, Status};
use one_miner::{
    CLOSING, DAY, LATER, PERIOD, STALE, closed, derived, derived_since, miner, naming, post, sector,
    terminated, word,
};
use state::{SIZE, Sector, State, events};

#[test]
fn deadlines_end_where_the_offset_of_the_period_says_whatever_day_the_state_names() {
    let located = |actors, start, deadline, open| State {
        location: (deadline, 0),
        period_start: start,
        open_deadline: open,
        ..miner(actors, &[8])
    };
    for actors in [4, 8, 18] {
        for start in [STALE, PERIOD] {
            let at = format!("v{actors}, period from {start}");
            // The period wraps: the end of deadline 47 is nothing to a sector in deadline 20.
            let before = located(actors, start, 20, 47);
            let wrapped = State { period_start: PERIOD + DAY, open_deadline: 0, ..before.clone() };
            let height = PERIOD + 2879;
            let seen = derived(&before, &terminated(&wrapped, &[8]), height, &[naming(9, 20, &[8])]);
            assert_eq!(seen, ["terminate active 8 by 9"], "{at}");
            let faulty = State { faults: vec![8], ..wrapped };
            let seen = derived(&before, &faulty, height, &[naming(10, 20, &[8])]);
            assert_eq!(seen, ["fault declared 8 by 10"], "{at}");
            // Deadline 20 ends with the tipset's own epoch, after its messages.
            let before = located(actors, start, 20, 20);
            let faulty = State { faults: vec![8], ..closed(&before) };
            let seen = derived(&before, &faulty, PERIOD + 1259, &[post(20, &[8])]);
            assert_eq!(seen, ["fault skipped 8 by 5"], "{at}");
            let seen = derived(&before, &faulty, PERIOD + 1259, &[]);
            assert_eq!(seen, ["fault missed 8"], "{at}");
            // In a null round before it, so before the messages.
            let gone = closed(&terminated(&before, &[8]));
            let seen = derived_since(&before, &gone, (PERIOD + 1258, PERIOD + 1262), &[naming(9, 20, &[8])]);
            assert_eq!(seen, ["fault missed 8", "terminate active 8 by 9"], "{at}");
        }
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
        assert_eq!(derived_since(&before, &faulty, twice, &[]), ["fault missed 8"], "v{actors}");
        // The proof that is in is spent by the first end.
        let posted = State { posted: true, ..before.clone() };
        assert_eq!(derived_since(&posted, &faulty, twice, &[]), ["fault missed 8"], "v{actors}");
        let once = State { open_deadline: 1, ..before.clone() };
        assert_eq!(derived(&posted, &once, CLOSING, &[]), [""; 0], "v{actors}");
        // Its time comes between the two ends.
        let due = |epoch: i64, early| {
            let (on_time, early) = if early { (vec![], vec![8]) } else { (vec![8], vec![]) };
            let short = Sector { expiration: epoch, ..sector(8) };
            State { sectors: vec![short], queue: vec![(epoch as u64, on_time, early)], ..before.clone() }
        };
        let next = due(CLOSING + DAY, false);
        let gone = terminated(&moved, &[8]);
        let led = derived_since(&next, &gone, twice, &[]);
        assert_eq!(led, ["fault missed 8", "expire on_time 8"], "v{actors}");
        let led = derived_since(&State { posted: true, ..next }, &gone, twice, &[]);
        assert_eq!(led, ["expire on_time 8"], "v{actors}");
        // It had come by the first, though another follows.
        assert_eq!(derived_since(&due(CLOSING, false), &gone, twice, &[]), ["expire on_time 8"], "v{actors}");
        let faulty = State { faults: vec![8], ..due(CLOSING + DAY, true) };
        assert_eq!(derived_since(&faulty, &gone, twice, &[]), ["terminate passive 8"], "v{actors}");
        // The second is the tipset's own, after its messages.
        let own = (CLOSING - 1, CLOSING + DAY);
        let sent = [naming(9, 0, &[8])];
        let led = derived_since(&due(CLOSING + DAY, false), &gone, own, &sent);
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
            derived_since(&before, &terminated(&moved, &[8]), heights, &[])
        };
        assert_eq!(over(days), ["fault missed 8", "terminate passive 8"], "v{actors}");
        assert_eq!(over(days - 1), ["fault missed 8", "terminate active 8"], "v{actors}");
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
            let seen = derived_since(&before, &after, heights, &[naming(9, 0, &[8])]);
            assert_eq!(seen, ["terminate active 8 by 9"], "v{actors}");
            assert_eq!(derived_since(&before, &after, heights, &[]), [by_cron], "v{actors}");
        }
    }
}

#[test]
fn a_sector_past_its_time_that_leaves_while_no_deadline_ends_was_terminated_from_inside() {
    for actors in [1, 2, 6, 10, 18] {
        let before = State { queue: vec![((CLOSING - DAY) as u64, vec![8], vec![])], ..miner(actors, &[8]) };
        let after = terminated(&before, &[8]);
        assert_eq!(derived(&before, &after, CLOSING - 5, &[]), ["terminate active 8"], "v{actors}");
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
            let late = derived_since(&before, &after, (CLOSING - 1, CLOSING + 3), &[]);
            assert_eq!(late, ["fault missed 8", kind], "v{actors}");
        }
    }
}
