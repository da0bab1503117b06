//! Deal proposals of the market actor, which weigh pre-commits from actors v9 on.

use cid::Cid;

use super::actor::StateTree;
use crate::amt::Amt;
use crate::block::cid_of;
use crate::cbor::Reader;
use crate::error::Result;
use crate::units::Epoch;

/// The market actor, `f05`.
const MARKET: u64 = 5;
const PROPOSALS: &str = "deal proposals";

/// Of a deal proposal, what its weight depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealProposal {
    /// Padded bytes of its piece.
    pub size: u64,
    /// Whether it is verified.
    pub verified: bool,
    /// First epoch.
    pub start: Epoch,
    /// Last epoch.
    pub end: Epoch,
}

/// The market's proposals at some moment.
pub struct Market<'s> {
    proposals: Amt<'s>,
}

impl<'s> Market<'s> {
    /// Opens the market of a state; `None` if the state has none.
    ///
    /// # Errors
    /// If its state is missing or malformed.
    pub fn open(tree: &StateTree<'s>) -> Result<Option<Self>> {
        const WHAT: &str = "state of the market actor";
        let Some(actor) = tree.actor(MARKET)? else {
            return Ok(None);
        };
        let block = tree.store().get_required(&actor.head, WHAT)?;
        let root = || -> Result<Cid> {
            let mut reader = Reader::new(&block);
            reader.array()?;
            cid_of(reader.link()?)
        };
        let root = root().map_err(|error| error.in_block(&actor.head, WHAT))?;
        Ok(Some(Self { proposals: Amt::open(tree.store(), &root, PROPOSALS)? }))
    }

    /// The proposal of a deal.
    ///
    /// # Errors
    /// If a block is missing or malformed.
    pub fn proposal(&self, deal: u64) -> Result<Option<DealProposal>> {
        self.proposals.get(deal, |reader| {
            reader.array()?;
            reader.skip()?; // piece CID
            let size = reader.uint()?;
            let verified = reader.bool()?;
            reader.skip_many(3)?; // client, provider, label
            Ok(DealProposal { size, verified, start: Epoch(reader.int()?), end: Epoch(reader.int()?) })
        })
    }
}
