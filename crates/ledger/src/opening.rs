//! The events with which a ledger opens, some at a time: a network's sectors are too many to hold.

use std::fmt;
use std::vec::IntoIter;

use chain::state::{ActorCodes, Miner, SectorRef, StateTree};
use chain::{AmtCursor, BlockStore, Cid, Epoch, MinerId, Result};
use rayon::prelude::*;

use crate::differ::status_sets::SectorStatusSets;
use crate::differ::terms::Terms;
use crate::event::{Cause, Event, Kind, Status};

/// Sectors that are read at once.
const AT_ONCE: u64 = 4096;

/// The events of the first state that a ledger is read from, by miner and sector: every live sector is onboarded
/// (`genesis`) if that is the state of epoch 0, and opens the ledger otherwise. They come in batches, none of which is
/// empty.
pub struct Opening<'s> {
    max_events: u64,
    batches: Box<dyn Iterator<Item = Result<Vec<Event>>> + Send + 's>,
}

impl fmt::Debug for Opening<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("max_events", &self.max_events).finish_non_exhaustive()
    }
}

impl<'s> Opening<'s> {
    /// An opening of these batches, `most` events at most, by miner and sector.
    pub fn new(most: u64, batches: impl Iterator<Item = Result<Vec<Event>>> + Send + 's) -> Self {
        Self { max_events: most, batches: Box::new(batches) }
    }

    /// Of a ledger that opens with nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::new(0, std::iter::empty())
    }

    /// Of the state before the tipset of height `epoch`. `codes` are those known so far; the state's own are added.
    ///
    /// # Errors
    /// If the state's actors do not read.
    pub fn of(store: &'s dyn BlockStore, state: &Cid, epoch: Epoch, codes: &ActorCodes) -> Result<Self> {
        let tree = StateTree::open(store, state)?;
        codes.add_manifest(&tree)?;
        let miners = Miner::all(&tree, codes)?;
        // Counted by the partitions alone, so that of each sector's own block there is one reading.
        let counts = miners.par_iter().map(|(_, miner)| {
            let live = SectorStatusSets::of(miner)?.live();
            Ok(live.min(miner.sector_count()?))
        });
        let counts = counts.collect::<Result<Vec<u64>>>()?;
        let most = counts.iter().fold(0, |sum: u64, count| sum.saturating_add(*count));
        let miners: Vec<_> =
            miners.into_iter().zip(counts).filter(|(_, live)| *live > 0).map(|(miner, _)| miner).collect();
        Ok(Self::new(most, Sectors { miners: miners.into_iter(), of: None, epoch }))
    }

    /// How many events there are at most.
    #[must_use]
    pub const fn max_events(&self) -> u64 {
        self.max_events
    }

    /// All of them at once.
    ///
    /// # Errors
    /// If a sector does not read.
    pub fn all(self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for batch in self {
            events.append(&mut batch?);
        }
        Ok(events)
    }
}

impl Iterator for Opening<'_> {
    type Item = Result<Vec<Event>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.batches.next()
    }
}

/// The live sectors of miners, one miner after the other.
struct Sectors<'s> {
    miners: IntoIter<(MinerId, Miner<'s>)>,
    of: Option<OfMiner<'s>>,
    epoch: Epoch,
}

/// The miner that is being read.
struct OfMiner<'s> {
    id: MinerId,
    miner: Miner<'s>,
    standing: SectorStatusSets,
    /// How far it is read.
    place: AmtCursor,
}

impl<'s> Sectors<'s> {
    /// The next batch; an empty one where none of its sectors are live.
    fn batch(&mut self) -> Result<Option<Vec<Event>>> {
        let mut of = match self.of.take() {
            Some(of) => of,
            None => {
                let Some((id, miner)) = self.miners.next() else { return Ok(None) };
                OfMiner { id, standing: SectorStatusSets::of(&miner)?, miner, place: AmtCursor::START }
            }
        };
        let mut events = Vec::new();
        let OfMiner { id, miner, standing, place } = &mut of;
        miner.for_each_sector_from(place, AT_ONCE, &mut |found| {
            let status = standing.status(found.sector.number);
            if status != Status::None {
                events.push(opening(*id, &found, status, self.epoch)?);
            }
            Ok(())
        })?;
        if !of.place.is_end() {
            self.of = Some(of);
        }
        Ok(Some(events))
    }
}

impl Iterator for Sectors<'_> {
    type Item = Result<Vec<Event>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.batch().transpose()? {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some(Ok(events)),
                Err(error) => {
                    // An error is reported once.
                    (self.miners, self.of) = (Vec::new().into_iter(), None);
                    return Some(Err(error));
                }
            }
        }
    }
}

/// The event with which a live sector comes into the ledger.
fn opening(miner: MinerId, found: &SectorRef<'_>, status: Status, epoch: Epoch) -> Result<Event> {
    let (kind, cause) =
        if epoch.0 == 0 { (Kind::Onboard, Some(Cause::Genesis)) } else { (Kind::Opening, None) };
    let terms = Terms::of(found)?;
    Ok(Event {
        epoch,
        miner,
        sector: found.sector.number,
        kind,
        cause,
        sector_size: found.sector.size,
        qap_before: None,
        qap_after: Some(terms.qap),
        activation: Some(terms.activation),
        expiration_before: None,
        expiration_after: Some(terms.expiration),
        backing_before: None,
        backing_after: Some(terms.backing),
        status_before: Status::None,
        status_after: status,
        message: None,
        uncertain: false,
    })
}
