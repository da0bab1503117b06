//! Whether states are lost, or a snapshot leaves them out.

use crate::block::BlockStore;
use crate::error::{Error, Result};
use crate::message;
use crate::tipset::Tipset;
use crate::units::Epoch;
use crate::walk::Walk;

/// What is missing below a segment of states: `first_without` is the first tipset that has none.
///
/// Snapshots without states below some height are normal, but for genesis' own, which all of them have; one with other
/// states further down has lost some, and all have the headers down to genesis. Looks down for a while.
///
/// # Errors
/// If a header is malformed.
pub(crate) fn below(walk: &Walk<'_>, first_without: &Tipset) -> Result<Option<Error>> {
    let below = match StatesBelow::of(walk, first_without.clone()) {
        Err(cut @ Error::MissingHeaders { .. }) => return Ok(Some(cut)),
        below => below?,
    };
    let last = first_without.height;
    Ok(below.shows_loss().then(|| Error::MissingStates {
        cid: Box::new(first_without.parent_state_root),
        first: below.with_state.map_or(Epoch(0), |height| height + 1).min(last),
        last,
        below: below.with_state,
    }))
}

/// Height of the newest tipset at or not far below this one that has a state.
///
/// # Errors
/// If a header is malformed.
pub(crate) fn newest_state(walk: &Walk<'_>, tipset: &Tipset) -> Result<Option<Epoch>> {
    match StatesBelow::of(walk, tipset.clone()) {
        Err(Error::MissingHeaders { below, .. }) => Ok(below),
        below => Ok(below?.with_state),
    }
}

/// Whether the state before a tipset is here.
pub(crate) fn has_state(store: &dyn BlockStore, tipset: &Tipset) -> Result<bool> {
    Ok(store.get(&tipset.parent_state_root)?.is_some())
}

/// What is below a tipset without state.
struct StatesBelow {
    /// Height of the first that has one.
    with_state: Option<Epoch>,
    /// Whether that state is the one that the chain began with: it is also the one before the first tipset above
    /// genesis.
    is_genesis: bool,
    /// How many have none before that, or before the look ended.
    passed: usize,
    reached_genesis: bool,
    /// Whether the messages of the tipset itself are here.
    messages: Option<bool>,
    /// Whether a tipset below it, also without state, has none of its messages.
    messages_end: bool,
}

impl StatesBelow {
    /// Looks down from a tipset without state.
    ///
    /// # Errors
    /// [`Error::MissingHeaders`] if a header is missing; or if one is malformed.
    fn of(walk: &Walk<'_>, mut tipset: Tipset) -> Result<Self> {
        /// How far is looked.
        const LOOKED_AT: usize = 2880;
        let store = walk.store();
        let messages = has_messages(store, &tipset)?;
        let mut below = Self {
            with_state: None,
            is_genesis: false,
            passed: 0,
            reached_genesis: false,
            messages,
            messages_end: false,
        };
        while below.passed < LOOKED_AT {
            if has_state(store, &tipset)? {
                below.with_state = Some(tipset.height);
                below.is_genesis = tipset.height.0 == 0 || is_first(walk, &tipset)?;
                break;
            }
            if messages == Some(true) && !below.messages_end {
                below.messages_end = has_messages(store, &tipset)? == Some(false);
            }
            if tipset.height.0 == 0 {
                below.reached_genesis = true;
                break;
            }
            below.passed += 1;
            tipset = walk.down(&tipset)?;
        }
        Ok(below)
    }

    /// Whether the tipset should have a state.
    fn shows_loss(&self) -> bool {
        /// Snapshots keep the states of hundreds of tipsets (and genesis its own), so where genesis is so near, those
        /// between are lost.
        const FEW: usize = 8;
        let between_states = self.with_state.is_some() && !self.is_genesis;
        let genesis_lost = self.reached_genesis && self.passed < FEW;
        // A snapshot that leaves out the states below some height may leave out a single one; its messages then go, too.
        let single = self.is_genesis && self.passed == 1 && self.messages != Some(false);
        // Where messages end, states end.
        between_states || genesis_lost || single || self.messages_end
    }
}

/// Whether a tipset is the first above genesis, and has the state that genesis has.
fn is_first(walk: &Walk<'_>, tipset: &Tipset) -> Result<bool> {
    let parent = walk.down(tipset)?;
    Ok(parent.height.0 == 0 && parent.parent_state_root == tipset.parent_state_root)
}

/// Whether the messages of a tipset are here; `None` if it has none: a list without messages is in every file.
fn has_messages(store: &dyn BlockStore, tipset: &Tipset) -> Result<Option<bool>> {
    let mut some = None;
    for messages in tipset.message_roots() {
        match message::count(store, messages)? {
            None => return Ok(Some(false)),
            Some(0) => {}
            Some(_) => some = Some(true),
        }
    }
    Ok(some)
}
