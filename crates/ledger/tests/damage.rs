//! Damaged files read exactly as the whole one or fail with an error that says where; never otherwise.
#![allow(clippy::unwrap_used)]

mod common;

use std::ops::Range;

use chain::{CarStore, Chain, NoProgress};
use ledger::{Differ, Event};

const COPIES: u64 = 500;

/// A generator of its own, so that each run damages alike (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

fn read(path: &std::path::Path) -> Result<Vec<Event>, chain::Error> {
    let cars = CarStore::open(&[path.to_owned()], path.parent().unwrap(), &NoProgress)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let mut differ = Differ::new();
    let first = &chain.tipsets()[0];
    let mut events = differ.open(&cars, &first.parent_state_root, first.height)?;
    let mut index = 0;
    while let Some(transition) = chain.transition(index)? {
        events.extend(differ.events(&cars, &transition)?);
        index += 1;
    }
    Ok(events)
}

/// Where each section of a plain CAR is, its length included.
fn sections(car: &[u8]) -> Vec<Range<usize>> {
    let mut sections = Vec::new();
    let mut at = 0;
    while at < car.len() {
        let (mut length, mut start) = (0, at);
        for shift in (0..).step_by(7) {
            let byte = car[start];
            start += 1;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        sections.push(at..start + length);
        at = start + length;
    }
    sections
}

/// One kind of damage, by the number of the copy.
fn damage(car: &[u8], sections: &[Range<usize>], copy: u64, dice: &mut Dice) -> Vec<u8> {
    let mut damaged = car.to_vec();
    // The first section is the header.
    let any = |dice: &mut Dice| sections[1 + dice.below(sections.len() - 1)].clone();
    match copy % 5 {
        0 => damaged.truncate(dice.below(car.len())),
        1 => {
            for _ in 0..=dice.below(3) {
                damaged[dice.below(car.len())] ^= 1 << dice.below(8);
            }
        }
        2 => drop(damaged.drain(any(dice))),
        3 => {
            let (a, b) = (any(dice), any(dice));
            let (low, high) = if a.start < b.start { (a, b) } else { (b, a) };
            if low.end <= high.start {
                let swapped = [
                    &car[..low.start],
                    &car[high.clone()],
                    &car[low.end..high.start],
                    &car[low],
                    &car[high.end..],
                ];
                damaged = swapped.concat();
            }
        }
        _ => {
            let at = any(dice).start;
            let length = [
                [0xff_u8; 9].as_slice(),
                &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
                &[0xff, 0xff, 0xff, 0x7f],
                &[0],
            ];
            let length = length[dice.below(length.len())];
            let end = (at + length.len()).min(damaged.len());
            damaged[at..end].copy_from_slice(&length[..end - at]);
        }
    }
    damaged
}

/// Whether an error names a file, a block or a height.
fn names_a_place(said: &str) -> bool {
    ["small.", "block baf", "at height "].iter().any(|place| said.contains(place))
}

/// Whether a copy reads at all; if so, it must read as the whole, else the error must say where.
fn reads_alike(file: &std::path::Path, whole: &[Event], copy: u64) -> bool {
    match read(file) {
        Ok(events) => {
            assert!(events == whole, "copy {copy} read otherwise than the whole");
            true
        }
        Err(error) => {
            let said = error.to_string();
            assert!(names_a_place(&said), "copy {copy}: {said}");
            false
        }
    }
}

#[test]
fn five_hundred_damaged_copies_read_as_the_whole_or_fail_by_name() {
    let Some(path) = common::shared("small.car.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let car = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let file = folder.path().join("small.car");
    std::fs::write(&file, &car).unwrap();
    let whole = read(&file).unwrap();
    let sections = sections(&car);
    let mut dice = Dice(0x5ec7_0e5c_09e5);
    let mut failed = 0;
    for copy in 0..COPIES {
        std::fs::write(&file, damage(&car, &sections, copy, &mut dice)).unwrap();
        failed += u64::from(!reads_alike(&file, &whole, copy));
    }
    // Blocks may stand anywhere in a file, and not all are needed.
    assert!(failed > COPIES / 2 && failed < COPIES, "{failed} of {COPIES} failed");
}

#[test]
fn no_state_can_be_lost_without_an_error() {
    let Some(path) = common::shared("small.car.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let car = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let file = folder.path().join("small.car");
    std::fs::write(&file, &car).unwrap();
    let cars = CarStore::open(std::slice::from_ref(&file), folder.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let states: Vec<_> = chain.tipsets().iter().map(|tipset| tipset.parent_state_root).collect();
    let (_, sections) = common::forest::sections(&car);
    // The last ones, the first ones, and some between.
    let chosen = |at: &usize| *at < 20 || *at + 20 > states.len() || at.is_multiple_of(40);
    for state in (0..states.len()).filter(chosen).map(|at| states[at]) {
        let lost = sections.iter().find(|section| section.cid == state).unwrap();
        std::fs::write(&file, [&car[..lost.begin], &car[lost.end..]].concat()).unwrap();
        let error = read(&file).expect_err("a state is missing").to_string();
        assert!(names_a_place(&error), "{error}");
    }
}

#[test]
fn damaged_copies_in_indexed_zstd_read_as_the_whole_or_fail_by_name() {
    let Some(path) = common::shared("small.car.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let car = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    let packed = common::forest::packed(&car);
    let file = folder.path().join("small.forest.car.zst");
    std::fs::write(&file, &packed).unwrap();
    let whole = read(&file).unwrap();
    let mut dice = Dice(0xf0_2e57);
    let mut failed = 0;
    for copy in 0..COPIES / 5 {
        let mut damaged = packed.clone();
        match copy % 3 {
            0 => damaged.truncate(dice.below(packed.len())),
            1 => damaged[dice.below(packed.len())] ^= 1 << dice.below(8),
            _ => {
                // A slot of the index, or its header.
                let footer = damaged.len() - 8;
                let index = u64::from_le_bytes(damaged[footer..].try_into().unwrap()) as usize;
                let at = index + dice.below(footer - index);
                damaged[at] ^= 1 << dice.below(8);
            }
        }
        std::fs::write(&file, damaged).unwrap();
        failed += u64::from(!reads_alike(&file, &whole, copy));
    }
    assert!(failed > 20, "{failed} failed");
}
