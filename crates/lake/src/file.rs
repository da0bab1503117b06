//! Data files: a table's rows of one day as Parquet.

use std::fs::File;
use std::path::{Path, PathBuf};

use chain::Day;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, max, min};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, Encoding, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::{EnabledStatistics, WriterProperties};

use crate::disk::Disk;
use crate::schema::{MINER_ID, TableName};
use crate::{Error, Result};

/// Files of fewer rows are written as they are.
const SMALL: usize = 256;
/// Rows in a row group: what a reader that looks for a few sectors skips by.
const ROW_GROUP: usize = 131_072;

/// A data file that is on disk and awaits its commit.
#[derive(Clone, Debug)]
pub(crate) struct DataFile {
    /// The day whose rows it holds.
    pub(crate) day: Day,
    /// Name within the table's directory.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: i64,
    /// Rows.
    pub(crate) rows: usize,
    /// First and last miner, where the table has miners and the file rows.
    pub(crate) miners: Option<(i64, i64)>,
}

/// Writes a day's rows into the table's directory.
pub(crate) fn write(
    disk: &Disk,
    directory: &Path,
    table: TableName,
    day: Day,
    rows: &RecordBatch,
) -> Result<DataFile> {
    let mut file = FileWriter::begin(directory, table, day, rows.num_rows())?;
    file.write(rows)?;
    file.end(disk)
}

/// A data file that is being written.
pub(crate) struct FileWriter {
    writer: ArrowWriter<Vec<u8>>,
    path: PathBuf,
    file: DataFile,
}

impl FileWriter {
    /// Begins a file for a day's rows, of which there will be about `rows`. The name is new each time: a replaced file
    /// stays readable for those who still read the version it belongs to.
    pub(crate) fn begin(directory: &Path, table: TableName, day: Day, rows: usize) -> Result<Self> {
        let name = format!("{day}-{}.parquet", uuid::Uuid::new_v4().simple());
        let path = directory.join(&name);
        let writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties(table, rows)))
            .map_err(|source| Error::Parquet { path: path.clone(), source })?;
        let file = DataFile { day, name, size: 0, rows: 0, miners: None };
        Ok(Self { writer, path, file })
    }

    /// Adds rows; texts may be dictionaries.
    pub(crate) fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        self.writer.write(rows).map_err(|source| Error::Parquet { path: self.path.clone(), source })?;
        self.file.rows += rows.num_rows();
        let miners = rows
            .column_by_name(MINER_ID)
            .and_then(|column| column.as_primitive_opt::<Int64Type>())
            .and_then(|miners| Some((min(miners)?, max(miners)?)));
        self.file.miners = match (self.file.miners, miners) {
            (Some((first, last)), Some((low, high))) => Some((first.min(low), last.max(high))),
            (known, new) => known.or(new),
        };
        Ok(())
    }

    /// Ends and flushes the file.
    pub(crate) fn end(self, disk: &Disk) -> Result<DataFile> {
        let Self { writer, path, file } = self;
        let bytes = writer.into_inner().map_err(|source| Error::Parquet { path: path.clone(), source })?;
        disk.lay_down(&path, &bytes).map_err(Error::io(&path))?;
        Ok(DataFile { size: i64::try_from(bytes.len()).unwrap_or(i64::MAX), ..file })
    }
}

/// How a file of about so many rows is written.
fn properties(table: TableName, rows: usize) -> WriterProperties {
    // A compressor for each of some eighty columns takes longer than all else about a small file, and saves nothing:
    // its size is that of the footer.
    let small = rows < SMALL;
    let compression = if small { Compression::UNCOMPRESSED } else { Compression::ZSTD(ZstdLevel::default()) };
    let mut of = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(!small)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_created_by(concat!("sectorscope ", env!("CARGO_PKG_VERSION")).to_owned());
    if table != TableName::Events {
        return of.set_statistics_enabled(EnabledStatistics::Chunk).build();
    }
    if small {
        return of.set_statistics_enabled(EnabledStatistics::Page).build();
    }
    // Nearly every value differs from all others, and less from its neighbours.
    for column in ["position", "epoch", "sector", "activation", "expiration_before", "expiration_after"] {
        of = of
            .set_column_dictionary_enabled(column.into(), false)
            .set_column_encoding(column.into(), Encoding::DELTA_BINARY_PACKED);
    }
    // Nobody looks for a range of these.
    for column in ["sector_size", "qap_before", "qap_after", "message"] {
        of = of.set_column_statistics_enabled(column.into(), EnabledStatistics::None);
    }
    of.set_statistics_enabled(EnabledStatistics::Page).build()
}

/// Reads a whole file as the table's rows. Blocks: call it from a thread that may.
pub(crate) fn read(path: &Path, table: TableName) -> Result<RecordBatch> {
    let parquet = |source| Error::Parquet { path: path.to_owned(), source };
    let arrow = |source: ArrowError| parquet(ParquetError::from(source));
    let file = File::open(path).map_err(Error::io(path))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(parquet)?;
    let rows = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let reader = builder.with_batch_size(rows.max(1)).build().map_err(parquet)?;
    let schema: SchemaRef = table.schema();
    let batches = reader.collect::<std::result::Result<Vec<_>, _>>().map_err(arrow)?;
    let batch = match batches.as_slice() {
        [] => return Ok(RecordBatch::new_empty(schema)),
        [batch] => batch.clone(),
        [first, ..] => concat_batches(&first.schema(), &batches).map_err(arrow)?,
    };
    RecordBatch::try_new(schema, batch.columns().to_vec()).map_err(arrow)
}
