//! Power: raw and quality-adjusted bytes.

use chain::{Bytes, MinerId};

/// Raw and quality-adjusted power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// Raw bytes.
    pub rbp: Bytes,
    /// Quality-adjusted bytes.
    pub qap: Bytes,
}

/// What the power actor says a miner has. It is checked by consensus, so it ties the ledger to the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The storage provider.
    pub miner: MinerId,
    /// Its claimed power.
    pub power: Power,
}
