//! What re-closing days has changed: differences are reported, not hidden.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Day, MinerId};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use ledger::columns::{COLUMNS, Column};
use ledger::{ReceiptCounts, Value};

use crate::data_files::reader;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::rows::day_rows::DayRows;
use crate::schema::TableName;

/// How many events of each kind and cause; the cause is empty for kinds that have none.
pub(crate) type EventCounts = BTreeMap<(String, String), u64>;

/// What closing a day again has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayChange {
    /// The day.
    pub day: Day,
    /// How the outcomes of its messages were known before, and are now.
    pub receipts: (ReceiptCounts, ReceiptCounts),
    /// The columns in which a storage provider has another value, in the registry's order.
    pub columns: Vec<ColumnChange>,
    /// The events of which there were more or fewer, by kind and cause.
    pub events: Vec<EventChange>,
}

/// A column whose values are others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnChange {
    /// The column's name.
    pub column: &'static str,
    /// How many storage providers have another value, one without a row counting as one of zeros.
    pub miners: u64,
    /// The sum over all storage providers before and now; `None` for means and deviations, and beyond 128 bits.
    pub sums: Option<(i128, i128)>,
}

/// Events of one kind and cause, of which there are more or fewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventChange {
    /// The kind.
    pub kind: String,
    /// The cause; `None` for kinds that have none.
    pub cause: Option<String>,
    /// How many there were.
    pub before: u64,
    /// How many there are.
    pub now: u64,
}

impl DayChange {
    /// Whether rows and events are as they were.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.columns.is_empty() && self.events.is_empty()
    }
}

/// The columns in which two versions of a day's rows differ.
pub(crate) fn changed_columns(before: &DayRows, now: &DayRows) -> Vec<ColumnChange> {
    let miners: BTreeSet<MinerId> = before.miners().iter().chain(now.miners()).copied().collect();
    let places: Vec<_> = miners.iter().map(|miner| (before.find(*miner), now.find(*miner))).collect();
    let change = |column: &'static Column| {
        let (mut differing, mut sums) = (0, Some((0_i128, 0_i128)));
        for (was, is) in &places {
            let value = |rows: &DayRows, row: &Option<usize>| row.map(|row| rows.value(row, column));
            let (was, is) = (value(before, was), value(now, is));
            differing += u64::from(number(was) != number(is));
            sums = sums.and_then(|(before, now)| {
                Some((before.checked_add(integer(was)?)?, now.checked_add(integer(is)?)?))
            });
        }
        (differing > 0).then_some(ColumnChange { column: column.name, miners: differing, sums })
    };
    COLUMNS.iter().filter_map(change).collect()
}

/// An integer; 0 where there is no row, `None` for a double.
fn integer(value: Option<Value>) -> Option<i128> {
    match value {
        None => Some(0),
        Some(Value::Integer(value)) => Some(value),
        Some(Value::Double(_)) => None,
    }
}

/// What a value is compared by: doubles by their bits.
fn number(value: Option<Value>) -> i128 {
    match value {
        None => 0,
        Some(Value::Integer(value)) => value,
        Some(Value::Double(value)) => value.to_bits().into(),
    }
}

/// The kinds and causes of which there are more or fewer.
pub(crate) fn changed_events(before: &EventCounts, now: &EventCounts) -> Vec<EventChange> {
    let keys: BTreeSet<_> = before.keys().chain(now.keys()).collect();
    let counted = |counts: &EventCounts, key| counts.get(key).copied().unwrap_or_default();
    let changes = keys.into_iter().map(|key| EventChange {
        kind: key.0.clone(),
        cause: Some(key.1.clone()).filter(|cause| !cause.is_empty()),
        before: counted(before, key),
        now: counted(now, key),
    });
    changes.filter(|change| change.before != change.now).collect()
}

/// Counts the events in rows of `sector_events`, texts as such or as dictionaries.
pub(crate) fn count_events(rows: &RecordBatch, counts: &mut EventCounts) -> Result<()> {
    let texts = |name: &str| {
        let column = rows.column_by_name(name).ok_or_else(|| Error::Registry { what: name.to_owned() })?;
        let text = cast(column, &DataType::Utf8);
        text.map_err(|source| Error::Rows { table: TableName::Events.name(), source })
    };
    let (kinds, causes) = (texts("kind")?, texts("cause")?);
    let (kinds, causes) = (kinds.as_string::<i32>(), causes.as_string::<i32>());
    for row in 0..rows.num_rows() {
        let cause = if causes.is_valid(row) { causes.value(row) } else { "" };
        *counts.entry((kinds.value(row).to_owned(), cause.to_owned())).or_default() += 1;
    }
    Ok(())
}

/// Counts a stored day's events, however many they are.
pub(crate) async fn count_stored_events(events: &Table, day: Day) -> Result<EventCounts> {
    let Some(file) = events.files().containing(day).cloned() else { return Ok(EventCounts::new()) };
    let located = events.locate(&file);
    crate::storage::blocking::blocking("counting a day's events", move || {
        let mut counts = EventCounts::new();
        reader::for_each_batch(&located, &mut |batch| {
            if file.days.len() == 1 {
                return count_events(&batch, &mut counts);
            }
            let rows = reader::filter_day(&batch, day);
            let rows = rows.map_err(|source| Error::Rows { table: TableName::Events.name(), source })?;
            count_events(&rows, &mut counts)
        })?;
        Ok(counts)
    })
    .await
}
