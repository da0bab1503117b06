//! Encodes records as rows of their table, by the fields that are declared of them.

use std::sync::Arc;

use chain::{Day, MinerId};
use datafusion::arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, DictionaryArray, Int32Array, Int64Array, RecordBatch,
    StringArray, StringBuilder, UInt8Array,
};
use datafusion::arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema};
use datafusion::common::HashMap;
use ledger::MessageRef;
use ledger::fields::{Field, FieldValue, Record, Values, in_table_order};

use crate::error::{Error, Result};
use crate::records::cid_column::CidColumn;
use crate::schema::checked::RangeCheck;
use crate::schema::{DIGITS, TableName};

/// Rows of records of one day, which are added some at a time, field by field. Names and CIDs of messages are dictionaries,
/// since few differ.
pub(crate) struct FieldEncoder<R: Record> {
    table: TableName,
    /// Each declared field with its column, in the order of the table.
    columns: Vec<(&'static Field<R>, FieldColumn<R>)>,
    rows: usize,
}

impl<R: Record> FieldEncoder<R> {
    /// No rows, with room for so many.
    pub(crate) fn new(table: TableName, fields: &'static [Field<R>], rows: usize) -> Self {
        let columns = in_table_order(fields).into_iter().map(|field| (field, FieldColumn::new(field, rows)));
        Self { table, columns: columns.collect(), rows: 0 }
    }

    /// Adds rows of records.
    pub(crate) fn push(&mut self, records: &[&R]) {
        for (_, column) in &mut self.columns {
            if let FieldColumn::Values(values) = column {
                values.push(records);
            }
        }
        self.rows += records.len();
    }

    /// The rows, of that day and with these positions, if the table has any.
    pub(crate) fn finish(self, day: Day, mut positions: Option<ArrayRef>) -> Result<RecordBatch> {
        let Self { table, columns, rows } = self;
        let columns = columns.into_iter().map(|(field, column)| {
            let what = || format!("{}.{}", table.name(), field.name);
            match column {
                FieldColumn::Day => Ok(Arc::new(Date32Array::from_value(day.unix_days(), rows)) as ArrayRef),
                FieldColumn::Position => positions.take().ok_or_else(|| Error::Registry { what: what() }),
                FieldColumn::Values(column) => column.finish(RangeCheck(day), what),
            }
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        // The table's columns, with texts as the dictionaries that these are.
        let schema = table.schema();
        let fields = schema.fields().iter().zip(&columns);
        let fields =
            fields.map(|(of, column)| ArrowField::clone(of).with_data_type(column.data_type().clone()));
        RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns)
            .map_err(|source| Error::Rows { table: table.name(), source })
    }
}

/// Adds the plain numbers that some records have in a field.
type GetAll<R, T> = fn(&[&R], &mut Values<T>);

/// Gives the message of a record.
type GetMessage<R> = fn(&R) -> Option<&Arc<MessageRef>>;

/// A column of the table.
enum FieldColumn<R: Record> {
    Day,
    Position,
    Values(FieldValues<R>),
}

/// Values of a column that is being filled.
enum FieldValues<R: Record> {
    Signed(GetAll<R, i64>, Values<i64>),
    Unsigned(GetAll<R, u64>, Values<u64>),
    Wide(GetAll<R, i128>, Values<i128>),
    Name(fn() -> Vec<&'static str>, GetAll<R, u8>, Values<u8>),
    Names(fn(&R) -> Option<&[String]>, StringBuilder),
    Message(GetMessage<R>, Box<MessageColumn>),
}

impl<R: Record> FieldColumn<R> {
    fn new(field: &Field<R>, rows: usize) -> Self {
        let signed = |get_all| FieldValues::Signed(get_all, Values::with_capacity(rows));
        let unsigned = |get_all| FieldValues::Unsigned(get_all, Values::with_capacity(rows));
        let wide = |get_all| FieldValues::Wide(get_all, Values::with_capacity(rows));
        Self::Values(match &field.value {
            FieldValue::Day => return Self::Day,
            FieldValue::Position => return Self::Position,
            FieldValue::Miner(of) => unsigned(of.get_all),
            FieldValue::Sector(of) => unsigned(of.get_all),
            FieldValue::Number(of) => unsigned(of.get_all),
            FieldValue::Sectors(of) => unsigned(of.get_all),
            FieldValue::Epoch(of) => signed(of.get_all),
            FieldValue::Flag(of) => signed(of.get_all),
            FieldValue::Bytes(of) => wide(of.get_all),
            FieldValue::AttoFil(of) => wide(of.get_all),
            FieldValue::Name(of) => FieldValues::Name(of.names, of.get_all, Values::with_capacity(rows)),
            FieldValue::Names(of) => FieldValues::Names(of.get, StringBuilder::new()),
            FieldValue::Message(of) => FieldValues::Message(of.get, Box::new(MessageColumn::new(rows))),
        })
    }
}

impl<R: Record> FieldValues<R> {
    fn push(&mut self, records: &[&R]) {
        match self {
            Self::Signed(get_all, values) => get_all(records, values),
            Self::Unsigned(get_all, values) => get_all(records, values),
            Self::Wide(get_all, values) => get_all(records, values),
            Self::Name(_, get_all, values) => get_all(records, values),
            Self::Names(get, texts) => {
                for record in records {
                    texts.append_option(get(record).map(|names| names.join(",")));
                }
            }
            Self::Message(get, column) => column.push(*get, records),
        }
    }

    /// The column. `what` names it in the error of a number that the table's column cannot hold.
    fn finish(self, range: RangeCheck, what: impl Fn() -> String) -> Result<ArrayRef> {
        Ok(match self {
            Self::Signed(_, values) => {
                let (values, known) = nulls(values);
                Arc::new(Int64Array::new(values.into(), known))
            }
            Self::Unsigned(_, values) => {
                let (values, known) = nulls(values);
                Arc::new(Int64Array::new(range.integers(what, values)?.into(), known))
            }
            Self::Wide(_, values) => {
                let (values, known) = nulls(values);
                range.wides(what, &values)?;
                let values = Decimal128Array::new(values.into(), known);
                Arc::new(values.with_data_type(DataType::Decimal128(DIGITS, 0)))
            }
            Self::Name(names, _, values) => {
                let (indices, known) = nulls(values);
                let names = Arc::new(StringArray::from_iter_values(names()));
                Arc::new(DictionaryArray::new(UInt8Array::new(indices.into(), known), names))
            }
            Self::Names(_, mut texts) => Arc::new(texts.finish()),
            Self::Message(_, column) => column.finish(),
        })
    }
}

/// The values, and which are known, if not all are.
fn nulls<T: Copy + Default>(values: Values<T>) -> (Vec<T>, Option<NullBuffer>) {
    let (values, known) = values.into_parts();
    let known = NullBuffer::new(BooleanBuffer::new(Buffer::from_vec(known), 0, values.len()));
    (values, Some(known).filter(|known| known.null_count() > 0))
}

/// The messages' CIDs. Messages are distinguished one storage provider at a time, so that few have to be kept in mind: a
/// message is named once for each.
struct MessageColumn {
    miner: MinerId,
    /// Indices in `texts`, by a message's address in memory: most events of a message share it.
    known: HashMap<usize, i32>,
    texts: CidColumn,
    keys: Values<i32>,
}

impl MessageColumn {
    fn new(rows: usize) -> Self {
        let texts = CidColumn::default();
        Self { miner: MinerId(0), known: HashMap::new(), texts, keys: Values::with_capacity(rows) }
    }

    fn push<R: Record>(&mut self, get: GetMessage<R>, records: &[&R]) {
        let Self { miner, known, texts, keys } = self;
        keys.extend(records, |record| {
            if record.miner() != *miner {
                *miner = record.miner();
                known.clear();
            }
            get(record).map(|message| {
                *known.entry(Arc::as_ptr(message).addr()).or_insert_with(|| {
                    texts.push(&message.cid);
                    // There are not more than rows at once.
                    (texts.len() - 1) as i32
                })
            })
        });
    }

    fn finish(self) -> ArrayRef {
        let (keys, known) = nulls(self.keys);
        let texts = Arc::new(self.texts.finish());
        Arc::new(DictionaryArray::new(Int32Array::new(keys.into(), known), texts))
    }
}
