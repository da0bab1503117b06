//! Walking over the values of an array.

use super::array::Amt;
use super::node::{Node, slots};
use crate::bitfield::SectorSet;
use crate::cbor::Reader;
use crate::error::{Error, Result};

/// Empty nodes taken, which deletions may have left behind in the earliest versions.
pub(super) const SPARE_NODES: u64 = 1 << 10;

/// What a walk may still meet of the tree under a root.
pub(super) struct WalkBudget {
    pub(super) values: u64,
    pub(super) nodes: u64,
}

impl WalkBudget {
    /// Each value takes one node of each height at most.
    pub(super) const fn of(amt: &Amt<'_>) -> Self {
        let nodes = amt.count.saturating_mul(amt.height as u64 + 1).saturating_add(SPARE_NODES);
        Self { values: amt.count, nodes }
    }

    /// Takes a node, and the values in it if it is a leaf.
    pub(super) fn take(&mut self, node: &Node<'_>, height: u32) -> Result<()> {
        self.take_so_many(if height == 0 { node.present } else { 0 }, 1)
    }

    pub(super) fn take_so_many(&mut self, values: u64, nodes: u64) -> Result<()> {
        match (self.values.checked_sub(values), self.nodes.checked_sub(nodes)) {
            (Some(values), Some(nodes)) => {
                *self = Self { values, nodes };
                Ok(())
            }
            _ => Err(Error::malformed("an AMT that holds more than its root counts")),
        }
    }
}

impl Amt<'_> {
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
}
