//! Writes data files: a table's rows as Parquet.

use std::path::{Path, PathBuf};

use chain::DayRange;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{Date32Type, Int64Type};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use ledger::fields::{EVENT_FIELDS, FieldValue};

use crate::data_files::data_file::DataFile;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, POSITION, STAT_DATE, TableName};
use crate::storage::disk::{Disk, NewFile};
use crate::storage::file_names::FileName;

/// Files of fewer rows are written as they are.
const SMALL: usize = 256;
/// Rows in a row group: what a reader that looks for a few sectors skips by.
const ROW_GROUP: usize = 131_072;
/// Rows in a page of the daily rows: what a reader that looks for one miner skips by. Unpacking a page costs the more the
/// less is in it, so a whole day is read the faster the longer they are.
const ROWS_IN_PAGE: usize = 2048;
/// The same where rows are clustered by miner. A page ends with the first miner that fills it, so that no miner's rows
/// are in two.
const ROWS_IN_PAGE_OF_HISTORY: usize = 256;
/// Rows of a miner that are together in a page of these: more than a year has days.
const ROWS_OF_MINER: usize = 512;

/// Writes the rows of some days into the table's directory.
pub(crate) fn write(
    disk: &Disk,
    directory: &Path,
    table: TableName,
    days: DayRange,
    rows: &RecordBatch,
) -> Result<DataFile> {
    let mut file = FileWriter::create(disk, directory, table, days, rows.num_rows())?;
    file.write(rows)?;
    file.finish()
}

/// A data file that is being written.
pub(crate) struct FileWriter {
    writer: ArrowWriter<NewFile>,
    path: PathBuf,
    table: TableName,
    file: DataFile,
    /// The day of the rows written last, where each day has a row group of its own.
    day: Option<i32>,
}

impl FileWriter {
    /// Begins a file for the rows of some days, of which there will be about `rows`. The name is new each time: a
    /// replaced file stays readable for those who still read the version it belongs to.
    pub(crate) fn create(
        disk: &Disk,
        directory: &Path,
        table: TableName,
        days: DayRange,
        rows: usize,
    ) -> Result<Self> {
        let name = FileName::new(days.first());
        let path = name.path_in(directory);
        let new = disk.begin(&path).map_err(Error::io(&path))?;
        let writer = ArrowWriter::try_new(new, table.schema(), Some(properties(table, rows)))
            .map_err(|source| Error::Parquet { path: path.clone(), source })?;
        let file = DataFile { name, size: 0, rows: 0, days, miners: None };
        Ok(Self { writer, path, table, file, day: None })
    }

    /// Adds rows, which come by day but for those by miner; texts may be dictionaries.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let miners = rows.column_by_name(MINER_ID).and_then(|column| column.as_primitive_opt::<Int64Type>());
        match miners {
            Some(miners) if self.table == TableName::History => {
                let mut begin = 0;
                for miner in miners.values().chunk_by(|one, next| one == next) {
                    self.write_miner(&rows.slice(begin, miner.len()))?;
                    begin += miner.len();
                }
            }
            _ if self.table == TableName::Progress => {
                self.writer.write(rows).map_err(parquet_error(&self.path))?
            }
            _ => self.write_days(rows)?,
        }
        self.file.rows += rows.num_rows() as u64;
        let miners = miners.and_then(|miners| Some((min(miners)?, max(miners)?)));
        self.file.miners = match (self.file.miners, miners) {
            (Some((first, last)), Some((low, high))) => Some((first.min(low), last.max(high))),
            (known, new) => known.or(new),
        };
        Ok(())
    }

    /// Adds rows of one miner, in one row group and one page of each column. A page ends where the library is handed rows
    /// and those before them fill it.
    fn write_miner(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.writer.in_progress_rows() + rows.num_rows() > ROW_GROUP {
            self.end_row_group()?;
        }
        self.writer.write(rows).map_err(parquet_error(&self.path))
    }

    /// Adds rows day by day, each day in row groups of its own: a day's rows are what readers want of a file.
    fn write_days(&mut self, rows: &RecordBatch) -> Result<()> {
        let days = rows.column_by_name(STAT_DATE).and_then(|column| column.as_primitive_opt::<Date32Type>());
        let days = days.ok_or_else(|| Error::Registry { what: STAT_DATE.to_owned() })?;
        let mut begin = 0;
        for day in days.values().chunk_by(|one, next| one == next) {
            let next = day.first().copied();
            if self.day.is_some() && self.day != next {
                self.end_row_group()?;
            }
            self.day = next;
            self.writer.write(&rows.slice(begin, day.len())).map_err(parquet_error(&self.path))?;
            begin += day.len();
        }
        Ok(())
    }

    /// Lets the rows that follow begin a row group.
    fn end_row_group(&mut self) -> Result<()> {
        self.writer.flush().map_err(parquet_error(&self.path))
    }

    /// Ends and flushes the file. It lasts once its directory is flushed and something names it.
    pub(crate) fn finish(mut self) -> Result<DataFile> {
        self.writer.finish().map_err(parquet_error(&self.path))?;
        let size = i64::try_from(self.writer.bytes_written()).unwrap_or(i64::MAX);
        self.writer.inner().end().map_err(Error::io(&self.path))?;
        Ok(DataFile { size, ..self.file })
    }
}

/// What the disk said is said as that, and not as a fault of the Parquet library.
fn parquet_error(path: &Path) -> impl FnOnce(ParquetError) -> Error + use<> {
    let path = path.to_owned();
    move |source| match source {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(source) => Error::Io { path, source: *source },
            Err(inner) => Error::Parquet { path, source: ParquetError::External(inner) },
        },
        source => Error::Parquet { path, source },
    }
}

/// How a file of about so many rows is written.
fn properties(table: TableName, rows: usize) -> WriterProperties {
    // A compressor for each of some eighty columns takes longer than all else about a small file, and saves nothing:
    // its size is that of the footer.
    let small = rows < SMALL;
    let compression = if small { Compression::UNCOMPRESSED } else { Compression::ZSTD(ZstdLevel::default()) };
    let of = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(!small)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_created_by(concat!("sectorscope ", env!("CARGO_PKG_VERSION")).to_owned());
    match table {
        TableName::Events if small => of.set_statistics_enabled(EnabledStatistics::Page),
        TableName::Events => events(of),
        TableName::Rows => paged(of, ROWS_IN_PAGE),
        // Who reads one page of a column would have to read the column's whole dictionary first. And where little is
        // unpacked of each column, making what unpacks zstd takes longer than unpacking; such short pages of mostly equal
        // values become no larger without it.
        TableName::History => paged(of, ROWS_IN_PAGE_OF_HISTORY)
            .set_column_statistics_enabled(MINER_ID.into(), EnabledStatistics::Page)
            .set_write_batch_size(ROWS_OF_MINER)
            .set_dictionary_enabled(false)
            .set_compression(if small { Compression::UNCOMPRESSED } else { Compression::LZ4_RAW }),
        TableName::Reconciliation | TableName::Progress => {
            of.set_statistics_enabled(EnabledStatistics::Chunk)
        }
    }
    .build()
}

/// Pages of so many rows. Bounds are kept of what rows are looked up by alone: those of some eighty columns in each row
/// group take longer to read than the rows of a day.
fn paged(of: WriterPropertiesBuilder, rows_in_page: usize) -> WriterPropertiesBuilder {
    [STAT_DATE, MINER_ID]
        .into_iter()
        .fold(of.set_statistics_enabled(EnabledStatistics::None), |of, column| {
            of.set_column_statistics_enabled(column.into(), EnabledStatistics::Chunk)
        })
        .set_write_batch_size(rows_in_page)
        .set_data_page_row_count_limit(rows_in_page)
}

/// How a large file of events is written.
fn events(mut of: WriterPropertiesBuilder) -> WriterPropertiesBuilder {
    // Nearly every position, sector and epoch differs from all others, and less from its neighbours.
    for field in EVENT_FIELDS {
        if let FieldValue::Position | FieldValue::Sector(_) | FieldValue::Epoch(_) = field.value {
            of = of
                .set_column_dictionary_enabled(field.name.into(), false)
                .set_column_encoding(field.name.into(), Encoding::DELTA_BINARY_PACKED);
        }
    }
    // Bounds of what rows are looked up by. Rows lie by miner and sector, so a page has nearly any value of the others.
    [STAT_DATE, MINER_ID, "sector", "epoch", POSITION]
        .into_iter()
        .fold(of.set_statistics_enabled(EnabledStatistics::None), |of, column| {
            of.set_column_statistics_enabled(column.into(), EnabledStatistics::Page)
        })
}
