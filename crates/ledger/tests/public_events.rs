//! Chains with known truth in the forms in which snapshots are published: without receipts, most with the states of some
//! epochs only. What is read of each is the truth of the heights that it holds.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use chain::{CarStore, Chain, NoProgress};
use common::truth::{Truth, ours, truth};
use common::{lines, shared};
use ledger::{Cause, EventReader, Kind, ReceiptCounts, Receipts};

/// Files of a folder of public forms, or one such file.
fn files(name: &str) -> Option<Vec<PathBuf>> {
    let path = shared(&format!("public/{name}"))?;
    if path.is_file() {
        return Some(vec![path]);
    }
    let mut files: Vec<_> = std::fs::read_dir(path).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    // From the newest on: the order says nothing.
    files.reverse();
    Some(files)
}

/// Reads the files as one chain and holds its events against those of `chain`'s truth; returns how they are known.
fn holds(chain: &str, names: &[&str], uncertain: u64) -> Option<ReceiptCounts> {
    let files: Vec<PathBuf> =
        names.iter().map(|name| files(name)).collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&files, cache.path(), &NoProgress).unwrap();
    let read = Chain::open(&cars, cars.roots()).unwrap();
    let heights = read.tipsets().first().unwrap().height..read.tipsets().last().unwrap().height;
    let (opening, reading) = EventReader::open(&read, 0).unwrap();
    let opened = opening.all().unwrap();
    assert!(opened.iter().all(|event| event.kind == Kind::Opening || event.cause == Some(Cause::Genesis)));
    let (mut found, mut counts) = (Vec::new(), ReceiptCounts::default());
    for tipset in reading {
        let tipset = tipset.unwrap();
        counts.add(&tipset.receipts);
        found.extend(tipset.events.iter().map(ours));
    }
    let expected: Vec<Truth> = lines(&format!("{chain}.events.jsonl"))
        .iter()
        .filter_map(truth)
        .filter(|event| heights.contains(&event.height))
        .collect();
    assert!(!expected.is_empty(), "{names:?}: something happened");
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{names:?}: event {at}");
    }
    assert_eq!(found.len(), expected.len(), "{names:?}: number of events");
    assert_eq!(counts.events_uncertain, uncertain, "{names:?}: events in doubt");
    Some(counts)
}

fn inferred(chain: &str, names: &[&str], uncertain: u64) {
    let Some(counts) = holds(chain, names, uncertain) else { return };
    assert_eq!(counts.receipts(), Receipts::Inferred, "{names:?}");
    assert!(counts.messages_inferred > 0, "{names:?}");
}

#[test]
fn whole_snapshots_tell_the_truth() {
    for name in [
        "small.whole.forest.car.zst",
        "small.index-in-frames.forest.car.zst",
        "small.lotus.car.zst",
        "small.lotus-v2-big-f3.car.zst",
        "small.series",
    ] {
        inferred("small", &[name], 0);
    }
    for name in
        ["tiny.v2.forest.car.zst", "tiny.lotus-v2.car", "odd/tiny-pzstd.car.zst", "odd/tiny-padded.car.zst"]
    {
        holds("tiny", &[name], 0);
    }
    inferred("long", &["long.lotus.car.zst"], 0);
}

#[test]
fn extensions_of_one_tipset_that_the_outcome_cannot_tell_are_in_doubt() {
    inferred("edge-1", &["edge-1.no-receipts.car.zst"], 2);
    inferred("edge-2", &["edge-2.no-receipts.car.zst"], 2);
    inferred("edge-3", &["edge-3.no-receipts.car.zst"], 0);
}

#[test]
fn recent_and_lite_snapshots_with_their_diffs_tell_the_truth_of_what_they_hold() {
    inferred("small", &["small.last-2000.forest.car.zst"], 0);
    inferred("long", &["long.archive"], 0);
    let last = [
        "small.series/forest_diff_devnet_2026-06-22_height_6123000+3000.forest.car.zst",
        "small.archive",
        "small.series/forest_diff_devnet_2026-06-20_height_6120000+3000.forest.car.zst",
    ];
    inferred("small", &last, 0);
}

#[test]
fn a_companion_gives_the_receipts_of_its_base() {
    let base = "small.whole.forest.car.zst";
    let companions =
        ["small.whole_receipts_events.forest.car.zst", "small.whole_tipset_lookup.forest.car.zst"];
    for names in [[base, companions[0], companions[1]], [companions[1], companions[0], base]] {
        let Some(counts) = holds("small", &names, 0) else { return };
        assert_eq!(counts.receipts(), Receipts::Read, "{names:?}");
        assert_eq!((counts.messages_inferred, counts.messages_refuted), (0, 0), "{names:?}");
    }
    let recent = ["small.last-2000.forest.car.zst", "small.last-2000_receipts_events.forest.car.zst"];
    let Some(counts) = holds("small", &recent, 0) else { return };
    assert_eq!(counts.receipts(), Receipts::Read);
}
