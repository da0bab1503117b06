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

/// What the chain itself says of a miner at some moment. It is checked by consensus, so it ties the ledger to the chain.
///
/// The power actor says what is active; the miner's partitions, what is live, faulty and unproven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainPower {
    /// The storage provider.
    pub miner: MinerId,
    /// The power actor's claim: its active sectors. Zero if it has none.
    pub claim: Power,
    /// Its live sectors: active, faulty and unproven.
    pub live: Power,
    /// Its faulty sectors.
    pub faulty: Power,
    /// Its unproven sectors; zero in actors v1, which have none such.
    pub unproven: Power,
}

impl ChainPower {
    /// What the chain says of a miner that it does not know.
    #[must_use]
    pub fn none(miner: MinerId) -> Self {
        let none = Power::default();
        Self { miner, claim: none, live: none, faulty: none, unproven: none }
    }
}
