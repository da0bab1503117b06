//! The root and the nodes of an array as they are written.

use crate::cbor::Reader;
use crate::error::{Error, Result};

/// Bits per level of the old form.
const OLD_WIDTH: u32 = 3;
/// Widest node taken; the widest on chain is 5.
const WIDEST: u32 = 8;
/// Most values taken; the deals ever proposed on mainnet are a tenth of it.
const MOST_VALUES: u64 = 1 << 32;

/// A decoded node: slots present, and where their links or values begin.
pub(super) struct Node<'b> {
    pub(super) bitmap: &'b [u8],
    /// How many slots are.
    pub(super) present: u64,
    pub(super) links: Vec<&'b [u8]>,
    pub(super) values: Reader<'b>,
}

#[cold]
pub(super) fn mismatched_values() -> Error {
    Error::malformed("an AMT node whose values do not match its bitmap")
}

pub(super) fn read_root(block: &[u8]) -> Result<(u32, u32, u64, usize)> {
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
pub(super) fn slots(bitmap: &[u8], width: u32) -> impl Iterator<Item = u64> + '_ {
    (0..1_u64 << width).filter(|slot| is_set(bitmap, *slot))
}

pub(super) fn is_set(bitmap: &[u8], slot: u64) -> bool {
    let byte = usize::try_from(slot / 8).ok().and_then(|at| bitmap.get(at));
    byte.is_some_and(|byte| byte >> (slot % 8) & 1 == 1)
}

/// The links of a node, asked for slot by slot.
pub(super) struct Links<'n, 'b> {
    pub(super) bitmap: &'b [u8],
    pub(super) left: &'n [&'b [u8]],
}

impl<'n, 'b> Links<'n, 'b> {
    pub(super) fn of(node: Option<&'n Node<'b>>) -> Self {
        node.map_or(Self { bitmap: &[], left: &[] }, |node| Self { bitmap: node.bitmap, left: &node.links })
    }

    /// The link in a slot; all below have been asked for.
    pub(super) fn at(&mut self, slot: u64) -> Option<&'b [u8]> {
        if !is_set(self.bitmap, slot) {
            return None;
        }
        let (link, left) = self.left.split_first()?;
        self.left = left;
        Some(link)
    }
}
