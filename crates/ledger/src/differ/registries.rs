//! What other actors know of a miner's sectors: the market its deals, the verified registry its claims.

use std::sync::OnceLock;

use chain::state::{DealProposal, Market, Piece, Precommit, SectorData, StateTree, VerifiedClaims};
use chain::{Bytes, Epoch, MinerId, Result};

use super::terms::{Weights, full_quality, overflow_error};
use crate::qap::quality_adjusted_power;

/// The registries before or after a tipset, read only if something asks for them.
pub(super) struct Registries<'s> {
    state: StateTree<'s>,
    market: OnceLock<Option<Market<'s>>>,
    claims: OnceLock<Option<VerifiedClaims<'s>>>,
}

impl<'s> Registries<'s> {
    pub(super) const fn of(state: StateTree<'s>) -> Self {
        Self { state, market: OnceLock::new(), claims: OnceLock::new() }
    }

    /// QAP that a pre-committed sector would have: from actors v19 that of full quality; up to v8 by the weights stored
    /// with it; from v9 by the market's proposals for its deals (a verified deal weighs its piece × its duration), else
    /// its size.
    pub(super) fn precommitted_qap(&self, precommit: &Precommit) -> Result<Bytes> {
        let duration = precommit.expiration - precommit.epoch;
        let qap = if precommit.full_quality {
            full_quality(precommit.size)
        } else {
            let Weights { deals, verified } = self.precommitted(precommit, None)?;
            quality_adjusted_power(precommit.size, duration, deals, verified)
        };
        qap.ok_or_else(|| overflow_error(precommit.number))
    }

    /// What the deals of a pre-commit weigh: as stored with it, or each for `duration` epochs, or by itself for its own
    /// duration. Deals that the market no longer has weigh nothing.
    pub(super) fn precommitted(&self, precommit: &Precommit, duration: Option<i64>) -> Result<Weights> {
        if let Some((deals, verified)) = precommit.weights {
            return Ok(Weights { deals, verified });
        }
        let mut weights = Weights::default();
        for deal in &precommit.deals {
            if let Some(proposal) = self.proposal(*deal)? {
                weights.add_deal(&proposal, duration);
            }
        }
        Ok(weights)
    }

    /// The market's proposal of a deal, if it has that.
    fn proposal(&self, deal: u64) -> Result<Option<DealProposal>> {
        if self.market.get().is_none() {
            let _ = self.market.set(Market::open(&self.state)?);
        }
        match self.market.get() {
            Some(Some(market)) => market.proposal(deal),
            _ => Ok(None),
        }
    }

    /// Padded bytes of a miner's verified claim, if the registry has that.
    fn claim(&self, miner: MinerId, claim: u64) -> Result<Option<u64>> {
        if self.claims.get().is_none() {
            let _ = self.claims.set(VerifiedClaims::open(&self.state)?);
        }
        match self.claims.get() {
            Some(Some(claims)) => claims.size(miner, claim),
            _ => Ok(None),
        }
    }
}

impl Weights {
    fn add_deal(&mut self, deal: &DealProposal, duration: Option<i64>) {
        let duration = duration.unwrap_or_else(|| deal.end - deal.start);
        self.add(deal.size, deal.verified, duration);
    }

    pub(super) fn add(&mut self, size: u64, verified: bool, duration: i64) {
        let weight = i128::from(size).saturating_mul(i128::from(duration));
        let sum = if verified { &mut self.verified } else { &mut self.deals };
        *sum = sum.saturating_add(weight);
    }

    /// Adds pieces that are stored for `duration` epochs. From actors v19 each counts as verified.
    pub(super) fn add_pieces(&mut self, pieces: &[Piece], duration: i64, version: u8) {
        for piece in pieces {
            self.add(piece.size, piece.verified || version >= 19, duration);
        }
    }
}

/// The registries on both sides of a tipset.
pub(super) struct RegistryPair<'s> {
    pub(super) before: Registries<'s>,
    pub(super) after: Registries<'s>,
}

impl RegistryPair<'_> {
    /// What data weighs that fills a sector from `now` to its expiration: up to actors v8 each deal for its own duration
    /// (specs-actors v7.0.1 `market_actor.go`, `DealWeight`), since then its space for the sector's (builtin-actors v9
    /// `actors/miner/src/lib.rs`, `update_existing_sector_info`). `None` if that cannot be known: no deal is named, or one
    /// that neither market has.
    pub(super) fn filling(
        &self,
        data: &SectorData,
        (now, expiration): (Epoch, Epoch),
        version: u8,
    ) -> Result<Option<Weights>> {
        let duration = expiration - now;
        let mut weights = Weights::default();
        match data {
            SectorData::Pieces(pieces) => weights.add_pieces(pieces, duration, version),
            SectorData::Deals(deals) if deals.is_empty() => return Ok(None),
            SectorData::Deals(deals) => {
                for deal in deals {
                    let proposal = match self.after.proposal(*deal)? {
                        None => self.before.proposal(*deal)?,
                        found => found,
                    };
                    let Some(proposal) = proposal else { return Ok(None) };
                    weights.add_deal(&proposal, (version >= 9).then_some(duration));
                }
            }
        }
        Ok(Some(weights))
    }

    /// Padded bytes of a miner's claims together, of those that the registry has or had.
    pub(super) fn claimed(&self, miner: MinerId, claims: impl Iterator<Item = u64>) -> Result<i128> {
        let mut sum = 0_i128;
        for claim in claims {
            let size = match self.before.claim(miner, claim)? {
                None => self.after.claim(miner, claim)?,
                found => found,
            };
            sum = sum.saturating_add(i128::from(size.unwrap_or(0)));
        }
        Ok(sum)
    }
}
