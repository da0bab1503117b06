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

mod diff;
mod map;
mod node;
#[cfg(test)]
mod tests;

pub use diff::HamtChange;
pub use map::Hamt;
