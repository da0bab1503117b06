//! An array under a root, and the value of one index.

use cid::Cid;

use super::node::{Node, mismatched_values, read_root, slots};
use crate::block::{Block, BlockStore, cid_of};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::work;

/// An array of values under a root.
pub struct Amt<'s> {
    pub(super) store: &'s dyn BlockStore,
    pub(super) what: &'static str,
    pub(super) cid: Cid,
    pub(super) root: Block<'s>,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) count: u64,
    /// Where the root node begins in the root block.
    pub(super) node: usize,
    /// What each value counts for that is walked over.
    pub(super) work: u64,
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

    /// Counts the values of a leaf as work.
    pub(super) fn spend(&self, node: &Node<'_>, height: u32) -> Result<()> {
        if height == 0 { self.store.spend(self.work * node.present) } else { Ok(()) }
    }

    pub(super) fn follow(&self, link: &[u8]) -> Result<(Cid, Block<'s>)> {
        let cid = cid_of(link)?;
        Ok((cid, self.store.get_required(&cid, self.what)?))
    }

    /// First index of a slot of a node that begins at `first`.
    pub(super) fn begin(&self, first: u64, slot: u64, height: u32) -> Result<u64> {
        let shift = self.width * height;
        match slot.checked_shl(shift) {
            _ if slot == 0 => Ok(first),
            Some(span) if span >> shift == slot => Ok(first | span),
            _ => Err(Error::malformed("an AMT with an index beyond 2^64")),
        }
    }

    pub(super) fn decode<'b>(&self, bytes: &'b [u8], height: u32) -> Result<Node<'b>> {
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
    pub(super) fn node<'b>(&self, bytes: &'b [u8], height: u32) -> Result<(&'b [u8], u64, Reader<'b>)> {
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
