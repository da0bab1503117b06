//! Reading data files back: whole, a day of them, or a miner's rows.

use std::path::Path;
use std::sync::Arc;

use chain::{Day, MinerId};
use datafusion::arrow::array::{Date32Array, RecordBatch, Scalar, new_null_array};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;

use crate::opened::Opened;
use crate::schema::{MINER_ID, STAT_DATE, TableName};
use crate::table::DataFile;
use crate::{Error, Result, cores};

/// Rows in a batch where a file is read piece by piece.
const AT_ONCE: usize = 8192;

/// Columns that a core decodes at once.
const COLUMNS_AT_ONCE: usize = 8;
/// Values fewer than which are not worth another core.
const FEW: usize = 65_536;

/// A whole file as the table's rows.
pub(crate) fn whole(path: &Path, table: TableName) -> Result<RecordBatch> {
    let opened = Opened::open(path, table)?;
    let rows = opened.read(opened.builder(), opened.rows())?;
    as_table(&rows, table).map_err(wrong(path))
}

/// A whole file as the table's rows, a batch at a time.
pub(crate) fn each(
    path: &Path,
    table: TableName,
    visit: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    batches(path, table, AT_ONCE)?.try_for_each(|batch| visit(batch?))
}

/// A whole file as the table's rows, in batches of so many.
pub(crate) fn batches(
    path: &Path,
    table: TableName,
    rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let opened = Opened::open(path, table)?;
    let batches = opened.builder().with_batch_size(rows).build().map_err(opened.wrong())?;
    let path = path.to_owned();
    Ok(batches.map(move |batch| batch.and_then(|batch| as_table(&batch, table)).map_err(wrong(&path))))
}

/// The rows of one of the days that a file holds.
pub(crate) fn day(path: &Path, table: TableName, file: &DataFile, day: Day) -> Result<RecordBatch> {
    let mut opened = Opened::open(path, table)?;
    if file.day_count() > 1 {
        opened = opened.holding(STAT_DATE, day.unix_days().into())?;
    }
    let rows = as_table(&on_all_cores(&opened)?, table).map_err(wrong(path))?;
    if file.day_count() == 1 || opened.all_are(STAT_DATE, day.unix_days().into()) {
        return Ok(rows);
    }
    only(&rows, day).map_err(wrong(path))
}

/// All rows, the columns shared out over the cores.
fn on_all_cores(opened: &Opened<'_>) -> Result<RecordBatch> {
    let opened = opened.ahead()?;
    let (rows, width) = (opened.rows(), opened.width());
    if rows.saturating_mul(width) < FEW {
        return opened.read(opened.builder(), rows);
    }
    let places: Vec<usize> = (0..width).collect();
    let parts: Vec<&[usize]> = places.chunks(COLUMNS_AT_ONCE).collect();
    let parts = cores::each(&parts, |places| {
        let builder = opened.builder();
        let mask = ProjectionMask::leaves(builder.parquet_schema(), places.iter().copied());
        opened.read(builder.with_projection(mask), rows)
    })?;
    let fields: Vec<Arc<Field>> = parts.iter().flat_map(|part| part.schema_ref().fields().iter().cloned()).collect();
    let columns = parts.iter().flat_map(RecordBatch::columns).cloned().collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|source| opened.wrong()(source.into()))
}

/// A miner's rows in a file, in the file's order; with `day`, only those of that day.
pub(crate) fn miner(path: &Path, table: TableName, miner: MinerId, day: Option<Day>) -> Result<RecordBatch> {
    let none = || Ok(RecordBatch::new_empty(table.schema()));
    let Ok(miner) = i64::try_from(miner.0) else { return none() };
    let mut opened = Opened::open(path, table)?.holding(MINER_ID, miner)?;
    if let Some(day) = day {
        opened = opened.holding(STAT_DATE, day.unix_days().into())?;
    }
    if opened.rows() == 0 {
        return none();
    }
    let opened = opened.with_pages()?;
    // The miner's column first, so that no more of the others is read than the pages with its rows.
    let places = opened.places(miner)?;
    let rows = places.row_count();
    if rows == 0 {
        return none();
    }
    let rows = opened.read(opened.builder().with_row_selection(places), rows)?;
    let rows = as_table(&rows, table).map_err(wrong(path))?;
    match day {
        Some(day) => only(&rows, day).map_err(wrong(path)),
        None => Ok(rows),
    }
}

/// The rows of that day: a row group may hold more.
fn only(rows: &RecordBatch, day: Day) -> std::result::Result<RecordBatch, ArrowError> {
    let wanted = Scalar::new(Date32Array::from(vec![day.unix_days()]));
    filter_record_batch(rows, &cmp::eq(rows.column(0), &wanted)?)
}

/// Says which file it was.
fn wrong(path: &Path) -> impl FnOnce(ArrowError) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Parquet { path, source: source.into() }
}

/// Rows in the table's columns. A file written under an older layout lacks the last ones, which are unknown then.
pub(crate) fn as_table(rows: &RecordBatch, table: TableName) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let column = |field: &Arc<Field>| match rows.column_by_name(field.name()) {
        Some(column) => Arc::clone(column),
        None => new_null_array(field.data_type(), rows.num_rows()),
    };
    let columns = schema.fields().iter().map(column).collect();
    RecordBatch::try_new(schema, columns)
}
