//! The columns of a day's events that the day close reads.

use std::sync::{Arc, LazyLock};

use chain::Day;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Decimal128Array, Int32Array, Int64Array, RecordBatch,
};
use datafusion::arrow::compute::{cast, take};
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Field, Int32Type, Int64Type, Schema, SchemaRef,
};

use datafusion::arrow::error::ArrowError;
use datafusion::common::HashMap;

use crate::error::{Error, Result};
use crate::schema::{MAX_DECIMAL, MINER_ID, TableName};

const MESSAGE: &str = "message";

/// Turns rows of `sector_events` into what the day close reads: its columns, names as views, and messages as numbers,
/// which are counted faster than texts. Within a miner each message has its number; the day close counts by miner.
pub(crate) struct EngineInput {
    day: Day,
    miner: i64,
    /// The miner's messages so far.
    numbers: HashMap<Box<str>, i32>,
    next: i32,
}

impl EngineInput {
    pub(crate) fn new(day: Day) -> Self {
        Self { day, miner: i64::MIN, numbers: HashMap::new(), next: 0 }
    }

    /// Columns of `sector_events`.
    pub(crate) fn schema() -> SchemaRef {
        static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
            let table = TableName::Events.schema();
            let wanted = [
                MINER_ID,
                "kind",
                "cause",
                "sector_size",
                "qap_before",
                "qap_after",
                "activation",
                "expiration_before",
                "expiration_after",
                "status_before",
                "status_after",
                MESSAGE,
            ];
            let fields = table.fields().iter().filter(|field| wanted.contains(&field.name().as_str()));
            let fields = fields.map(|field| match field.data_type() {
                DataType::Utf8 if field.name() == MESSAGE => {
                    Field::clone(field).with_data_type(DataType::Int32)
                }
                DataType::Utf8 => Field::clone(field).with_data_type(DataType::Utf8View),
                _ => Field::clone(field),
            });
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        });
        Arc::clone(&SCHEMA)
    }

    /// The next rows of the day.
    pub(crate) fn convert(&mut self, events: &RecordBatch) -> Result<RecordBatch> {
        let schema = Self::schema();
        let column = |name: &str| {
            let column = events.column_by_name(name);
            column.ok_or_else(|| self.damaged(&format!("column {name} is missing")))
        };
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let values = column(field.name())?;
            columns.push(if field.name() == MESSAGE {
                None
            } else if values.data_type() == field.data_type() {
                Some(Arc::clone(values))
            } else {
                Some(unfolded(values, field.data_type()).map_err(rows_error)?)
            });
        }
        let (miners, messages) = (Arc::clone(column(MINER_ID)?), Arc::clone(column(MESSAGE)?));
        let numbers: ArrayRef = Arc::new(self.numbers(&miners, &messages)?);
        let columns = columns.into_iter().map(|column| column.unwrap_or_else(|| Arc::clone(&numbers)));
        RecordBatch::try_new(schema, columns.collect()).map_err(rows_error)
    }

    fn numbers(&mut self, miners: &ArrayRef, messages: &ArrayRef) -> Result<Int32Array> {
        let texts_as_dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        let messages = cast(messages, &texts_as_dictionary).map_err(rows_error)?;
        let (Some(miners), Some(messages)) =
            (miners.as_primitive_opt::<Int64Type>(), messages.as_dictionary_opt::<Int32Type>())
        else {
            return Err(self.damaged("miners or messages are of another type"));
        };
        let texts = messages.values().as_string::<i32>();
        // By key: the miner that it was looked up for last, and its number.
        let mut seen: Vec<Option<(i64, i32)>> = vec![None; texts.len()];
        let mut numbers = Vec::with_capacity(miners.len());
        for (miner, key) in miners.values().iter().zip(messages.keys()) {
            if *miner < self.miner {
                return Err(self.damaged("its rows are not sorted by miner"));
            }
            if *miner > self.miner {
                self.miner = *miner;
                self.numbers.clear();
            }
            let Some(key) = key.and_then(|key| usize::try_from(key).ok()) else {
                numbers.push(None);
                continue;
            };
            let number = match seen[key] {
                Some((of, number)) if of == *miner => number,
                _ => self.number(texts.value(key))?,
            };
            seen[key] = Some((*miner, number));
            numbers.push(Some(number));
        }
        Ok(Int32Array::from(numbers))
    }

    /// The message's number.
    fn number(&mut self, text: &str) -> Result<i32> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = self.next;
        self.next = number.checked_add(1).ok_or_else(|| self.damaged("it has over 2^31 messages"))?;
        self.numbers.insert(text.into(), number);
        Ok(number)
    }

    fn damaged(&self, problem: &str) -> Error {
        Error::Table {
            table: TableName::Events.name(),
            problem: format!("{}: {problem}", self.day),
            advice: "restore a backup, or ingest into a new lake",
        }
    }
}

/// The values in that type. A dictionary's are converted once each, and not once a row.
fn unfolded(values: &ArrayRef, to: &DataType) -> std::result::Result<ArrayRef, ArrowError> {
    match values.as_any_dictionary_opt() {
        Some(dictionary) => take(&cast(dictionary.values(), to)?, dictionary.keys(), None),
        None => cast(values, to),
    }
}

fn rows_error(source: ArrowError) -> Error {
    Error::Rows { table: TableName::Events.name(), source }
}

/// How far any sum of the day can reach, whichever events it adds up: DataFusion's sums wrap silently.
pub(crate) struct SumBound(Option<u128>);

impl SumBound {
    /// What the rows of the day before reach.
    pub(crate) fn from(previous: &RecordBatch) -> Self {
        let wide = previous.columns().iter().filter_map(|column| column.as_primitive_opt::<Decimal128Type>());
        let values = wide.flat_map(|column| column.values().iter()).map(|value| value.unsigned_abs());
        Self(Some(values.max().unwrap_or_default()))
    }

    /// What the next events add to that at most.
    pub(crate) fn add(&mut self, events: &RecordBatch) {
        let wide =
            |name: &str| events.column_by_name(name).map(|column| column.as_primitive::<Decimal128Type>());
        let integer =
            |name: &str| events.column_by_name(name).map(|column| column.as_primitive::<Int64Type>());
        let (size, qap) = (wide("sector_size"), [wide("qap_before"), wide("qap_after")]);
        let activation = integer("activation");
        let expiration = [integer("expiration_before"), integer("expiration_after")];
        let at = |column: Option<&Decimal128Array>, row| value(column, row).map_or(0, i128::unsigned_abs);
        let weight = |row: usize| {
            let raw = at(size, row).checked_mul(2)?;
            let adjusted = at(qap[0], row).checked_add(at(qap[1], row))?;
            let activated = known(activation, row);
            let squared = |column| match (known(column, row), activated) {
                (Some(expiration), Some(activation)) => {
                    (i128::from(expiration) - i128::from(activation)).unsigned_abs().checked_pow(2)
                }
                _ => Some(0),
            };
            let duration = squared(expiration[0])?.checked_add(squared(expiration[1])?)?;
            Some(raw.max(adjusted).max(duration))
        };
        let mut rows = 0..events.num_rows();
        self.0 = self.0.and_then(|reach| rows.try_fold(reach, |reach, row| reach.checked_add(weight(row)?)));
    }

    /// Whether no sum can pass 38 digits.
    pub(crate) fn is_within(&self) -> bool {
        self.0.is_some_and(|reach| reach <= MAX_DECIMAL.unsigned_abs())
    }
}

fn value(column: Option<&Decimal128Array>, row: usize) -> Option<i128> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

fn known(column: Option<&Int64Array>, row: usize) -> Option<i64> {
    column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}
