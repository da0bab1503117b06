//! Heights and times of headers, which a file says and nobody has checked: each must be such as a chain can have.
#![allow(clippy::unwrap_used)]

#[path = "common/folded/mod.rs"]
mod folded;

use chain::{Chain, Cid, Epoch, WalkOptions};
use folded::parts::{HEIGHT, Header, cid, headers, state};
use folded::{Blocks, Folded, of_heights};

/// A header of a chain of one block each.
#[derive(Clone, Copy)]
struct At {
    height: i64,
    /// Seconds by which its time is off.
    off: i64,
}

/// One whose time is that of its height.
const fn at(height: i64) -> At {
    At { height, off: 0 }
}

/// A chain of these, lowest first, and the header of each tipset.
fn written(chain: &[At]) -> (Folded, Vec<Cid>) {
    of_heights(&chain.iter().map(|at| (at.height, at.off)).collect::<Vec<_>>())
}

/// The heights that are read, but for genesis' where the chain is given from higher up, or what is said.
fn read(chain: &[At], way: WalkOptions) -> Result<Vec<i64>, String> {
    let ((blocks, all), lowest) = (written(chain), chain[0].height);
    let chain = Chain::open_at(&blocks, all.last().copied(), way).map_err(|error| error.to_string())?;
    Ok(chain.tipsets().iter().map(|tipset| tipset.height.0).filter(|height| *height >= lowest).collect())
}

/// Asserts that a chain is refused, that the block of tipset number `named` is, and why.
fn refused(chain: &[At], named: usize, why: &str) {
    let (_, all) = written(chain);
    let said = read(chain, WalkOptions::default()).unwrap_err();
    let begin = format!("block {}, a header at height {}: ", all[named], chain[named].height);
    assert!(said.starts_with(&begin) && said.contains(why), "{said}");
    assert!(
        said.contains("fetch it again from a source that you trust") || said.contains("damaged or forged"),
        "{said}"
    );
}

#[test]
fn a_chain_whose_heights_rise_and_times_follow_is_read() {
    let heights = [HEIGHT, HEIGHT + 1, HEIGHT + 5, HEIGHT + 2880];
    assert_eq!(read(&heights.map(at), WalkOptions::default()).unwrap(), heights);
}

#[test]
fn a_header_that_is_not_above_its_parent_is_refused() {
    refused(&[at(HEIGHT), at(HEIGHT + 9), at(HEIGHT + 8)], 2, "is not below it but at height");
    refused(&[at(HEIGHT), at(HEIGHT + 9), at(HEIGHT + 9)], 2, "is not below it but at height");
    // Not at the head either.
    refused(&[at(HEIGHT + 9), at(HEIGHT + 8), at(HEIGHT + 10)], 1, "is not below it but at height");
}

#[test]
fn a_time_that_is_not_that_of_its_height_is_refused_wherever_it_is() {
    for off in [12_345, -12_345, 1, -30, 30] {
        for odd in 0..3 {
            let mut chain = [at(HEIGHT), at(HEIGHT + 1), at(HEIGHT + 2)];
            chain[odd].off = off;
            refused(&chain, odd, "an epoch takes 30 seconds");
        }
    }
}

#[test]
fn heights_and_times_from_the_year_2100_on_are_refused() {
    const TO_2100: i64 = (4_102_444_800 - 1_598_306_400) / 30;
    for height in [TO_2100, HEIGHT + (1 << 31), i64::MAX / 60] {
        refused(&[at(HEIGHT), at(height)], 1, "of the year 2100 or later");
    }
    // Its time alone.
    refused(&[at(HEIGHT), At { height: HEIGHT + 1, off: 1 << 33 }], 1, "of the year 2100 or later");
    // Its height alone: the time is that of the height before.
    let off = -30 * (1 << 31);
    refused(&[at(HEIGHT), At { height: HEIGHT + (1 << 31), off }], 1, "of the year 2100 or later");
    refused(&[at(HEIGHT), at(-5)], 1, "its height is negative");
}

#[test]
fn more_than_a_month_of_empty_rounds_is_read_only_if_it_is_asked_for() {
    const MONTH: i64 = 86_400;
    assert_eq!(WalkOptions::EMPTY_ROUNDS, MONTH);
    let below = [at(HEIGHT), at(HEIGHT + 1 + MONTH)];
    assert_eq!(read(&below, WalkOptions::default()).unwrap().len(), 2);
    let above = [at(HEIGHT), at(HEIGHT + 2 + MONTH), at(HEIGHT + 3 + MONTH)];
    refused(&above, 1, "86401 empty rounds between it and its parent");
    refused(&above, 1, "--empty-rounds 86401");
    assert_eq!(read(&above, WalkOptions { empty_rounds: MONTH + 1, head: None }).unwrap().len(), 3);
    // A thousand days onto an honest chain, its time with it.
    refused(&[at(HEIGHT), at(HEIGHT + 1), at(HEIGHT + 2_880_000)], 2, "2879998 empty rounds");
    // Above genesis there may be as many as there are.
    assert_eq!(read(&[at(0), at(HEIGHT)], WalkOptions { empty_rounds: 0, head: None }).unwrap(), [0, HEIGHT]);
    let said =
        read(&[at(0), at(HEIGHT), at(HEIGHT + 2)], WalkOptions { empty_rounds: 0, head: None }).unwrap_err();
    assert!(said.contains("--empty-rounds 1"), "{said}");
}

#[test]
fn blocks_of_one_tipset_are_of_one_time_and_stand_in_it_once() {
    let (Folded { mut blocks, .. }, all) = written(&[at(HEIGHT)]);
    let state = state(&mut blocks, &[]);
    let nothing = blocks.put(b"nothing".to_vec());
    let link = |cid: &Cid| folded::link(&cid.to_bytes());
    let child = |blocks: &mut Blocks, parents: &[Vec<u8>]| {
        let (receipts, messages) = (&nothing, &nothing);
        let header = Header { height: HEIGHT + 1, off: 0, parents, state, receipts, messages };
        cid(&headers(blocks, &header, 1)[0])
    };
    let twice = child(&mut blocks, &[link(&all[0]), link(&all[0])]);
    let said = Chain::open(&blocks, [twice]).err().unwrap().to_string();
    assert!(
        said.contains(&format!("block {}, at height {HEIGHT}, is said to be in its tipset twice", all[0])),
        "{said}"
    );
    let (below, receipts, messages) = (vec![nothing.clone()], &nothing, &nothing);
    let other = Header { height: HEIGHT, off: 30, parents: &below, state, receipts, messages };
    let other = headers(&mut blocks, &other, 2);
    let mixed = child(&mut blocks, &[link(&all[0]), other[1].clone()]);
    let said = Chain::open(&blocks, [mixed]).err().unwrap().to_string();
    assert!(said.contains("differ in height, time, parents or state"), "{said}");
}

#[test]
fn a_head_more_than_a_day_ahead_of_the_clock_is_told() {
    let (blocks, all) = written(&[at(HEIGHT), at(HEIGHT + 1)]);
    let chain = Chain::open(&blocks, all.last().copied()).unwrap();
    let time = chain.clock().timestamp(Epoch(HEIGHT + 1));
    assert_eq!(chain.seconds_ahead_of(time), None);
    assert_eq!(chain.seconds_ahead_of(time - 86_400), None);
    assert_eq!(chain.seconds_ahead_of(time - 86_401), Some(86_401));
    assert_eq!(chain.seconds_ahead_of(i64::MIN), Some(i64::MAX));
}
