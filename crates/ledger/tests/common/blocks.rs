//! Blocks written by hand: DAG-CBOR, arrays and maps as actors of any version keep them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use chain::{Block, BlockStore, Cid, dag_cbor_cid};
use sha2::{Digest, Sha256};

/// Blocks in memory.
#[derive(Default)]
pub struct Blocks(HashMap<Cid, Vec<u8>>);

impl BlockStore for Blocks {
    fn get(&self, cid: &Cid) -> chain::Result<Option<Block<'_>>> {
        Ok(self.0.get(cid).map(|block| Block::Borrowed(block)))
    }
}

impl Blocks {
    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Cid, &Vec<u8>)> {
        self.0.iter()
    }

    /// Keeps a block and links it.
    pub fn put(&mut self, block: Vec<u8>) -> Vec<u8> {
        let cid = dag_cbor_cid(&block);
        self.0.insert(cid, block);
        link(&cid.to_bytes())
    }

    /// An array; before actors v3 of the old form, three bits wide.
    pub fn amt(&mut self, actors: u8, width: u32, values: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
        let width = if actors < 3 { 3 } else { width };
        let last = values.keys().last().copied().unwrap_or(0);
        let height = (0..).find(|height| last >> (width * (height + 1)) == 0).unwrap();
        let node = self.amt_node(width, height, 0, values);
        let mut root = vec![uint(height.into()), uint(values.len() as u64), node];
        if actors >= 3 {
            root.insert(0, uint(width.into()));
        }
        self.put(list(&root))
    }

    fn amt_node(&mut self, width: u32, height: u32, first: u64, values: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
        let span = 1_u64 << (width * height);
        let (mut bitmap, mut links, mut leaves) = (vec![0; 1 << width.saturating_sub(3)], vec![], vec![]);
        for slot in 0..1_u64 << width {
            let begin = first + slot * span;
            let inside = values.range(begin..begin + span).map(|(at, value)| (*at, value.clone())).collect();
            let inside: BTreeMap<u64, Vec<u8>> = inside;
            let Some(value) = inside.values().next() else { continue };
            bitmap[slot as usize / 8] |= 1 << (slot % 8);
            if height == 0 {
                leaves.push(value.clone());
            } else {
                let child = self.amt_node(width, height - 1, begin, &inside);
                links.push(self.put(child));
            }
        }
        list(&[bytes(&bitmap), list(&links), list(&leaves)])
    }

    /// A map so small that it is one node; before actors v3 its pointers are maps.
    pub fn hamt(&mut self, actors: u8, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut slots: BTreeMap<u8, BTreeMap<&[u8], &[u8]>> = BTreeMap::new();
        for (key, value) in entries {
            slots.entry(Sha256::digest(key)[0] >> 3).or_default().insert(key, value);
        }
        let bits = slots.keys().fold(0_u32, |bits, slot| bits | 1 << slot);
        let pointers: Vec<_> = slots
            .values()
            .map(|bucket| {
                let pairs: Vec<_> =
                    bucket.iter().map(|(key, value)| list(&[bytes(key), value.to_vec()])).collect();
                let bucket = list(&pairs);
                // {"1": bucket}
                if actors < 3 { [vec![0xa1, 0x61, b'1'], bucket].concat() } else { bucket }
            })
            .collect();
        self.put(list(&[bytes(&bits.to_be_bytes()), list(&pointers)]))
    }
}

pub const NULL: [u8; 1] = [0xf6];

fn head(major: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (short, rest) = match value {
        0..24 => (value as u8, &bytes[8..]),
        24..0x100 => (24, &bytes[7..]),
        0x100..0x1_0000 => (25, &bytes[6..]),
        0x1_0000..0x1_0000_0000 => (26, &bytes[4..]),
        _ => (27, &bytes[..]),
    };
    [&[major << 5 | short], rest].concat()
}

pub fn uint(value: u64) -> Vec<u8> {
    head(0, value)
}

pub fn int(value: i64) -> Vec<u8> {
    if value < 0 { head(1, !value as u64) } else { head(0, value as u64) }
}

pub fn bytes(value: &[u8]) -> Vec<u8> {
    [&head(2, value.len() as u64), value].concat()
}

pub fn text(value: &str) -> Vec<u8> {
    [&head(3, value.len() as u64), value.as_bytes()].concat()
}

pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A big integer that is not negative.
pub fn big(value: i128) -> Vec<u8> {
    if value == 0 { bytes(&[]) } else { bytes(&[&[0], &value.to_be_bytes()[1..]].concat()) }
}

pub fn link(cid: &[u8]) -> Vec<u8> {
    [vec![0xd8, 42], bytes(&[&[0], cid].concat())].concat()
}

/// A bitfield in RLE+: each number as a run of zeros of any length and a run of one.
pub fn set(numbers: &[u64]) -> Vec<u8> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    // The version, and that the first run is one of zeros.
    let mut bits = vec![false; 3];
    let mut next = 0;
    for number in numbers {
        // A run as a varint may be empty, too.
        let mut rest = number - next;
        bits.extend([false, false]);
        loop {
            let byte = (rest & 0x7f) | u64::from(rest > 0x7f) << 7;
            bits.extend((0..8).map(|bit| byte >> bit & 1 == 1));
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        bits.push(true);
        next = number + 1;
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bytes(&bits.chunks(8).map(byte).collect::<Vec<_>>())
}
