//! What each kind of work costs, in the units of a [`Budget`](crate::Budget).

/// Finding a block, beside a unit for each of its bytes.
pub const BLOCK: u64 = 500;
/// A value of an array, or a slot of a map's node, that is walked over.
pub const VALUE: u64 = 200;
/// A byte of an encoded bitfield or of a message's parameters, read bit by bit.
pub const BITFIELD_BYTE: u64 = 16;
/// A run of a bitfield: 16 bytes, merged with others.
pub const RUN: u64 = 256;
/// A sector, a pre-commit or an item of a message's parameters that is read.
pub const ITEM: u64 = 500;
/// One of some items that are looked through for another one.
pub const LOOKUP: u64 = 4;
/// What is kept: a sector's terms, a pre-commit, an event, a call.
pub const RETAINED: u64 = 4000;
/// A message that is read: about 400 bytes.
pub const MESSAGE: u64 = 6400;
/// A day that is closed: some milliseconds, most of them for files.
pub const DAY: u64 = 5_000_000;
/// A provider's row of a day that is closed.
pub const ROW: u64 = 60_000;
/// An empty day above genesis. There may be years of them: genesis is where a chain's files begin, its first tipset where
/// somebody used it.
pub const FIRST_DAY: u64 = 400_000;
