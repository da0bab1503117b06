//! Arrays (AMTs): small ones, written at once, and a miner's sectors, of which leaves are written as they change.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::car::Car;
use super::encode::{Digest, bytes, link_to, list, uint};

/// Bits of a level of messages and receipts, whose root says none.
pub const OLD: u32 = 3;
const SECTORS: u32 = 5;

/// Writes an array of the form with a width in its root.
pub fn amt(car: &mut Car, width: u32, values: &BTreeMap<u64, Vec<u8>>) -> io::Result<Digest> {
    let (height, node) = tree(car, width, values)?;
    car.put(&list(&[uint(width.into()), uint(height.into()), uint(values.len() as u64), node]))
}

/// Writes an array of the form that messages and receipts have, of values without a gap.
pub fn old_amt(car: &mut Car, values: Vec<Vec<u8>>) -> io::Result<Digest> {
    let values: BTreeMap<u64, Vec<u8>> = (0..).zip(values).collect();
    let (height, node) = tree(car, OLD, &values)?;
    car.put(&list(&[uint(height.into()), uint(values.len() as u64), node]))
}

fn tree(car: &mut Car, width: u32, values: &BTreeMap<u64, Vec<u8>>) -> io::Result<(u32, Vec<u8>)> {
    let height = height(width, values.keys().last().copied().unwrap_or(0));
    let mut nodes: BTreeMap<u64, Vec<u8>> = values.clone();
    for level in 0..=height {
        let mut above: BTreeMap<u64, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
        for (at, value) in nodes {
            above.entry(at >> width).or_default().push((at & ((1 << width) - 1), value));
        }
        if level == height {
            let slots = above.remove(&0).unwrap_or_default();
            return Ok((height, node(width, level == 0, &slots)));
        }
        nodes = BTreeMap::new();
        for (at, slots) in above {
            let digest = car.put(&node(width, level == 0, &slots))?;
            nodes.insert(at, link_to(&digest));
        }
    }
    unreachable!("the last level returns")
}

fn height(width: u32, last: u64) -> u32 {
    (0..).find(|height| last >> (width * (height + 1)) == 0).unwrap_or(0)
}

fn node(width: u32, leaf: bool, slots: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut bitmap = vec![0_u8; 1 << width.saturating_sub(3)];
    for (slot, _) in slots {
        bitmap[*slot as usize / 8] |= 1 << (slot % 8);
    }
    let values: Vec<_> = slots.iter().map(|(_, value)| value.clone()).collect();
    let (links, values) = if leaf { (Vec::new(), values) } else { (values, Vec::new()) };
    list(&[bytes(&bitmap), list(&links), list(&values)])
}

/// A miner's sectors: of each node below the root its digest, if there is one.
#[derive(Default)]
pub struct SectorTree {
    levels: Vec<Vec<Option<Digest>>>,
    count: u64,
    dirty: BTreeSet<u64>,
}

impl SectorTree {
    /// Notes that a sector of that number has come or changed.
    pub fn touch(&mut self, number: u64, is_new: bool) {
        self.dirty.insert(number >> SECTORS);
        self.count += u64::from(is_new);
    }

    /// Writes what has changed; `sector` encodes those that are there.
    pub fn write(&mut self, car: &mut Car, sector: &dyn Fn(u64) -> Option<Vec<u8>>) -> io::Result<Digest> {
        let mut dirty = std::mem::take(&mut self.dirty);
        let leaves = self.levels.first().map_or(0, Vec::len) as u64;
        let last = dirty.last().map_or(0, |last| last + 1).max(leaves).saturating_sub(1);
        let height = height(SECTORS, last << SECTORS | ((1 << SECTORS) - 1));
        if !self.levels.is_empty() && self.levels.len() <= height as usize {
            // What was in the root becomes a node of its own.
            dirty.insert(0);
        }
        self.levels.resize(self.levels.len().max(height as usize + 1), Vec::new());
        let mut root = Vec::new();
        for level in 0..=height as usize {
            let mut above = BTreeSet::new();
            for at in dirty {
                let slots = self.slots(level, at, sector);
                let node = node(SECTORS, level == 0, &slots);
                let nodes = &mut self.levels[level];
                nodes.resize(nodes.len().max(at as usize + 1), None);
                if level == height as usize {
                    root = node;
                } else if !slots.is_empty() {
                    nodes[at as usize] = Some(car.put(&node)?);
                }
                above.insert(at >> SECTORS);
            }
            dirty = above;
        }
        if root.is_empty() {
            root = node(SECTORS, height == 0, &self.slots(height as usize, 0, sector));
        }
        car.put(&list(&[uint(SECTORS.into()), uint(height.into()), uint(self.count), root]))
    }

    fn slots(&self, level: usize, at: u64, sector: &dyn Fn(u64) -> Option<Vec<u8>>) -> Vec<(u64, Vec<u8>)> {
        let below = |slot: u64| {
            let child = at << SECTORS | slot;
            match level {
                0 => sector(child),
                _ => self.levels[level - 1].get(child as usize).copied().flatten().map(|node| link_to(&node)),
            }
        };
        (0..1 << SECTORS).filter_map(|slot| Some((slot, below(slot)?))).collect()
    }
}
