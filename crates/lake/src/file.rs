//! Data files: a table's rows of one day as Parquet.

use std::fs::File;
use std::path::Path;

use chain::Day;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::{concat_batches, max, min};
use datafusion::arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::basic::{Compression, ZstdLevel};
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

/// Writes a day's rows into the table's directory. The name is new each time: a replaced file stays readable for those
/// who still read the version it belongs to.
pub(crate) fn write(
    disk: &Disk,
    directory: &Path,
    table: TableName,
    day: Day,
    rows: &RecordBatch,
) -> Result<DataFile> {
    let name = format!("{day}-{}.parquet", uuid::Uuid::new_v4().simple());
    let path = directory.join(&name);
    let bytes = encode(table, rows).map_err(|source| Error::Parquet { path: path.clone(), source })?;
    disk.lay_down(&path, &bytes).map_err(Error::io(&path))?;
    let miners = rows
        .column_by_name(MINER_ID)
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .and_then(|miners| Some((min(miners)?, max(miners)?)));
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    Ok(DataFile { day, name, size, rows: rows.num_rows(), miners })
}

fn encode(table: TableName, rows: &RecordBatch) -> std::result::Result<Vec<u8>, ParquetError> {
    let statistics = match table {
        TableName::Events => EnabledStatistics::Page,
        _ => EnabledStatistics::Chunk,
    };
    // A compressor for each of some eighty columns takes longer than all else about a small file, and saves nothing:
    // its size is that of the footer.
    let small = rows.num_rows() < SMALL;
    let compression = if small { Compression::UNCOMPRESSED } else { Compression::ZSTD(ZstdLevel::default()) };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(!small)
        .set_max_row_group_row_count(Some(ROW_GROUP))
        .set_statistics_enabled(statistics)
        .set_created_by(concat!("sectorscope ", env!("CARGO_PKG_VERSION")).to_owned())
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties))?;
    writer.write(rows)?;
    writer.into_inner()
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
