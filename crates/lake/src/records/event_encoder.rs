//! Encodes a day's events as rows of `sector_events`.

use std::hint::black_box;
use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::{Int64Array, RecordBatch};
use ledger::Event;
use ledger::fields::{EVENT_FIELDS, Values};
use rayon::slice::ParallelSliceMut as _;

use crate::error::{Error, Result};
use crate::records::field_encoder::FieldEncoder;
use crate::schema::TableName;

/// Rows made at once. A day is never held as rows whole: its events are there already, and rows of them all would take
/// as much again. Of so few the events stay in the processor's cache while they are checked and made rows of, and the rows
/// until they are added up and written.
pub(crate) const BATCH_ROWS: usize = 4_096;

/// Events that are fetched from memory at once, and made rows of: as many as bits tell of whether their values are known.
const PREFETCH_EVENTS: usize = Values::<i64>::CHUNK;

/// An event and its position: its place among the day's, in the order of execution.
pub(crate) type PositionedEvent<'e> = (i64, &'e Event);

/// Positions of a day's events, which are given in chain order, by miner and sector, so that a sector's life lies
/// together. Column `position` keeps the chain order: sorting by it restores the order of execution.
pub(crate) struct EventOrder(Vec<u32>);

impl EventOrder {
    /// Sorts the events.
    pub(crate) fn new(day: Day, events: &[Event]) -> Result<Self> {
        if let Err(source) = u32::try_from(events.len()) {
            let problem = format!("it has {} events: {source}", events.len());
            return Err(Error::Inconsistent { day, problem });
        }
        // The keys themselves are sorted: looking at the events would miss the cache at each comparison. Miner and sector
        // in one number are compared at once.
        let key = |(position, event): (u32, &Event)| (sort_key(event), position);
        let mut keys: Vec<_> = (0..).zip(events).map(key).collect();
        keys.par_sort_unstable();
        Ok(Self(keys.into_iter().map(|(.., position)| position).collect()))
    }

    /// The events, of which these are the positions.
    pub(crate) fn apply<'e>(
        &self,
        events: &'e [Event],
    ) -> impl ExactSizeIterator<Item = PositionedEvent<'e>> {
        self.0.iter().map(|position| (i64::from(*position), &events[*position as usize]))
    }
}

/// By what a day's rows are sorted, before their position: miner and sector.
pub(crate) fn sort_key(event: &Event) -> u128 {
    u128::from(event.miner.0) << u64::BITS | u128::from(event.sector.0)
}

/// Rows of these events, at most [`BATCH_ROWS`]; `see` is shown some of them at a time, in that order. Sorted events lie
/// scattered in memory, so some are fetched at a time, and field by field rows are made of them while they are near.
pub(crate) fn batch(
    day: Day,
    order: &[PositionedEvent<'_>],
    mut see: impl FnMut(&[&Event]),
) -> Result<RecordBatch> {
    let mut encoder = FieldEncoder::new(TableName::Events, EVENT_FIELDS, order.len());
    let mut some = Vec::with_capacity(PREFETCH_EVENTS);
    for positions in order.chunks(PREFETCH_EVENTS) {
        some.clear();
        some.extend(positions.iter().map(|(_, event)| *event));
        prefetch(&some);
        see(&some);
        encoder.push(&some);
    }
    let positions = Int64Array::from_iter_values(order.iter().map(|(position, _)| *position));
    encoder.finish(day, Some(Arc::new(positions)))
}

/// Brings events into the processor's cache, and their messages: waiting for several at once takes hardly longer than
/// waiting for one.
fn prefetch(events: &[&Event]) {
    let read = events.iter().map(|event| {
        // What lies at an event's beginning, in its middle and at its end.
        let qap = [event.qap_before, event.qap_after].map(|qap| qap.unwrap_or_default().0);
        let pledge = event.backing_after.map_or(0, |backing| backing.pledge.0);
        let method = event.message.as_ref().map_or(0, |message| message.method);
        qap[0] ^ qap[1] ^ pledge ^ i128::from(event.sector.0 ^ method)
    });
    black_box(read.fold(0, |all, of| all ^ of));
}
