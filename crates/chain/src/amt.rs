//! Arrays on chain: AMTs, walked and compared in place.
//!
//! ```text
//! root   before actors v3: [height, count, node], 3 bits per level      (messages and receipts: to this day)
//!        since:            [bit width, height, count, node]
//! node   [bitmap, [links], [values]]     links above the leaves, values in them; bit i of the bitmap (lowest
//!                                        bit of the first byte first) says whether slot i is there
//! ```
//!
//! A node may stand in several places of a tree, so a small file can hold a tree that takes forever to walk. A walk
//! therefore ends where it has met more values, or more nodes, than a tree of the root's count can have.
//!
//! Comparing follows only links that differ, so its cost grows with what changed, and a block that is absent
//! though unchanged is never asked for.

use cid::Cid;

use crate::bitfield::SectorSet;
use crate::block::{Block, BlockStore, cid_of};
use crate::budget::work;
use crate::cbor::Reader;
use crate::error::{Error, Result};

/// Bits per level of the old form.
const OLD_WIDTH: u32 = 3;
/// Widest node taken; the widest on chain is 5.
const WIDEST: u32 = 8;
/// Most values taken; the deals ever proposed on mainnet are a tenth of it.
const MOST_VALUES: u64 = 1 << 32;
/// Empty nodes taken, which deletions may have left behind in the earliest versions.
const SPARE_NODES: u64 = 1 << 10;

/// An array of values under a root.
pub struct Amt<'s> {
    store: &'s dyn BlockStore,
    what: &'static str,
    cid: Cid,
    root: Block<'s>,
    width: u32,
    height: u32,
    count: u64,
    /// Where the root node begins in the root block.
    node: usize,
    /// What each value counts for that is walked over.
    work: u64,
}

/// What a walk may still meet of the tree under a root.
struct WalkBudget {
    values: u64,
    nodes: u64,
}

impl WalkBudget {
    /// Each value takes one node of each height at most.
    const fn of(amt: &Amt<'_>) -> Self {
        let nodes = amt.count.saturating_mul(amt.height as u64 + 1).saturating_add(SPARE_NODES);
        Self { values: amt.count, nodes }
    }

    /// Takes a node, and the values in it if it is a leaf.
    fn take(&mut self, node: &Node<'_>, height: u32) -> Result<()> {
        self.take_so_many(if height == 0 { node.present } else { 0 }, 1)
    }

    fn take_so_many(&mut self, values: u64, nodes: u64) -> Result<()> {
        match (self.values.checked_sub(values), self.nodes.checked_sub(nodes)) {
            (Some(values), Some(nodes)) => {
                *self = Self { values, nodes };
                Ok(())
            }
            _ => Err(Error::malformed("an AMT that holds more than its root counts")),
        }
    }
}

/// Where a walk goes on that visits some values at a time: after those that it has visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmtCursor {
    /// The lowest index that is not visited yet; `None` at the end.
    next: Option<u64>,
    visited: u64,
}

impl AmtCursor {
    /// Before the first value.
    pub const START: Self = Self { next: Some(0), visited: 0 };

    /// Whether every value has been visited.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        self.next.is_none()
    }
}

/// A decoded node: slots present, and where their links or values begin.
struct Node<'b> {
    bitmap: &'b [u8],
    /// How many slots are.
    present: u64,
    links: Vec<&'b [u8]>,
    values: Reader<'b>,
}

impl<'s> Amt<'s> {
    /// Opens the array under `root`; `what` names it in errors.
    ///
    /// # Errors
    /// If its root block is missing or does not decode.
    pub fn open(store: &'s dyn BlockStore, root: &Cid, what: &'static str) -> Result<Self> {
        let block = store.get_required(root, what)?;
        let (width, height, count, node) = read_root(&block).map_err(|error| error.in_block(root, what))?;
        Ok(Self { store, what, cid: *root, root: block, width, height, count, node, work: work::VALUE })
    }

    /// The same, of values that count for more than usual with the store's budget.
    #[must_use]
    pub(crate) fn with_work(self, work: u64) -> Self {
        Self { work, ..self }
    }

    /// How many values the root says there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Calls `visit` with each index and a reader at its value, which it must read to the value's end.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each(&self, visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>) -> Result<()> {
        self.for_each_up_to(u64::MAX, visit)
    }

    /// As [`Amt::for_each`], for indexes up to and with `last`. Blocks that hold only higher ones are not asked for.
    ///
    /// # Errors
    /// As [`Amt::for_each`].
    pub fn for_each_up_to(
        &self,
        last: u64,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        self.walk(&self.root[self.node..], self.height, (0, last), &mut WalkBudget::of(self), visit)
            .map_err(|error| error.in_block(&self.cid, self.what))
    }

    /// Walks a node that begins at index `first`, up to index `last`.
    fn walk(
        &self,
        node: &[u8],
        height: u32,
        (first, last): (u64, u64),
        budget: &mut WalkBudget,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut node = self.decode(node, height)?;
        budget.take(&node, height)?;
        self.spend(&node, height)?;
        if height == 0 {
            for slot in slots(node.bitmap, self.width).take_while(|slot| first + slot <= last) {
                visit(first + slot, &mut node.values)?;
            }
            return Ok(());
        }
        for (slot, link) in slots(node.bitmap, self.width).zip(&node.links) {
            let begin = self.begin(first, slot, height)?;
            if begin > last {
                break;
            }
            let (cid, block) = self.follow(link)?;
            self.walk(&block, height - 1, (begin, last), budget, visit)
                .map_err(|error| error.in_block(&cid, self.what))?;
        }
        Ok(())
    }

    /// As [`Amt::for_each`], of the values whose index is in a set; nodes that have none of these are not read.
    ///
    /// # Errors
    /// If a block that is needed is missing or malformed, or `visit` fails.
    pub fn for_each_in(
        &self,
        wanted: &SectorSet,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        self.walk_in(&self.root[self.node..], self.height, 0, wanted, &mut WalkBudget::of(self), visit)
            .map_err(|error| error.in_block(&self.cid, self.what))
    }

    fn walk_in(
        &self,
        node: &[u8],
        height: u32,
        first: u64,
        wanted: &SectorSet,
        budget: &mut WalkBudget,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut node = self.decode(node, height)?;
        budget.take(&node, height)?;
        self.spend(&node, height)?;
        if height == 0 {
            for slot in slots(node.bitmap, self.width) {
                match wanted.contains(first + slot) {
                    true => visit(first + slot, &mut node.values)?,
                    false => node.values.skip()?,
                }
            }
            return Ok(());
        }
        for (slot, link) in slots(node.bitmap, self.width).zip(&node.links) {
            let begin = self.begin(first, slot, height)?;
            let span = 1_u64.checked_shl(self.width * height).unwrap_or(u64::MAX);
            if wanted.meets(&(begin..begin.saturating_add(span))) {
                let (cid, block) = self.follow(link)?;
                self.walk_in(&block, height - 1, begin, wanted, budget, visit)
                    .map_err(|error| error.in_block(&cid, self.what))?;
            }
        }
        Ok(())
    }

    /// Visits as [`Amt::for_each`] does, at most `most` values from `place` on, and moves that on. Going on costs a way down
    /// from the root.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn for_each_from(
        &self,
        place: &mut AmtCursor,
        most: u64,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(from) = place.next else { return Ok(()) };
        let nodes = most.saturating_add(1).saturating_mul(u64::from(self.height) + 1);
        let mut budget = WalkBudget {
            values: self.count.saturating_sub(place.visited),
            nodes: nodes.saturating_add(SPARE_NODES),
        };
        // One more than is visited tells whether there is more.
        let (mut left, mut next) = (most, None);
        self.walk_from(&self.root[self.node..], self.height, 0, from, &mut budget, &mut |index, value| {
            if left == 0 {
                next = Some(index);
                return Ok(false);
            }
            left -= 1;
            visit(index, value)?;
            Ok(true)
        })
        .map_err(|error| error.in_block(&self.cid, self.what))?;
        *place = AmtCursor { next, visited: place.visited + (most - left) };
        Ok(())
    }

    /// Walks over the values from index `from` on, as long as `visit` says so; whether it still does.
    fn walk_from(
        &self,
        node: &[u8],
        height: u32,
        first: u64,
        from: u64,
        budget: &mut WalkBudget,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<bool>,
    ) -> Result<bool> {
        let mut node = self.decode(node, height)?;
        budget.take_so_many(0, 1)?;
        self.spend(&node, height)?;
        if height == 0 {
            for slot in slots(node.bitmap, self.width) {
                if first + slot < from {
                    node.values.skip()?;
                    continue;
                }
                budget.take_so_many(1, 0)?;
                if !visit(first + slot, &mut node.values)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        for (slot, link) in slots(node.bitmap, self.width).zip(&node.links) {
            let begin = self.begin(first, slot, height)?;
            // The last index below this slot: all are below where to go on.
            let last = begin | (1_u64.checked_shl(self.width * height).unwrap_or(0).wrapping_sub(1));
            if last < from {
                continue;
            }
            let (cid, block) = self.follow(link)?;
            let more = self
                .walk_from(&block, height - 1, begin, from, budget, visit)
                .map_err(|error| error.in_block(&cid, self.what))?;
            if !more {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Calls `visit` with a reader at the value of `index` and returns what it returns; `None` if there is none.
    ///
    /// # Errors
    /// If a block is missing or malformed, or `visit` fails.
    pub fn get<T>(&self, index: u64, visit: impl FnOnce(&mut Reader<'_>) -> Result<T>) -> Result<Option<T>> {
        let mut height = self.height;
        if index.checked_shr(self.width * (height + 1)).unwrap_or(0) != 0 {
            return Ok(None);
        }
        let mut block: Option<(Cid, Block<'_>)> = None;
        loop {
            let bytes = block.as_ref().map_or(&self.root[self.node..], |(_, block)| block);
            let slot = index.checked_shr(self.width * height).unwrap_or(0) & ((1 << self.width) - 1);
            let here =
                |error: Error| error.in_block(block.as_ref().map_or(&self.cid, |(cid, _)| cid), self.what);
            let (bitmap, _, mut reader) = self.node(bytes, height).map_err(here)?;
            let Some(position) = slots(bitmap, self.width).position(|present| present == slot) else {
                return Ok(None);
            };
            reader.skip_many(position).map_err(here)?;
            if height == 0 {
                return visit(&mut reader).map(Some).map_err(here);
            }
            let next = self.follow(reader.link().map_err(here)?)?;
            block = Some(next);
            height -= 1;
        }
    }

    /// Calls `visit` with each index whose value differs from `before`'s, and the raw values before and after.
    ///
    /// # Errors
    /// If a block that differs is missing or malformed, or `visit` fails.
    pub fn diff(&self, before: &Amt<'_>, visit: &mut AmtChange<'_>) -> Result<()> {
        if before.width != self.width {
            return self.diff_by_value(before, visit);
        }
        let (old, new) = (&before.root[before.node..], &self.root[self.node..]);
        let mut budgets = (WalkBudget::of(before), WalkBudget::of(self));
        self.compare(before, Some((old, before.height)), Some((new, self.height)), 0, &mut budgets, visit)
            .map_err(|error| error.in_block(&self.cid, self.what))
    }

    /// Compares two subtrees that begin at index `first`; of different heights, the lower one stands in slot 0 of
    /// the higher.
    fn compare(
        &self,
        before: &Amt<'_>,
        old: Option<(&[u8], u32)>,
        new: Option<(&[u8], u32)>,
        first: u64,
        budgets: &mut (WalkBudget, WalkBudget),
        visit: &mut AmtChange<'_>,
    ) -> Result<()> {
        let height = old.iter().chain(&new).map(|(_, height)| *height).max().unwrap_or(0);
        // A subtree lower than the level we are at is passed down through slot 0 until its level comes.
        let lower = |side: Option<(&'_ [u8], u32)>| side.is_some_and(|(_, level)| level < height);
        let (old_node, new_node) = (before.node_at(old, height)?, self.node_at(new, height)?);
        if let Some(node) = &old_node {
            budgets.0.take(node, height)?;
            before.spend(node, height)?;
        }
        if let Some(node) = &new_node {
            budgets.1.take(node, height)?;
            self.spend(node, height)?;
        }
        if height == 0 {
            return compare_leaves(old_node, new_node, self.width, first, visit);
        }
        let width = 1_u64 << self.width;
        let (mut old_links, mut new_links) = (Links::of(old_node.as_ref()), Links::of(new_node.as_ref()));
        for slot in 0..width {
            let (old_link, new_link) = (old_links.at(slot), new_links.at(slot));
            let old_lower = (slot == 0 && lower(old)).then_some(old).flatten();
            let new_lower = (slot == 0 && lower(new)).then_some(new).flatten();
            if old_lower.is_none() && new_lower.is_none() && old_link == new_link {
                continue;
            }
            let old_block = old_link.map(|link| before.follow(link)).transpose()?;
            let new_block = new_link.map(|link| self.follow(link)).transpose()?;
            let old_side = old_lower.or(old_block.as_ref().map(|(_, block)| (&**block, height - 1)));
            let new_side = new_lower.or(new_block.as_ref().map(|(_, block)| (&**block, height - 1)));
            let begin = self.begin(first, slot, height)?;
            let named = new_block.as_ref().or(old_block.as_ref()).map(|(cid, _)| *cid);
            self.compare(before, old_side, new_side, begin, budgets, visit).map_err(
                |error| match &named {
                    Some(cid) => error.in_block(cid, self.what),
                    None => error,
                },
            )?;
        }
        Ok(())
    }

    /// The node of a side that has one at this level.
    fn node_at<'b>(&self, side: Option<(&'b [u8], u32)>, height: u32) -> Result<Option<Node<'b>>> {
        match side {
            Some((bytes, level)) if level == height => self.decode(bytes, level).map(Some),
            _ => Ok(None),
        }
    }

    /// For two forms of tree (at a migration): every value of both, looked up in the other, so that none is held.
    fn diff_by_value(&self, before: &Amt<'_>, visit: &mut AmtChange<'_>) -> Result<()> {
        self.for_each(&mut |index, value| {
            let new = value.raw()?;
            let told = before.get(index, |old| match old.raw()? {
                old if old == new => Ok(()),
                old => visit(index, Some(old), Some(new)),
            })?;
            told.map_or_else(|| visit(index, None, Some(new)), Ok)
        })?;
        before.for_each(&mut |index, value| {
            let old = value.raw()?;
            self.get(index, |_| Ok(()))?.map_or_else(|| visit(index, Some(old), None), Ok)
        })
    }

    /// Counts the values of a leaf as work.
    fn spend(&self, node: &Node<'_>, height: u32) -> Result<()> {
        if height == 0 { self.store.spend(self.work * node.present) } else { Ok(()) }
    }

    fn follow(&self, link: &[u8]) -> Result<(Cid, Block<'s>)> {
        let cid = cid_of(link)?;
        Ok((cid, self.store.get_required(&cid, self.what)?))
    }

    /// First index of a slot of a node that begins at `first`.
    fn begin(&self, first: u64, slot: u64, height: u32) -> Result<u64> {
        let shift = self.width * height;
        match slot.checked_shl(shift) {
            _ if slot == 0 => Ok(first),
            Some(span) if span >> shift == slot => Ok(first | span),
            _ => Err(Error::malformed("an AMT with an index beyond 2^64")),
        }
    }

    fn decode<'b>(&self, bytes: &'b [u8], height: u32) -> Result<Node<'b>> {
        let (bitmap, present, mut values) = self.node(bytes, height)?;
        let mut links = Vec::new();
        if height > 0 {
            links = (0..present).map(|_| values.link()).collect::<Result<_>>()?;
            if values.array()? != 0 {
                return Err(mismatched_values());
            }
        }
        Ok(Node { bitmap, present, links, values })
    }

    /// A node's bitmap, how many slots are present, and a reader at the first of its links, or of a leaf's values.
    fn node<'b>(&self, bytes: &'b [u8], height: u32) -> Result<(&'b [u8], u64, Reader<'b>)> {
        let mut reader = Reader::new(bytes);
        reader.tuple(3)?;
        let bitmap = reader.bytes()?;
        let length = if self.width <= 3 { 1 } else { 1 << (self.width - 3) };
        if bitmap.len() != length {
            return Err(Error::malformed("an AMT node whose bitmap has the wrong length"));
        }
        if self.width < 3 && bitmap[0] >> (1 << self.width) != 0 {
            return Err(Error::malformed("an AMT node with slots beyond its width"));
        }
        let present = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        let link_count = reader.array()?;
        if link_count != if height == 0 { 0 } else { present } {
            return Err(Error::malformed("an AMT node whose links do not match its bitmap"));
        }
        if height == 0 && reader.array()? != present {
            return Err(mismatched_values());
        }
        Ok((bitmap, present, reader))
    }
}

#[cold]
fn mismatched_values() -> Error {
    Error::malformed("an AMT node whose values do not match its bitmap")
}

/// Told of a changed index with the raw values before and after.
pub type AmtChange<'v> = dyn FnMut(u64, Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

fn read_root(block: &[u8]) -> Result<(u32, u32, u64, usize)> {
    let mut reader = Reader::new(block);
    let width = match reader.array()? {
        3 => OLD_WIDTH,
        4 => u32::try_from(reader.uint()?)
            .ok()
            .filter(|width| (1..=WIDEST).contains(width))
            .ok_or_else(|| Error::malformed("an AMT of an impossible width"))?,
        fields => return Err(Error::malformed(format!("an AMT root of {fields} fields"))),
    };
    let height = u32::try_from(reader.uint()?)
        .ok()
        .filter(|height| *height <= 64 / width)
        .ok_or_else(|| Error::malformed("an AMT of an impossible height"))?;
    let count = reader.uint()?;
    if count > MOST_VALUES {
        return Err(Error::malformed(format!("an AMT that claims {count} values")));
    }
    Ok((width, height, count, reader.position()))
}

/// The slots that are present, in rising order.
fn slots(bitmap: &[u8], width: u32) -> impl Iterator<Item = u64> + '_ {
    (0..1_u64 << width).filter(|slot| is_set(bitmap, *slot))
}

fn is_set(bitmap: &[u8], slot: u64) -> bool {
    let byte = usize::try_from(slot / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
}

/// The links of a node, asked for slot by slot.
struct Links<'n, 'b> {
    bitmap: &'b [u8],
    left: &'n [&'b [u8]],
}

impl<'n, 'b> Links<'n, 'b> {
    fn of(node: Option<&'n Node<'b>>) -> Self {
        node.map_or(Self { bitmap: &[], left: &[] }, |node| Self { bitmap: node.bitmap, left: &node.links })
    }

    /// The link in a slot; all below have been asked for.
    fn at(&mut self, slot: u64) -> Option<&'b [u8]> {
        if !is_set(self.bitmap, slot) {
            return None;
        }
        let (link, left) = self.left.split_first()?;
        self.left = left;
        Some(link)
    }
}

fn compare_leaves<'b>(
    old: Option<Node<'b>>,
    new: Option<Node<'b>>,
    width: u32,
    first: u64,
    visit: &mut AmtChange<'_>,
) -> Result<()> {
    let (mut old, mut new) = (old, new);
    let next = |node: &mut Option<Node<'b>>, slot| {
        let node = node.as_mut().filter(|node| is_set(node.bitmap, slot));
        node.map(|node| node.values.raw()).transpose()
    };
    for slot in 0..1_u64 << width {
        let (before, after) = (next(&mut old, slot)?, next(&mut new, slot)?);
        if before != after {
            visit(first.saturating_add(slot), before, after)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Memory, array, bytes, link, uint};

    fn leaf(values: &[u64]) -> Vec<u8> {
        let bitmap = u8::try_from((1_u32 << values.len()) - 1).unwrap();
        array(&[
            bytes(&[bitmap]),
            array(&[]),
            array(&values.iter().map(|value| uint(*value)).collect::<Vec<_>>()),
        ])
    }

    fn root(height: u64, count: u64, node: Vec<u8>) -> Vec<u8> {
        array(&[uint(height), uint(count), node])
    }

    /// A tree in which every node links its one child eight times.
    fn folded(store: &mut Memory, height: u64, count: u64, leaf: Vec<u8>) -> Cid {
        let node = (0..height).fold(leaf, |node, _| {
            let child = link(&store.put(node));
            array(&[bytes(&[0xff]), array(&vec![child; 8]), array(&[])])
        });
        store.put(root(height, count, node))
    }

    fn values(store: &Memory, root: &Cid) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        Amt::open(store, root, "test")?.for_each(&mut |_, value| {
            found.push(value.uint()?);
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn a_tree_folded_into_a_few_blocks_ends_with_the_count_of_its_root() {
        let mut store = Memory::default();
        let honest = folded(&mut store, 1, 16, leaf(&[7, 8]));
        assert_eq!(values(&store, &honest).unwrap(), [7, 8].repeat(8));
        for leaf in [leaf(&[7, 8]), leaf(&[])] {
            let hostile = folded(&mut store, 20, 100, leaf);
            let error = values(&store, &hostile).unwrap_err().to_string();
            assert!(error.contains("more than its root counts"), "{error}");
        }
        let claiming = folded(&mut store, 20, u64::MAX, leaf(&[7, 8]));
        assert!(values(&store, &claiming).is_err());
    }

    #[test]
    fn a_walk_up_to_an_index_asks_for_no_block_beyond_it() {
        let mut store = Memory::default();
        let (near, absent) = (store.put(leaf(&[1, 5])), Memory::default().put(leaf(&[2])));
        let links = array(&[link(&near), link(&absent)]);
        // Slots 0 and 2 of the root: indexes 0 to 7, and 16 to 23.
        let node = array(&[bytes(&[0b101]), links, array(&[])]);
        let root = store.put(root(1, 3, node));
        let seen = |last| {
            let mut seen = Vec::new();
            Amt::open(&store, &root, "test")?.for_each_up_to(last, &mut |index, value| {
                seen.push((index, value.uint()?));
                Ok(())
            })?;
            Ok::<_, Error>(seen)
        };
        assert_eq!(seen(0).unwrap(), [(0, 1)]);
        assert_eq!(seen(15).unwrap(), [(0, 1), (1, 5)]);
        assert!(matches!(seen(16), Err(Error::MissingBlock(..))));
    }

    #[test]
    fn values_are_visited_some_at_a_time_and_each_once() {
        let mut store = Memory::default();
        let one = link(&store.put(leaf(&[1, 2, 3])));
        let none = link(&store.put(leaf(&[])));
        let last = link(&store.put(leaf(&[4])));
        // Indices 0 to 2, 24 and none in between.
        let node = array(&[bytes(&[0b1011]), array(&[one, none, last]), array(&[])]);
        let root = store.put(root(1, 4, node));
        let amt = Amt::open(&store, &root, "test").unwrap();
        for most in 1..6 {
            let (mut place, mut found, mut turns) = (AmtCursor::START, Vec::new(), 0);
            while !place.is_end() {
                amt.for_each_from(&mut place, most, &mut |index, value| {
                    found.push((index, value.uint()?));
                    Ok(())
                })
                .unwrap();
                turns += 1;
            }
            assert_eq!(found, [(0, 1), (1, 2), (2, 3), (24, 4)]);
            assert_eq!(turns, 4_u64.div_ceil(most), "{most} at a time");
        }
        // A folded tree ends with the count of its root, whatever is taken at once.
        let hostile = folded(&mut store, 20, 100, leaf(&[7, 8]));
        let (mut place, amt) = (AmtCursor::START, Amt::open(&store, &hostile, "test").unwrap());
        let mut step = || amt.for_each_from(&mut place, 16, &mut |_, value| value.uint().map(|_| ()));
        assert!((0..8).map(|_| step()).any(|step| step.is_err()));
        let empty = folded(&mut store, 20, 100, leaf(&[]));
        let amt = Amt::open(&store, &empty, "test").unwrap();
        assert!(amt.for_each_from(&mut AmtCursor::START.clone(), 16, &mut |_, _| Ok(())).is_err());
    }

    #[test]
    fn comparing_folded_trees_ends_though_no_value_differs() {
        let mut store = Memory::default();
        // The same value, written in one byte and in nine.
        let long = array(&[bytes(&[1]), array(&[]), vec![0x9b, 0, 0, 0, 0, 0, 0, 0, 1, 7]]);
        let [a, b] = [leaf(&[7]), long].map(|leaf| folded(&mut store, 20, 100, leaf));
        let (a, b) = (Amt::open(&store, &a, "test").unwrap(), Amt::open(&store, &b, "test").unwrap());
        assert!(b.diff(&a, &mut |_, _, _| panic!("nothing differs")).is_err());
    }

    #[test]
    fn what_differs_is_told_whatever_the_widths() {
        let mut store = Memory::default();
        let old = store.put(root(0, 3, leaf(&[1, 2, 3])));
        let new = store.put(array(&[uint(4), uint(0), uint(2), {
            let node = [bytes(&[0b1010, 0]), array(&[]), array(&[uint(2), uint(9)])];
            array(&node)
        }]));
        let (old, new) = (Amt::open(&store, &old, "test").unwrap(), Amt::open(&store, &new, "test").unwrap());
        let mut changes = Vec::new();
        new.diff(&old, &mut |index, before, after| {
            changes.push((index, before.map(<[u8]>::to_vec), after.map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
        changes.sort();
        let expected = [(0, Some(vec![1]), None), (2, Some(vec![3]), None), (3, None, Some(vec![9]))];
        assert_eq!(changes, expected);
    }

    #[test]
    fn slots_and_indexes_beyond_what_there_can_be_are_refused() {
        let mut store = Memory::default();
        let node = |bitmap: &[u8], links: &[Vec<u8>], values: &[Vec<u8>]| {
            array(&[bytes(bitmap), array(links), array(values)])
        };
        // A width of one has two slots.
        let wide = store.put(array(&[uint(1), uint(0), uint(3), node(&[7], &[], &vec![uint(1); 3])]));
        assert!(values(&store, &wide).is_err());
        // Height 21 of width 3: bit 63 and two more.
        let below = (0..21).fold(leaf(&[7]), |below, _| {
            let child = link(&store.put(below));
            node(&[1], &[child], &[])
        });
        let low = store.put(root(21, 1, below.clone()));
        assert_eq!(values(&store, &low).unwrap(), [7]);
        let mut high = below;
        // The bitmap's byte, in the root node, from slot 0 to slot 2.
        assert_eq!(high[2], 1);
        high[2] = 4;
        let high = store.put(root(21, 1, high));
        assert!(values(&store, &high).is_err());
    }
}
