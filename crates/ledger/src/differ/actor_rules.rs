//! How messages change a sector's terms, by actors version: the terms between two changes of one tipset are in no state.
//!
//! Sources: `ExtendSectorExpiration` and `ProveReplicaUpdates` of specs-actors v0.9 to v7 (`miner_actor.go`);
//! `extend_simple_qap_sector`, `extend_non_simple_qap_sector` and `update_existing_sector_info` of builtin-actors v8 to v18
//! (`actors/miner/src/lib.rs`); FIP-0118 for v19.

use chain::{Epoch, Result, SectorNumber};

use super::terms::{Terms, Weights, overflow_error};

/// The rules of the actors version that a tipset's messages met, at its height.
#[derive(Clone, Copy, Debug)]
pub(super) struct ActorRules {
    pub(super) version: u8,
    pub(super) now: Epoch,
}

impl ActorRules {
    /// A sector's terms after an extension to `expiration` that drops `dropped` bytes of verified claims. Its pledge and
    /// fee stay what they are.
    pub(super) fn extended(
        self,
        sector: SectorNumber,
        terms: &Terms,
        expiration: Epoch,
        dropped: i128,
    ) -> Result<Terms> {
        let power_base = if self.version >= 12 { self.now } else { terms.power_base };
        let weights =
            self.weights(terms, expiration - power_base, dropped).ok_or_else(|| overflow_error(sector))?;
        Terms { expiration, power_base, weights, ..terms.clone() }.valued(sector)
    }

    /// Weights after an extension to a duration. `None` if they pass 128 bits.
    fn weights(self, terms: &Terms, duration: i64, dropped: i128) -> Option<Weights> {
        let Weights { deals, verified } = terms.weights;
        let (left, old) = (terms.expiration - self.now, terms.expiration - terms.power_base);
        let space = |weight: i128| if old == 0 { Some(0) } else { weight.checked_div_euclid(old.into()) };
        let spread = |weight, dropped| {
            space(weight)?.checked_sub(dropped).map(|kept| kept.max(0))?.checked_mul(duration.into())
        };
        match self.version {
            // They stay what they are, for longer.
            ..6 => Some(terms.weights),
            // What is spent of them goes.
            6..9 => Some(Weights { deals: part(deals, left, old)?, verified: part(verified, left, old)? }),
            9..19 if !terms.simple => {
                Some(Weights { deals: part(deals, left, old)?, verified: part(verified, left, old)? })
            }
            // Quality stays, but for claims that are dropped.
            9..12 if verified == 0 => Some(terms.weights),
            9..12 => Some(Weights { deals: spread(deals, 0)?, verified: spread(verified, dropped)? }),
            12..19 => Some(Weights { deals: part(deals, left, old)?, verified: spread(verified, dropped)? }),
            // Claims count no more, and no sector is other than simple.
            19.. => Some(Weights { deals: part(deals, left, old)?, verified: spread(verified, 0)? }),
        }
    }

    /// Whether a sector that is snapped gets full quality, whatever it then holds.
    pub(super) const fn snaps_to_full_quality(self) -> bool {
        self.version >= 19
    }

    /// A sector's terms after a snap to data of that sealed CID and weight.
    pub(super) fn snapped(
        self,
        sector: SectorNumber,
        terms: &Terms,
        sealed: Vec<u8>,
        weights: Weights,
    ) -> Result<Terms> {
        let simple = self.version >= 9;
        let full_quality = terms.full_quality || self.snaps_to_full_quality();
        Terms { power_base: self.now, weights, simple, full_quality, sealed, ..terms.clone() }.valued(sector)
    }

    /// What the data weighed that a sector was last snapped to, whose terms are `settled` after extensions that dropped
    /// nothing, while it was to expire at `expiration`. `None` if `settled` does not come from a snap at this height.
    pub(super) fn snapped_weights(self, settled: &Terms, expiration: Epoch) -> Option<Weights> {
        if settled.power_base != self.now {
            return None;
        }
        let (old, new) = (expiration - self.now, settled.expiration - self.now);
        let verified = match self.version {
            ..9 => settled.weights.verified,
            9.. if new == 0 => 0,
            9.. => settled.weights.verified.checked_div_euclid(new.into())?.checked_mul(old.into())?,
        };
        Some(Weights { verified, ..settled.weights })
    }
}

/// The part of a weight that is `left` of `whole` epochs, rounded down. `None` if it passes 128 bits.
fn part(weight: i128, left: i64, whole: i64) -> Option<i128> {
    if whole == 0 {
        return Some(weight);
    }
    weight.checked_mul(left.into())?.checked_div_euclid(whole.into())
}
