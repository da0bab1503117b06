//! The kinds of folding, and what each makes of a few numbers.

use super::{Folded, chains, states};

/// What is folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Partitions of a miner that is there all along: one leaf in all places of an array.
    Partitions,
    /// The same of a miner that comes.
    NewMiner,
    /// The same of a miner whose every partition changes.
    ChangedPartitions,
    /// One deadline that is all 48, its partitions in no array but one.
    Deadlines,
    /// Many miners that are one.
    Miners,
    /// The queue of expirations.
    Queue,
    /// Bitfields of runs of no length.
    EmptyRuns,
    /// One list of messages in all blocks of all tipsets.
    Messages,
    /// Receipts that are one leaf.
    Receipts,
    /// Two states in turn, between which every sector moves.
    States,
    /// A multisig with many approvals that wait, of which many messages ask.
    Multisig,
    /// Pre-commits of many deals, each of which is looked for in the market.
    Deals,
    /// Aggregates that name more sectors than they have bytes.
    Aggregates,
    /// Tipsets of many blocks that each name many parents, all of them roots.
    Headers,
    /// Metadata that names one head over and over.
    Metadata,
    /// A map whose every slot links one node.
    Map,
    /// Sectors that are one leaf.
    Sectors,
    /// Partitions that claim sectors which are nowhere, and calls that name all of them.
    Nowhere,
}

impl Kind {
    pub const ALL: [Self; 18] = [
        Self::Partitions,
        Self::NewMiner,
        Self::ChangedPartitions,
        Self::Deadlines,
        Self::Miners,
        Self::Queue,
        Self::EmptyRuns,
        Self::Messages,
        Self::Receipts,
        Self::States,
        Self::Multisig,
        Self::Deals,
        Self::Aggregates,
        Self::Headers,
        Self::Metadata,
        Self::Map,
        Self::Sectors,
        Self::Nowhere,
    ];
}

/// How much of it: what each means depends on the kind.
#[derive(Clone, Copy, Debug)]
pub struct Knobs {
    /// Levels of a tree, or tipsets of a chain.
    pub height: u32,
    /// Things beside each other.
    pub count: u64,
    /// Bytes of what is folded, roughly.
    pub bytes: u64,
}

impl Kind {
    /// A folded chain.
    pub fn folded(self, knobs: Knobs) -> Folded {
        match self {
            Self::Partitions => states::partitions(knobs, states::Miner::Stays),
            Self::NewMiner => states::partitions(knobs, states::Miner::Comes),
            Self::ChangedPartitions => states::partitions(knobs, states::Miner::Changes),
            Self::Deadlines => states::deadlines(knobs),
            Self::Miners => states::miners(knobs),
            Self::Queue => states::queue(knobs),
            Self::EmptyRuns => states::empty_runs(knobs),
            Self::Messages => chains::messages(knobs),
            Self::Receipts => chains::receipts(knobs),
            Self::States => states::in_turn(knobs),
            Self::Multisig => chains::multisig(knobs),
            Self::Deals => states::deals(knobs),
            Self::Aggregates => chains::aggregates(knobs),
            Self::Headers => chains::many_headers(knobs),
            Self::Metadata => chains::metadata(knobs),
            Self::Map => states::map(knobs),
            Self::Sectors => states::sectors(knobs),
            Self::Nowhere => chains::claimed_nowhere(knobs),
        }
    }

    /// A folded chain of what a fuzzer gives: a kind and its numbers. It is small, so that there can be millions; tests have
    /// large ones.
    pub fn fuzzed(input: &[u8]) -> Option<Folded> {
        let [kind, height, count_high, count_low, bytes_high, bytes_low] = *input.first_chunk()?;
        let kind = Self::ALL[usize::from(kind) % Self::ALL.len()];
        let knobs = Knobs {
            height: u32::from(height) % 24,
            count: of_any_magnitude(count_high, count_low, 8),
            bytes: of_any_magnitude(bytes_high, bytes_low, 10),
        };
        Some(kind.folded(knobs))
    }
}

/// A number below `2^bits`, of each length in bits equally often. Uniform numbers are nearly all large, and large chains
/// take long to make.
fn of_any_magnitude(length: u8, rest: u8, bits: u32) -> u64 {
    let of_length = 1u64 << (u32::from(length) % (bits + 1));
    // The highest bit is set, and the rest fills those below it from the top.
    (of_length >> 1) | ((u64::from(rest) * (of_length >> 1)) >> 8)
}
