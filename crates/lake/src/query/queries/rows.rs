//! Parts of statements, and values of the rows that they return.

use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::{Date32Type, Int64Type};

use crate::error::Result;
use crate::formats::column_spec::ColumnSpec;
use crate::formats::row_set::RowSet;
use crate::query::queries::Page;
use crate::schema::{STAT_DATE, TableName};

/// `SELECT … FROM table` with these columns.
pub(super) fn select(
    columns: &[ColumnSpec],
    table: TableName,
    expression: impl Fn(&ColumnSpec) -> String,
) -> String {
    let columns: Vec<String> = columns.iter().map(expression).collect();
    format!("SELECT {} FROM {}", columns.join(", "), table.name())
}

pub(super) fn between(from: Day, to: Day) -> String {
    format!("{STAT_DATE} BETWEEN DATE '{from}' AND DATE '{to}'")
}

/// ` AND column IN (…)`, or nothing without names. The names are our own: none has a quote in it.
pub(super) fn one_of<'n>(column: &str, names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    if names.is_empty() { String::new() } else { format!(" AND {column} IN ({})", names.join(", ")) }
}

pub(super) fn page<P>(rows: &RowSet, limit: usize, cursor: impl Fn(usize) -> Option<P>) -> Page<P> {
    let next = if rows.len() > limit { limit.checked_sub(1).and_then(cursor) } else { None };
    Page { rows: rows.first(limit), next }
}

pub(super) fn empty_page<P>(columns: Arc<[ColumnSpec]>) -> Result<Page<P>> {
    Ok(Page { rows: RowSet::of(columns, &[])?, next: None })
}

pub(super) fn day(rows: &RowSet, row: usize) -> Option<Day> {
    let days = rows.column(STAT_DATE)?.as_primitive_opt::<Date32Type>()?;
    Some(Day::from_unix_days(days.value(row)))
}

pub(super) fn integer(rows: &RowSet, name: &str, row: usize) -> Option<i64> {
    Some(rows.column(name)?.as_primitive_opt::<Int64Type>()?.value(row))
}
