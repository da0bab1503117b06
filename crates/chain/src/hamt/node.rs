//! The nodes of a map as they are written.

use crate::block::sha2;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::work;

pub(super) const WIDTH: usize = 5;
pub(super) const SLOTS: usize = 1 << WIDTH;
/// A sha-256 of 256 bits is used up after this many levels.
pub(super) const DEEPEST: usize = 256 / WIDTH;
/// Most entries of a bucket; with more it becomes a node.
pub(super) const MOST_IN_BUCKET: u64 = 3;

/// The slots that lead from the root to a pointer.
#[derive(Clone, Copy)]
pub(super) struct Path {
    pub(super) slots: [u8; DEEPEST],
    pub(super) depth: usize,
}

impl Path {
    pub(super) const ROOT: Self = Self { slots: [0; DEEPEST], depth: 0 };

    /// The path on through a slot. Nodes are loaded only above [`DEEPEST`].
    pub(super) fn through(mut self, slot: usize) -> Self {
        self.slots[self.depth] = slot as u8;
        self.depth += 1;
        self
    }

    /// That a key has its place under this path.
    pub(super) fn holds(&self, key: &[u8]) -> Result<()> {
        let hash = sha2(key);
        if (0..self.depth).all(|depth| slot_of(&hash, depth) == usize::from(self.slots[depth])) {
            Ok(())
        } else {
            Err(Error::malformed("a HAMT key in a place that is not its own"))
        }
    }
}

/// What a slot of a node holds.
pub(super) enum Pointer<'b> {
    Link(&'b [u8]),
    Bucket(Bucket<'b>),
}

/// The entries of a slot.
#[derive(Clone)]
pub(super) struct Bucket<'b> {
    /// All of it, as it is written.
    pub(super) raw: &'b [u8],
    /// What is behind its head.
    pub(super) entries: Reader<'b>,
    pub(super) count: u64,
}

/// A bucket's keys and raw values.
pub(super) type Entries<'b> = Vec<(&'b [u8], &'b [u8])>;

pub(super) fn slot_of(hash: &[u8; 32], depth: usize) -> usize {
    (0..WIDTH).fold(0, |slot, bit| {
        let at = depth * WIDTH + bit;
        slot << 1 | usize::from(hash[at / 8] >> (7 - at % 8) & 1)
    })
}

/// The pointers of a node, read slot by slot.
pub(super) struct Pointers<'b> {
    /// Which slots have one.
    pub(super) bits: u32,
    pub(super) reader: Reader<'b>,
}

impl<'b> Pointers<'b> {
    /// Those of a node at some depth.
    pub(super) fn of(block: &'b [u8], depth: usize) -> Result<Self> {
        let mut reader = Reader::new(block);
        reader.tuple(2)?;
        let bitfield = reader.bytes()?;
        if bitfield.len() > SLOTS / 8 {
            return Err(Error::malformed("a HAMT node of more than 32 slots"));
        }
        let bits = bitfield.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        if reader.array()? != u64::from(bits.count_ones()) {
            return Err(Error::malformed("a HAMT node whose pointers do not match its bitfield"));
        }
        if bits == 0 && depth > 0 {
            return Err(Error::malformed("an empty HAMT node below the root"));
        }
        Ok(Self { bits, reader })
    }

    /// What walking over all of them counts for.
    pub(super) fn work(&self) -> u64 {
        work::VALUE * u64::from(self.bits.count_ones())
    }

    /// The pointer in a slot; all below have been asked for.
    pub(super) fn at(&mut self, slot: usize) -> Result<Option<Pointer<'b>>> {
        if self.bits >> slot & 1 == 0 { Ok(None) } else { pointer(&mut self.reader).map(Some) }
    }

    /// The pointer in one slot.
    pub(super) fn only(mut self, slot: usize) -> Result<Option<Pointer<'b>>> {
        let below = self.bits & ((1 << slot) - 1);
        if self.bits >> slot & 1 == 1 {
            self.reader.skip_many(below.count_ones() as usize)?;
        }
        self.at(slot)
    }
}

pub(super) fn pointer<'b>(reader: &mut Reader<'b>) -> Result<Pointer<'b>> {
    if reader.next_is_map()? {
        if reader.map()? != 1 {
            return Err(Error::malformed("a HAMT pointer that is not one thing"));
        }
        reader.text()?;
    }
    if reader.next_is_link()? {
        return reader.link().map(Pointer::Link);
    }
    let mut entries = reader.clone();
    let raw = reader.raw()?;
    let count = entries.array()?;
    if !(1..=MOST_IN_BUCKET).contains(&count) {
        return Err(Error::malformed(format!("a HAMT bucket of {count} entries")));
    }
    Ok(Pointer::Bucket(Bucket { raw, entries, count }))
}

impl<'b> Bucket<'b> {
    /// All entries.
    pub(super) fn entries(self) -> Result<Entries<'b>> {
        let mut entries = Vec::with_capacity(MOST_IN_BUCKET as usize);
        self.for_each(&mut |key, value| {
            entries.push((key, value));
            Ok(())
        })?;
        Ok(entries)
    }

    /// Calls `visit` with each entry.
    pub(super) fn for_each(mut self, visit: &mut dyn FnMut(&'b [u8], &'b [u8]) -> Result<()>) -> Result<()> {
        // Of three at most, each has two before it.
        let (mut last, mut last_but_one): (Option<&'b [u8]>, Option<&'b [u8]>) = (None, None);
        for _ in 0..self.count {
            self.entries.tuple(2)?;
            let key = self.entries.bytes()?;
            if last == Some(key) || last_but_one == Some(key) {
                return Err(Error::malformed("a HAMT bucket with a key twice"));
            }
            last_but_one = last.replace(key);
            visit(key, self.entries.raw()?)?;
        }
        Ok(())
    }

    /// As [`Bucket::for_each`], but each key must have its place under `path`.
    pub(super) fn under(self, path: &Path, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.for_each(&mut |key, value| {
            path.holds(key)?;
            visit(key, value)
        })
    }
}
