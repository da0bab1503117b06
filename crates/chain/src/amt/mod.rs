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

mod array;
mod cursor;
mod diff;
mod node;
#[cfg(test)]
mod tests;
mod walk;

pub use array::Amt;
pub use cursor::AmtCursor;
pub use diff::AmtChange;
