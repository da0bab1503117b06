//! Tipsets and the way from one state to the next.
//!
//! ```text
//! tipset ── parents ──► tipset ── parents ──► … ──► genesis
//!   └ parent state root: the state that its parent left, before its own messages
//! ```

use std::fmt;

use cid::Cid;

use crate::block::BlockStore;
use crate::error::{Error, Result};
use crate::header::Header;
use crate::message::{self, ExecutedMessage, Message};
use crate::message_selection;
use crate::networks::Network;
use crate::units::{Clock, DayRange, Epoch};

/// CIDs of a tipset's blocks, in tipset order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipsetKey(pub Vec<Cid>);

impl fmt::Display for TipsetKey {
    /// Comma-joined.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, cid) in self.0.iter().enumerate() {
            write!(f, "{}{cid}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The blocks of one height with the same parents.
#[derive(Clone, Debug)]
pub struct Tipset {
    /// Its blocks' CIDs, ordered by the hash of their tickets.
    pub key: TipsetKey,
    /// Its parent tipset's blocks, in their order.
    pub parents: TipsetKey,
    /// Its height.
    pub height: Epoch,
    /// Unix time.
    pub timestamp: i64,
    /// State before it: what its parent left.
    pub parent_state_root: Cid,
    /// Receipts of its parent's messages.
    pub parent_receipts: Cid,
    /// Each block's messages, in the same order.
    message_roots: Vec<Cid>,
}

impl Tipset {
    /// Reads the tipset of these blocks, in any order.
    ///
    /// # Errors
    /// If a header is missing or malformed, or the headers do not belong together.
    pub fn read(store: &dyn BlockStore, blocks: &[Cid]) -> Result<Self> {
        let mut headers = blocks.iter().map(|cid| Header::read(store, cid)).collect::<Result<Vec<_>>>()?;
        headers.sort_by(|a, b| a.ticket.cmp(&b.ticket).then_with(|| a.cid.cmp(&b.cid)));
        let first = headers.first().ok_or_else(|| Error::Chain("a tipset without blocks".into()))?;
        if let Some(odd) = headers.iter().find(|header| !header.shares_tipset_with(first)) {
            return Err(Error::Chain(format!(
                "blocks {} and {}, at height {}, are said to be one tipset, but differ in height, time, parents or state",
                first.cid, odd.cid, first.height
            )));
        }
        if let Some([twice, _]) = headers.array_windows().find(|[one, next]| one.cid == next.cid) {
            return Err(Error::Chain(format!(
                "block {}, at height {}, is said to be in its tipset twice",
                twice.cid, twice.height
            )));
        }
        Ok(Self {
            key: TipsetKey(headers.iter().map(|header| header.cid).collect()),
            parents: TipsetKey(first.parents.clone()),
            height: first.height,
            timestamp: first.timestamp,
            parent_state_root: first.parent_state_root,
            parent_receipts: first.parent_receipts,
            message_roots: headers.iter().map(|header| header.messages).collect(),
        })
    }

    /// The clock that its height and time are of.
    pub(crate) const fn clock(&self) -> Clock {
        Clock::with(self.height, self.timestamp)
    }

    /// What its blocks' headers link as their messages.
    pub(crate) fn message_roots(&self) -> &[Cid] {
        &self.message_roots
    }

    /// The messages it executes, in order: block by block, BLS before secp256k1, of one sender only those whose nonces
    /// follow each other. `after` is the root of the state that it leaves.
    fn messages(&self, store: &dyn BlockStore, after: &Cid) -> Result<Vec<Message>> {
        let blocks = self.message_roots.iter().map(|messages| message::of_block(store, messages));
        let offered = blocks.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        message_selection::select_messages(store, offered, (&self.parent_state_root, after))
    }
}

/// What one tipset did: the state before, its messages, the state after.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Height of the tipset that executed; the crons of the null rounds before it belong to it, too.
    pub height: Epoch,
    /// Height of its parent: the heights between the two are null rounds. Genesis has none; its parent counts as one
    /// epoch before it.
    pub parent: Epoch,
    /// State before.
    pub before: Cid,
    /// State after.
    pub after: Cid,
    /// Its messages in order of execution, with their outcomes where the receipts are in the files.
    pub messages: Vec<ExecutedMessage>,
}

/// The readable segment of a chain: tipsets in order of height, from the first whose state is there to the head.
pub struct Chain<'s> {
    store: &'s dyn BlockStore,
    clock: Clock,
    tipsets: Vec<Tipset>,
}

impl<'s> Chain<'s> {
    /// A chain of these tipsets, highest first.
    pub(crate) fn of(store: &'s dyn BlockStore, clock: Clock, mut tipsets: Vec<Tipset>) -> Self {
        tipsets.reverse();
        Self { store, clock, tipsets }
    }

    /// The store it is read from.
    #[must_use]
    pub fn store(&self) -> &'s dyn BlockStore {
        self.store
    }

    /// Its clock, from the head's height and time.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// By how many seconds its head is ahead of a unix time, if by more than a day: a clock may be wrong, or a file made up.
    #[must_use]
    pub fn seconds_ahead_of(&self, now: i64) -> Option<i64> {
        const GRACE: i64 = 86_400;
        let head = self.tipsets.last()?;
        Some(head.timestamp.saturating_sub(now)).filter(|ahead| *ahead > GRACE)
    }

    /// Its network: by the clock, or by the CID of its genesis where that is here.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        let by_cid = || {
            let genesis = self.tipsets.first().filter(|tipset| tipset.height.0 == 0)?;
            Network::with_genesis_cid(genesis.key.0.first()?)
        };
        Network::with_genesis(self.clock.genesis()).or_else(by_cid)
    }

    /// Its tipsets, lowest first.
    #[must_use]
    pub fn tipsets(&self) -> &[Tipset] {
        &self.tipsets
    }

    /// The tipset before which a ledger of whole days can open: genesis, or else the first of a day that begins within the
    /// chain, since the flows of a day that began before it cannot be known.
    #[must_use]
    pub fn opening_index(&self) -> Option<usize> {
        if self.tipsets.first()?.height.0 == 0 {
            return Some(0);
        }
        let day = |tipset: &Tipset| self.clock.day_of(tipset.height);
        (1..self.tipsets.len()).find(|index| day(&self.tipsets[*index]) > day(&self.tipsets[index - 1]))
    }

    /// The days that are whole in it: each begins within the chain, or with genesis, and ends before its head's.
    #[must_use]
    pub fn whole_days(&self) -> Option<DayRange> {
        let (first, head) = (self.tipsets.get(self.opening_index()?)?, self.tipsets.last()?);
        DayRange::new(self.clock.day_of(first.height), self.clock.day_of(head.height).previous())
    }

    /// How many of its tipsets have messages whose receipts are in none of the files.
    ///
    /// # Errors
    /// If a block does not read.
    pub fn tipsets_without_receipts(&self) -> Result<usize> {
        let mut without = 0;
        for (tipset, child) in self.tipsets.iter().zip(self.tipsets.iter().skip(1)) {
            if self.store.get(&child.parent_receipts)?.is_none() {
                let counts = tipset.message_roots.iter().map(|messages| message::count(self.store, messages));
                let counts = counts.collect::<Result<Vec<_>>>()?;
                without += usize::from(counts.into_iter().flatten().any(|count| count > 0));
            }
        }
        Ok(without)
    }

    /// What tipset number `index` did; `None` for the head, whose outcome nobody has recorded yet.
    ///
    /// # Errors
    /// If its messages are missing, or its receipts are there and malformed, incomplete or not as many as its messages.
    pub fn transition(&self, index: usize) -> Result<Option<Transition>> {
        let (Some(tipset), Some(child)) = (self.tipsets.get(index), self.tipsets.get(index + 1)) else {
            return Ok(None);
        };
        let messages = if tipset.height.0 == 0 { Vec::new() } else { self.executed(tipset, child)? };
        Ok(Some(Transition {
            height: tipset.height,
            parent: self.parent_height(index)?,
            before: tipset.parent_state_root,
            after: child.parent_state_root,
            messages,
        }))
    }

    /// Height of the parent of tipset number `index`, that is, of the tipset whose outcome is the state before it; one
    /// epoch before genesis where there is none: for genesis itself, for an index that is not there, and where the files
    /// begin after the parent.
    ///
    /// # Errors
    /// If the parent of the first tipset here is malformed.
    pub fn parent_height(&self, index: usize) -> Result<Epoch> {
        let none = Epoch(-1);
        let Some(tipset) = self.tipsets.get(index).filter(|tipset| tipset.height.0 != 0) else {
            return Ok(none);
        };
        if let Some(parent) = index.checked_sub(1).and_then(|before| self.tipsets.get(before)) {
            return Ok(parent.height);
        }
        match tipset.parents.0.first() {
            Some(parent) if self.store.get(parent)?.is_some() => Ok(Header::read(self.store, parent)?.height),
            _ => Ok(none),
        }
    }

    fn executed(&self, tipset: &Tipset, child: &Tipset) -> Result<Vec<ExecutedMessage>> {
        let messages = tipset.messages(self.store, &child.parent_state_root)?;
        if messages.is_empty() || self.store.get(&child.parent_receipts)?.is_none() {
            return Ok(messages
                .into_iter()
                .map(|message| ExecutedMessage { message, receipt: None })
                .collect());
        }
        let receipts = message::receipts(self.store, &child.parent_receipts)?;
        if messages.len() != receipts.len() {
            return Err(Error::Chain(format!(
                "tipset {} at height {} has {} messages, but its child records {} receipts",
                tipset.key,
                tipset.height,
                messages.len(),
                receipts.len()
            )));
        }
        let pairs = messages.into_iter().zip(receipts);
        Ok(pairs.map(|(message, receipt)| ExecutedMessage { message, receipt: Some(receipt) }).collect())
    }
}
