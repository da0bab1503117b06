//! The power actor's claims, followed from state to state.

use std::collections::BTreeMap;

use chain::state::{Claims as ChainClaims, Codes, StateTree};
use chain::{BlockStore, Cid, MinerId, Result};

use crate::power::{Claim, Power};

/// Every miner's claim at some moment; moving on costs what changed.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    at: Option<Cid>,
    of: BTreeMap<MinerId, Power>,
}

impl Claims {
    /// Reads on to the claims of another state.
    ///
    /// # Errors
    /// If the power actor's state does not read.
    pub fn advance(&mut self, store: &dyn BlockStore, state: &Cid, codes: &Codes) -> Result<()> {
        if self.at.as_ref() == Some(state) {
            return Ok(());
        }
        let claims = ChainClaims::open(&StateTree::open(store, state)?, codes)?;
        let of = &mut self.of;
        let mut set = |miner, claim: Option<chain::state::ClaimedPower>| {
            match claim {
                Some(claim) => of.insert(miner, Power { rbp: claim.raw, qap: claim.quality_adjusted }),
                None => of.remove(&miner),
            };
            Ok(())
        };
        match &self.at {
            Some(before) => {
                let before = ChainClaims::open(&StateTree::open(store, before)?, codes)?;
                claims.diff(&before, &mut |miner, claim| set(miner, claim))?;
            }
            None => claims.for_each(&mut |miner, claim| set(miner, Some(claim)))?,
        }
        self.at = Some(*state);
        Ok(())
    }

    /// One miner's claim; zero if it has none.
    #[must_use]
    pub fn of(&self, miner: MinerId) -> Power {
        self.of.get(&miner).copied().unwrap_or_default()
    }

    /// All claims, by miner.
    pub fn iter(&self) -> impl Iterator<Item = Claim> + '_ {
        self.of.iter().map(|(miner, power)| Claim { miner: *miner, power: *power })
    }
}
