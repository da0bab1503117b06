//! Maps on chain: HAMTs of 32-way nodes, walked and compared in place.
//!
//! ```text
//! node      [bitfield, [pointers]]    bit i of the bitfield (a big-endian number) says whether slot i is there
//! pointer   before actors v3: {"0": link to a node} or {"1": bucket}
//!           since:            link to a node       or bucket
//! bucket    [[key, value], …]
//! ```
//!
//! A key's slots are the bits of its sha-256, five a level, highest first. The two forms are told apart by what a
//! pointer looks like, so one reader serves all versions.

use std::collections::BTreeMap;

use cid::Cid;

use crate::block::{Block, BlockStore, cid_of, sha2};
use crate::cbor::Reader;
use crate::error::{Error, Result};

const WIDTH: usize = 5;
const SLOTS: usize = 1 << WIDTH;
/// A sha-256 of 256 bits is used up after this many levels.
const DEEPEST: usize = 256 / WIDTH;

/// A map from keys to values under a root.
pub struct Hamt<'s> {
    store: &'s dyn BlockStore,
    what: &'static str,
    root: Cid,
}

/// Told of a key whose value differs, with the raw values before and after.
pub type HamtChange<'v> = dyn FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

/// What a slot of a node holds.
enum Pointer<'b> {
    Link(&'b [u8]),
    Bucket(Reader<'b>, u64),
}

impl<'s> Hamt<'s> {
    /// The map under `root`; `what` names it in errors.
    #[must_use]
    pub fn new(store: &'s dyn BlockStore, root: &Cid, what: &'static str) -> Self {
        Self { store, what, root: *root }
    }

    /// Calls `visit` with each key and its raw value.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.walk(&self.root, 0, visit)
    }

    fn walk(&self, cid: &Cid, depth: usize, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let block = self.load(cid, depth)?;
        let here = |error: Error| error.in_block(cid, self.what);
        for (_, pointer) in pointers(&block).map_err(here)? {
            match pointer {
                Pointer::Link(link) => self.walk(&cid_of(link).map_err(here)?, depth + 1, visit)?,
                Pointer::Bucket(reader, count) => bucket(reader, count, visit).map_err(here)?,
            }
        }
        Ok(())
    }

    /// The raw value of `key`, if it has one.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let hash = sha2(key);
        let mut cid = self.root;
        for depth in 0..DEEPEST {
            let block = self.load(&cid, depth)?;
            let here = |error: Error| error.in_block(&cid, self.what);
            let slot = slot_of(&hash, depth);
            let found = pointers(&block).map_err(here)?.into_iter().find(|(present, _)| *present == slot);
            match found {
                None => return Ok(None),
                Some((_, Pointer::Link(link))) => cid = cid_of(link).map_err(here)?,
                Some((_, Pointer::Bucket(reader, count))) => {
                    let mut value = None;
                    bucket(reader, count, &mut |found, raw| {
                        if found == key {
                            value = Some(raw.to_vec());
                        }
                        Ok(())
                    })
                    .map_err(here)?;
                    return Ok(value);
                }
            }
        }
        Err(Error::malformed("a HAMT deeper than its hash").in_block(&cid, self.what))
    }

    /// Calls `visit` for each key whose value differs from `before`'s.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff(&self, before: &Hamt<'_>, visit: &mut HamtChange<'_>) -> Result<()> {
        self.compare(before, &before.root, &self.root, 0, visit)
    }

    fn compare(
        &self,
        before: &Hamt<'_>,
        old: &Cid,
        new: &Cid,
        depth: usize,
        visit: &mut HamtChange<'_>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let (old_block, new_block) = (before.load(old, depth)?, self.load(new, depth)?);
        let in_old = |error: Error| error.in_block(old, self.what);
        let in_new = |error: Error| error.in_block(new, self.what);
        let mut old_pointers = by_slot(pointers(&old_block).map_err(in_old)?);
        let mut new_pointers = by_slot(pointers(&new_block).map_err(in_new)?);
        for slot in 0..SLOTS {
            match (old_pointers[slot].take(), new_pointers[slot].take()) {
                (None, None) => {}
                (Some(Pointer::Link(old)), Some(Pointer::Link(new))) => {
                    if old != new {
                        let (old, new) = (cid_of(old).map_err(in_old)?, cid_of(new).map_err(in_new)?);
                        self.compare(before, &old, &new, depth + 1, visit)?;
                    }
                }
                (old, new) => {
                    // A bucket on one side at least: few entries, compared by key.
                    let mut old_entries = BTreeMap::new();
                    before.gather(old, depth, &mut old_entries).map_err(in_old)?;
                    let mut new_entries = BTreeMap::new();
                    self.gather(new, depth, &mut new_entries).map_err(in_new)?;
                    compare_entries(old_entries, &new_entries, visit)?;
                }
            }
        }
        Ok(())
    }

    /// All entries under a pointer.
    fn gather(
        &self,
        pointer: Option<Pointer<'_>>,
        depth: usize,
        entries: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<()> {
        let mut add = |key: &[u8], value: &[u8]| {
            entries.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        match pointer {
            None => Ok(()),
            Some(Pointer::Link(link)) => self.walk(&cid_of(link)?, depth + 1, &mut add),
            Some(Pointer::Bucket(reader, count)) => bucket(reader, count, &mut add),
        }
    }

    fn load(&self, cid: &Cid, depth: usize) -> Result<Block<'s>> {
        if depth >= DEEPEST {
            return Err(Error::malformed("a HAMT deeper than its hash").in_block(cid, self.what));
        }
        self.store.need(cid, self.what)
    }
}

fn compare_entries(
    mut old: BTreeMap<Vec<u8>, Vec<u8>>,
    new: &BTreeMap<Vec<u8>, Vec<u8>>,
    visit: &mut HamtChange<'_>,
) -> Result<()> {
    for (key, after) in new {
        let before = old.remove(key);
        if before.as_ref() != Some(after) {
            visit(key, before.as_deref(), Some(after))?;
        }
    }
    old.iter().try_for_each(|(key, before)| visit(key, Some(before), None))
}

fn by_slot(pointers: Vec<(usize, Pointer<'_>)>) -> [Option<Pointer<'_>>; SLOTS] {
    let mut slots = [const { None }; SLOTS];
    for (slot, pointer) in pointers {
        slots[slot] = Some(pointer);
    }
    slots
}

fn slot_of(hash: &[u8; 32], depth: usize) -> usize {
    (0..WIDTH).fold(0, |slot, bit| {
        let at = depth * WIDTH + bit;
        slot << 1 | usize::from(hash[at / 8] >> (7 - at % 8) & 1)
    })
}

/// A node's pointers with their slots.
fn pointers(block: &[u8]) -> Result<Vec<(usize, Pointer<'_>)>> {
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
    (0..SLOTS).filter(|slot| bits >> slot & 1 == 1).map(|slot| Ok((slot, pointer(&mut reader)?))).collect()
}

fn pointer<'b>(reader: &mut Reader<'b>) -> Result<Pointer<'b>> {
    if reader.next_is_map()? {
        if reader.map()? != 1 {
            return Err(Error::malformed("a HAMT pointer that is not one thing"));
        }
        reader.text()?;
    }
    if reader.next_is_link()? {
        return reader.link().map(Pointer::Link);
    }
    let mut inside = reader.clone();
    reader.skip()?;
    let count = inside.array()?;
    Ok(Pointer::Bucket(inside, count))
}

fn bucket(
    mut reader: Reader<'_>,
    count: u64,
    visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>,
) -> Result<()> {
    for _ in 0..count {
        reader.tuple(2)?;
        let key = reader.bytes()?;
        visit(key, reader.raw()?)?;
    }
    Ok(())
}
