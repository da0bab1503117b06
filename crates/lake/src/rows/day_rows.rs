//! One closed day in memory, and its rows as JSON.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::LazyLock;

use chain::{Day, MinerId};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, RecordBatch,
};
use datafusion::arrow::datatypes::{Decimal128Type, Float64Type, Int64Type};
use ledger::columns::{COLUMNS, Column, Endpoint};
use ledger::{Row, Value};

use crate::error::{Error, Result};
use crate::schema::{MINER_ID, STAT_DATE, TableName};

/// The index of each column in the registry.
static POSITIONS: LazyLock<HashMap<&'static str, usize>> =
    LazyLock::new(|| COLUMNS.iter().enumerate().map(|(at, column)| (column.name, at)).collect());

/// One closed day: a row per miner ordered by miner id, columns in the order of
/// [`ledger::columns::COLUMNS`].
#[derive(Debug)]
pub struct DayRows {
    day: Day,
    miners: Vec<MinerId>,
    columns: Vec<ColumnValues>,
}

/// A column's values, as they are held.
#[derive(Debug)]
pub(crate) enum ColumnValues {
    Integer(Int64Array),
    Wide(Decimal128Array),
    Double(Float64Array),
}

impl ColumnValues {
    /// The registry's columns in a batch of daily rows, in the registry's order; `damaged` makes an error of a problem.
    pub(crate) fn of_rows(batch: &RecordBatch, damaged: &dyn Fn(String) -> Error) -> Result<Vec<Self>> {
        let cells = |column: &Column| {
            let array = whole_column(batch, column.name, damaged)?;
            let cells = array
                .as_primitive_opt::<Int64Type>()
                .map(|values| Self::Integer(values.clone()))
                .or_else(|| {
                    array.as_primitive_opt::<Decimal128Type>().map(|values| Self::Wide(values.clone()))
                })
                .or_else(|| {
                    array.as_primitive_opt::<Float64Type>().map(|values| Self::Double(values.clone()))
                });
            cells.ok_or_else(|| damaged(format!("column {} is of an unknown type", column.name)))
        };
        COLUMNS.iter().map(cells).collect()
    }

    /// The value in a row.
    pub(crate) fn value(&self, row: usize) -> Value {
        match self {
            Self::Integer(values) => Value::Integer(values.value(row).into()),
            Self::Wide(values) => Value::Integer(values.value(row)),
            Self::Double(values) => Value::Double(values.value(row)),
        }
    }
}

/// Appends rows, given by their place, day and miner, as an array of an endpoint's objects; tells `written` after each
/// of them how far the text goes.
pub(crate) fn write_json(
    endpoint: Endpoint,
    columns: &[ColumnValues],
    rows: impl ExactSizeIterator<Item = (usize, Day, MinerId)>,
    out: &mut String,
    mut written: impl FnMut(usize),
) {
    let columns: Vec<(&str, &ColumnValues)> = endpoint
        .columns()
        .filter_map(|column| Some((column.name, columns.get(position(column)?)?)))
        .collect();
    // What a row takes at most, roughly: so that a network's answer grows in one piece.
    out.reserve(2 + rows.len() * (64 + columns.len() * 56));
    out.push('[');
    for (at, (row, day, miner)) in rows.enumerate() {
        if at > 0 {
            out.push(',');
        }
        // Writing to a String cannot fail.
        let _ = write!(out, r#"{{"{STAT_DATE}":"{day}T00:00:00Z","{MINER_ID}":"{miner}""#);
        for (name, cells) in &columns {
            let _ = write!(out, r#","{name}":{}"#, cells.value(row));
        }
        out.push('}');
        written(out.len());
    }
    out.push(']');
}

/// A column that has a value in every row.
fn whole_column<'b>(
    batch: &'b RecordBatch,
    name: &str,
    damaged: &dyn Fn(String) -> Error,
) -> Result<&'b ArrayRef> {
    let found = batch.column_by_name(name).filter(|array| array.null_count() == 0);
    found.ok_or_else(|| damaged(format!("column {name} is missing or has holes")))
}

/// The index of a column in the registry.
pub(crate) fn position(column: &Column) -> Option<usize> {
    POSITIONS.get(column.name).copied()
}

impl DayRows {
    /// The rows of a day's file.
    pub(crate) fn new(day: Day, batch: &RecordBatch) -> Result<Self> {
        let damaged = |problem: String| Error::Table {
            table: TableName::Rows.name(),
            problem: format!("{day}: {problem}"),
            advice: "another program has rewritten it: ingest into a new lake",
        };
        let ids = whole_column(batch, MINER_ID, &damaged)?.as_primitive_opt::<Int64Type>();
        let ids = ids.ok_or_else(|| damaged(format!("{MINER_ID} is not an integer")))?;
        let mut miners = Vec::with_capacity(ids.len());
        for id in ids.values() {
            let id = u64::try_from(*id).map_err(|_| damaged(format!("{MINER_ID} {id} is negative")))?;
            miners.push(MinerId(id));
        }
        if !miners.is_sorted() {
            return Err(damaged(format!("rows are not ordered by {MINER_ID}")));
        }
        let columns = ColumnValues::of_rows(batch, &damaged)?;
        Ok(Self { day, miners, columns })
    }

    /// The day.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// The miners that have a row, in the order of the rows.
    #[must_use]
    pub fn miners(&self) -> &[MinerId] {
        &self.miners
    }

    /// The miner's row; `None` if it has none on this day.
    #[must_use]
    pub fn find(&self, miner: MinerId) -> Option<usize> {
        self.miners.binary_search(&miner).ok()
    }

    /// A row's value in a column of the registry; a column that is not in it has the value not-a-number.
    ///
    /// # Panics
    /// If `row` is not below the number of miners.
    #[must_use]
    pub fn value(&self, row: usize, column: &Column) -> Value {
        self.cells(column).map_or(Value::Double(f64::NAN), |cells| cells.value(row))
    }

    /// A row with all its values; `None` if one is not of its column's kind.
    ///
    /// # Panics
    /// If `row` is not below the number of miners.
    #[must_use]
    pub fn row(&self, row: usize) -> Option<Row> {
        Row::new(self.columns.iter().map(|cells| cells.value(row)).collect())
    }

    /// Appends the `data` array of a `/v2` answer: compact JSON, a row per miner, keys in the order `stat_date`,
    /// `miner_id`, then the endpoint's columns. With `miner`, only its row; `[]` if it has none.
    pub fn write_json(&self, endpoint: Endpoint, miner: Option<MinerId>, out: &mut String) {
        let rows = match miner {
            None => 0..self.miners.len(),
            Some(miner) => self.find(miner).map_or(0..0, |row| row..row + 1),
        };
        let rows = rows.map(|row| (row, self.day, self.miners[row]));
        write_json(endpoint, &self.columns, rows, out, |_| {});
    }

    /// Appends the same array with every miner's row; gives where in `out` each row ends. A row begins one byte after
    /// the row before it ends, and the first one byte after the array begins.
    pub fn write_indexed_json(&self, endpoint: Endpoint, out: &mut String) -> Vec<usize> {
        let mut ends = Vec::with_capacity(self.miners.len());
        let rows = self.miners.iter().enumerate().map(|(row, miner)| (row, self.day, *miner));
        write_json(endpoint, &self.columns, rows, out, |end| ends.push(end));
        ends
    }

    /// Bytes that the day takes in memory.
    pub(crate) fn size(&self) -> usize {
        let cells = |cells: &ColumnValues| match cells {
            ColumnValues::Integer(values) => values.get_array_memory_size(),
            ColumnValues::Wide(values) => values.get_array_memory_size(),
            ColumnValues::Double(values) => values.get_array_memory_size(),
        };
        size_of::<Self>()
            + self.miners.capacity() * size_of::<MinerId>()
            + self.columns.iter().map(cells).sum::<usize>()
            + self.columns.capacity() * size_of::<ColumnValues>()
    }

    fn cells(&self, column: &Column) -> Option<&ColumnValues> {
        self.columns.get(position(column)?)
    }
}
