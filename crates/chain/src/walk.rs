//! Walking down a chain from its head.

use cid::Cid;

use crate::archive;
use crate::block::BlockStore;
use crate::error::{Error, Result};
use crate::head::Heads;
use crate::header::{self, FETCH_AGAIN};
use crate::networks::Network;
use crate::tipset::{Chain, Tipset};
use crate::units::{Clock, EPOCHS_PER_DAY, Epoch};

/// Options for walking down a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkOptions {
    /// The newest tipset at or below this height is taken for the head; else the highest that the roots name.
    pub head: Option<Epoch>,
    /// Most empty rounds between a tipset and its parent, but for one right above genesis: more are damage, or a chain
    /// that stood still.
    pub empty_rounds: i64,
}

impl WalkOptions {
    /// A month of empty rounds. Mainnet has had some in a row, and calibnet some hours of them.
    pub const EMPTY_ROUNDS: i64 = 30 * EPOCHS_PER_DAY;
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { head: None, empty_rounds: Self::EMPTY_ROUNDS }
    }
}

impl From<Option<Epoch>> for WalkOptions {
    /// To the newest tipset at or below a height, where one is given.
    fn from(head: Option<Epoch>) -> Self {
        Self { head, ..Self::default() }
    }
}

/// The way down a chain.
pub(crate) struct Walk<'s> {
    pub(crate) store: &'s dyn BlockStore,
    pub(crate) heads: Heads,
    pub(crate) clock: Clock,
    pub(crate) options: WalkOptions,
}

impl<'s> Walk<'s> {
    pub(crate) fn new(
        store: &'s dyn BlockStore,
        roots: impl IntoIterator<Item = Cid>,
        options: WalkOptions,
    ) -> Result<Self> {
        let heads = Heads::of(store, roots)?;
        let clock = heads.clock()?;
        Ok(Self { store, heads, clock, options })
    }

    /// The store it leads through.
    pub(crate) const fn store(&self) -> &'s dyn BlockStore {
        self.store
    }

    /// The parent of a tipset.
    ///
    /// # Errors
    /// [`Error::MissingHeaders`] if one of its headers is missing; [`Error::Header`] if the one cannot be above the other; or if it
    /// is malformed.
    pub(crate) fn down(&self, tipset: &Tipset) -> Result<Tipset> {
        match Tipset::read(self.store, &tipset.parents.0) {
            Err(Error::MissingBlock(cid, header::WHAT, _)) => Err(self.cut(cid, tipset)),
            Err(error) => Err(error),
            Ok(parent) => {
                self.check_step(&parent, tipset)?;
                Ok(parent)
            }
        }
    }

    /// Whether heights rise from a tipset to its child by no more than they may, and times with them.
    fn check_step(&self, parent: &Tipset, child: &Tipset) -> Result<()> {
        let named = |tipset: &Tipset| tipset.key.0.first().copied().unwrap_or_default();
        let odd = |tipset: &Tipset, problem: String| {
            Err(Error::Header { cid: Box::new(named(tipset)), height: tipset.height, problem })
        };
        if parent.height >= child.height {
            return odd(
                child,
                format!(
                    "its parent, block {}, is not below it but at height {}; {FETCH_AGAIN}",
                    named(parent),
                    parent.height
                ),
            );
        }
        if parent.clock() != child.clock() {
            // Of two that differ, the one whose clock is no network's is the odd one.
            let known = |tipset: &Tipset| Network::with_genesis(tipset.clock().genesis()).is_some();
            let (wrong, right) =
                if known(child) || !known(parent) { (parent, child) } else { (child, parent) };
            return odd(
                wrong,
                format!(
                    "its time, unix {}, is not what block {}, at height {} and unix time {}, makes it: an epoch takes 30 seconds; \
                     {FETCH_AGAIN}",
                    wrong.timestamp,
                    named(right),
                    right.height,
                    right.timestamp
                ),
            );
        }
        let empty = child.height - parent.height - 1;
        if empty > self.options.empty_rounds && parent.height.0 != 0 {
            return odd(
                child,
                format!(
                    "there are {empty} empty rounds between it and its parent, block {} at height {}: a chain that stood still for \
                     so long is read with --empty-rounds {empty}; else the file is damaged or forged",
                    named(parent),
                    parent.height
                ),
            );
        }
        Ok(())
    }

    /// What is missing below a tipset.
    fn cut(&self, cid: Box<Cid>, lowest: &Tipset) -> Error {
        let last = lowest.height + -1;
        let below = self.heads.height_below(lowest.height);
        let names = self.store.file_names();
        let files = below.map_or_else(Vec::new, |below| archive::missing(&names, self.clock, below, last));
        Error::MissingHeaders {
            cid,
            first: below.map_or(Epoch(0), |below| below + 1).min(last),
            last,
            below,
            files,
        }
    }

    /// Whether the heads beside the chain's own, of forks and of lower files, have the same genesis, as far as that is near.
    ///
    /// # Errors
    /// If one has another.
    pub(crate) fn check_heads(&self, chain: &Chain<'_>) -> Result<()> {
        let Some(lowest) = chain.tipsets().first() else { return Ok(()) };
        let mut ours = None;
        for blocks in self.heads.others() {
            let other = Tipset::read(self.store, &blocks)?;
            let at = chain.tipsets().partition_point(|tipset| tipset.height < other.height);
            let beside = chain.tipsets().get(at).filter(|tipset| tipset.height == other.height);
            if beside.is_some_and(|tipset| tipset.parents == other.parents) {
                continue;
            }
            let ours = match ours {
                Some(ours) => ours,
                None => *ours.insert(self.genesis(lowest)?),
            };
            let (Some(ours), Some(theirs)) = (ours, self.genesis(&other)?) else { continue };
            if ours != theirs {
                let name =
                    |genesis| Network::with_genesis_cid(genesis).map_or("an unknown network", Network::name);
                return Err(Error::Chain(format!(
                    "the files are of different networks: the chain's genesis is block {ours}, of {}, that of the tipset \
                     at height {} is block {theirs}, of {}; give the files of one of them",
                    name(&ours),
                    other.height,
                    name(&theirs)
                )));
            }
        }
        Ok(())
    }

    /// The genesis block under a tipset; `None` if that is far below, or a header between is missing.
    fn genesis(&self, tipset: &Tipset) -> Result<Option<Cid>> {
        /// Tipsets passed at most.
        const FAR: usize = 4096;
        let mut tipset = tipset.clone();
        for _ in 0..FAR {
            if tipset.height.0 == 0 {
                return Ok(tipset.key.0.first().copied());
            }
            tipset = match self.down(&tipset) {
                Err(Error::MissingHeaders { .. }) => return Ok(None),
                parent => parent?,
            };
        }
        Ok(None)
    }

    /// The newest tipset at or below `highest`, on the way down from the head; where that is cut, the highest below it
    /// that a file names.
    pub(crate) fn head(&self, highest: Option<Epoch>) -> Result<Tipset> {
        let mut tipset = self.heads.highest(self.store)?;
        let Some(highest) = highest else { return Ok(tipset) };
        while tipset.height > highest {
            if tipset.height.0 == 0 {
                return Err(Error::Chain(format!("no tipset of the chain is at or below height {highest}")));
            }
            tipset = match self.down(&tipset) {
                Err(cut @ Error::MissingHeaders { .. }) => {
                    let below = self.heads.at_or_below(self.store, tipset.height + -1)?;
                    below.ok_or(cut)?
                }
                parent => parent?,
            };
        }
        Ok(tipset)
    }
}
