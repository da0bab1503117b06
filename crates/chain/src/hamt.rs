//! Maps on chain: HAMTs of 32-way nodes, walked and compared in place.
//!
//! ```text
//! node      [bitfield, [pointers]]    bit i of the bitfield (a big-endian number) says whether slot i is there
//! pointer   before actors v3: {"0": link to a node} or {"1": bucket}
//!           since:            link to a node       or bucket
//! bucket    [[key, value], …]     three at most, each key once (in order since actors v3)
//! ```
//!
//! A key's slots are the bits of its sha-256, five a level, highest first. The two forms are told apart by what a
//! pointer looks like, so one reader serves all versions.
//!
//! Each key is held to its place by its hash, and nodes below the root are not empty. So a node cannot stand in two
//! places, and no tree takes longer to walk than its blocks are long.

use std::collections::BTreeMap;

use cid::Cid;

use crate::block::{Block, BlockStore, cid_of, sha2};
use crate::budget::work;
use crate::cbor::Reader;
use crate::error::{Error, Result};

const WIDTH: usize = 5;
const SLOTS: usize = 1 << WIDTH;
/// A sha-256 of 256 bits is used up after this many levels.
const DEEPEST: usize = 256 / WIDTH;
/// Most entries of a bucket; with more it becomes a node.
const MOST_IN_BUCKET: u64 = 3;

/// A map from keys to values under a root.
pub struct Hamt<'s> {
    store: &'s dyn BlockStore,
    what: &'static str,
    root: Cid,
}

/// Told of a key whose value differs, with the raw values before and after.
pub type HamtChange<'v> = dyn FnMut(&[u8], Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

/// The slots that lead from the root to a pointer.
#[derive(Clone, Copy)]
struct Path {
    slots: [u8; DEEPEST],
    depth: usize,
}

impl Path {
    const ROOT: Self = Self { slots: [0; DEEPEST], depth: 0 };

    /// The path on through a slot. Nodes are loaded only above [`DEEPEST`].
    fn through(mut self, slot: usize) -> Self {
        self.slots[self.depth] = slot as u8;
        self.depth += 1;
        self
    }

    /// That a key has its place under this path.
    fn holds(&self, key: &[u8]) -> Result<()> {
        let hash = sha2(key);
        if (0..self.depth).all(|depth| slot_of(&hash, depth) == usize::from(self.slots[depth])) {
            Ok(())
        } else {
            Err(Error::malformed("a HAMT key in a place that is not its own"))
        }
    }
}

/// What a slot of a node holds.
enum Pointer<'b> {
    Link(&'b [u8]),
    Bucket(Bucket<'b>),
}

/// The entries of a slot.
#[derive(Clone)]
struct Bucket<'b> {
    /// All of it, as it is written.
    raw: &'b [u8],
    /// What is behind its head.
    entries: Reader<'b>,
    count: u64,
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
        self.walk(&self.root, Path::ROOT, visit)
    }

    fn walk(&self, cid: &Cid, path: Path, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        let block = self.load(cid, path.depth)?;
        let here = |error: Error| error.in_block(cid, self.what);
        let mut pointers = Pointers::of(&block, path.depth).map_err(here)?;
        self.store.spend(pointers.work()).map_err(here)?;
        for slot in 0..SLOTS {
            let Some(pointer) = pointers.at(slot).map_err(here)? else { continue };
            let path = path.through(slot);
            match pointer {
                Pointer::Link(link) => self.walk(&cid_of(link).map_err(here)?, path, visit)?,
                Pointer::Bucket(bucket) => bucket.under(&path, visit).map_err(here)?,
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
            let pointer = Pointers::of(&block, depth).and_then(|of| of.only(slot_of(&hash, depth)));
            match pointer.map_err(here)? {
                None => return Ok(None),
                Some(Pointer::Link(link)) => cid = cid_of(link).map_err(here)?,
                Some(Pointer::Bucket(bucket)) => {
                    let mut value = None;
                    bucket
                        .for_each(&mut |found, raw| {
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
        self.compare(before, &before.root, &self.root, Path::ROOT, visit)
    }

    fn compare(
        &self,
        before: &Hamt<'_>,
        old: &Cid,
        new: &Cid,
        path: Path,
        visit: &mut HamtChange<'_>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let depth = path.depth;
        let (old_block, new_block) = (before.load(old, depth)?, self.load(new, depth)?);
        let in_old = |error: Error| error.in_block(old, self.what);
        let in_new = |error: Error| error.in_block(new, self.what);
        let mut old_pointers = Pointers::of(&old_block, depth).map_err(in_old)?;
        let mut new_pointers = Pointers::of(&new_block, depth).map_err(in_new)?;
        self.store.spend(old_pointers.work() + new_pointers.work()).map_err(in_new)?;
        for slot in 0..SLOTS {
            let path = path.through(slot);
            match (old_pointers.at(slot).map_err(in_old)?, new_pointers.at(slot).map_err(in_new)?) {
                (None, None) => {}
                (Some(Pointer::Link(old)), Some(Pointer::Link(new))) => {
                    if old != new {
                        let (old, new) = (cid_of(old).map_err(in_old)?, cid_of(new).map_err(in_new)?);
                        self.compare(before, &old, &new, path, visit)?;
                    }
                }
                (Some(Pointer::Bucket(old)), Some(Pointer::Bucket(new))) if old.raw == new.raw => {}
                (Some(Pointer::Bucket(old)), Some(Pointer::Bucket(new))) => {
                    let (old, new) = (old.entries().map_err(in_old)?, new.entries().map_err(in_new)?);
                    for key in changed_keys(&old, &new) {
                        path.holds(key).map_err(in_new)?;
                        visit(key, value_of(&old, key), value_of(&new, key))?;
                    }
                }
                (old, new) => {
                    // A bucket on one side: few entries, compared by key.
                    let mut old_entries = BTreeMap::new();
                    before.gather(old, path, &mut old_entries).map_err(in_old)?;
                    let mut new_entries = BTreeMap::new();
                    self.gather(new, path, &mut new_entries).map_err(in_new)?;
                    compare_entries(old_entries, &new_entries, visit)?;
                }
            }
        }
        Ok(())
    }

    /// All entries under a pointer that `path` leads to.
    fn gather(
        &self,
        pointer: Option<Pointer<'_>>,
        path: Path,
        entries: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    ) -> Result<()> {
        let mut add = |key: &[u8], value: &[u8]| {
            entries.insert(key.to_vec(), value.to_vec());
            Ok(())
        };
        match pointer {
            None => Ok(()),
            Some(Pointer::Link(link)) => self.walk(&cid_of(link)?, path, &mut add),
            Some(Pointer::Bucket(bucket)) => bucket.under(&path, &mut add),
        }
    }

    fn load(&self, cid: &Cid, depth: usize) -> Result<Block<'s>> {
        if depth >= DEEPEST {
            return Err(Error::malformed("a HAMT deeper than its hash").in_block(cid, self.what));
        }
        self.store.get_required(cid, self.what)
    }
}

/// A bucket's keys and raw values.
type Entries<'b> = Vec<(&'b [u8], &'b [u8])>;

/// The raw value of a key of a bucket.
fn value_of<'b>(entries: &Entries<'b>, key: &[u8]) -> Option<&'b [u8]> {
    entries.iter().find(|(found, _)| *found == key).map(|(_, raw)| *raw)
}

/// The keys whose values differ between two buckets, in order.
fn changed_keys<'b>(old: &Entries<'b>, new: &Entries<'b>) -> Vec<&'b [u8]> {
    let changed = new.iter().filter(|(key, after)| value_of(old, key) != Some(after));
    let gone = old.iter().filter(|(key, _)| value_of(new, key).is_none());
    let mut keys: Vec<_> = changed.chain(gone).map(|(key, _)| *key).collect();
    keys.sort_unstable();
    keys
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

fn slot_of(hash: &[u8; 32], depth: usize) -> usize {
    (0..WIDTH).fold(0, |slot, bit| {
        let at = depth * WIDTH + bit;
        slot << 1 | usize::from(hash[at / 8] >> (7 - at % 8) & 1)
    })
}

/// The pointers of a node, read slot by slot.
struct Pointers<'b> {
    /// Which slots have one.
    bits: u32,
    reader: Reader<'b>,
}

impl<'b> Pointers<'b> {
    /// Those of a node at some depth.
    fn of(block: &'b [u8], depth: usize) -> Result<Self> {
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
    fn work(&self) -> u64 {
        work::VALUE * u64::from(self.bits.count_ones())
    }

    /// The pointer in a slot; all below have been asked for.
    fn at(&mut self, slot: usize) -> Result<Option<Pointer<'b>>> {
        if self.bits >> slot & 1 == 0 { Ok(None) } else { pointer(&mut self.reader).map(Some) }
    }

    /// The pointer in one slot.
    fn only(mut self, slot: usize) -> Result<Option<Pointer<'b>>> {
        let below = self.bits & ((1 << slot) - 1);
        if self.bits >> slot & 1 == 1 {
            self.reader.skip_many(below.count_ones() as usize)?;
        }
        self.at(slot)
    }
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
    fn entries(self) -> Result<Entries<'b>> {
        let mut entries = Vec::with_capacity(MOST_IN_BUCKET as usize);
        self.for_each(&mut |key, value| {
            entries.push((key, value));
            Ok(())
        })?;
        Ok(entries)
    }

    /// Calls `visit` with each entry.
    fn for_each(mut self, visit: &mut dyn FnMut(&'b [u8], &'b [u8]) -> Result<()>) -> Result<()> {
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
    fn under(self, path: &Path, visit: &mut dyn FnMut(&[u8], &[u8]) -> Result<()>) -> Result<()> {
        self.for_each(&mut |key, value| {
            path.holds(key)?;
            visit(key, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    fn node(slots: &[usize], pointers: &[Vec<u8>]) -> Vec<u8> {
        let bits = slots.iter().fold(0_u32, |bits, slot| bits | 1 << slot);
        array(&[bytes(&bits.to_be_bytes()), array(pointers)])
    }

    fn entry(key: &[u8], value: u64) -> Vec<u8> {
        array(&[bytes(key), uint(value)])
    }

    /// Four keys whose place is in that slot of the root.
    fn keys_in(slot: usize) -> Vec<Vec<u8>> {
        let keys = (0_u32..).map(|number| number.to_be_bytes().to_vec());
        keys.filter(|key| slot_of(&sha2(key), 0) == slot).take(4).collect()
    }

    fn keys(store: &Memory, root: &Cid) -> Result<Vec<Vec<u8>>> {
        let mut found = Vec::new();
        Hamt::new(store, root, "test").for_each(&mut |key, _| {
            found.push(key.to_vec());
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_key_stands_only_where_its_hash_puts_it() {
        let mut store = Memory::default();
        let slot = slot_of(&sha2(b"key"), 0);
        let bucket = || array(&[entry(b"key", 1)]);
        let right = store.put(node(&[slot], &[bucket()]));
        assert_eq!(keys(&store, &right).unwrap(), [b"key".to_vec()]);
        assert_eq!(Hamt::new(&store, &right, "test").get(b"key").unwrap(), Some(vec![1]));
        let wrong = store.put(node(&[slot ^ 1], &[bucket()]));
        assert!(keys(&store, &wrong).is_err());
        let empty = store.put(node(&[], &[]));
        assert!(keys(&store, &empty).unwrap().is_empty());
        for (old, new) in [(&empty, &wrong), (&wrong, &empty)] {
            let old = Hamt::new(&store, old, "test");
            assert!(Hamt::new(&store, new, "test").diff(&old, &mut |_, _, _| Ok(())).is_err());
        }
    }

    #[test]
    fn two_buckets_differ_in_the_keys_whose_values_do() {
        let mut store = Memory::default();
        let slot = slot_of(&sha2(b"key"), 0);
        let same = keys_in(slot);
        let mut with = |entries: &[(usize, u64)]| {
            let entries: Vec<_> = entries.iter().map(|(key, value)| entry(&same[*key], *value)).collect();
            store.put(node(&[slot], &[array(&entries)]))
        };
        let (old, new) = (with(&[(0, 1), (1, 1), (2, 1)]), with(&[(3, 7), (1, 1), (2, 2)]));
        let mut told = Vec::new();
        let before = Hamt::new(&store, &old, "test");
        Hamt::new(&store, &new, "test")
            .diff(&before, &mut |key, old, new| {
                let at = same.iter().position(|one| one == key).unwrap();
                told.push((at, old.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec)));
                Ok(())
            })
            .unwrap();
        assert_eq!(
            told,
            [(0, Some(vec![1]), None), (2, Some(vec![1]), Some(vec![2])), (3, None, Some(vec![7]))]
        );
    }

    #[test]
    fn a_tree_folded_into_a_few_blocks_is_refused() {
        let mut store = Memory::default();
        let all: Vec<usize> = (0..SLOTS).collect();
        let bucket = array(&[entry(b"key", 1)]);
        for bottom in [node(&[], &[]), node(&all, &vec![bucket; SLOTS]), node(&all, &vec![array(&[]); SLOTS])]
        {
            let root = (0..20).fold(bottom, |node_below, _| {
                let child = link(&store.put(node_below));
                node(&all, &vec![child; SLOTS])
            });
            let root = store.put(root);
            assert!(keys(&store, &root).is_err());
        }
    }

    #[test]
    fn buckets_hold_one_to_three_keys_each_once() {
        let mut store = Memory::default();
        let slot = slot_of(&sha2(b"key"), 0);
        let same = keys_in(slot);
        let mut with = |keys: &[Vec<u8>]| {
            let entries: Vec<_> = keys.iter().map(|key| entry(key, 1)).collect();
            store.put(node(&[slot], &[array(&entries)]))
        };
        let (good, many) = (with(&same[..3]), with(&same));
        let twice = with(&[same[0].clone(), same[1].clone(), same[0].clone()]);
        assert_eq!(keys(&store, &good).unwrap().len(), 3);
        for root in [many, twice] {
            assert!(keys(&store, &root).is_err());
        }
    }
}
