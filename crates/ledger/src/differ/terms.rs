//! What a sector is committed to: its size, dates and QAP.

use std::sync::OnceLock;

use chain::state::{Market, Precommit, SectorRef, StateTree};
use chain::{Bytes, Epoch, Result};

use super::absurd;
use crate::event::{Backing, Content};
use crate::qap::quality_adjusted_power;

/// A sector's terms at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) size: Bytes,
    pub(crate) activation: Epoch,
    pub(crate) expiration: Epoch,
    /// Epoch from which its weights count.
    pub(crate) power_base: Epoch,
    pub(crate) full_quality: bool,
    pub(crate) qap: Bytes,
    pub(crate) backing: Backing,
    /// Bytes of the CID of the sealed data; what a snap changes.
    pub(crate) sealed: Vec<u8>,
}

impl Terms {
    pub(crate) fn of(found: &SectorRef<'_>) -> Result<Self> {
        let sector = &found.sector;
        let qap = if sector.full_qap {
            sector.size.0.checked_mul(10).map(Bytes)
        } else {
            quality_adjusted_power(
                sector.size,
                sector.expiration - sector.power_base,
                sector.deal_weight,
                sector.verified_weight,
            )
        };
        Ok(Self {
            size: sector.size,
            activation: sector.activation,
            expiration: sector.expiration,
            power_base: sector.power_base,
            full_quality: sector.full_qap,
            qap: qap.ok_or_else(|| absurd(sector.number))?,
            backing: Backing {
                content: Content::of(sector.full_qap, sector.deal_weight, sector.verified_weight),
                pledge: sector.initial_pledge,
                daily_fee: Some(sector.daily_fee),
            },
            sealed: found.sealed_cid.to_vec(),
        })
    }
}

/// The market's deals before or after a tipset, read only if a pre-commit has some.
pub(super) struct Deals<'s> {
    state: StateTree<'s>,
    market: OnceLock<Option<Market<'s>>>,
}

impl<'s> Deals<'s> {
    pub(super) const fn of(state: StateTree<'s>) -> Self {
        Self { state, market: OnceLock::new() }
    }

    /// QAP that a pre-committed sector would have: up to actors v8 by the weights stored with it, from v9 by the
    /// market's proposals for its deals (a verified deal weighs its piece × its duration), else its size.
    pub(super) fn precommitted_qap(&self, precommit: &Precommit) -> Result<Bytes> {
        let duration = precommit.expiration - precommit.epoch;
        let (deals, verified) = match precommit.weights {
            Some(weights) => weights,
            None => self.weights(&precommit.deals)?,
        };
        quality_adjusted_power(precommit.size, duration, deals, verified)
            .ok_or_else(|| absurd(precommit.number))
    }

    fn weights(&self, deals: &[u64]) -> Result<(i128, i128)> {
        let (mut unverified, mut verified) = (0_i128, 0_i128);
        if deals.is_empty() {
            return Ok((unverified, verified));
        }
        if self.market.get().is_none() {
            let _ = self.market.set(Market::open(&self.state)?);
        }
        let Some(market) = self.market.get().and_then(Option::as_ref) else {
            return Ok((unverified, verified));
        };
        for deal in deals {
            let Some(proposal) = market.proposal(*deal)? else { continue };
            let weight = i128::from(proposal.size).saturating_mul(i128::from(proposal.end - proposal.start));
            let sum = if proposal.verified { &mut verified } else { &mut unverified };
            *sum = sum.saturating_add(weight);
        }
        Ok((unverified, verified))
    }
}
