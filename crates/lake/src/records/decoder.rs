//! Decodes a closed day from the tables' rows.

use std::collections::HashMap;
use std::sync::Arc;

use chain::{AttoFil, Bytes, Cid, Day, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::{
    Array, ArrowPrimitiveType, AsArray, PrimitiveArray, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use ledger::{Backing, Cause, ChainPower, Content, Event, Kind, MessageRef, Power, Status};

use crate::error::{Error, Result};
use crate::records::day_source::{self, DaySource};
use crate::records::finished_day::FinishedDay;
use crate::schema::{MINER_ID, TableName, UNCERTAIN};

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
        powers: powers(day, stored_powers)?,
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
    let (position, epoch) = (of.integers("position")?, of.integers("epoch")?);
    let (miner, sector) = (of.integers(MINER_ID)?, of.integers("sector")?);
    let (kind, cause) = (of.texts("kind")?, of.texts("cause")?);
    let size = of.wides("sector_size")?;
    let (qap_before, qap_after) = (of.wides("qap_before")?, of.wides("qap_after")?);
    let activation = of.integers("activation")?;
    let expiration_before = of.integers("expiration_before")?;
    let expiration_after = of.integers("expiration_after")?;
    let (status_before, status_after) = (of.texts("status_before")?, of.texts("status_after")?);
    let (message, method) = (of.texts("message")?, of.integers("method")?);
    let message_sectors = of.integers("message_sectors")?;
    let [backing_before, backing_after] =
        [BackingColumns::of(&of, "before")?, BackingColumns::of(&of, "after")?];
    let uncertain = of.integers(UNCERTAIN)?;
    let mut messages: HashMap<&str, Arc<MessageRef>> = HashMap::new();
    let mut event = |row: usize| {
        let unsigned = |column: &PrimitiveArray<Int64Type>| u64::try_from(column.value(row)).ok();
        let caused_by = match some(message, row) {
            false => None,
            true => {
                let text = message.value(row);
                let (method, sectors) = (unsigned(method)?, u32::try_from(message_sectors.value(row)).ok()?);
                let read = |cid| Arc::new(MessageRef { cid, method, sectors });
                Some(match messages.get(text) {
                    None => {
                        let message = read(text.parse::<Cid>().ok()?);
                        messages.insert(text, Arc::clone(&message));
                        message
                    }
                    Some(known) if (known.method, known.sectors) == (method, sectors) => Arc::clone(known),
                    // A damaged row, which says otherwise than the first of that message: to be found out as it is.
                    Some(known) => read(known.cid),
                })
            }
        };
        let known_cause = match some(cause, row) {
            false => None,
            true => Some(Cause::from_name(cause.value(row))?),
        };
        Some(Event {
            epoch: Epoch(epoch.value(row)),
            miner: MinerId(unsigned(miner)?),
            sector: SectorNumber(unsigned(sector)?),
            kind: Kind::from_name(kind.value(row))?,
            cause: known_cause,
            sector_size: Bytes(size.value(row)),
            qap_before: value(qap_before, row).map(Bytes),
            qap_after: value(qap_after, row).map(Bytes),
            activation: value(activation, row).map(Epoch),
            expiration_before: value(expiration_before, row).map(Epoch),
            expiration_after: value(expiration_after, row).map(Epoch),
            backing_before: backing_before.at(row)?,
            backing_after: backing_after.at(row)?,
            status_before: Status::from_name(status_before.value(row))?,
            status_after: Status::from_name(status_after.value(row))?,
            message: caused_by,
            uncertain: value(uncertain, row).is_some_and(|uncertain| uncertain != 0),
        })
    };
    let mut order: Vec<usize> = (0..rows.num_rows()).collect();
    order.sort_unstable_by_key(|row| position.value(*row));
    let read = |row: usize| event(row).ok_or_else(|| of.damaged("a row is no event".to_owned()));
    order.into_iter().map(read).collect()
}

/// What sectors hold and what is pledged and paid for them, on one side of their events.
struct BackingColumns<'r> {
    content: &'r StringArray,
    pledge: &'r PrimitiveArray<Decimal128Type>,
    daily_fee: &'r PrimitiveArray<Decimal128Type>,
}

impl<'r> BackingColumns<'r> {
    fn of(columns: &TypedColumns<'r>, side: &str) -> Result<Self> {
        Ok(Self {
            content: columns.texts(&format!("content_{side}"))?,
            pledge: columns.wides(&format!("pledge_{side}"))?,
            daily_fee: columns.wides(&format!("daily_fee_{side}"))?,
        })
    }

    /// What a row says, if it knows: `None` if the row is damaged.
    fn at(&self, row: usize) -> Option<Option<Backing>> {
        // Rows of layout 1 and 2 do not know; those of layout 3 know no fees.
        let Some(pledge) = value(self.pledge, row) else { return Some(None) };
        let content = Content::from_name(self.content.is_valid(row).then(|| self.content.value(row))?)?;
        let daily_fee = value(self.daily_fee, row).map(AttoFil);
        Some(Some(Backing { content, pledge: AttoFil(pledge), daily_fee }))
    }
}

/// What the chain stated at the day's end, from rows of `reconciliation`.
///
/// # Errors
/// [`Error::NoPartitionPower`] of a day that was closed under layout 1, which kept the claims alone.
pub(crate) fn powers(day: Day, rows: &RecordBatch) -> Result<Vec<ChainPower>> {
    let of = TypedColumns { table: TableName::Reconciliation, day, rows };
    let miner = of.integers(MINER_ID)?;
    let both =
        |name: &str| Ok::<_, Error>((of.wides(&format!("{name}_rbp"))?, of.wides(&format!("{name}_qap"))?));
    let (claim, live) = (both("claim")?, both("chain_live")?);
    let (faulty, unproven) = (both("chain_faulty")?, both("chain_unproven")?);
    let power = |(rbp, qap): (&PrimitiveArray<Decimal128Type>, &PrimitiveArray<Decimal128Type>), row| {
        Some(Power { rbp: Bytes(value(rbp, row)?), qap: Bytes(value(qap, row)?) })
    };
    let read = |row: usize| {
        Some(ChainPower {
            miner: MinerId(u64::try_from(miner.value(row)).ok()?),
            claim: power(claim, row)?,
            live: power(live, row)?,
            faulty: power(faulty, row)?,
            unproven: power(unproven, row)?,
        })
    };
    let read: Option<Vec<ChainPower>> = (0..rows.num_rows()).map(read).collect();
    read.ok_or(Error::NoPartitionPower { day })
}

/// A table's columns, by name and kind.
pub(crate) struct TypedColumns<'r> {
    pub(crate) table: TableName,
    pub(crate) day: Day,
    pub(crate) rows: &'r RecordBatch,
}

impl<'r> TypedColumns<'r> {
    pub(crate) fn integers(&self, name: &str) -> Result<&'r PrimitiveArray<Int64Type>> {
        self.column(name, |column| column.as_primitive_opt())
    }

    pub(crate) fn wides(&self, name: &str) -> Result<&'r PrimitiveArray<Decimal128Type>> {
        self.column(name, |column| column.as_primitive_opt())
    }

    pub(crate) fn texts(&self, name: &str) -> Result<&'r StringArray> {
        self.column(name, |column| column.as_string_opt())
    }

    fn column<T>(&self, name: &str, cast: impl FnOnce(&'r dyn Array) -> Option<&'r T>) -> Result<&'r T> {
        let column = self.rows.column_by_name(name).and_then(|column| cast(column.as_ref()));
        column.ok_or_else(|| self.damaged(format!("column {name} is missing or of another type")))
    }

    pub(crate) fn damaged(&self, problem: String) -> Error {
        Error::Table {
            table: self.table.name(),
            problem: format!("{}: {problem}", self.day),
            advice: "another program has rewritten it: restore a backup, or ingest into a new lake",
        }
    }
}

fn some(column: &StringArray, row: usize) -> bool {
    column.is_valid(row)
}

/// The value in that row, where there is one.
fn value<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}
