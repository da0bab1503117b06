//! Reading data files back: whole, a day of them, or a miner's rows.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use chain::{Day, MinerId};
use datafusion::arrow::array::{Date32Array, Int64Array, RecordBatch, Scalar, new_null_array};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::{concat_batches, filter_record_batch};
use datafusion::arrow::datatypes::Field;
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use datafusion::parquet::file::statistics::Statistics;

use crate::schema::{MINER_ID, STAT_DATE, TableName};
use crate::table::DataFile;
use crate::{Error, Result};

/// Rows in a batch where a file is read piece by piece.
const AT_ONCE: usize = 8192;

/// A whole file as the table's rows.
pub(crate) fn whole(path: &Path, table: TableName) -> Result<RecordBatch> {
    let opened = Opened::open(path, table, PageIndexPolicy::Skip)?;
    opened.rows(opened.builder()?)
}

/// A whole file as the table's rows, a batch at a time.
pub(crate) fn each(
    path: &Path,
    table: TableName,
    visit: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    let opened = Opened::open(path, table, PageIndexPolicy::Skip)?;
    let batches = opened.builder()?.with_batch_size(AT_ONCE).build();
    for batch in batches.map_err(|source| Error::Parquet { path: path.to_owned(), source })? {
        visit(as_table(&batch.map_err(opened.wrong())?, table).map_err(opened.wrong())?)?;
    }
    Ok(())
}

/// The rows of one of the days that a file holds.
pub(crate) fn day(path: &Path, table: TableName, file: &DataFile, day: Day) -> Result<RecordBatch> {
    let opened = Opened::open(path, table, PageIndexPolicy::Skip)?;
    if file.day_count() == 1 {
        return opened.rows(opened.builder()?);
    }
    let groups = opened.row_groups(STAT_DATE, i64::from(day.unix_days()));
    let rows = opened.rows(opened.builder()?.with_row_groups(groups))?;
    opened.only(&rows, day)
}

/// A miner's rows in a file, in the file's order; with `day`, only those of that day.
pub(crate) fn miner(path: &Path, table: TableName, miner: MinerId, day: Option<Day>) -> Result<RecordBatch> {
    let Ok(miner) = i64::try_from(miner.0) else { return Ok(RecordBatch::new_empty(table.schema())) };
    let opened = Opened::open(path, table, PageIndexPolicy::Optional)?;
    let mut groups = opened.row_groups(MINER_ID, miner);
    if let Some(day) = day {
        let of_day = opened.row_groups(STAT_DATE, i64::from(day.unix_days()));
        groups.retain(|group| of_day.contains(group));
    }
    if groups.is_empty() {
        return Ok(RecordBatch::new_empty(table.schema()));
    }
    // The miner's column first, so that no more of the others is read than the pages with its rows.
    let selection = opened.places(&groups, miner)?;
    let rows = opened.rows(opened.builder()?.with_row_groups(groups).with_row_selection(selection))?;
    match day {
        Some(day) => opened.only(&rows, day),
        None => Ok(rows),
    }
}

/// A data file that is open for reading. Reading blocks: do it on a thread that may.
struct Opened<'p> {
    path: &'p Path,
    table: TableName,
    file: File,
    metadata: ArrowReaderMetadata,
}

type Builder = ParquetRecordBatchReaderBuilder<File>;

impl<'p> Opened<'p> {
    fn open(path: &'p Path, table: TableName, pages: PageIndexPolicy) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        let options = ArrowReaderOptions::new().with_page_index_policy(pages);
        let metadata = ArrowReaderMetadata::load(&file, options)
            .map_err(|source| Error::Parquet { path: path.to_owned(), source })?;
        Ok(Self { path, table, file, metadata })
    }

    fn builder(&self) -> Result<Builder> {
        let file = self.file.try_clone().map_err(Error::io(self.path))?;
        Ok(Builder::new_with_metadata(file, self.metadata.clone()))
    }

    /// The row groups that may hold the value in that column.
    fn row_groups(&self, column: &str, value: i64) -> Vec<usize> {
        let metadata = self.metadata.metadata();
        let columns = metadata.file_metadata().schema_descr().columns();
        let at = columns.iter().position(|of| of.name() == column);
        let may_hold = |group: &RowGroupMetaData| {
            let statistics = at.and_then(|at| group.column(at).statistics());
            bounds(statistics).is_none_or(|(first, last)| (first..=last).contains(&value))
        };
        (0..metadata.num_row_groups()).filter(|group| may_hold(metadata.row_group(*group))).collect()
    }

    /// Where in these row groups the miner's rows are.
    fn places(&self, groups: &[usize], miner: i64) -> Result<RowSelection> {
        let builder = self.builder()?;
        let mask = ProjectionMask::columns(builder.parquet_schema(), [MINER_ID]);
        let batches = builder.with_projection(mask).with_row_groups(groups.to_vec()).build();
        let batches = batches.map_err(|source| Error::Parquet { path: self.path.to_owned(), source })?;
        let wanted = Scalar::new(Int64Array::from(vec![miner]));
        let places = batches.map(|batch| cmp::eq(batch?.column(0), &wanted));
        let places = places.collect::<std::result::Result<Vec<_>, _>>().map_err(self.wrong())?;
        Ok(RowSelection::from_filters(&places))
    }

    /// What is selected, as the table's rows.
    fn rows(&self, builder: Builder) -> Result<RecordBatch> {
        let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader = builder.with_batch_size(rows.max(1)).build();
        let reader = reader.map_err(|source| Error::Parquet { path: self.path.to_owned(), source })?;
        let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(self.wrong())?;
        let batch = match batches.as_slice() {
            [] => return Ok(RecordBatch::new_empty(self.table.schema())),
            [batch] => batch.clone(),
            [first, ..] => concat_batches(&first.schema(), &batches).map_err(self.wrong())?,
        };
        as_table(&batch, self.table).map_err(self.wrong())
    }

    /// The rows of that day: a row group may hold more.
    fn only(&self, rows: &RecordBatch, day: Day) -> Result<RecordBatch> {
        let wanted = Scalar::new(Date32Array::from(vec![day.unix_days()]));
        let wanted = cmp::eq(rows.column(0), &wanted);
        wanted.and_then(|wanted| filter_record_batch(rows, &wanted)).map_err(self.wrong())
    }

    fn wrong(&self) -> impl FnOnce(ArrowError) -> Error + use<> {
        let path = self.path.to_owned();
        move |source| Error::Parquet { path, source: ParquetError::from(source) }
    }
}

/// The least and the greatest value, where they are known.
fn bounds(statistics: Option<&Statistics>) -> Option<(i64, i64)> {
    match statistics? {
        Statistics::Int32(of) => Some((i64::from(*of.min_opt()?), i64::from(*of.max_opt()?))),
        Statistics::Int64(of) => Some((*of.min_opt()?, *of.max_opt()?)),
        _ => None,
    }
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
