//! What a column of an answer holds, in which unit, and what that means. So an answer and its documentation come from the
//! same declaration.

use std::borrow::Cow;

use datafusion::arrow::datatypes::DataType;
use ledger::columns::{Column, Storage};
use ledger::fields::{Field, FieldValue, Record};

use crate::schema::DIGITS;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnType {
    /// Text.
    Text,
    /// 64-bit integers.
    Integer,
    /// Integers of up to 38 decimal digits.
    Wide,
    /// Doubles.
    Double,
    /// UTC days.
    Day,
    /// Storage providers: `f0…` in text, their numbers in binary formats.
    Miner,
    /// True or false.
    Boolean,
}

/// A column's name, type, unit and meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Name.
    pub name: Cow<'static, str>,
    /// What it holds.
    pub column_type: ColumnType,
    /// Whether values may be absent.
    pub nullable: bool,
    /// The unit; empty where there is none.
    pub unit: &'static str,
    /// What it tells.
    pub doc: Cow<'static, str>,
}

impl ColumnSpec {
    /// A column whose every row has a value.
    #[must_use]
    pub const fn new(
        name: &'static str,
        column_type: ColumnType,
        unit: &'static str,
        doc: &'static str,
    ) -> Self {
        Self { name: Cow::Borrowed(name), column_type, nullable: false, unit, doc: Cow::Borrowed(doc) }
    }

    /// The same, with values that may be absent.
    #[must_use]
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }
}

impl From<&'static Column> for ColumnSpec {
    fn from(column: &'static Column) -> Self {
        let column_type = match column.unit.storage() {
            Storage::Integer => ColumnType::Integer,
            Storage::Wide => ColumnType::Wide,
            Storage::Double => ColumnType::Double,
        };
        Self::new(column.name, column_type, column.unit.name(), column.doc)
    }
}

impl<R: Record> From<&'static Field<R>> for ColumnSpec {
    /// The column of a declared field. A flag that is not known is false.
    fn from(field: &'static Field<R>) -> Self {
        let column_type = match field.value {
            FieldValue::Day => ColumnType::Day,
            FieldValue::Miner(_) => ColumnType::Miner,
            FieldValue::Position
            | FieldValue::Sector(_)
            | FieldValue::Number(_)
            | FieldValue::Sectors(_)
            | FieldValue::Epoch(_) => ColumnType::Integer,
            FieldValue::Bytes(_) | FieldValue::AttoFil(_) => ColumnType::Wide,
            FieldValue::Flag(_) => ColumnType::Boolean,
            FieldValue::Name(_) | FieldValue::Names(_) | FieldValue::Message(_) => ColumnType::Text,
        };
        let spec = Self::new(field.name, column_type, field.unit(), field.doc);
        Self { nullable: field.nullable && column_type != ColumnType::Boolean, ..spec }
    }
}

impl ColumnType {
    /// The type of the column's values in Arrow.
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Integer | Self::Miner => DataType::Int64,
            Self::Wide => DataType::Decimal128(DIGITS, 0),
            Self::Double => DataType::Float64,
            Self::Day => DataType::Date32,
            Self::Boolean => DataType::Boolean,
        }
    }
}
