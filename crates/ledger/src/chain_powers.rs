//! What the chain says of each miner's power, followed from state to state.

use std::collections::BTreeMap;

use chain::state::{ActorCodes, Miner, PartitionPower, PowerClaims, PowerPair, StateTree};
use chain::{BlockStore, Cid, MinerId, Result};
use rayon::prelude::*;

use crate::power::{ChainPower, Power};

/// What the chain says of every miner at some moment: the power actor's claim, and what its partitions state. Moving on
/// costs what changed, and a miner takes some 150 bytes; those without any power take none.
#[derive(Clone, Debug, Default)]
pub struct ChainPowers {
    at: Option<Cid>,
    of: BTreeMap<MinerId, ReportedPower>,
}

/// A miner's power in the chain's own words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ReportedPower {
    claim: PowerPair,
    partitions: PartitionPower,
}

impl ChainPowers {
    /// Reads on to another state. `codes` are those known so far; the state's own are added. After an error everything
    /// is as it was.
    ///
    /// # Errors
    /// If the power actor's state or a miner's does not read.
    pub fn advance(&mut self, store: &dyn BlockStore, state: &Cid, codes: &ActorCodes) -> Result<()> {
        if self.at.as_ref() == Some(state) {
            return Ok(());
        }
        let tree = StateTree::open(store, state)?;
        codes.add_manifest(&tree)?;
        let before = self.at.as_ref().map(|root| StateTree::open(store, root)).transpose()?;
        let claims = changed_claims(before.as_ref(), &tree, codes)?;
        let stated = self.changed_partitions(before.as_ref(), &tree, codes)?;
        for (miner, claim) in claims {
            self.of.entry(miner).or_default().claim = claim;
        }
        for (miner, stated) in stated {
            self.of.entry(miner).or_default().partitions = stated;
        }
        self.of.retain(|_, reported| *reported != ReportedPower::default());
        self.at = Some(*state);
        Ok(())
    }

    /// What the partitions of miners that are not the same as before state now.
    fn changed_partitions(
        &self,
        before: Option<&StateTree<'_>>,
        tree: &StateTree<'_>,
        codes: &ActorCodes,
    ) -> Result<Vec<(MinerId, PartitionPower)>> {
        let Some(before) = before else {
            let miners = Miner::all(tree, codes)?;
            return miners.par_iter().map(|(id, miner)| Ok((*id, miner.partition_power()?))).collect();
        };
        let mut actors = Vec::new();
        tree.diff(before, &mut |id, old, new| {
            // Where the head is the same, the state is; it is not asked for.
            if old.as_ref().map(|actor| actor.head) != new.as_ref().map(|actor| actor.head) {
                actors.push((MinerId(id), old, new));
            }
            Ok(())
        })?;
        let stated = actors.into_par_iter().map(|(id, old, new)| {
            let old = old.map(|actor| Miner::of(before.store(), &actor, codes)).transpose()?.flatten();
            let new = new.map(|actor| Miner::of(tree.store(), &actor, codes)).transpose()?.flatten();
            let stated = match (old, new) {
                (None, None) => return Ok(None),
                (Some(_), None) => PartitionPower::default(),
                (None, Some(new)) => new.partition_power()?,
                (Some(old), Some(new)) => {
                    let was = self.of.get(&id).copied().unwrap_or_default().partitions;
                    was.plus(new.partition_power_change(&old)?)?
                }
            };
            Ok(Some((id, stated)))
        });
        stated.filter_map(Result::transpose).collect()
    }

    /// What the chain says of one miner; zeros if it has no power.
    #[must_use]
    pub fn of(&self, miner: MinerId) -> ChainPower {
        self.of.get(&miner).copied().unwrap_or_default().of(miner)
    }

    /// What the chain says of every miner that has any power, by miner.
    pub fn iter(&self) -> impl Iterator<Item = ChainPower> + '_ {
        self.of.iter().map(|(miner, reported)| reported.of(*miner))
    }
}

impl ReportedPower {
    fn of(self, miner: MinerId) -> ChainPower {
        let power = |pair: PowerPair| Power { rbp: pair.raw, qap: pair.quality_adjusted };
        let PartitionPower { live, unproven, faulty } = self.partitions;
        ChainPower {
            miner,
            claim: power(self.claim),
            live: power(live),
            faulty: power(faulty),
            unproven: power(unproven),
        }
    }
}

/// The claims that are not the same as before; zero for one that is gone.
fn changed_claims(
    before: Option<&StateTree<'_>>,
    tree: &StateTree<'_>,
    codes: &ActorCodes,
) -> Result<Vec<(MinerId, PowerPair)>> {
    let (now, mut changed) = (PowerClaims::open(tree, codes)?, Vec::new());
    match before {
        Some(before) => now.diff(&PowerClaims::open(before, codes)?, &mut |miner, claim| {
            changed.push((miner, claim.unwrap_or_default()));
            Ok(())
        })?,
        None => now.for_each(&mut |miner, claim| {
            changed.push((miner, claim));
            Ok(())
        })?,
    }
    Ok(changed)
}
