//! What is wrong is seen: each of these damages to a day's events, or to how they are added up, fails the check beside
//! it. What no check can see stands in a table of its own.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use chain::{Bytes, EPOCHS_PER_DAY, Epoch, MinerId, SectorNumber};
use common::days::{Add, Held, History, chain_history, made_up};
use ledger::columns::COLUMNS;
use ledger::testing::SyntheticOptions;
use ledger::{Cause, Event, Kind, Row, Status, Value};

/// A damage to the events of a history, and the name of the check that sees it. `false` where there is no event that it
/// could be done to.
struct Damage {
    name: &'static str,
    to: fn(&mut History) -> bool,
    seen_by: &'static str,
}

/// How many sectors the event's message changed; none without a message.
fn companions(event: &Event) -> u32 {
    event.message.as_ref().map_or(0, |message| message.sectors)
}

fn is(kind: Kind, cause: impl Into<Option<Cause>>) -> impl Fn(&Event) -> bool {
    let cause = cause.into();
    move |event| event.kind == kind && (cause.is_none() || event.cause == cause)
}

/// Changes the event in the middle of those that `which` takes; not of the last day, so that there is one after it.
fn change(history: &mut History, which: impl Fn(&Event) -> bool, to: impl FnOnce(&mut Event)) -> bool {
    at(history, which, |events, index| to(&mut events[index]))
}

fn at(
    history: &mut History,
    which: impl Fn(&Event) -> bool,
    to: impl FnOnce(&mut Vec<Event>, usize),
) -> bool {
    let Some((day, index)) = place(history, which) else { return false };
    to(&mut history.days[day].events, index);
    true
}

fn place(history: &History, which: impl Fn(&Event) -> bool) -> Option<(usize, usize)> {
    let upto = history.days.len() - 1;
    let days = history.days[..upto].iter().enumerate();
    let all = days
        .flat_map(|(day, of)| of.events.iter().enumerate().map(move |(index, event)| (day, index, event)));
    let fitting: Vec<_> =
        all.filter(|(_, _, event)| which(event)).map(|(day, index, _)| (day, index)).collect();
    fitting.get(fitting.len() / 2).copied()
}

fn drop_one(history: &mut History, which: impl Fn(&Event) -> bool) -> bool {
    at(history, which, |events, index| {
        events.remove(index);
    })
}

fn double_one(history: &mut History, which: impl Fn(&Event) -> bool) -> bool {
    at(history, which, |events, index| events.insert(index + 1, events[index].clone()))
}

/// Moves an event to the next day, and if `dated` its epoch with it.
fn shift_one(history: &mut History, which: impl Fn(&Event) -> bool, dated: bool) -> bool {
    let Some((day, index)) = place(history, which) else { return false };
    let mut event = history.days[day].events.remove(index);
    event.epoch = event.epoch + if dated { EPOCHS_PER_DAY } else { 0 };
    let next = &mut history.days[day + 1].events;
    let at = next.partition_point(|other| other.epoch < event.epoch);
    next.insert(at, event);
    true
}

/// The last event of each sector.
struct Last(HashMap<(MinerId, SectorNumber), Event>);

impl Last {
    fn of(history: &History) -> Self {
        let events = history.days.iter().flat_map(|day| &day.events);
        Self(events.map(|event| ((event.miner, event.sector), event.clone())).collect())
    }

    fn after(&self, event: &Event) -> &Event {
        &self.0[&(event.miner, event.sector)]
    }

    /// Whether more happens to the event's sector on a later day.
    fn goes_on(&self, event: &Event) -> bool {
        self.after(event).epoch >= event.epoch + EPOCHS_PER_DAY
    }

    fn is_last(&self, event: &Event) -> bool {
        self.after(event) == event
    }
}

fn qap_change(event: &Event) -> i128 {
    event.qap_after.unwrap_or_default().0 - event.qap_before.unwrap_or_default().0
}

fn double(bytes: &mut Option<Bytes>) {
    *bytes = bytes.map(|bytes| Bytes(bytes.0 * 2));
}

use Cause::{
    Active, Batch, Declared, Disputed, Extension, Genesis, Missed, NonInteractive, OnTime, Passive, Single,
    Skipped,
};
use Kind::{
    Adjust, Expire, Extend, Fault, Onboard, Opening, Precommit, PrecommitExpired, Proven, Recover, Snap,
    Terminate, Upgrade,
};

const fn damage(name: &'static str, to: fn(&mut History) -> bool, seen_by: &'static str) -> Damage {
    Damage { name, to, seen_by }
}

#[rustfmt::skip]
const DAMAGES: &[Damage] = &[
    damage("a single pre-commit dropped that is onboarded later", |h| { let (whole, last) = (h.whole, Last::of(h)); whole && drop_one(h, |e| is(Precommit, Single)(e) && last.goes_on(e)) }, "continuity across days"),
    damage("a pre-commit of a batch dropped", |h| drop_one(h, |e| is(Precommit, Batch)(e) && companions(e) > 1), "messages"),
    damage("a single onboard dropped", |h| drop_one(h, is(Onboard, Single)), "partitions_live_rbp"),
    damage("a batch onboard dropped", |h| drop_one(h, is(Onboard, Batch)), "partitions_live_rbp"),
    damage("a non-interactive onboard dropped", |h| drop_one(h, is(Onboard, NonInteractive)), "partitions_live_qap"),
    damage("a sector of the genesis dropped", |h| drop_one(h, is(Onboard, Genesis)), "partitions_live_rbp"),
    damage("an opening dropped", |h| drop_one(h, is(Opening, None)), "partitions_live_rbp"),
    damage("a first proof dropped", |h| drop_one(h, is(Proven, None)), "claim_rbp"),
    damage("a snap dropped that changes the QAP", |h| drop_one(h, |e| e.kind == Snap && qap_change(e) != 0), "partitions_live_qap"),
    damage("a snap dropped that changes no QAP", |h| drop_one(h, |e| e.kind == Snap && qap_change(e) == 0 && companions(e) > 1), "messages"),
    // Of an upgrade that extends, the upgrade still names the sector.
    damage("an extension dropped", |h| drop_one(h, |e| e.kind == Extend && companions(e) > 1 && e.message.as_ref().is_none_or(|m| m.method != 37)), "messages"),
    damage("an extension dropped of a sector to which more happens", |h| { let last = Last::of(h); drop_one(h, |e| e.kind == Extend && last.goes_on(e)) }, "continuity across days"),
    damage("a declared fault dropped", |h| drop_one(h, is(Fault, Declared)), "partitions_faulty_rbp"),
    damage("a skipped fault dropped", |h| drop_one(h, is(Fault, Skipped)), "partitions_faulty_rbp"),
    damage("a missed fault dropped", |h| drop_one(h, is(Fault, Missed)), "partitions_faulty_rbp"),
    damage("a disputed fault dropped", |h| drop_one(h, is(Fault, Disputed)), "partitions_faulty_qap"),
    damage("a recovery dropped", |h| drop_one(h, is(Recover, None)), "partitions_faulty_rbp"),
    damage("an active termination dropped", |h| drop_one(h, is(Terminate, Active)), "partitions_live_rbp"),
    damage("a passive termination dropped", |h| drop_one(h, is(Terminate, Passive)), "partitions_faulty_rbp"),
    damage("an expiration dropped", |h| drop_one(h, is(Expire, OnTime)), "partitions_live_qap"),
    damage("what a migration took away kept", |h| drop_one(h, |e| e.kind == Adjust && e.status_after == Status::None), "partitions_live_rbp"),
    damage("what a migration took away called a termination", |h| change(h, |e| e.kind == Adjust && e.status_after == Status::None, |e| e.kind = Terminate), "transitions"),
    damage("an adjustment dropped that changes the QAP", |h| drop_one(h, |e| e.kind == Adjust && qap_change(e) != 0), "partitions_live_qap"),
    damage("an upgrade dropped that changes the QAP", |h| drop_one(h, |e| e.kind == Upgrade && qap_change(e) != 0), "partitions_live_qap"),
    damage("an upgrade to less than full quality", |h| change(h, |e| e.kind == Upgrade && qap_change(e) > 0, |e| e.qap_after = e.qap_before), "transitions"),
    damage("a pre-commit doubled", |h| double_one(h, is(Precommit, None)), "continuity"),
    damage("an expired pre-commit doubled", |h| double_one(h, is(PrecommitExpired, None)), "continuity"),
    damage("an onboard doubled", |h| double_one(h, is(Onboard, None)), "continuity"),
    damage("a first proof doubled", |h| double_one(h, is(Proven, None)), "continuity"),
    damage("a snap doubled that changes no QAP", |h| double_one(h, |e| e.kind == Snap && qap_change(e) == 0), "continuity"),
    damage("an extension doubled", |h| double_one(h, is(Extend, None)), "continuity"),
    damage("a fault doubled", |h| double_one(h, is(Fault, None)), "continuity"),
    damage("a termination doubled", |h| double_one(h, is(Terminate, None)), "continuity"),
    damage("an expiration doubled", |h| double_one(h, is(Expire, None)), "continuity"),
    damage("an event put into the next day", |h| shift_one(h, |_| true, false), "epochs"),
    damage("a first proof dated a day late", |h| shift_one(h, is(Proven, None), true), "claim_rbp"),
    damage("an expiration dated a day late", |h| shift_one(h, is(Expire, OnTime), true), "partitions_live_rbp"),
    damage("two events of one sector on a day swapped", swap_two, "continuity"),
    damage("a batch pre-commit called single", |h| change(h, is(Precommit, Batch), |e| e.cause = Some(Single)), "transitions"),
    damage("a batch onboard called single", |h| change(h, is(Onboard, Batch), |e| e.cause = Some(Single)), "transitions"),
    damage("a non-interactive onboard called batch", |h| change(h, is(Onboard, NonInteractive), |e| e.cause = Some(Batch)), "transitions"),
    damage("an active termination called passive", |h| change(h, |e| is(Terminate, Active)(e) && e.message.is_some(), |e| e.cause = Some(Passive)), "transitions"),
    damage("a missed fault called skipped", |h| change(h, is(Fault, Missed), |e| e.cause = Some(Skipped)), "transitions"),
    damage("a termination called an expiration", |h| change(h, is(Terminate, None), |e| e.kind = Expire), "transitions"),
    damage("an active sector's expiration called a passive termination", |h| change(h, |e| e.kind == Expire && e.status_before == Status::Active, |e| (e.kind, e.cause) = (Terminate, Some(Passive))), "transitions"),
    damage("an extension called an adjustment", |h| change(h, is(Extend, None), |e| (e.kind, e.cause) = (Adjust, Some(Extension))), "transitions"),
    damage("an event of another miner", |h| change(h, is(Onboard, None), |e| e.miner.0 += 5_000), "partitions_live_rbp"),
    damage("an event of another sector", |h| change(h, is(Proven, None), |e| e.sector.0 += 1 << 40), "continuity across days"),
    damage("an onboard of twice the QAP", |h| change(h, is(Onboard, None), |e| double(&mut e.qap_after)), "partitions_live_qap"),
    damage("a termination of twice the QAP", |h| change(h, is(Terminate, None), |e| double(&mut e.qap_before)), "partitions_live_qap"),
    damage("a pre-commit of eleven times its size", |h| change(h, is(Precommit, None), |e| e.qap_after = Some(Bytes(e.sector_size.0 * 11))), "sizes"),
    damage("a sector of twice the size", |h| change(h, |_| true, |e| e.sector_size.0 *= 2), "sizes"),
    damage("a pre-commit of half the size", |h| change(h, is(Precommit, None), |e| e.sector_size.0 /= 2), "sizes"),
    damage("an onboard that expires later", |h| { let last = Last::of(h); change(h, |e| e.kind == Onboard && last.goes_on(e), |e| e.expiration_after = e.expiration_after.map(|at| at + 1)) }, "continuity across days"),
    damage("an extension that moves no date", |h| change(h, is(Extend, None), |e| e.expiration_after = e.expiration_before), "transitions"),
    damage("an onboard activated earlier", |h| change(h, |e| e.kind == Onboard && e.message.is_some(), |e| e.activation = e.activation.map(|at| at + -1)), "transitions"),
    damage("an onboard that is active at once", |h| change(h, |e| e.kind == Onboard && e.message.is_some(), |e| e.status_after = Status::Active), "transitions"),
    damage("a fault that leaves the sector active", |h| change(h, is(Fault, None), |e| e.status_after = Status::Active), "transitions"),
    damage("a message of one sector more", |h| change(h, |e| e.message.is_some(), |e| Arc::make_mut(e.message.as_mut().unwrap()).sectors += 1), "messages"),
    damage("an event of a message at another epoch", |h| change(h, |e| companions(e) > 1, |e| e.epoch = e.epoch + -1), "messages"),
    damage("an event before its day", |h| change(h, |_| true, |e| e.epoch = Epoch(-10_000)), "epochs"),
];

/// Swaps two events of one sector that are of one day.
fn swap_two(history: &mut History) -> bool {
    for day in history.days.iter_mut().rev() {
        for first in 0..day.events.len() {
            let event = &day.events[first];
            let moved = event.status_before != event.status_after && event.status_after != Status::None;
            let same = |other: &Event| (other.miner, other.sector) == (event.miner, event.sector);
            if let Some(gap) = day.events[first + 1..].iter().position(same)
                && moved
            {
                day.events.swap(first, first + 1 + gap);
                return true;
            }
        }
    }
    false
}

/// A damage to how a miner's row is added up, and the name of what sees it.
const TALLIES: &[(&str, &Add, &str)] = &[
    ("totals that are not carried", &|_, events| Row::of(None, events).unwrap(), "terminate_total_rbp"),
    (
        "a flow that is carried",
        &|previous, events| {
            with(previous, events, |at, row| {
                at(row, "daily_sector_onboarding_count", before(previous, "daily_sector_onboarding_count"))
            })
        },
        "onboarding_total_count",
    ),
    (
        "terminated bytes counted as expired",
        &|previous, events| {
            with(previous, events, |at, row| {
                let moved = today(row, "daily_new_terminate_rbp");
                at(row, "daily_new_terminate_rbp", -moved);
                at(row, "daily_new_expire_rbp", moved);
            })
        },
        "terminate_total_rbp",
    ),
    (
        "passively terminated bytes left out of the total",
        &|previous, events| {
            with(previous, events, |at, row| {
                at(row, "total_passive_terminate_rbp", -today(row, "total_passive_terminate_rbp"))
            })
        },
        "terminate_ways_total_rbp",
    ),
    (
        "terminations valued by the QAP after",
        &|previous, events| {
            with(previous, events, |at, row| {
                let valued = today(row, "daily_new_terminate_qap");
                at(row, "daily_new_terminate_qap", -valued);
                at(row, "total_terminate_qap", -valued);
            })
        },
        "live_qap",
    ),
    (
        "adjustments that requalify nothing",
        &|previous, events| {
            let lost: i128 = events.iter().filter(|event| event.kind == Kind::Adjust).map(qap_change).sum();
            with(previous, events, |at, row| at(row, "total_requalified_qap", -lost))
        },
        "live_qap",
    ),
    (
        "faulty sectors counted as active",
        &|previous, events| {
            with(previous, events, |at, row| at(row, "active_sector_rbp", today(row, "active_fault_rbp")))
        },
        "claim_rbp",
    ),
    (
        "unproven sectors forgotten",
        &|previous, events| {
            with(previous, events, |at, row| {
                at(row, "unproven_sector_count", -today(row, "unproven_sector_count"))
            })
        },
        "standing_count",
    ),
    (
        "non-interactive onboards counted as single, too",
        &|previous, events| {
            with(previous, events, |at, row| {
                at(row, "provecommit_sector_count", today(row, "provecommit_batch_sector_count"))
            })
        },
        "provecommit_count",
    ),
    (
        "a mean that is off by its last bit",
        &|previous, events| {
            let mut values = Row::of(previous, events).unwrap().values().to_vec();
            let at =
                COLUMNS.iter().position(|column| column.name == "avg_active_sector_duration_days").unwrap();
            if let Value::Double(value) = &mut values[at] {
                *value = value.next_up();
            }
            Row::new(values).unwrap()
        },
        "avg_active_sector_duration_days",
    ),
];

fn today(row: &Row, name: &str) -> i128 {
    match row.value(ledger::columns::column(name).unwrap()).unwrap() {
        Value::Integer(value) => value,
        Value::Double(value) => panic!("{name} is {value}"),
    }
}

fn before(previous: Option<&Row>, name: &str) -> i128 {
    previous.map_or(0, |row| today(row, name))
}

/// The true row, with amounts added to some of its columns.
fn with(
    previous: Option<&Row>,
    events: &[Event],
    change: impl FnOnce(&mut dyn FnMut(&Row, &str, i128), &Row),
) -> Row {
    let row = Row::of(previous, events).unwrap();
    let mut values = row.values().to_vec();
    let mut add = |_: &Row, name: &str, amount: i128| {
        let at = COLUMNS.iter().position(|column| column.name == name).unwrap();
        if let Value::Integer(value) = &mut values[at] {
            *value += amount;
        }
    };
    change(&mut add, &row);
    Row::new(values).unwrap()
}

/// What no check sees, because no other data shows it.
#[rustfmt::skip]
const UNSEEN: &[(&str, fn(&mut History) -> bool)] = &[
    // Until it is onboarded or expires, which takes weeks at most.
    ("a pre-commit dropped that was its message's only one and of which nothing came yet", |h| { let last = Last::of(h); drop_one(h, |e| e.kind == Precommit && companions(e) == 1 && last.is_last(e)) }),
    // In no column.
    ("an expired pre-commit dropped", |h| drop_one(h, is(PrecommitExpired, None))),
    // Its deals would show it, and they are the market's; its weight once it is onboarded is seen.
    ("a pre-commit of another QAP from 1 to 10 times its size", |h| change(h, |e| e.kind == Precommit && e.qap_after == Some(e.sector_size), |e| double(&mut e.qap_after))),
    // It leaves no power and no date changed, or a date that nothing has come back to yet.
    ("a snap dropped that was its message's only one and changed no QAP", |h| drop_one(h, |e| e.kind == Snap && qap_change(e) == 0 && companions(e) == 1)),
    ("an extension dropped that was its message's only one and the sector's last event, and changed no QAP", |h| { let last = Last::of(h); drop_one(h, |e| e.kind == Extend && qap_change(e) == 0 && companions(e) == 1 && last.is_last(e)) }),
    // Until something happens to it, at the latest until it leaves.
    ("an onboard of another expiration to which nothing happened yet", |h| { let last = Last::of(h); change(h, |e| e.kind == Onboard && last.is_last(e), |e| e.expiration_after = e.expiration_after.map(|at| at + 1)) }),
    // A call from inside another actor shows as little as cron.
    ("a passive termination called active", |h| change(h, is(Terminate, Passive), |e| e.cause = Some(Active))),
    ("an expiration called an active termination", |h| change(h, is(Expire, None), |e| (e.kind, e.cause) = (Terminate, Some(Active)))),
];

/// Made-up histories and the real events of two chains.
static HISTORIES: LazyLock<Vec<(&str, History)>> = LazyLock::new(|| {
    let options = SyntheticOptions { seed: 7, ..Default::default() };
    let mut histories = vec![
        ("made up", made_up(options, 30)),
        ("made up, with opening", made_up(SyntheticOptions { initial_sectors: 80, ..options }, 30)),
        (
            "made up, from genesis",
            made_up(SyntheticOptions { initial_sectors: 80, first_day_epoch: Epoch(0), ..options }, 30),
        ),
    ];
    for name in ["small", "long"] {
        histories.extend(chain_history(name).map(|history| (name, history)));
    }
    histories
});

fn held(history: &History) -> Held {
    Held::adding(history, &|previous, events| Row::of(previous, events).unwrap(), false)
}

#[test]
fn each_damage_to_the_events_is_seen() {
    let mut done = vec![0; DAMAGES.len()];
    for (name, history) in &*HISTORIES {
        for (damage, done) in DAMAGES.iter().zip(&mut done) {
            let mut damaged = history.clone();
            if !(damage.to)(&mut damaged) {
                continue;
            }
            let seen = held(&damaged).names;
            assert!(seen.contains(damage.seen_by), "{name}: {}: seen by {seen:?}", damage.name);
            *done += 1;
        }
    }
    for (damage, done) in DAMAGES.iter().zip(done) {
        assert!(done > 0, "{}: no event to do it to", damage.name);
    }
}

#[test]
fn each_damage_to_the_adding_up_is_seen() {
    for (name, history) in &*HISTORIES {
        for (damage, add, seen_by) in TALLIES {
            let seen = Held::adding(history, *add, false).names;
            // `small` has no passive termination of its own on every day; what a chain lacks cannot be derived wrongly.
            let harmless = seen.is_empty() && same_rows(history, *add);
            assert!(harmless || seen.contains(seen_by), "{name}: {damage}: seen by {seen:?}");
            assert!(!(harmless && name.starts_with("made up")), "{name}: {damage} does nothing");
        }
    }
}

/// Whether the damage changes no row of the history.
fn same_rows(history: &History, add: &Add) -> bool {
    let whole: Vec<Event> = history.days.iter().flat_map(|day| day.events.clone()).collect();
    add(None, &whole) == Row::of(None, &whole).unwrap()
}

#[test]
fn what_no_check_sees_is_known() {
    let mut done = vec![0; UNSEEN.len()];
    for (name, history) in &*HISTORIES {
        for ((damage, to), done) in UNSEEN.iter().zip(&mut done) {
            let mut damaged = history.clone();
            if to(&mut damaged) {
                assert_eq!(held(&damaged).failures, [""; 0], "{name}: {damage}");
                *done += 1;
            }
        }
    }
    assert!(done.iter().all(|done| *done > 0), "{done:?}");
}
