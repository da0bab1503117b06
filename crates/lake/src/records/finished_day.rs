//! A day of the chain as ingest hands it over.

use std::ops::Range;

use chain::{Clock, Day, Epoch};
use ledger::{ChainPower, Event};

use crate::records::day_source::DaySource;

/// One finished day of the chain, as ingest hands it over.
#[derive(Clone, Debug)]
pub struct FinishedDay {
    /// The day.
    pub day: Day,
    /// Its events in chain order, but for those of an opening that is handed over beside it ([`Lake::close_opening_day`](crate::Lake::close_opening_day)).
    pub events: Vec<Event>,
    /// What the chain states of every miner's power at the day's end.
    pub powers: Vec<ChainPower>,
    /// What the day came from.
    pub source: DaySource,
}

impl FinishedDay {
    /// The day's epochs.
    pub(crate) fn epochs(&self) -> Range<Epoch> {
        let clock = Clock::new(self.source.genesis);
        clock.first_epoch(self.day)..clock.first_epoch(self.day.next())
    }
}
