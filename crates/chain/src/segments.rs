//! Opening a chain: from its head down to where what is in the files ends.

use cid::Cid;

use crate::block::BlockStore;
use crate::error::{Error, Result};
use crate::missing_states::{self, has_state};
use crate::tipset::Chain;
use crate::units::Epoch;
use crate::walk::{Walk, WalkOptions};

/// A readable segment of a chain, and what is missing below it that should be there.
pub struct ChainSegment<'s> {
    /// The tipsets whose state is in the files.
    pub chain: Chain<'s>,
    /// [`Error::MissingStates`] or [`Error::MissingHeaders`]; `None` if the files go no further down, or to genesis.
    pub missing: Option<Error>,
}

impl ChainSegment<'_> {
    /// The height at which the chain goes on below what is missing.
    fn continues_at(&self) -> Option<Epoch> {
        let below = self.missing.as_ref()?.gap()?.below?;
        // Heights rise along a chain, but a hostile one's.
        (below < self.chain.tipsets().first()?.height).then_some(below)
    }
}

impl<'s> Chain<'s> {
    /// Walks back from the highest tipset that the `roots` name (a snapshot's roots are its head's blocks), of one height
    /// the heaviest, for as long as the state before each tipset is in the store.
    ///
    /// # Errors
    /// If no root is a header, they are of different networks, a header between is missing ([`Error::MissingHeaders`]) or
    /// malformed, or a state between others is missing ([`Error::MissingStates`]).
    pub fn open(store: &'s dyn BlockStore, roots: impl IntoIterator<Item = Cid>) -> Result<Self> {
        Self::open_at(store, roots, WalkOptions::default())
    }

    /// As [`Chain::open`], but may take a lower tipset for the head: archives of headers and messages may hold states of their
    /// lower epochs only.
    ///
    /// # Errors
    /// As [`Chain::open`], and if no tipset is so low.
    pub fn open_at(
        store: &'s dyn BlockStore,
        roots: impl IntoIterator<Item = Cid>,
        options: impl Into<WalkOptions>,
    ) -> Result<Self> {
        let walk = Walk::new(store, roots, options.into())?;
        let ChainSegment { chain, missing } = walk.segment(walk.options.head)?;
        walk.check_heads(&chain)?;
        missing.map_or(Ok(chain), Err)
    }

    /// All readable segments of the chain, the newest first. There is one, unless something is missing between.
    ///
    /// # Errors
    /// As [`Chain::open_at`], but for what is missing.
    pub fn segments(
        store: &'s dyn BlockStore,
        roots: impl IntoIterator<Item = Cid>,
        options: impl Into<WalkOptions>,
    ) -> Result<Vec<ChainSegment<'s>>> {
        /// Looked for, at most.
        const MOST: usize = 64;
        let walk = Walk::new(store, roots, options.into())?;
        let mut segments = vec![walk.segment(walk.options.head)?];
        walk.check_heads(&segments[0].chain)?;
        while segments.len() < MOST
            && let Some(below) = segments.last().and_then(ChainSegment::continues_at)
            && let Ok(segment) = walk.segment(Some(below))
        {
            segments.push(segment);
        }
        Ok(segments)
    }
}

impl<'s> Walk<'s> {
    /// The segment whose head is the newest tipset at or below `highest`.
    fn segment(&self, highest: Option<Epoch>) -> Result<ChainSegment<'s>> {
        let mut tipset = self.head(highest)?;
        if !has_state(self.store, &tipset)? {
            let newest = missing_states::newest_state(self, &tipset)?;
            return Err(Error::HeadWithoutState { height: tipset.height, newest });
        }
        let mut tipsets = Vec::new();
        let missing = loop {
            // Genesis names a parent, too, but that is no tipset.
            let parent = if tipset.height.0 == 0 { Ok(None) } else { self.down(&tipset).map(Some) };
            tipsets.push(tipset);
            tipset = match parent {
                Ok(Some(parent)) => parent,
                Ok(None) => break None,
                Err(cut @ Error::MissingHeaders { .. }) => break Some(cut),
                Err(error) => return Err(error),
            };
            if !has_state(self.store, &tipset)? {
                break missing_states::below(self, &tipset)?;
            }
        };
        Ok(ChainSegment { chain: Chain::of(self.store, self.clock, tipsets), missing })
    }
}
