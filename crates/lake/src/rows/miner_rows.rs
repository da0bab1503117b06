//! One miner's rows of many days.

use chain::{Day, DayRange, MinerId};
use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::Date32Type;
use ledger::Value;
use ledger::columns::{Column, Endpoint};

use crate::error::{Error, Result};
use crate::rows::day_rows::{ColumnValues, position, write_json};
use crate::schema::TableName;

/// A miner's rows, by day: one for each closed day from its first event on.
#[derive(Debug)]
pub struct MinerRows {
    miner: MinerId,
    days: Vec<Day>,
    columns: Vec<ColumnValues>,
}

impl MinerRows {
    /// The rows of these days (of none, if there are none) in the batches, each of them ordered by day and none overlapping another.
    pub(crate) fn new(miner: MinerId, batches: &[RecordBatch], days: Option<DayRange>) -> Result<Self> {
        let wrong = |source| Error::Rows { table: TableName::History.name(), source };
        let number =
            |batch: &RecordBatch| batch.column(0).as_primitive::<Date32Type>().values().first().copied();
        let mut ordered: Vec<&RecordBatch> = batches.iter().filter(|batch| batch.num_rows() > 0).collect();
        ordered.sort_by_key(|batch| number(batch));
        let rows = concat_batches(&TableName::Rows.schema(), ordered).map_err(wrong)?;
        let of = |row: &i32| Day::from_unix_days(*row);
        let dates = rows.column(0).as_primitive::<Date32Type>().values();
        let wanted: BooleanArray =
            dates.iter().map(|date| Some(days.is_some_and(|days| days.contains(of(date))))).collect();
        let rows = filter_record_batch(&rows, &wanted).map_err(wrong)?;
        let days = rows.column(0).as_primitive::<Date32Type>().values().iter().map(of).collect();
        let damaged = |problem| Error::Table {
            table: TableName::History.name(),
            problem: format!("{miner}: {problem}"),
            advice: "another program has rewritten it: ingest into a new lake",
        };
        let columns = ColumnValues::of_rows(&rows, &damaged)?;
        Ok(Self { miner, days, columns })
    }

    /// The miner.
    #[must_use]
    pub fn miner(&self) -> MinerId {
        self.miner
    }

    /// The days that have a row, in order.
    #[must_use]
    pub fn days(&self) -> &[Day] {
        &self.days
    }

    /// A row's value in a column of the registry; a column that is not in it has the value not-a-number.
    ///
    /// # Panics
    /// If `row` is not below the number of days.
    #[must_use]
    pub fn value(&self, row: usize, column: &Column) -> Value {
        let cells = position(column).and_then(|at| self.columns.get(at));
        cells.map_or(Value::Double(f64::NAN), |cells| cells.value(row))
    }

    /// Appends the rows as compact JSON, as [`DayRows::write_json`](crate::DayRows::write_json) does a day's.
    pub fn write_json(&self, endpoint: Endpoint, out: &mut String) {
        let rows = self.days.iter().enumerate().map(|(row, day)| (row, *day, self.miner));
        write_json(endpoint, &self.columns, rows, out, |_| {});
    }
}
