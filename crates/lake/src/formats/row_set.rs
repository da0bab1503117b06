//! A bounded number of rows with declared columns, to be sent over a network in any format.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use chain::{Day, MinerId};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder,
    RecordBatch, RecordBatchOptions, StringBuilder,
};
use datafusion::arrow::compute::{cast, concat_batches};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use ledger::Value;

use crate::error::{Error, Result};
use crate::formats::column_spec::{ColumnSpec, ColumnType};
use crate::formats::format::{self, OutputFormat};
use crate::schema::DIGITS;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing is known.
    Null,
    /// Text.
    Text(Cow<'static, str>),
    /// An integer; in a column of 64 bits it must fit these.
    Integer(i128),
    /// A double.
    Double(f64),
    /// A day.
    Day(Day),
    /// A storage provider.
    Miner(MinerId),
    /// True or false.
    Boolean(bool),
}

impl From<Value> for Cell {
    fn from(value: Value) -> Self {
        match value {
            Value::Integer(value) => Self::Integer(value),
            Value::Double(value) => Self::Double(value),
        }
    }
}

/// Rows with declared columns.
#[derive(Clone, Debug)]
pub struct RowSet {
    columns: Arc<[ColumnSpec]>,
    rows: RecordBatch,
}

impl RowSet {
    /// A set of these rows, each with a value for each column. A value that does not fit its column is null where that is
    /// allowed.
    ///
    /// # Errors
    /// If a value does not fit its column, which is not nullable.
    pub fn new(columns: Arc<[ColumnSpec]>, rows: impl IntoIterator<Item = Vec<Cell>>) -> Result<Self> {
        let mut builder = RowSetBuilder::new(columns);
        rows.into_iter().for_each(|row| builder.push(row));
        builder.finish()
    }

    /// The rows that the engine has answered, whose columns are these in their order.
    pub(crate) fn of(columns: Arc<[ColumnSpec]>, answered: &[RecordBatch]) -> Result<Self> {
        let schema = schema(&columns);
        let fitted = |batch: &RecordBatch| {
            let columns = schema.fields().iter().zip(batch.columns());
            let columns = columns.map(|(field, column)| cast(column, field.data_type()));
            RecordBatch::try_new(Arc::clone(&schema), columns.collect::<Result<_, _>>()?)
        };
        let fitted = answered.iter().map(fitted).collect::<Result<Vec<_>, _>>().map_err(rows_error)?;
        let rows = concat_batches(&schema, &fitted).map_err(rows_error)?;
        Ok(Self { columns, rows })
    }

    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[ColumnSpec] {
        &self.columns
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first rows.
    #[must_use]
    pub fn first(&self, rows: usize) -> Self {
        Self { columns: Arc::clone(&self.columns), rows: self.rows.slice(0, rows.min(self.rows.num_rows())) }
    }

    /// The rows' values in the columns of these names, none of which may be absent: to go on from.
    pub(crate) fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.rows.column_by_name(name)
    }

    /// Bytes of memory that the rows take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.rows.get_array_memory_size()
    }

    /// Some of the rows, with storage providers as text where the format is text.
    pub(crate) fn formatted(
        &self,
        format: OutputFormat,
        from: usize,
        rows: usize,
    ) -> Result<RecordBatch, ArrowError> {
        let part = self.rows.slice(from, rows);
        if format.is_binary() {
            return Ok(part);
        }
        let formatted = |(spec, column): (&ColumnSpec, &ArrayRef)| match spec.column_type {
            ColumnType::Miner => format::miner_ids_as_text(column).unwrap_or_else(|| Arc::clone(column)),
            _ => Arc::clone(column),
        };
        format::with_columns(&part, self.columns.iter().zip(part.columns()).map(formatted).collect())
    }
}

/// Builds a [`RowSet`] row by row.
pub struct RowSetBuilder {
    columns: Arc<[ColumnSpec]>,
    builders: Vec<ColumnBuilder>,
    rows: usize,
}

impl fmt::Debug for RowSetBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowSetBuilder").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl RowSetBuilder {
    /// A builder without rows.
    #[must_use]
    pub fn new(columns: Arc<[ColumnSpec]>) -> Self {
        let builders = columns.iter().map(|spec| ColumnBuilder::new(spec.column_type)).collect();
        Self { columns, builders, rows: 0 }
    }

    /// Adds a row with a value for each column.
    pub fn push(&mut self, row: impl IntoIterator<Item = Cell>) {
        let mut cells = row.into_iter();
        for builder in &mut self.builders {
            builder.push(cells.next().unwrap_or(Cell::Null));
        }
        self.rows += 1;
    }

    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The rows. A value that does not fit its column is null where that is allowed.
    ///
    /// # Errors
    /// If a value does not fit its column, which is not nullable.
    pub fn finish(self) -> Result<RowSet> {
        let Self { columns, builders, rows } = self;
        let builders = builders.into_iter().map(ColumnBuilder::finish).collect::<Result<Vec<_>, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let rows = builders
            .and_then(|builders| RecordBatch::try_new_with_options(schema(&columns), builders, &options))
            .map_err(rows_error)?;
        Ok(RowSet { columns, rows })
    }
}

fn schema(columns: &[ColumnSpec]) -> SchemaRef {
    let field = |of: &ColumnSpec| Field::new(of.name.as_ref(), of.column_type.data_type(), of.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn rows_error(source: ArrowError) -> Error {
    Error::Rows { table: "of the answer", source }
}

/// A column that is whole, without the room that was made for more: it may have to wait for long until it is taken.
fn shrunk(mut column: impl Array + 'static) -> ArrayRef {
    column.shrink_to_fit();
    Arc::new(column)
}

/// A column being filled.
enum ColumnBuilder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Wide(Decimal128Builder),
    Double(Float64Builder),
    Day(Date32Builder),
    Boolean(BooleanBuilder),
}

impl ColumnBuilder {
    fn new(column_type: ColumnType) -> Self {
        match column_type {
            ColumnType::Text => Self::Text(StringBuilder::new()),
            ColumnType::Integer | ColumnType::Miner => Self::Integer(Int64Builder::new()),
            ColumnType::Wide => Self::Wide(Decimal128Builder::new().with_data_type(column_type.data_type())),
            ColumnType::Double => Self::Double(Float64Builder::new()),
            ColumnType::Day => Self::Day(Date32Builder::new()),
            ColumnType::Boolean => Self::Boolean(BooleanBuilder::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            (Self::Integer(column), Cell::Integer(value)) => column.append_option(i64::try_from(value).ok()),
            (Self::Integer(column), Cell::Miner(miner)) => column.append_option(i64::try_from(miner.0).ok()),
            (Self::Wide(column), Cell::Integer(value)) => column.append_value(value),
            (Self::Double(column), Cell::Double(value)) => column.append_value(value),
            (Self::Day(column), Cell::Day(day)) => column.append_value(day.unix_days()),
            (Self::Boolean(column), Cell::Boolean(value)) => column.append_value(value),
            (Self::Text(column), _) => column.append_null(),
            (Self::Integer(column), _) => column.append_null(),
            (Self::Wide(column), _) => column.append_null(),
            (Self::Double(column), _) => column.append_null(),
            (Self::Day(column), _) => column.append_null(),
            (Self::Boolean(column), _) => column.append_null(),
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Self::Text(mut column) => shrunk(column.finish()),
            Self::Integer(mut column) => shrunk(column.finish()),
            Self::Wide(mut column) => shrunk(column.finish().with_precision_and_scale(DIGITS, 0)?),
            Self::Double(mut column) => shrunk(column.finish()),
            Self::Day(mut column) => shrunk(column.finish()),
            Self::Boolean(mut column) => shrunk(column.finish()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> RowSet {
        let columns = [
            ColumnSpec::new("miner_id", ColumnType::Miner, "", "Who."),
            ColumnSpec::new("stat_date", ColumnType::Day, "", "When."),
            ColumnSpec::new("rbp", ColumnType::Wide, "bytes", "How much."),
            ColumnSpec::new("mean", ColumnType::Double, "days", "How long.").or_null(),
            ColumnSpec::new("why", ColumnType::Text, "", "Why.").or_null(),
            ColumnSpec::new("holds", ColumnType::Boolean, "", "Whether."),
        ];
        let row = |rbp, mean, why: Option<&'static str>| {
            vec![
                Cell::Miner(MinerId(7)),
                Cell::Day(Day::from_unix_days(0)),
                Cell::Integer(rbp),
                mean,
                why.map_or(Cell::Null, |why| Cell::Text(why.into())),
                Cell::Boolean(true),
            ]
        };
        let rows = [row(1 << 100, Cell::Double(2.0), Some("a,\"b")), row(-1, Cell::Null, None)];
        RowSet::new(columns.into(), rows).expect("a sheet")
    }

    #[test]
    fn integers_are_tokens_of_any_length_in_json_and_what_is_absent_is_null() {
        let text = |format| String::from_utf8(sheet().encode(format).expect("text")).expect("UTF-8");
        let first = r#"{"miner_id":"f07","stat_date":"1970-01-01","rbp":1267650600228229401496703205376,"mean":2,"why":"a,\"b","holds":true}"#;
        let second =
            r#"{"miner_id":"f07","stat_date":"1970-01-01","rbp":-1,"mean":null,"why":null,"holds":true}"#;
        assert_eq!(text(OutputFormat::Ndjson), format!("{first}\n{second}\n"));
        assert_eq!(text(OutputFormat::Json), format!("[{first},{second}]"));
        assert_eq!(
            text(OutputFormat::Csv),
            "miner_id,stat_date,rbp,mean,why,holds\n\
             f07,1970-01-01,1267650600228229401496703205376,2,\"a,\"\"b\",true\n\
             f07,1970-01-01,-1,,,true\n"
        );
    }

    #[test]
    fn a_sheet_without_rows_has_its_headings_still() {
        let empty = || sheet().first(0);
        assert_eq!(empty().encode(OutputFormat::Json).expect("text"), b"[]");
        assert!(empty().encode(OutputFormat::Csv).expect("text").starts_with(b"miner_id,stat_date"));
        assert!(empty().encode(OutputFormat::Parquet).expect("bytes").starts_with(b"PAR1"));
    }

    #[test]
    fn what_may_not_be_absent_is_an_error_if_it_is() {
        let columns = [ColumnSpec::new("n", ColumnType::Integer, "", "")];
        assert!(RowSet::new(columns.into(), [vec![Cell::Integer(i128::MAX)]]).is_err());
    }
}
