//! Every form in which snapshots are published reads: what its files are for is in each, and nothing is asked that none has.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::PathBuf;

use chain::{CarStore, Chain, Error, NoProgress};
use common::shared;

/// What a chain of some files reads as.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    tipsets: usize,
    first: i64,
    head: i64,
    /// Messages with receipts, and without.
    messages: (usize, usize),
}

fn folder(name: &str) -> Vec<PathBuf> {
    let Some(folder) = shared(&format!("public/{name}")) else { return Vec::new() };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn public(names: &[&str]) -> Option<Vec<PathBuf>> {
    names.iter().map(|name| shared(&format!("public/{name}"))).collect()
}

fn open(files: &[PathBuf]) -> Result<Read, Error> {
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open_uncached(files, cache.path(), &NoProgress)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let (mut with, mut without) = (0, 0);
    for index in 0..chain.tipsets().len() {
        let Some(transition) = chain.transition(index)? else { continue };
        let read = transition.messages.iter().filter(|message| message.receipt.is_some()).count();
        with += read;
        without += transition.messages.len() - read;
    }
    let height = |tipset: Option<&chain::Tipset>| tipset.unwrap().height.0;
    let tipsets = chain.tipsets();
    Ok(Read {
        tipsets: tipsets.len(),
        first: height(tipsets.first()),
        head: height(tipsets.last()),
        messages: (with, without),
    })
}

/// What these files read as.
fn reads(names: &[&str], tipsets: usize, heights: [i64; 2], messages: (usize, usize)) {
    let Some(files) = public(names) else { return };
    let [first, head] = heights;
    assert_eq!(open(&files).unwrap(), Read { tipsets, first, head, messages }, "{names:?}");
}

/// All of a chain, and the states of its last 2000 epochs.
const SMALL: [&str; 2] = ["small.whole.forest.car.zst", "small.last-2000.forest.car.zst"];

#[test]
fn a_chain_reads_alike_in_every_published_form() {
    let tiny = [0, 6_103_061];
    reads(&["tiny.v2.forest.car.zst"], 7, tiny, (0, 4));
    reads(&["tiny.lotus-v2.car"], 7, tiny, (0, 4));
    let small = [0, 6_126_031];
    for file in [
        SMALL[0],
        "small.index-in-frames.forest.car.zst",
        "small.lotus.car.zst",
        "small.lotus-v2-big-f3.car.zst",
    ] {
        reads(&[file], 311, small, (0, 249));
    }
    reads(&["long.lotus.car.zst"], 2248, [0, 6_736_591], (0, 3506));
    reads(&["calibnet-16800.merge.forest.car.zst"], 4, [0, 16_802], (0, 0));
    reads(&["mainnet-epoch-1.forest.car.zst"], 2, [0, 1], (0, 0));
    reads(&["edge-1.no-receipts.car.zst"], 13, [0, 6_184_501], (0, 25));
    reads(&["edge-2.no-receipts.car.zst"], 26, [0, 6_188_231], (0, 39));
    reads(&["edge-3.no-receipts.car.zst"], 28, [0, 6_192_291], (0, 26));
}

#[test]
fn what_is_odd_is_no_damage() {
    let tiny = [0, 6_103_061];
    reads(&["odd/tiny-pzstd.car.zst"], 7, tiny, (4, 0));
    reads(&["odd/tiny-padded.car.zst"], 7, tiny, (4, 0));
}

#[test]
fn a_young_chain_whose_states_end_above_genesis_has_no_hole() {
    // Genesis' own state is there, and is the one before the first tipset above it.
    reads(&["odd/tiny-lite-young.car.zst"], 3, [6_102_743, 6_103_061], (1, 0));
    reads(&[SMALL[1]], 14, [6_124_053, 6_126_031], (0, 9));
}

#[test]
fn receipts_beside_their_base_are_read_whatever_the_order_of_files() {
    let whole = [SMALL[0], "small.whole_receipts_events.forest.car.zst"];
    let (heights, recent) = ([0, 6_126_031], [6_124_053, 6_126_031]);
    reads(&whole, 311, heights, (249, 0));
    reads(&[whole[1], whole[0]], 311, heights, (249, 0));
    reads(&[SMALL[1], "small.last-2000_receipts_events.forest.car.zst"], 14, recent, (9, 0));
    reads(&[SMALL[1], "small.last-2000_tipset_lookup.forest.car.zst"], 14, recent, (0, 9));
    reads(&["small.whole_tipset_lookup.forest.car.zst", whole[0], whole[1]], 311, heights, (249, 0));
}

#[test]
fn companions_alone_give_no_head() {
    let said = |names: &[&str]| Some(open(&public(names)?).unwrap_err().to_string());
    let Some(receipts) = said(&["small.whole_receipts_events.forest.car.zst"]) else { return };
    assert!(receipts.contains("receipts_events") && receipts.contains("give that beside it"), "{receipts}");
    let lookup = said(&["small.whole_tipset_lookup.forest.car.zst"]).unwrap();
    assert!(lookup.contains("no head of a chain") && lookup.contains("give the snapshot"), "{lookup}");
    let both = ["small.whole_receipts_events.forest.car.zst", "small.whole_tipset_lookup.forest.car.zst"];
    assert!(said(&both).unwrap().contains("no head of a chain"));
}

#[test]
fn a_lite_snapshot_and_its_diffs_read_in_any_order() {
    let mut series = folder("small.series");
    let archive = folder("small.archive");
    let mut long = folder("long.archive");
    if series.is_empty() {
        return;
    }
    let mut recent = [archive, series[8..10].to_vec()].concat();
    let read = |tipsets, first, head, messages| Read { tipsets, first, head, messages: (0, messages) };
    let whole = read(309, 0, 6_125_977, 248);
    let lite = read(59, 6_119_295, 6_125_977, 49);
    let longer = read(174, 6_688_895, 6_735_000, 236);
    for _ in 0..2 {
        assert_eq!(open(&series).unwrap(), whole);
        assert_eq!(open(&recent).unwrap(), lite);
        assert_eq!(open(&long).unwrap(), longer);
        for files in [&mut series, &mut recent, &mut long] {
            files.reverse();
            let third = files.len() / 3;
            files.rotate_left(third);
        }
    }
    // The same block in several files is no matter.
    assert_eq!(open(&[series.clone(), recent].concat()).unwrap(), whole);
}

/// The files but those whose number is given.
fn without(files: &[PathBuf], left_out: &[usize]) -> Vec<PathBuf> {
    let kept = |(at, file): (usize, &PathBuf)| (!left_out.contains(&at)).then(|| file.clone());
    files.iter().enumerate().filter_map(kept).collect()
}

#[test]
fn a_missing_diff_is_named_by_its_heights_and_by_the_rule_of_the_others_names() {
    for (name, lite) in [("small.series", 1), ("long.archive", 1)] {
        let mut files = folder(name);
        if files.is_empty() {
            return;
        }
        // Sorted by name, the lite file comes last.
        files.rotate_right(lite);
        for left_out in 1..files.len() - 1 {
            let missing = files[left_out].file_name().unwrap().to_str().unwrap();
            let mut given = without(&files, &[left_out]);
            given.rotate_left(left_out % 3);
            match open(&given).unwrap_err() {
                Error::MissingHeaders { first, last, below, files: named, .. } => {
                    assert_eq!(named, [missing]);
                    let base = missing.split("height_").nth(1).unwrap();
                    let base: i64 = base.split('+').next().unwrap().parse().unwrap();
                    // The first diff's base is above all that the lite file has.
                    assert!(first.0 <= base + 1 && last.0 >= base + 3000, "{first} to {last}, {missing}");
                    assert!(last.0 < base + 6000 && below.unwrap().0 + 1 == first.0);
                }
                other => panic!("{other}"),
            }
        }
        let several = open(&without(&files, &[2, 3, 4, 5, 6])).unwrap_err().to_string();
        assert!(several.contains("and 2 more are missing") && several.len() < 700, "{several}");
        let lite_left_out = open(&files[1..]).unwrap_err();
        assert!(matches!(lite_left_out, Error::MissingHeaders { below: None, .. }), "{lite_left_out}");
    }
}

#[test]
fn the_stretches_on_both_sides_of_a_missing_diff_read() {
    let files = folder("small.series");
    if files.is_empty() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&without(&files, &[4]), cache.path(), &NoProgress).unwrap();
    let stretches = Chain::segments(&cars, cars.roots(), None).unwrap();
    let ends = |stretch: &chain::ChainSegment<'_>| {
        let tipsets = stretch.chain.tipsets();
        (tipsets[0].height.0, tipsets[tipsets.len() - 1].height.0)
    };
    let [upper, lower] = &stretches[..] else { panic!("{} stretches", stretches.len()) };
    assert_eq!((ends(lower).0, ends(upper).1), (0, 6_125_977));
    let gap = upper.missing.as_ref().unwrap().gap().unwrap();
    assert_eq!((gap.first.0, gap.last.0), (ends(lower).1 + 1, ends(upper).0 - 1));
    assert!(lower.missing.is_none());
}

#[test]
fn files_of_different_networks_are_refused_by_name() {
    let calibnet = ["calibnet-16800.merge.forest.car.zst", "small.whole.forest.car.zst"];
    // A made chain on mainnet's clock has a genesis of its own.
    let made = ["mainnet-epoch-1.forest.car.zst", "small.whole.forest.car.zst"];
    for (names, expected) in [(calibnet, ["calibnet", "mainnet"]), (made, ["mainnet", "an unknown network"])]
    {
        let Some(mut files) = public(&names) else { return };
        for _ in 0..2 {
            let said = open(&files).unwrap_err().to_string();
            assert!(
                said.contains("different networks") && expected.iter().all(|name| said.contains(name)),
                "{said}"
            );
            files.reverse();
        }
    }
}
