//! Arrays on chain: AMTs, walked and compared in place.
//!
//! ```text
//! root   before actors v3: [height, count, node], 3 bits per level      (messages and receipts: to this day)
//!        since:            [bit width, height, count, node]
//! node   [bitmap, [links], [values]]     links above the leaves, values in them; bit i of the bitmap (lowest
//!                                        bit of the first byte first) says whether slot i is there
//! ```
//!
//! Comparing follows only links that differ, so its cost grows with what changed, and a block that is absent
//! though unchanged is never asked for.

use cid::Cid;

use crate::block::{Block, BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};

/// Bits per level of the old form.
const OLD_WIDTH: u32 = 3;
/// Widest node taken; the widest on chain is 5.
const WIDEST: u32 = 8;

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
}

/// A decoded node: slots present, and where their links or values begin.
struct Node<'b> {
    bitmap: &'b [u8],
    links: Vec<&'b [u8]>,
    values: Reader<'b>,
}

impl<'s> Amt<'s> {
    /// Opens the array under `root`; `what` names it in errors.
    ///
    /// # Errors
    /// If its root block is missing or does not decode.
    pub fn open(store: &'s dyn BlockStore, root: &Cid, what: &'static str) -> Result<Self> {
        let block = store.need(root, what)?;
        let (width, height, count, node) = read_root(&block).map_err(|error| error.in_block(root, what))?;
        Ok(Self { store, what, cid: *root, root: block, width, height, count, node })
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
        self.walk(&self.root[self.node..], self.height, 0, visit)
            .map_err(|error| error.in_block(&self.cid, self.what))
    }

    fn walk(
        &self,
        node: &[u8],
        height: u32,
        first: u64,
        visit: &mut dyn FnMut(u64, &mut Reader<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut node = self.decode(node, height)?;
        if height == 0 {
            for slot in slots(node.bitmap, self.width) {
                visit(first.saturating_add(slot), &mut node.values)?;
            }
            return Ok(());
        }
        for (slot, link) in slots(node.bitmap, self.width).zip(&node.links) {
            let (cid, block) = self.follow(link)?;
            let begin = first.saturating_add(self.span(slot, height));
            self.walk(&block, height - 1, begin, visit).map_err(|error| error.in_block(&cid, self.what))?;
        }
        Ok(())
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
            let mut node = self.decode(bytes, height).map_err(here)?;
            let Some(position) = slots(node.bitmap, self.width).position(|present| present == slot) else {
                return Ok(None);
            };
            if height == 0 {
                node.values.skip_many(position).map_err(here)?;
                return visit(&mut node.values).map(Some).map_err(here);
            }
            let next = self.follow(node.links[position])?;
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
        self.compare(before, Some((old, before.height)), Some((new, self.height)), 0, visit)
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
        visit: &mut AmtChange<'_>,
    ) -> Result<()> {
        let height = old.iter().chain(&new).map(|(_, height)| *height).max().unwrap_or(0);
        // A subtree lower than the level we are at is passed down through slot 0 until its level comes.
        let lower = |side: Option<(&'_ [u8], u32)>| side.is_some_and(|(_, level)| level < height);
        let (old_node, new_node) = (before.node_at(old, height)?, self.node_at(new, height)?);
        if height == 0 {
            return compare_leaves(old_node, new_node, self.width, first, visit);
        }
        let width = 1_u64 << self.width;
        for slot in 0..width {
            let old_link = link_at(old_node.as_ref(), slot, self.width);
            let new_link = link_at(new_node.as_ref(), slot, self.width);
            let old_lower = (slot == 0 && lower(old)).then_some(old).flatten();
            let new_lower = (slot == 0 && lower(new)).then_some(new).flatten();
            if old_lower.is_none() && new_lower.is_none() && old_link == new_link {
                continue;
            }
            let old_block = old_link.map(|link| before.follow(link)).transpose()?;
            let new_block = new_link.map(|link| self.follow(link)).transpose()?;
            let old_side = old_lower.or(old_block.as_ref().map(|(_, block)| (&**block, height - 1)));
            let new_side = new_lower.or(new_block.as_ref().map(|(_, block)| (&**block, height - 1)));
            let begin = first.saturating_add(self.span(slot, height));
            let named = new_block.as_ref().or(old_block.as_ref()).map(|(cid, _)| *cid);
            self.compare(before, old_side, new_side, begin, visit).map_err(|error| match &named {
                Some(cid) => error.in_block(cid, self.what),
                None => error,
            })?;
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

    /// For two forms of tree (at a migration): every value of both.
    fn diff_by_value(&self, before: &Amt<'_>, visit: &mut AmtChange<'_>) -> Result<()> {
        let mut old = std::collections::BTreeMap::new();
        before.for_each(&mut |index, value| {
            old.insert(index, value.raw()?.to_vec());
            Ok(())
        })?;
        self.for_each(&mut |index, value| {
            let new = value.raw()?;
            match old.remove(&index) {
                Some(old) if old == new => Ok(()),
                old => visit(index, old.as_deref(), Some(new)),
            }
        })?;
        old.into_iter().try_for_each(|(index, old)| visit(index, Some(&old), None))
    }

    fn follow(&self, link: &[u8]) -> Result<(Cid, Block<'s>)> {
        let cid = cid_of(link)?;
        Ok((cid, self.store.need(&cid, self.what)?))
    }

    /// First index of a slot, relative to its node's.
    fn span(&self, slot: u64, height: u32) -> u64 {
        slot.checked_shl(self.width * height).unwrap_or(u64::MAX)
    }

    fn decode<'b>(&self, bytes: &'b [u8], height: u32) -> Result<Node<'b>> {
        let mut reader = Reader::new(bytes);
        reader.tuple(3)?;
        let bitmap = reader.bytes()?;
        let length = if self.width <= 3 { 1 } else { 1 << (self.width - 3) };
        if bitmap.len() != length {
            return Err(Error::malformed("an AMT node whose bitmap has the wrong length"));
        }
        let present = bitmap.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>();
        let link_count = reader.array()?;
        if link_count != if height == 0 { 0 } else { present } {
            return Err(Error::malformed("an AMT node whose links do not match its bitmap"));
        }
        let links = (0..link_count).map(|_| reader.link()).collect::<Result<_>>()?;
        let value_count = reader.array()?;
        if value_count != if height == 0 { present } else { 0 } {
            return Err(Error::malformed("an AMT node whose values do not match its bitmap"));
        }
        Ok(Node { bitmap, links, values: reader })
    }
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

fn link_at<'b>(node: Option<&Node<'b>>, slot: u64, width: u32) -> Option<&'b [u8]> {
    let node = node?;
    let position = slots(node.bitmap, width).position(|present| present == slot)?;
    node.links.get(position).copied()
}

fn compare_leaves(
    old: Option<Node<'_>>,
    new: Option<Node<'_>>,
    width: u32,
    first: u64,
    visit: &mut AmtChange<'_>,
) -> Result<()> {
    fn at<'b>(values: &[(u64, &'b [u8])], slot: u64) -> Option<&'b [u8]> {
        values.iter().find(|(present, _)| *present == slot).map(|(_, value)| *value)
    }
    let (old, new) = (leaf_values(old, width)?, leaf_values(new, width)?);
    for slot in 0..1_u64 << width {
        let (before, after) = (at(&old, slot), at(&new, slot));
        if before != after {
            visit(first.saturating_add(slot), before, after)?;
        }
    }
    Ok(())
}

/// A leaf's values with their slots.
fn leaf_values(node: Option<Node<'_>>, width: u32) -> Result<Vec<(u64, &[u8])>> {
    let Some(mut node) = node else {
        return Ok(Vec::new());
    };
    slots(node.bitmap, width).map(|slot| Ok((slot, node.values.raw()?))).collect()
}
