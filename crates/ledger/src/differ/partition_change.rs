//! A changed partition, and where in it a sector is.

use std::cell::OnceCell;

use chain::state::{ChangedPartition, ExpirationSet, Miner};

/// Where a sector's partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SectorLocation {
    pub(super) deadline: u64,
    pub(super) partition: u64,
}

/// A changed partition, and of it what is read only if it is needed.
pub(super) struct PartitionChange<'s> {
    pub(super) change: ChangedPartition,
    pub(super) miner: Option<Miner<'s>>,
    pub(super) due: OnceCell<Vec<ExpirationSet>>,
    pub(super) posted: OnceCell<bool>,
}

impl<'s> PartitionChange<'s> {
    /// `miner` is the one before, if there was one.
    pub(super) const fn of(change: ChangedPartition, miner: Option<Miner<'s>>) -> Self {
        Self { change, miner, due: OnceCell::new(), posted: OnceCell::new() }
    }
}

/// How the queue of expirations before a tipset says that a sector leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueuedExpiration {
    /// At its time.
    OnTime,
    /// Before its time, for having been faulty too long.
    Early,
}
