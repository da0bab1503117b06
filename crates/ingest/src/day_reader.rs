//! Reading a chain day by day.

use std::collections::BTreeSet;

use chain::{Chain, Day, Epoch, MinerId, SectorNumber, Tipset, WallClock, network_of, work};
use lake::{FinishedDay, Gap};
use ledger::{ChainPowers, Event, EventReader, Opening, ReceiptCounts};

use crate::error::{Error, Result};
use crate::start::StartPoint;

/// Executes the tipsets of a chain and returns each day that they finish.
pub(crate) struct DayReader<'a, 's> {
    pub(crate) chain: &'a Chain<'s>,
    source: String,
    since: Option<Day>,
    reading: EventReader<'a, 's>,
    /// The events with which the first day begins, where the ledger opens with any.
    pub(crate) opening: Option<Opening<'s>>,
    powers: ChainPowers,
    /// The providers that the lake has rows of by now, as far as the tipsets and powers read here show.
    miners: BTreeSet<MinerId>,
    /// The tipset to execute next.
    pub(crate) next: usize,
    /// The day that is being read.
    day: Day,
    events: Vec<Event>,
    /// How the outcomes of its messages are known so far.
    receipts: ReceiptCounts,
    /// Whether anything has happened yet: days before the first event are no days of the lake.
    begun: bool,
}

impl<'a, 's> DayReader<'a, 's> {
    pub(crate) fn new(
        chain: &'a Chain<'s>,
        start: StartPoint,
        activations: Vec<(MinerId, SectorNumber, Epoch)>,
        source: String,
        since: Option<Day>,
    ) -> Result<Self> {
        let (StartPoint::Open(next) | StartPoint::Resume(next)) = start;
        let tipset = &chain.tipsets()[next];
        let (opening, reading) = match start {
            StartPoint::Open(_) => EventReader::open(chain, next)?,
            StartPoint::Resume(_) => (Opening::none(), EventReader::resume(chain, next, activations)?),
        };
        let opening = Some(opening).filter(|opening| opening.max_events() > 0);
        Ok(Self {
            chain,
            source,
            since,
            reading,
            powers: ChainPowers::default(),
            miners: BTreeSet::new(),
            next,
            day: chain.clock().day_of(tipset.height),
            begun: matches!(start, StartPoint::Resume(_)) || opening.is_some(),
            opening,
            events: Vec::new(),
            receipts: ReceiptCounts::default(),
        })
    }

    /// Executes one more tipset and adds the days that it finishes to `finished`: on an error those before it. Returns whether
    /// there was a tipset.
    pub(crate) fn next_tipset(&mut self, finished: &mut Vec<FinishedDay>) -> Result<bool> {
        let Some(tipset) = self.chain.tipsets().get(self.next) else { return Ok(false) };
        let today = self.chain.clock().day_of(tipset.height);
        while self.day < today {
            // This tipset's header holds the state at the end of every day before its own.
            self.begun |= !self.events.is_empty();
            if self.begun {
                finished.push(self.finish(tipset)?);
            }
            self.day = self.day.next();
        }
        if let Some(tipset) = self.reading.next() {
            let mut tipset = tipset?;
            self.events.append(&mut tipset.events);
            self.receipts.add(&tipset.receipts);
        }
        self.next += 1;
        Ok(true)
    }

    /// Counts closing the day as work: its files, and its rows of providers, which few blocks can ask for without end.
    ///
    /// # Errors
    /// If it is more than the chain's files can need.
    fn spend(&self) -> Result<()> {
        let rows = work::ROW.saturating_mul(self.miners.len() as u64);
        // Above genesis there may be years of empty rounds.
        let after_genesis = self.next.checked_sub(1).is_some_and(|parent| {
            self.chain.tipsets().get(parent).is_some_and(|parent| parent.height.0 == 0)
        });
        let day = if after_genesis { work::FIRST_DAY } else { work::DAY };
        Ok(self.chain.store().spend(day.saturating_add(rows))?)
    }

    /// The epochs that cannot be closed because the tipset that was to be executed next does not read.
    pub(crate) fn gap(&self, error: &Error) -> Gap {
        let clock = self.chain.clock();
        let day = self.chain.tipsets().get(self.next).map_or(self.day, |tipset| clock.day_of(tipset.height));
        Gap {
            first_epoch: clock.first_epoch(self.day).max(Epoch(0)),
            last_epoch: clock.first_epoch(day.next()) + -1,
            source: self.source.clone(),
            reason: error.to_string(),
        }
    }

    fn finish(&mut self, child: &Tipset) -> Result<FinishedDay> {
        let clock = self.chain.clock();
        self.powers.advance(self.chain.store(), &child.parent_state_root, self.reading.codes())?;
        self.miners.extend(self.powers.iter().map(|power| power.miner));
        self.miners.extend(self.events.iter().map(|event| event.miner));
        self.spend()?;
        let source = lake::DaySource {
            source: self.source.clone(),
            network: network_of(clock).to_owned(),
            genesis: clock.genesis(),
            day: self.day,
            first_epoch: clock.first_epoch(self.day).max(Epoch(0)),
            last_epoch: clock.first_epoch(self.day.next()) + -1,
            tipset_key: child.parents.to_string(),
            state_root: child.parent_state_root.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            history_since: self.since,
            closed_at: Some(WallClock::default().unix_seconds()),
            receipts: std::mem::take(&mut self.receipts),
        };
        Ok(FinishedDay {
            day: self.day,
            events: std::mem::take(&mut self.events),
            powers: self.powers.iter().collect(),
            source,
        })
    }
}
