//! The source of each day: rows of table `progress`.

use std::sync::Arc;

use chain::{Day, Epoch};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{Date32Type, Int64Type};
use ledger::ReceiptCounts;

use crate::error::{Error, Result};
use crate::schema::{HISTORY_SINCE, STAT_DATE, TableName};

/// What a source's day came from; one row of table `progress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySource {
    /// The source, as its user would name it: a file, a node's address.
    pub source: String,
    /// The network's name, such as `mainnet`.
    pub network: String,
    /// Unix time of epoch 0, in seconds.
    pub genesis: i64,
    /// The day.
    pub day: Day,
    /// First epoch that was read for the day.
    pub first_epoch: Epoch,
    /// Last epoch that was read for the day.
    pub last_epoch: Epoch,
    /// CIDs of the headers of the day's last tipset, joined by commas.
    pub tipset_key: String,
    /// CID of the state at the day's end.
    pub state_root: String,
    /// Version of the program that closed it.
    pub version: String,
    /// The day from which on events are known, where that is not the day of epoch 0: what left before it is in no
    /// total. `docs/DEFINITIONS.md`, "Opening balance".
    pub history_since: Option<Day>,
    /// When the day was closed, in Unix seconds; nothing is computed from it.
    pub closed_at: Option<i64>,
    /// How the outcomes of the day's messages are known. `docs/DEFINITIONS.md`, "Missing receipts".
    pub receipts: ReceiptCounts,
}

/// Rows of the table.
pub(crate) fn batch(sources: &[DaySource]) -> Result<RecordBatch> {
    fn text(sources: &[DaySource], value: impl Fn(&DaySource) -> &str) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(sources.iter().map(value)))
    }
    let integer = |value: fn(&DaySource) -> Option<i64>| -> ArrayRef {
        Arc::new(sources.iter().map(value).collect::<Int64Array>())
    };
    let date = |value: fn(&DaySource) -> Option<Day>| -> ArrayRef {
        Arc::new(sources.iter().map(|row| value(row).map(Day::unix_days)).collect::<Date32Array>())
    };
    let columns: Vec<ArrayRef> = vec![
        date(|row| Some(row.day)),
        text(sources, |row| &row.source),
        text(sources, |row| &row.network),
        integer(|row| Some(row.genesis)),
        integer(|row| Some(row.first_epoch.0)),
        integer(|row| Some(row.last_epoch.0)),
        text(sources, |row| &row.tipset_key),
        text(sources, |row| &row.state_root),
        text(sources, |row| &row.version),
        date(|row| row.history_since),
        integer(|row| row.closed_at),
        text(sources, |row| row.receipts.receipts().name()),
        integer(|row| count(row.receipts.tipsets_read)),
        integer(|row| count(row.receipts.tipsets_inferred)),
        integer(|row| count(row.receipts.messages_inferred)),
        integer(|row| count(row.receipts.messages_refuted)),
        integer(|row| count(row.receipts.events_uncertain)),
    ];
    RecordBatch::try_new(TableName::Progress.schema(), columns)
        .map_err(|source| Error::Rows { table: TableName::Progress.name(), source })
}

/// A count as it is kept.
fn count(of: u64) -> Option<i64> {
    i64::try_from(of).ok()
}

/// The table's rows in a batch.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<DaySource>> {
    let missing = |name: &str| Error::Table {
        table: TableName::Progress.name(),
        problem: format!("column {name} is missing or of another type"),
        advice: "ingest into a new lake",
    };
    let text = |name: &str| {
        let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        column.ok_or_else(|| missing(name))
    };
    let integer = |name: &str| {
        let column = batch.column_by_name(name);
        column.and_then(|column| column.as_primitive_opt::<Int64Type>()).ok_or_else(|| missing(name))
    };
    let date = |name: &str| {
        let column = batch.column_by_name(name);
        column.and_then(|column| column.as_primitive_opt::<Date32Type>()).ok_or_else(|| missing(name))
    };
    let (days, since) = (date(STAT_DATE)?, date(HISTORY_SINCE)?);
    let closed_at = integer("closed_at")?;
    let (source, network, genesis) = (text("source")?, text("network")?, integer("genesis")?);
    let (first, last) = (integer("first_epoch")?, integer("last_epoch")?);
    let (tipset_key, state_root) = (text("tipset_key")?, text("state_root")?);
    let version = text("version")?;
    let receipts = [
        integer("tipsets_read")?,
        integer("tipsets_inferred")?,
        integer("messages_inferred")?,
        integer("messages_refuted")?,
        integer("events_uncertain")?,
    ];
    let row = |at: usize| DaySource {
        source: source.value(at).to_owned(),
        network: network.value(at).to_owned(),
        genesis: genesis.value(at),
        day: Day::from_unix_days(days.value(at)),
        first_epoch: Epoch(first.value(at)),
        last_epoch: Epoch(last.value(at)),
        tipset_key: tipset_key.value(at).to_owned(),
        state_root: state_root.value(at).to_owned(),
        version: version.value(at).to_owned(),
        history_since: since.is_valid(at).then(|| Day::from_unix_days(since.value(at))),
        closed_at: closed_at.is_valid(at).then(|| closed_at.value(at)),
        receipts: counts(receipts, at),
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

/// The counts in a row; none of a day closed under a layout before 4, of which all receipts were read.
fn counts(columns: [&Int64Array; 5], at: usize) -> ReceiptCounts {
    let count = |column: &Int64Array| match column.is_valid(at) {
        true => u64::try_from(column.value(at)).unwrap_or_default(),
        false => 0,
    };
    let [tipsets_read, tipsets_inferred, messages_inferred, messages_refuted, events_uncertain] =
        columns.map(count);
    ReceiptCounts { tipsets_read, tipsets_inferred, messages_inferred, messages_refuted, events_uncertain }
}
