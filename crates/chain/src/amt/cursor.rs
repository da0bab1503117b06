//! Walking over the values of an array some at a time.

use super::array::Amt;
use super::node::slots;
use super::walk::{SPARE_NODES, WalkBudget};
use crate::cbor::Reader;
use crate::error::Result;

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

impl Amt<'_> {
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
        // One more than is visited shows whether there is more.
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
}
