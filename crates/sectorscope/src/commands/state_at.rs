//! The chain state that a command inspects.

use chain::state::{ActorCodes, Miner, StateTree};
use chain::{CarStore, Chain, Cid, Clock, Epoch, MinerId};
use ledger::ChainPowers;

use super::warn_if_ahead;
use crate::cli::StateSelector;

/// One state of the chain and what reading it needs.
pub(crate) struct StateAt<'s> {
    /// The chain that ends with it; `None` for a bare state root.
    pub(crate) chain: Option<Chain<'s>>,
    pub(crate) state: Cid,
    pub(crate) tree: StateTree<'s>,
    pub(crate) codes: ActorCodes,
    pub(crate) powers: ChainPowers,
}

impl<'s> StateAt<'s> {
    /// Opens the state that is meant.
    pub(crate) fn open(cars: &'s CarStore, at: &StateSelector) -> chain::Result<Self> {
        match at.state_root {
            Some(root) => Self::bare(cars, root),
            None => {
                let chain = Chain::open_at(cars, cars.roots(), at.way())?;
                warn_if_ahead(&chain);
                Self::at_head(cars, chain)
            }
        }
    }

    /// Opens the state under a root, without a chain.
    pub(crate) fn bare(cars: &'s CarStore, root: Cid) -> chain::Result<Self> {
        Self::of(cars, root, None)
    }

    /// Opens the state at the head of a chain.
    pub(crate) fn at_head(cars: &'s CarStore, chain: Chain<'s>) -> chain::Result<Self> {
        let head = chain.tipsets().last().map(|head| head.parent_state_root);
        let head = head.ok_or_else(|| chain::Error::Chain("the chain has no tipset".into()))?;
        Self::of(cars, head, Some(chain))
    }

    fn of(cars: &'s CarStore, state: Cid, chain: Option<Chain<'s>>) -> chain::Result<Self> {
        let tree = StateTree::open(cars, &state)?;
        let codes = ActorCodes::of(chain.as_ref().and_then(Chain::network));
        let left_at =
            chain.as_ref().map(|chain| chain.parent_height(chain.tipsets().len().saturating_sub(1)));
        codes.add_manifest_at(&tree, left_at.transpose()?)?;
        let mut powers = ChainPowers::default();
        powers.advance(cars, &state, &codes)?;
        Ok(Self { chain, state, tree, codes, powers })
    }

    /// All miners, by number.
    pub(crate) fn miners(&self) -> chain::Result<Vec<(MinerId, Miner<'s>)>> {
        Miner::all(&self.tree, &self.codes)
    }

    /// Height of the tipset that the state stands before.
    pub(crate) fn height(&self) -> Option<Epoch> {
        Some(self.chain.as_ref()?.tipsets().last()?.height)
    }

    /// The chain's clock; a bare state has no time.
    pub(crate) fn clock(&self) -> Option<Clock> {
        self.chain.as_ref().map(Chain::clock)
    }
}
