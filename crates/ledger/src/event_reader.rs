//! A chain read from some tipset on, several tipsets at once.

use std::collections::VecDeque;

use chain::state::{ActorCodes, StateTree};
use chain::{Chain, Epoch, MinerId, Result, SectorNumber, Tipset};
use rayon::prelude::*;

use crate::differ::Differ;
use crate::differ::activations::TransitionEvents;
use crate::opening::Opening;
use crate::tipset_events::TipsetEvents;

/// Tipsets compared at once, at first and at most.
const FIRST_AHEAD: usize = 8;
const MOST_AHEAD: usize = 64;
/// Events of one batch above which the next takes fewer tipsets: an event takes some 250 bytes, so what is read
/// ahead stays around 50 MB.
const MOST_EVENTS: usize = 200_000;

/// The events of a chain, tipset by tipset in the chain's order. Tipsets are compared ahead on all cores, as many at
/// once as keeps what is held small.
///
/// An error stands in the place of its tipset; the tipsets after it can be read on.
pub struct EventReader<'c, 's> {
    chain: &'c Chain<'s>,
    differ: Differ,
    /// The first tipset that is not compared yet.
    next: usize,
    ahead: usize,
    ready: VecDeque<Result<TransitionEvents>>,
}

impl<'c, 's> EventReader<'c, 's> {
    /// Begins with the state before tipset number `first`: the events with which it opens, and a reading of the tipsets from
    /// there on.
    ///
    /// # Errors
    /// If the state does not read.
    pub fn open(chain: &'c Chain<'s>, first: usize) -> Result<(Opening<'s>, Self)> {
        let differ = Self::differ(chain, first)?;
        let opening = match chain.tipsets().get(first) {
            Some(Tipset { parent_state_root, height, .. }) => {
                Opening::of(chain.store(), parent_state_root, *height, differ.codes())?
            }
            None => Opening::none(),
        };
        Ok((opening, Self::with(chain, first, differ)))
    }

    /// Goes on from the state before tipset number `first`. `activations` are those first seen of sectors whose state
    /// may show another one since.
    ///
    /// # Errors
    /// If the state does not read.
    pub fn resume(
        chain: &'c Chain<'s>,
        first: usize,
        activations: Vec<(MinerId, SectorNumber, Epoch)>,
    ) -> Result<Self> {
        let mut differ = Self::differ(chain, first)?;
        if let Some(tipset) = chain.tipsets().get(first) {
            differ.resume_from(chain.store(), &tipset.parent_state_root, activations)?;
        }
        Ok(Self::with(chain, first, differ))
    }

    /// One that knows the codes of the state before tipset number `first`, which its parent left.
    fn differ(chain: &Chain<'_>, first: usize) -> Result<Differ> {
        let differ = Differ::of(chain.network());
        if let Some(tipset) = chain.tipsets().get(first) {
            let tree = StateTree::open(chain.store(), &tipset.parent_state_root)?;
            // What genesis' own header names, genesis itself has left.
            let left_at = chain.parent_height(first)?.max(Epoch(0));
            differ.codes().add_manifest_at(&tree, Some(left_at))?;
        }
        Ok(differ)
    }

    fn with(chain: &'c Chain<'s>, next: usize, differ: Differ) -> Self {
        Self { chain, differ, next, ahead: FIRST_AHEAD, ready: VecDeque::new() }
    }

    /// The code CIDs known so far.
    #[must_use]
    pub const fn codes(&self) -> &ActorCodes {
        self.differ.codes()
    }

    /// Compares the next tipsets.
    fn read_ahead(&mut self) {
        let end = self.next.saturating_add(self.ahead).min(self.chain.tipsets().len());
        let compare = |index| match self.chain.transition(index)? {
            Some(transition) => self.differ.compare(self.chain.store(), &transition).map(Some),
            None => Ok(None),
        };
        let batch: Vec<_> = (self.next..end).into_par_iter().map(compare).collect();
        self.ready.extend(batch.into_iter().filter_map(Result::transpose));
        self.next = end;
        let events: usize = self.ready.iter().flatten().map(TransitionEvents::len).sum();
        self.ahead = if events > MOST_EVENTS { self.ahead / 2 } else { self.ahead * 2 }.clamp(1, MOST_AHEAD);
    }
}

impl Iterator for EventReader<'_, '_> {
    type Item = Result<TipsetEvents>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.read_ahead();
        }
        Some(self.ready.pop_front()?.map(|transition| self.differ.restore_activations(transition)))
    }
}
