//! The sector event: the one thing from which every number is derived.

use std::sync::Arc;

use chain::{AttoFil, Bytes, Cid, Epoch, MinerId, SectorNumber};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

use crate::spelled::spelled;

/// What happened to a sector.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// A key appeared in the miner's pre-committed sectors.
    Precommit,
    /// A key left the pre-committed sectors and no sector of that number appeared.
    PrecommitExpired,
    /// The sector number first appeared in the miner's sectors.
    Onboard,
    /// The sector left the unproven set by its first window `PoSt`.
    Proven,
    /// The sealed CID of a known sector changed.
    Snap,
    /// The expiration of a known sector rose.
    Extend,
    /// The sector entered the faulty set.
    Fault,
    /// The sector left the faulty set and lives on.
    Recover,
    /// The sector left the live set before its time.
    Terminate,
    /// The sector left the live set at its time.
    Expire,
    /// The sector got full quality (method 37, from actors v19).
    Upgrade,
    /// QAP or expiration of a live sector changed in a way no other kind covers.
    Adjust,
    /// The sector stands in the first readable state, and that state is not epoch 0's.
    Opening,
}

/// Why, or by which way, an event happened.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Cause {
    /// One sector per message: methods 6 and 7.
    Single,
    /// Several sectors per message: methods 25, 26, 28 and 34.
    Batch,
    /// `ProveCommitSectorsNI`, method 36, without a pre-commit.
    NonInteractive,
    /// Present in the state of epoch 0.
    Genesis,
    /// Declared by the provider, method 10.
    Declared,
    /// Named as skipped in a window `PoSt`, method 5.
    Skipped,
    /// Found missing by the deadline's cron.
    Missed,
    /// Disputed, method 24.
    Disputed,
    /// Terminated by the provider, method 9.
    Active,
    /// Dropped by cron after the maximum fault age.
    Passive,
    /// Left at its expiration.
    OnTime,
    /// A CC sector replaced by a new one (up to actors v6).
    Replaced,
    /// An extension that moved no date.
    Extension,
    /// A state migration at a network upgrade.
    Migration,
    /// None of the others.
    Other,
}

/// Where a sector stands. Live = unproven + active + faulty; the power actor counts the active.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// Not live: not yet onboarded, only pre-committed, or gone.
    None,
    /// Live, without power until its first window `PoSt`.
    Unproven,
    /// Live and counted by the power actor.
    Active,
    /// Live, faulty, without power.
    Faulty,
}

/// What a sector is filled with.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Content {
    /// Committed capacity: no deal weighs in it.
    Cc,
    /// Unverified deals alone.
    Deals,
    /// Verified deals, maybe beside unverified ones.
    Verified,
    /// Full quality by its flag (from actors v19), whatever it weighs.
    FullQuality,
}

spelled!(Kind, Cause, Status, Content);

impl Content {
    /// By a sector's flag of full quality and its weights, in bytes × epochs of its unverified and of its verified deals.
    /// From actors v19 weights no longer show who holds verified deals, so the flag comes first.
    pub(crate) const fn of(full_quality: bool, deal_weight: i128, verified_weight: i128) -> Self {
        match (full_quality, deal_weight, verified_weight) {
            (true, ..) => Self::FullQuality,
            (_, 0, 0) => Self::Cc,
            (_, _, 0) => Self::Deals,
            _ => Self::Verified,
        }
    }
}

/// What a sector holds, and what is pledged for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// What it is filled with.
    pub content: Content,
    /// Its initial pledge.
    pub pledge: AttoFil,
    /// What it pays a day: zero for a sector that was committed before actors v16 and not extended since; absent where a
    /// lake of an older layout did not keep it.
    pub daily_fee: Option<AttoFil>,
}

impl Kind {
    /// Whether the kind is valued by the QAP before it (terminate, expire, fault, and what takes a
    /// pre-commit away) or after it (all others). `docs/DEFINITIONS.md`, "Events".
    #[must_use]
    pub const fn valued_before(self) -> bool {
        matches!(self, Self::Terminate | Self::Expire | Self::Fault | Self::PrecommitExpired)
    }
}

/// The message that caused an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageRef {
    /// CID of the message as it stands in its block (of the signed message for secp256k1 senders); of the one at the top
    /// if the miner was called from inside a multisig.
    pub cid: Cid,
    /// Method of the miner that was called.
    pub method: u64,
    /// How many sectors the message changed.
    pub sectors: u32,
}

/// Something that happened to one sector of one miner in one tipset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Height of the tipset that executed it; crons of the null rounds before a tipset count as the tipset's.
    pub epoch: Epoch,
    /// The storage provider.
    pub miner: MinerId,
    /// The sector.
    pub sector: SectorNumber,
    /// What happened.
    pub kind: Kind,
    /// Why; absent for the kinds that have no causes.
    pub cause: Option<Cause>,
    /// Raw bytes of the sector.
    pub sector_size: Bytes,
    /// QAP in the state before; absent if there was none.
    pub qap_before: Option<Bytes>,
    /// QAP in the state after; absent if the sector is gone.
    pub qap_after: Option<Bytes>,
    /// Activation epoch as first seen; absent for pre-commits.
    pub activation: Option<Epoch>,
    /// Expiration in the state before.
    pub expiration_before: Option<Epoch>,
    /// Expiration in the state after.
    pub expiration_after: Option<Epoch>,
    /// What it held and what was pledged for it in the state before; absent if it was not live, and where a lake of an
    /// older layout did not keep it.
    pub backing_before: Option<Backing>,
    /// The same in the state after.
    pub backing_after: Option<Backing>,
    /// Where the sector stood before.
    pub status_before: Status,
    /// Where it stands after.
    pub status_after: Status,
    /// The message that caused it, shared by all that it caused; absent where cron did, or a call
    /// that no message explains. Where the miner was called from inside a multisig it is the message at the top.
    pub message: Option<Arc<MessageRef>>,
    /// Whether it was inferred without receipts and is of a kind that the outcome cannot tell for sure
    /// (`docs/DEFINITIONS.md`, "Missing receipts").
    pub uncertain: bool,
}

impl Event {
    /// An event of a sector of that size of which nothing else is known: no cause, no message, and no sector before or after.
    pub(crate) const fn blank(
        epoch: Epoch,
        miner: MinerId,
        sector: SectorNumber,
        kind: Kind,
        sector_size: Bytes,
    ) -> Self {
        Self {
            epoch,
            miner,
            sector,
            kind,
            cause: None,
            sector_size,
            qap_before: None,
            qap_after: None,
            activation: None,
            expiration_before: None,
            expiration_after: None,
            backing_before: None,
            backing_after: None,
            status_before: Status::None,
            status_after: Status::None,
            message: None,
            uncertain: false,
        }
    }

    /// QAP the event counts for: before or after it, by its kind. Zero where the state has none.
    #[must_use]
    pub fn qap(&self) -> Bytes {
        let value = if self.kind.valued_before() { self.qap_before } else { self.qap_after };
        value.unwrap_or_default()
    }
}
