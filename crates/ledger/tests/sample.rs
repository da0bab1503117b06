//! The bundled sample, which is always at hand: what happened in it, by the record kept when it was made.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chain::{CarStore, NoProgress};

#[test]
fn the_bundled_sample_holds_what_happened_in_it() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/long.car.zst");
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    // Replaying also checks, after each of 2,248 tipsets, every miner's active power against its claim.
    let replay = common::replay_of(&cars);
    assert_eq!(replay.deviations, []);

    let mut counts = BTreeMap::new();
    for event in &replay.events {
        let name = event.cause.map_or(event.kind.to_string(), |cause| format!("{} {cause}", event.kind));
        *counts.entry(name).or_insert(0) += 1;
    }
    let expected = [
        ("expire on_time", 102),
        ("extend", 128),
        ("fault declared", 218),
        ("fault disputed", 221),
        ("fault missed", 998),
        ("fault skipped", 57),
        ("onboard batch", 951),
        ("onboard non_interactive", 626),
        ("precommit batch", 988),
        ("precommit_expired", 28),
        ("proven", 1557),
        ("recover", 1091),
        ("snap", 81),
        ("terminate active", 66),
        ("terminate passive", 373),
    ];
    assert_eq!(counts, expected.map(|(name, count)| (name.to_owned(), count)).into());
}
