//! A chain as public snapshots hold it: without message receipts.
#![allow(dead_code, unreachable_pub)]

use std::collections::HashSet;

use chain::{Block, BlockStore, Chain, Cid, Result, Tipset};

/// A store that hides the receipts of a chain.
pub struct Withheld<'s> {
    store: &'s dyn BlockStore,
    hidden: HashSet<Cid>,
}

impl<'s> Withheld<'s> {
    /// Hides the receipt roots that the chain's tipsets name, but for the empty array, which empty arrays of messages
    /// are, too.
    pub fn of(chain: &Chain<'s>) -> Self {
        Self::some_of(chain, |_| true)
    }

    /// Hides the receipts of some tipsets: those for whose child `hide` says so.
    pub fn some_of(chain: &Chain<'s>, hide: impl Fn(&Tipset) -> bool) -> Self {
        let root = |tipset: &Tipset| tipset.parent_receipts;
        let is_empty =
            |root: &Cid| chain.store().get(root).is_ok_and(|block| block.is_some_and(|it| it[..] == EMPTY));
        let roots = chain.tipsets().iter().filter(|tipset| hide(tipset)).map(root);
        Self { store: chain.store(), hidden: roots.filter(|root| !is_empty(root)).collect() }
    }
}

/// An empty array of the old form: height 0, no elements, a node of none.
const EMPTY: [u8; 8] = [0x83, 0x00, 0x00, 0x83, 0x41, 0x00, 0x80, 0x80];

impl BlockStore for Withheld<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        if self.hidden.contains(cid) { Ok(None) } else { self.store.get(cid) }
    }
}
