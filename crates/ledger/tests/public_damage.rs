//! Damaged copies of snapshots in every published form read exactly as the whole ones or are refused by name.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use chain::{CarStore, Chain, Epoch, NoProgress};
use common::shared;
use ledger::{Event, EventReader};

/// A generator of its own, so that each run damages alike (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

/// From which height on a chain reads, and what happened.
type Told = (Epoch, Epoch, Vec<Event>);

fn read(files: &[PathBuf]) -> Result<Told, chain::Error> {
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(files, cache.path(), &NoProgress)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let (opening, reading) = EventReader::open(&chain, 0)?;
    let mut events = opening.all()?;
    for tipset in reading {
        events.extend(tipset?.events);
    }
    let (first, head) = (&chain.tipsets()[0], chain.tipsets().last().unwrap());
    Ok((first.height, head.height, events))
}

/// A file with one kind of damage, by the number of the copy. Half of the damage is where a file's own index is.
fn damage(file: &[u8], copy: usize, dice: &mut Dice) -> Vec<u8> {
    let mut damaged = file.to_vec();
    let place = |damaged: &[u8], dice: &mut Dice| match index_of(damaged) {
        Some(index) if copy.is_multiple_of(2) => index + dice.below(damaged.len() - index),
        _ => dice.below(damaged.len()),
    };
    match copy % 7 {
        0 => damaged.truncate(dice.below(file.len())),
        1 | 2 => {
            for _ in 0..=dice.below(3) {
                let at = place(&damaged, dice);
                damaged[at] ^= 1 << dice.below(8);
            }
        }
        3 => {
            let at = place(&damaged, dice);
            let end = (at + 1 + dice.below(64)).min(damaged.len());
            damaged[at..end].fill(0);
        }
        4 => {
            let at = place(&damaged, dice);
            damaged.drain(at..(at + 1 + dice.below(40)).min(file.len()));
        }
        5 => {
            let at = place(&damaged, dice);
            let byte = dice.below(256) as u8;
            damaged.splice(at..at, std::iter::repeat_n(byte, 1 + dice.below(20)));
        }
        _ => {
            // A piece that stands where another should.
            let (from, to) = (place(&damaged, dice), place(&damaged, dice));
            let length = (1 + dice.below(2000)).min(file.len() - from.max(to));
            damaged[to..to + length].copy_from_slice(&file[from..from + length]);
        }
    }
    damaged
}

/// Where the index of indexed zstd begins, with the magic of its first frame.
fn index_of(file: &[u8]) -> Option<usize> {
    let footer = file.len().checked_sub(16)?;
    let place = u64::from_le_bytes(file[footer + 8..].try_into().ok()?) as usize;
    (file[footer..].starts_with(&[0x50, 0x2a, 0x4d, 0x18, 8]))
        .then_some(place.checked_sub(8)?)
        .filter(|at| *at < footer)
}

/// Whether an error names a file, a block or a height.
fn names_a_place(error: &chain::Error, files: &[String]) -> bool {
    let said = error.to_string();
    let places = ["block baf", "at height ", "below height "];
    places.iter().any(|place| said.contains(place)) || files.iter().any(|name| said.contains(name))
}

/// Damages one of some files, `copies` times; the others stay whole. Says how many of the copies were refused.
fn damaged_copies(names: &[&str], which: usize, copies: usize) -> Option<usize> {
    let sources: Vec<_> =
        names.iter().map(|name| shared(&format!("public/{name}"))).collect::<Option<_>>()?;
    Some(damaged_copies_of(&sources, which, copies))
}

fn damaged_copies_of(sources: &[PathBuf], which: usize, copies: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut files = sources.to_vec();
    files[which] = folder.path().join(name(&sources[which]));
    let names: Vec<_> = files.iter().map(|file| name(file)).collect();
    let file = std::fs::read(&sources[which]).unwrap();
    let whole = read(sources).unwrap();
    let mut dice = Dice(0xda3a_6e00 + file.len() as u64);
    let mut refused = 0;
    for copy in 0..copies {
        std::fs::write(&files[which], damage(&file, copy, &mut dice)).unwrap();
        match read(&files) {
            Ok(derived) => assert!(
                derived == whole,
                "{names:?}: copy {copy} read otherwise: {} to {}, {} events, where the whole has {} to {}, {}",
                derived.0,
                derived.1,
                derived.2.len(),
                whole.0,
                whole.1,
                whole.2.len()
            ),
            Err(error) => {
                assert!(names_a_place(&error, &names), "{names:?}: copy {copy}: {error}");
                refused += 1;
            }
        }
    }
    refused
}

#[test]
fn five_hundred_damaged_copies_of_each_small_form_read_as_the_whole_or_are_refused_by_name() {
    for name in [
        "tiny.v2.forest.car.zst",
        "tiny.lotus-v2.car",
        "odd/tiny-pzstd.car.zst",
        "odd/tiny-padded.car.zst",
        "odd/tiny-lite-young.car.zst",
        "mainnet-epoch-1.forest.car.zst",
    ] {
        let Some(refused) = damaged_copies(&[name], 0, 500) else { return };
        assert!(refused > 100, "{name}: {refused} of 500 refused");
    }
}

/// Of the forms that take longer, how many copies the ordinary test makes.
const LARGER: [(&[&str], usize); 9] = [
    (&["small.index-in-frames.forest.car.zst"], 100),
    (&["small.whole.forest.car.zst"], 50),
    (&["small.last-2000.forest.car.zst"], 100),
    (&["small.lotus.car.zst"], 50),
    (&["small.lotus-v2-big-f3.car.zst"], 14),
    (&["calibnet-16800.merge.forest.car.zst"], 50),
    // The last is the one that is damaged.
    (&["small.last-2000.forest.car.zst", "small.last-2000_receipts_events.forest.car.zst"], 200),
    (&["small.last-2000.forest.car.zst", "small.last-2000_tipset_lookup.forest.car.zst"], 200),
    (&["small.whole.forest.car.zst", "small.whole_receipts_events.forest.car.zst"], 50),
];

#[test]
fn damaged_copies_of_larger_forms_and_companions_read_as_the_whole_or_are_refused_by_name() {
    for (names, copies) in LARGER {
        let Some(refused) = damaged_copies(names, names.len() - 1, copies) else { return };
        assert!(refused > copies / 10, "{names:?}: {refused} of {copies} refused");
    }
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn five_hundred_damaged_copies_of_each_larger_form_read_as_the_whole_or_are_refused_by_name() {
    for (names, _) in LARGER {
        let Some(refused) = damaged_copies(names, names.len() - 1, 500) else { return };
        println!("{names:?}: {refused} of 500 refused");
    }
    damaged_series(500);
}

#[test]
fn no_block_can_be_lost_that_changes_what_is_read() {
    let states = "small.last-2000.forest.car.zst";
    for (name, most) in [("odd/tiny-lite-young.car.zst", 200), ("tiny.v2.forest.car.zst", 200), (states, 150)]
    {
        let Some(path) = shared(&format!("public/{name}")) else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lost.car");
        let car = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        std::fs::write(&file, &car).unwrap();
        let whole = read(std::slice::from_ref(&file)).unwrap();
        let (_, sections) = common::forest::sections(&car);
        let mut refused = 0;
        for section in sections.iter().step_by(sections.len().div_ceil(most)) {
            std::fs::write(&file, [&car[..section.begin], &car[section.end..]].concat()).unwrap();
            match read(std::slice::from_ref(&file)) {
                Ok(derived) => assert!(derived == whole, "{name} without {} reads otherwise", section.cid),
                Err(error) => {
                    assert!(names_a_place(&error, &["lost.car".to_owned()]), "{name}: {error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 10, "{name}: {refused} refused");
    }
}

#[test]
fn damaged_diffs_read_as_the_whole_or_are_refused_by_name() {
    damaged_series(50);
}

fn damaged_series(copies: usize) {
    let Some(folder) = shared("public/small.series") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    // One in the midst, the one with the head, and the lite file.
    for which in [4, 9, 10] {
        let refused = damaged_copies_of(&files, which, copies);
        println!("file {which} of a series: {refused} of {copies} refused");
        assert!(refused > copies / 5, "{which}: {refused} of {copies} refused");
    }
}
