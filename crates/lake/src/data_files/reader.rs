//! Reads data files: whole, a day of them, or a miner's rows.

use std::sync::Arc;

use chain::{Day, MinerId};
use datafusion::arrow::array::{Date32Array, RecordBatch, Scalar, new_null_array};
use datafusion::arrow::compute::kernels::{cmp, zip::zip};
use datafusion::arrow::compute::{filter_record_batch, is_not_null};
use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use rayon::prelude::*;

use crate::data_files::data_file::LocatedFile;
use crate::data_files::open_file::OpenFile;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, STAT_DATE, TableName, default_value};

/// Rows in a batch where a file is read in batches.
const BATCH_ROWS: usize = 8192;

/// Columns that a core decodes at once.
const COLUMNS_PER_TASK: usize = 8;
/// Values fewer than which are not worth another core.
const FEW_ROWS: usize = 65_536;

/// A whole file as the table's rows.
pub(crate) fn read_all(file: &LocatedFile) -> Result<RecordBatch> {
    let opened = OpenFile::open(file)?;
    let rows = opened.read(opened.builder(), opened.rows())?;
    conform_to_table(&rows, file.table).map_err(rows_error(file))
}

/// A whole file as the table's rows, a batch at a time.
pub(crate) fn for_each_batch(
    file: &LocatedFile,
    visit: &mut dyn FnMut(RecordBatch) -> Result<()>,
) -> Result<()> {
    batches(file, BATCH_ROWS)?.try_for_each(|batch| visit(batch?))
}

/// A whole file as the table's rows, in batches of so many.
pub(crate) fn batches(
    file: &LocatedFile,
    rows: usize,
) -> Result<impl Iterator<Item = Result<RecordBatch>> + use<>> {
    let opened = OpenFile::open(file)?;
    let batches = opened.builder().with_batch_size(rows).build().map_err(opened.wrong())?;
    let file = file.clone();
    Ok(batches.map(move |batch| {
        batch.and_then(|batch| conform_to_table(&batch, file.table)).map_err(rows_error(&file))
    }))
}

/// The rows of one of the days that a file holds.
pub(crate) fn day(file: &LocatedFile, day: Day) -> Result<RecordBatch> {
    let mut opened = OpenFile::open(file)?;
    if file.file.days.len() > 1 {
        opened = opened.holding(STAT_DATE, day.unix_days().into())?;
    }
    let rows = conform_to_table(&read_in_parallel(&opened)?, file.table).map_err(rows_error(file))?;
    if file.file.days.len() == 1 || opened.all_are(STAT_DATE, day.unix_days().into()) {
        return Ok(rows);
    }
    filter_day(&rows, day).map_err(rows_error(file))
}

/// All rows, the columns shared out over the cores.
fn read_in_parallel(opened: &OpenFile<'_>) -> Result<RecordBatch> {
    let opened = opened.read_ahead()?;
    let (rows, width) = (opened.rows(), opened.width());
    if rows.saturating_mul(width) < FEW_ROWS {
        return opened.read(opened.builder(), rows);
    }
    let places: Vec<usize> = (0..width).collect();
    let parts: Vec<&[usize]> = places.chunks(COLUMNS_PER_TASK).collect();
    let parts = parts.par_iter().map(|places| {
        let builder = opened.builder();
        let mask = ProjectionMask::leaves(builder.parquet_schema(), places.iter().copied());
        opened.read(builder.with_projection(mask), rows)
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let fields: Vec<Arc<Field>> =
        parts.iter().flat_map(|part| part.schema_ref().fields().iter().cloned()).collect();
    let columns = parts.iter().flat_map(RecordBatch::columns).cloned().collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
        .map_err(|source| opened.wrong()(source.into()))
}

/// A miner's rows in a file, in the file's order; with `day`, only those of that day.
pub(crate) fn miner(file: &LocatedFile, miner: MinerId, day: Option<Day>) -> Result<RecordBatch> {
    let none = || Ok(RecordBatch::new_empty(file.table.schema()));
    let Ok(miner) = i64::try_from(miner.0) else { return none() };
    let mut opened = OpenFile::open(file)?.holding(MINER_ID, miner)?;
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
    let rows = conform_to_table(&rows, file.table).map_err(rows_error(file))?;
    match day {
        Some(day) => filter_day(&rows, day).map_err(rows_error(file)),
        None => Ok(rows),
    }
}

/// The rows of that day: a row group may hold more.
pub(crate) fn filter_day(rows: &RecordBatch, day: Day) -> std::result::Result<RecordBatch, ArrowError> {
    let wanted = Scalar::new(Date32Array::from(vec![day.unix_days()]));
    filter_record_batch(rows, &cmp::eq(rows.column(0), &wanted)?)
}

/// Says which file it was.
fn rows_error(file: &LocatedFile) -> impl FnOnce(ArrowError) -> Error + use<> {
    let path = file.path();
    move |source| Error::Parquet { path, source: source.into() }
}

/// Rows in the table's columns. A file written under an older layout lacks the last ones, which are unknown then, or were
/// nothing yet ([`absent`]).
pub(crate) fn conform_to_table(
    rows: &RecordBatch,
    table: TableName,
) -> std::result::Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let column = |field: &Arc<Field>| match (rows.column_by_name(field.name()), default_value(field)) {
        (Some(column), Some(zero)) if column.null_count() > 0 => {
            let known = is_not_null(column)?;
            zip(&known, column, &zero.to_scalar()?)
        }
        (Some(column), _) => Ok(Arc::clone(column)),
        (None, Some(zero)) => Ok(zero.to_array_of_size(rows.num_rows())?),
        (None, None) => Ok(new_null_array(field.data_type(), rows.num_rows())),
    };
    let columns = schema.fields().iter().map(column).collect::<std::result::Result<_, ArrowError>>()?;
    RecordBatch::try_new(schema, columns)
}

#[cfg(test)]
mod tests {
    use datafusion::arrow::array::{Array, AsArray, Decimal128Array, Float64Array, Int64Array};
    use datafusion::arrow::compute::{SortColumn, SortOptions};
    use datafusion::arrow::compute::{concat_batches, lexsort_to_indices, take_record_batch};
    use datafusion::arrow::datatypes::{DataType, Int64Type};

    use chain::DayRange;

    use super::*;
    use crate::data_files::writer;
    use crate::storage::disk::Disk;

    const MINERS: i64 = 1500;

    fn day_number(number: i32) -> Day {
        Day::from_unix_days(19_266 + number)
    }

    fn day_range(first: i32, last: i32) -> DayRange {
        DayRange::from(day_number(first)).including(day_number(last))
    }

    /// A row for each miner, all of them even, no value of one column that of another row.
    fn rows(number: i32) -> RecordBatch {
        let schema = TableName::Rows.schema();
        let value = |column: usize, miner: i64| (i64::from(number) * MINERS + miner) * 100 + column as i64;
        let columns = schema.fields().iter().enumerate().map(|(column, field)| -> Arc<dyn Array> {
            let values = (0..MINERS).map(|miner| value(column, miner));
            match field.data_type() {
                DataType::Date32 => {
                    Arc::new(Date32Array::from_value(day_number(number).unix_days(), MINERS as usize))
                }
                DataType::Int64 if field.name() == MINER_ID => {
                    Arc::new(Int64Array::from_iter_values((0..MINERS).map(|miner| miner * 2)))
                }
                DataType::Int64 => Arc::new(Int64Array::from_iter_values(values)),
                DataType::Float64 => {
                    Arc::new(Float64Array::from_iter_values(values.map(|value| value as f64)))
                }
                other => Arc::new(
                    Decimal128Array::from_iter_values(values.map(i128::from)).with_data_type(other.clone()),
                ),
            }
        });
        let columns = columns.collect();
        RecordBatch::try_new(schema, columns).expect("rows")
    }

    /// A lake, and the directory of a table in it.
    fn within(lake: &std::path::Path, table: TableName) -> (Arc<std::path::Path>, std::path::PathBuf) {
        let of = lake.join(table.name());
        std::fs::create_dir_all(&of).expect("a directory");
        (lake.into(), of)
    }

    /// The same rows by miner.
    fn by_miner(rows: &RecordBatch) -> RecordBatch {
        let key = |at: usize| SortColumn {
            values: Arc::clone(rows.column(at)),
            options: Some(SortOptions::default()),
        };
        let order = lexsort_to_indices(&[key(1), key(0)], None).expect("an order");
        take_record_batch(rows, &order).expect("rows")
    }

    fn of_miner(rows: &RecordBatch, miner: i64) -> RecordBatch {
        let ids = rows.column(1).as_primitive::<Int64Type>();
        filter_record_batch(rows, &cmp::eq(ids, &Scalar::new(Int64Array::from(vec![miner]))).expect("ids"))
            .expect("rows")
    }

    #[test]
    fn a_day_and_a_miner_are_found_however_days_lie_in_row_groups() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let days: Vec<RecordBatch> = (0..4).map(rows).collect();
        let all = concat_batches(&TableName::Rows.schema(), &days).expect("rows");
        let write = |table, rows: &RecordBatch| {
            let days = day_range(0, 3);
            let (lake, of) = within(directory.path(), table);
            let file = writer::write(&Disk::default(), &of, table, days, rows).expect("written");
            LocatedFile { lake, table, file }
        };
        // Handed over at once, and a day at a time as compaction does.
        let together = write(TableName::Rows, &all);
        let mut writer = writer::FileWriter::create(
            &Disk::default(),
            &within(directory.path(), TableName::Rows).1,
            TableName::Rows,
            day_range(0, 3),
            all.num_rows(),
        )
        .expect("begun");
        for day in &days {
            writer.write(day).expect("written");
        }
        let apart = LocatedFile { file: writer.finish().expect("written"), ..together.clone() };
        let laid = write(TableName::History, &by_miner(&all));
        for file in [&together, &apart] {
            for (number, rows) in (0..4).zip(&days) {
                let read = day(file, day_number(number)).expect("a day");
                assert_eq!(&read, rows, "day {number}");
                let one = miner(file, MinerId(76), Some(day_number(number))).expect("a row");
                assert_eq!(one, of_miner(rows, 76), "day {number}");
            }
            assert_eq!(day(file, day_number(9)).expect("no day").num_rows(), 0);
        }
        for id in [0, 2, 126, 128, 130, 1400, 2996, 2998] {
            for file in [&together, &apart, &laid] {
                assert_eq!(miner(file, MinerId(id as u64), None).expect("rows"), of_miner(&all, id), "{id}");
            }
        }
        // 127 is within the bounds of the row group, and of none of its pages.
        for id in [1, 127, 129, 3000, u64::MAX] {
            assert_eq!(miner(&laid, MinerId(id), None).expect("none").num_rows(), 0);
        }
        assert_eq!(read_all(&laid).expect("rows"), by_miner(&all));
    }

    #[test]
    fn a_day_takes_no_more_room_than_its_rows() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let all =
            concat_batches(&TableName::Rows.schema(), &(0..4).map(rows).collect::<Vec<_>>()).expect("rows");
        let days = day_range(0, 3);
        let (lake, of) = within(directory.path(), TableName::Rows);
        let mut writer =
            writer::FileWriter::create(&Disk::default(), &of, TableName::Rows, days, all.num_rows())
                .expect("begun");
        for number in 0..4 {
            writer.write(&rows(number)).expect("written");
        }
        let file = writer.finish().expect("written");
        let file = LocatedFile { lake, table: TableName::Rows, file };
        let read = day(&file, day_number(2)).expect("a day");
        let (held, needed) = (read.get_array_memory_size(), rows(2).get_array_memory_size());
        assert!(held < needed * 3 / 2, "{held} bytes for {needed}");
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let days = day_range(0, 0);
        let (lake, of) = within(directory.path(), TableName::History);
        let file = writer::write(&Disk::default(), &of, TableName::History, days, &rows(0)).expect("written");
        let whole = LocatedFile { lake, table: TableName::History, file };
        let path = whole.path();
        let bytes = std::fs::read(&path).expect("a file");
        for length in (0..bytes.len()).step_by(bytes.len() / 50) {
            std::fs::write(&path, &bytes[..length]).expect("cut");
            let mut said = whole.clone();
            said.file.size = length as i64;
            for file in [&whole, &said] {
                assert!(miner(file, MinerId(3), None).is_err(), "cut to {length}");
                assert!(day(file, day_number(0)).is_err(), "cut to {length}");
            }
        }
    }

    #[test]
    fn a_file_has_the_bytes_and_the_rows_that_the_log_says() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let (lake, of) = within(directory.path(), TableName::Rows);
        let days = day_range(0, 0);
        let file = writer::write(&Disk::default(), &of, TableName::Rows, days, &rows(0)).expect("written");
        let right = LocatedFile { lake, table: TableName::Rows, file };
        read_all(&right).expect("rows");
        let (mut longer, mut fewer) = (right.clone(), right.clone());
        longer.file.size += 1;
        fewer.file.rows -= 1;
        for wrong in [longer, fewer] {
            for read in [read_all(&wrong), day(&wrong, day_number(0)), miner(&wrong, MinerId(2), None)] {
                let refused = read.expect_err("the log says otherwise");
                let named =
                    matches!(&refused, Error::ExternallyModified { path, .. } if *path == right.path());
                assert!(named, "{refused}");
            }
        }
    }
}
