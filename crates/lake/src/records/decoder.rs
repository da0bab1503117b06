//! Decodes a closed day from the tables' rows.

use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::RecordBatch;
use ledger::fields::{EVENT_FIELDS, EventDraft, RECONCILIATION_FIELDS, ReconciliationRow};
use ledger::{ChainPower, Event, MessageRef};

use crate::error::{Error, Result};
use crate::records::day_source::{self, DaySource};
use crate::records::field_decoder::{FieldDecoder, TypedColumns};
use crate::records::finished_day::FinishedDay;
use crate::schema::{POSITION, TableName};

/// Rows decoded at once: their records stay in the processor's cache while field by field is set in them.
const ROWS_AT_ONCE: usize = 64;

/// The day, from its rows of `sector_events`, `reconciliation` and `progress`.
pub(crate) fn finished(
    day: Day,
    stored_events: &RecordBatch,
    stored_powers: &RecordBatch,
    stored_progress: &RecordBatch,
) -> Result<FinishedDay> {
    Ok(FinishedDay {
        day,
        events: events(day, stored_events)?,
        powers: powers(day, &reconciliation(day, stored_powers)?)?,
        source: day_source(day, stored_progress)?,
    })
}

/// Where the day came from, from rows of `progress`.
pub(crate) fn day_source(day: Day, rows: &RecordBatch) -> Result<DaySource> {
    let wrong = || Error::Table {
        table: TableName::Progress.name(),
        problem: format!("{day} is not in it"),
        advice: "restore a backup, or ingest into a new lake",
    };
    day_source::rows(rows)?.into_iter().find(|row| row.day == day).ok_or_else(wrong)
}

/// Events in chain order, from rows of `sector_events`.
pub(crate) fn events(day: Day, rows: &RecordBatch) -> Result<Vec<Event>> {
    let of = TypedColumns { table: TableName::Events, day, rows };
    let damaged = || of.damaged("a row is no event".to_owned());
    let position = of.integers(POSITION)?;
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_unstable_by_key(|row| position.value(*row));
    let mut decoder = FieldDecoder::new(&of, EVENT_FIELDS)?;
    let mut messages = Messages::default();
    let mut events = Vec::with_capacity(order.len());
    let mut drafts: Vec<EventDraft> = Vec::with_capacity(ROWS_AT_ONCE);
    for rows in order.chunks(ROWS_AT_ONCE) {
        drafts.resize_with(rows.len(), EventDraft::default);
        decoder.read(rows, &mut drafts).ok_or_else(damaged)?;
        for draft in drafts.drain(..) {
            let event = draft.finish(|index, method, sectors| {
                Some(messages.shared(index, MessageRef { cid: decoder.cid(index)?, method, sectors }))
            });
            events.push(event.ok_or_else(damaged)?);
        }
    }
    Ok(events)
}

/// The messages that were met, by the indices of their CIDs.
#[derive(Default)]
struct Messages(Vec<Option<Arc<MessageRef>>>);

impl Messages {
    /// The message, shared by all events that have the same.
    fn shared(&mut self, index: usize, message: MessageRef) -> Arc<MessageRef> {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        match &mut self.0[index] {
            Some(known) if **known == message => Arc::clone(known),
            // A damaged row, which says otherwise than the first of that message: to be found out as it is.
            Some(_) => Arc::new(message),
            unknown => Arc::clone(unknown.insert(Arc::new(message))),
        }
    }
}

/// The rows of `reconciliation`, in their order.
pub(crate) fn reconciliation(day: Day, rows: &RecordBatch) -> Result<Vec<ReconciliationRow>> {
    let of = TypedColumns { table: TableName::Reconciliation, day, rows };
    let mut decoded = vec![ReconciliationRow::default(); rows.num_rows()];
    let order: Vec<usize> = (0..rows.num_rows()).collect();
    let read = FieldDecoder::new(&of, RECONCILIATION_FIELDS)?.read(&order, &mut decoded);
    read.ok_or_else(|| of.damaged("a row is no storage provider's".to_owned()))?;
    Ok(decoded)
}

/// What the chain stated at the day's end, by rows of `reconciliation`.
///
/// # Errors
/// [`Error::NoPartitionPower`] of a day that was closed under layout 1, which kept the claims alone.
pub(crate) fn powers(day: Day, rows: &[ReconciliationRow]) -> Result<Vec<ChainPower>> {
    let power = |row: &ReconciliationRow| {
        Some(ChainPower {
            miner: row.miner,
            claim: row.claim.power()?,
            live: row.chain_live.power()?,
            faulty: row.chain_faulty.power()?,
            unproven: row.chain_unproven.power()?,
        })
    };
    let powers: Option<Vec<ChainPower>> = rows.iter().map(power).collect();
    powers.ok_or(Error::NoPartitionPower { day })
}
