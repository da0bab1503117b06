//! Sectors that come and go within one tipset: onboarded, terminated and compacted away, so that no state shows them.

use chain::state::{Activation, MinerCall, PartitionSectors};
use chain::{AttoFil, Bytes, Result, SectorNumber, SectorSet, work};

use super::calls::Call;
use super::miner_context::MinerContext;
use super::registries::Registries;
use super::terms::{Terms, Weights};
use crate::event::{Backing, Content};

impl MinerContext<'_, '_> {
    /// The sectors that calls onboard and later ones terminate, and that neither state has.
    pub(super) fn transient_sectors(&self) -> Result<SectorSet> {
        let (mut proven, mut vanished) = (Vec::new(), Vec::new());
        for call in self.calls {
            match &call.op {
                MinerCall::Prove(activations) => {
                    proven.extend(activations.iter().map(|activation| activation.sector));
                }
                MinerCall::Terminate(places) => {
                    let looks = (proven.len() as u64).saturating_mul(places.len() as u64);
                    self.changes.spend(work::LOOKUP.saturating_mul(looks))?;
                    let named =
                        |sector: &&SectorNumber| places.iter().any(|at| at.sectors.contains(sector.0));
                    for sector in proven.iter().filter(named) {
                        if self.changes.terms(*sector)? == (None, None) {
                            vanished.push(sector.0);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(SectorSet::from_numbers(vanished))
    }

    /// Whether a sector that neither state shows was onboarded all the same: a call that proves it was successful, and
    /// so was one after it that terminates it. Without the latter it was skipped: an aggregate passes over pre-commits
    /// that are too late, which the end of a deadline then clears away (specs-actors v5.0.6 `miner_actor.go`,
    /// `ProveCommitAggregate`).
    pub(super) fn is_transient(&self, sector: SectorNumber) -> bool {
        let terminates = |call: &Call| {
            let named = |place: &PartitionSectors| place.sectors.contains(sector.0);
            matches!(&call.op, MinerCall::Terminate(places) if places.iter().any(named))
        };
        self.calls.iter().skip_while(|call| call.op.proves(sector).is_none()).any(terminates)
    }

    /// The terms on which such a sector lived, by the message and the pre-commit in the state before; `None` if they do not
    /// tell. What was pledged for it is in no state.
    pub(super) fn terms_of_transient(&self, sector: SectorNumber) -> Result<Option<Terms>> {
        if !self.is_transient(sector) {
            return Ok(None);
        }
        let Some(activation) = self.calls.iter().find_map(|call| call.op.proves(sector)) else {
            return Ok(None);
        };
        let precommit = self.changes.precommits.get(&sector).and_then(|(before, _)| before.as_ref());
        let committed = precommit.map(|precommit| (precommit.size, precommit.expiration));
        let Some((size, expiration)) = activation.commitment.or(committed) else { return Ok(None) };
        let weights = self.onboarded_weights(activation, expiration - self.height)?;
        let terms = Terms {
            size,
            activation: self.height,
            expiration,
            power_base: self.height,
            weights,
            simple: self.changes.version() >= 9,
            full_quality: self.changes.version() >= 19,
            qap: Bytes::default(),
            backing: Backing { content: Content::Cc, pledge: AttoFil(0), daily_fee: None },
            sealed: Vec::new(),
        };
        terms.valued(sector).map(Some)
    }

    /// What a new sector's deals and pieces weigh that are stored for `duration` epochs.
    fn onboarded_weights(&self, activation: &Activation, duration: i64) -> Result<Weights> {
        let mut weights = Weights::default();
        let precommit =
            self.changes.precommits.get(&activation.sector).and_then(|(before, _)| before.as_ref());
        if let Some(precommit) = precommit {
            let registries: &Registries<'_> = &self.registries.before;
            weights = registries.precommitted(precommit, Some(duration))?;
        }
        weights.add_pieces(&activation.pieces, duration, self.changes.version());
        Ok(weights)
    }
}
