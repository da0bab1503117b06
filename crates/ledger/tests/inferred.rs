//! Chains with known truth, read without their receipts: the events are the truth's, and where the outcome cannot show them,
//! the event says so.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/withheld.rs"]
mod withheld;

use std::sync::Arc;

use chain::{CarStore, Chain, NoProgress};
use common::truth::{Truth, ours, truth};
use common::{lines, shared};
use ledger::{Cause, Event, EventReader, MessageRef, ReceiptCounts, Receipts};
use withheld::Withheld;

/// A chain's events in order, and how they are known.
struct Read {
    events: Vec<Event>,
    counts: ReceiptCounts,
}

fn read(chain: &Chain<'_>) -> Read {
    let (opening, reading) = EventReader::open(chain, 0).unwrap();
    let mut events = opening.all().unwrap();
    let mut counts = ReceiptCounts::default();
    for tipset in reading {
        let tipset = tipset.unwrap();
        events.extend(tipset.events);
        counts.add(&tipset.receipts);
    }
    Read { events, counts }
}

/// The chain read with its receipts, and without.
fn both(name: &str) -> Option<(Read, Read)> {
    let path = shared(&format!("{name}.car.zst"))?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let withheld = Withheld::of(&chain);
    let without = Chain::open(&withheld, cars.roots()).unwrap();
    Some((read(&chain), read(&without)))
}

fn holds(name: &str, uncertain: u64) {
    let Some((with, without)) = both(name) else { return };
    let expected: Vec<Truth> = lines(&format!("{name}.events.jsonl")).iter().filter_map(truth).collect();
    let found: Vec<Truth> =
        without.events.iter().filter(|event| event.cause != Some(Cause::Genesis)).map(ours).collect();
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{name}: event {at}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: number of events");
    for (with, without) in with.events.iter().zip(&without.events) {
        assert_eq!(with, &Event { uncertain: false, ..without.clone() }, "{name}");
    }
    assert!(with.events.iter().all(|event| !event.uncertain));
    let marked = without.events.iter().filter(|event| event.uncertain).count() as u64;
    let counts = without.counts;
    assert_eq!((with.counts.receipts(), counts.receipts()), (Receipts::Read, Receipts::Inferred), "{name}");
    assert_eq!(with.counts.tipsets_read, counts.tipsets_inferred, "{name}");
    assert_eq!((marked, counts.events_uncertain), (uncertain, uncertain), "{name}: events marked");
    // Messages that name sectors, and those of them that failed.
    let names =
        |line: &&serde_json::Value| chain::state::names_sectors(line["method_num"].as_u64().unwrap(), 18);
    let messages = lines(&format!("{name}.messages.jsonl"));
    let candidates = messages.iter().filter(names).count() as u64;
    let failed = messages.iter().filter(names).filter(|line| line["exit_code"] != 0).count() as u64;
    assert_eq!((counts.messages_inferred, counts.messages_refuted), (candidates, failed), "{name}: messages");
}

#[test]
fn tiny_is_inferred_as_it_happened() {
    holds("tiny", 0);
}

#[test]
fn small_is_inferred_as_it_happened() {
    holds("small", 0);
}

#[test]
fn edge_is_inferred_as_it_happened() {
    for (part, uncertain) in [("edge-1", 2), ("edge-2", 2), ("edge-3", 0)] {
        holds(part, uncertain);
    }
}

#[test]
fn long_is_inferred_as_it_happened() {
    holds("long", 0);
}

#[test]
fn large_is_inferred_as_it_happened() {
    holds("large", 0);
}

#[test]
fn what_ran_inside_multisigs_is_inferred_as_it_is_read() {
    for (name, inferred, refuted) in
        [("sub", 123, 2), ("dispute", 51, 2), ("senders", 6, 0), ("vanish", 15, 0), ("claims", 56, 1)]
    {
        let Some((with, without)) = both(&format!("scenarios/{name}")) else { return };
        let counts = without.counts;
        assert_eq!((counts.messages_inferred, counts.messages_refuted), (inferred, refuted), "{name}");
        let unnumbered = |event: &Event| {
            let unnumbered = |message: &Arc<MessageRef>| MessageRef { sectors: 0, ..**message }.into();
            Event { message: event.message.as_ref().map(unnumbered), uncertain: false, ..event.clone() }
        };
        assert_eq!(with.events.len(), without.events.len(), "{name}");
        let derived: Vec<Event> = with.events.iter().map(unnumbered).collect();
        for event in without.events.iter().filter(|event| !event.uncertain) {
            assert!(derived.contains(&unnumbered(event)), "{name}: {event:#?}");
        }
    }
}
