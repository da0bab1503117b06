//! Comparing two arrays by the links that differ.

use super::array::Amt;
use super::node::{Links, Node, is_set};
use super::walk::WalkBudget;
use crate::error::Result;

/// Called with a changed index and the raw values before and after.
pub type AmtChange<'v> = dyn FnMut(u64, Option<&[u8]>, Option<&[u8]>) -> Result<()> + 'v;

impl Amt<'_> {
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
