//! What a sector is committed to: its size, dates, weights and QAP.

use chain::state::SectorRef;
use chain::{Bytes, Epoch, Error, Result, SectorNumber};

use crate::event::{Backing, Content};
use crate::qap::quality_adjusted_power;

/// How much of a sector is filled with what, in bytes × epochs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights {
    /// Of unverified deals.
    pub(crate) deals: i128,
    /// Of verified deals.
    pub(crate) verified: i128,
}

/// A sector's terms at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) size: Bytes,
    pub(crate) activation: Epoch,
    pub(crate) expiration: Epoch,
    /// Epoch from which its weights count.
    pub(crate) power_base: Epoch,
    pub(crate) weights: Weights,
    /// Whether its verified space counts for its whole duration, however often that is extended (from actors v9).
    pub(crate) simple: bool,
    pub(crate) full_quality: bool,
    pub(crate) qap: Bytes,
    pub(crate) backing: Backing,
    /// Bytes of the CID of the sealed data; what a snap changes.
    pub(crate) sealed: Vec<u8>,
}

impl Terms {
    pub(crate) fn of(found: &SectorRef<'_>) -> Result<Self> {
        let sector = &found.sector;
        let backing = Backing {
            content: Content::Cc,
            pledge: sector.initial_pledge,
            daily_fee: Some(sector.daily_fee),
        };
        let terms = Self {
            size: sector.size,
            activation: sector.activation,
            expiration: sector.expiration,
            power_base: sector.power_base,
            weights: Weights { deals: sector.deal_weight, verified: sector.verified_weight },
            simple: sector.simple_qap,
            full_quality: sector.full_qap,
            qap: Bytes::default(),
            backing,
            sealed: found.sealed_cid.to_vec(),
        };
        terms.valued(sector.number)
    }

    /// The same with QAP and content as its dates, weights and flag make them.
    pub(super) fn valued(mut self, sector: SectorNumber) -> Result<Self> {
        let Weights { deals, verified } = self.weights;
        let qap = if self.full_quality {
            full_quality(self.size)
        } else {
            quality_adjusted_power(self.size, self.expiration - self.power_base, deals, verified)
        };
        self.qap = qap.ok_or_else(|| overflow_error(sector))?;
        self.backing.content = Content::of(self.full_quality, deals, verified);
        Ok(self)
    }
}

/// The error of a sector whose weights pass what 128 bits hold.
pub(super) fn overflow_error(sector: SectorNumber) -> Error {
    Error::Chain(format!("the weights of sector {sector} pass what 128 bits hold"))
}

/// QAP of a sector of full quality; `None` if that passes 128 bits.
pub(super) const fn full_quality(size: Bytes) -> Option<Bytes> {
    match size.0.checked_mul(10) {
        Some(qap) => Some(Bytes(qap)),
        None => None,
    }
}
