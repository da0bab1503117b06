//! Decodes records from rows of their table, by the fields that are declared of them.

use std::collections::HashMap;

use chain::{Cid, Day};
use datafusion::arrow::array::{
    Array, ArrowPrimitiveType, AsArray, Decimal128Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
};
use ledger::fields::{Accessor, Field, FieldValue, Record, Storable};

use crate::error::{Error, Result};
use crate::schema::TableName;

/// A table's columns, by name and kind.
pub(crate) struct TypedColumns<'r> {
    pub(crate) table: TableName,
    pub(crate) day: Day,
    pub(crate) rows: &'r RecordBatch,
}

impl<'r> TypedColumns<'r> {
    pub(crate) fn integers(&self, name: &str) -> Result<&'r Int64Array> {
        self.column(name, |column| column.as_primitive_opt())
    }

    pub(crate) fn wides(&self, name: &str) -> Result<&'r Decimal128Array> {
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
        damaged(self.table, self.day, &problem)
    }
}

/// The error of a table whose rows of a day are not ours.
pub(crate) fn damaged(table: TableName, day: Day, problem: &str) -> Error {
    Error::Table {
        table: table.name(),
        problem: format!("{day}: {problem}"),
        advice: "another program has rewritten it: restore a backup, or ingest into a new lake",
    }
}

/// Reads rows of a table into drafts of records, field by field.
pub(crate) struct FieldDecoder<'r, R: Record> {
    columns: Vec<(&'static FieldValue<R>, StoredColumn<'r>)>,
    /// The CIDs that were met, and where they are among them.
    cids: Vec<Cid>,
    known: HashMap<&'r str, usize>,
}

/// A column as the table has it.
#[derive(Clone, Copy)]
enum StoredColumn<'r> {
    Integers(&'r Int64Array),
    Wides(&'r Decimal128Array),
    Texts(&'r StringArray),
}

impl<'r, R: Record> FieldDecoder<'r, R> {
    /// A decoder of the table's rows, which have these fields.
    ///
    /// # Errors
    /// If a field's column is missing or of another type, or lacks values that no record lacks.
    pub(crate) fn new(of: &TypedColumns<'r>, fields: &'static [Field<R>]) -> Result<Self> {
        let mut columns = Vec::with_capacity(fields.len());
        for field in fields {
            let (column, absent) = match field.value {
                FieldValue::Day | FieldValue::Position => continue,
                FieldValue::Bytes(_) | FieldValue::AttoFil(_) => {
                    let column = of.wides(field.name)?;
                    (StoredColumn::Wides(column), column.null_count())
                }
                FieldValue::Name(_) | FieldValue::Names(_) | FieldValue::Message(_) => {
                    let column = of.texts(field.name)?;
                    (StoredColumn::Texts(column), column.null_count())
                }
                FieldValue::Miner(_)
                | FieldValue::Sector(_)
                | FieldValue::Number(_)
                | FieldValue::Sectors(_)
                | FieldValue::Epoch(_)
                | FieldValue::Flag(_) => {
                    let column = of.integers(field.name)?;
                    (StoredColumn::Integers(column), column.null_count())
                }
            };
            if absent > 0 && !field.nullable {
                return Err(of.damaged(format!("column {} lacks values", field.name)));
            }
            columns.push((&field.value, column));
        }
        Ok(Self { columns, cids: Vec::new(), known: HashMap::new() })
    }

    /// Sets the fields of these rows in as many drafts; `None` if a value of a row is none that the field has.
    pub(crate) fn read(&mut self, rows: &[usize], drafts: &mut [R::Draft]) -> Option<()> {
        let Self { columns, cids, known } = self;
        for (value, column) in columns {
            match (value, *column) {
                (FieldValue::Miner(of), StoredColumn::Integers(column)) => {
                    unsigned(of, column, rows, drafts)?
                }
                (FieldValue::Sector(of), StoredColumn::Integers(column)) => {
                    unsigned(of, column, rows, drafts)?
                }
                (FieldValue::Number(of), StoredColumn::Integers(column)) => {
                    unsigned(of, column, rows, drafts)?
                }
                (FieldValue::Sectors(of), StoredColumn::Integers(column)) => {
                    unsigned(of, column, rows, drafts)?
                }
                (FieldValue::Epoch(of), StoredColumn::Integers(column)) => plain(of, column, rows, drafts)?,
                (FieldValue::Flag(of), StoredColumn::Integers(column)) => plain(of, column, rows, drafts)?,
                (FieldValue::Bytes(of), StoredColumn::Wides(column)) => plain(of, column, rows, drafts)?,
                (FieldValue::AttoFil(of), StoredColumn::Wides(column)) => plain(of, column, rows, drafts)?,
                (FieldValue::Name(of), StoredColumn::Texts(column)) => {
                    for (row, draft) in rows.iter().zip(drafts.iter_mut()) {
                        (of.set)(draft, text(column, *row)).then_some(())?;
                    }
                }
                (FieldValue::Names(of), StoredColumn::Texts(column)) => {
                    for (row, draft) in rows.iter().zip(drafts.iter_mut()) {
                        (of.set)(draft, text(column, *row).map(split));
                    }
                }
                (FieldValue::Message(of), StoredColumn::Texts(column)) => {
                    for (row, draft) in rows.iter().zip(drafts.iter_mut()) {
                        let cid = match text(column, *row) {
                            None => None,
                            Some(text) => Some(index(text, known, cids)?),
                        };
                        (of.set)(draft, cid);
                    }
                }
                // The other columns are of another type, which `new` has refused; days and positions are no record's.
                _ => {}
            }
        }
        Some(())
    }

    /// The CID of an index that a draft was given.
    pub(crate) fn cid(&self, index: usize) -> Option<Cid> {
        self.cids.get(index).copied()
    }
}

/// Where the CID of that text is among those that were met; `None` if the text is no CID.
fn index<'r>(text: &'r str, known: &mut HashMap<&'r str, usize>, cids: &mut Vec<Cid>) -> Option<usize> {
    if let Some(index) = known.get(text) {
        return Some(*index);
    }
    cids.push(text.parse().ok()?);
    known.insert(text, cids.len() - 1);
    Some(cids.len() - 1)
}

/// Names that are joined by commas.
fn split(names: &str) -> Vec<String> {
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

/// Sets the numbers of these rows, which are never negative.
fn unsigned<R: Record, T: Storable<Stored = u64>>(
    of: &Accessor<R, T>,
    column: &Int64Array,
    rows: &[usize],
    drafts: &mut [R::Draft],
) -> Option<()> {
    set(of, rows, drafts, |row| column.is_valid(row).then(|| u64::try_from(column.value(row)).ok()))
}

/// Sets the numbers of these rows as they are stored.
fn plain<R: Record, A: ArrowPrimitiveType, T: Storable<Stored = A::Native>>(
    of: &Accessor<R, T>,
    column: &PrimitiveArray<A>,
    rows: &[usize],
    drafts: &mut [R::Draft],
) -> Option<()> {
    set(of, rows, drafts, |row| column.is_valid(row).then(|| Some(column.value(row))))
}

/// Sets a field in drafts. `stored` gives a row's plain number, if it has one: `Some(None)` is one that is damaged.
fn set<R: Record, T: Storable>(
    of: &Accessor<R, T>,
    rows: &[usize],
    drafts: &mut [R::Draft],
    stored: impl Fn(usize) -> Option<Option<T::Stored>>,
) -> Option<()> {
    for (row, draft) in rows.iter().zip(drafts) {
        let value = match stored(*row) {
            None => None,
            Some(stored) => Some(T::from_stored(stored?)?),
        };
        (of.set)(draft, value);
    }
    Some(())
}
