//! A data file that is open for reading: its metadata, and which rows are where in it.

use std::ops::Range;
use std::sync::Arc;

use datafusion::arrow::array::{Array, Int64Array, RecordBatch, RecordBatchReader, Scalar};
use datafusion::arrow::compute::kernels::cmp;
use datafusion::arrow::compute::{concat_batches, prep_null_mask_filter};
use datafusion::arrow::error::ArrowError;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowSelection,
};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::metadata::{
    PageIndexPolicy, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy, RowGroupMetaData,
};
use datafusion::parquet::file::page_index::column_index::ColumnIndexMetaData;
use datafusion::parquet::file::statistics::Statistics;

use crate::data_files::chunk_reader::FileChunks;
use crate::data_files::data_file::LocatedFile;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, STAT_DATE, TableName};

/// Most rows that room is made for at once, whatever a file says of itself.
const MAX_ROWS: usize = 1 << 21;

/// Reads what is selected of a file.
pub(crate) type Builder = ParquetRecordBatchReaderBuilder<FileChunks>;

/// A data file that is open for reading, or some of its row groups. Reading blocks: do it on a thread that may.
#[derive(Clone)]
pub(crate) struct OpenFile<'p> {
    file: &'p LocatedFile,
    source: FileChunks,
    metadata: ArrowReaderMetadata,
}

impl<'p> OpenFile<'p> {
    /// Opens a file, which has the bytes and the rows that its table's log says. Nothing of it has been decoded then.
    pub(crate) fn open(file: &'p LocatedFile) -> Result<Self> {
        let source = file.open().and_then(FileChunks::of).map_err(|error| Error::io(file.path())(error))?;
        let metadata =
            about(&source, file.table).map_err(|source| Error::Parquet { path: file.path(), source })?;
        let opened = Self { file, source, metadata };
        file.check_rows(opened.parquet()).map_err(|error| Error::io(file.path())(error))?;
        Ok(opened)
    }

    pub(crate) fn builder(&self) -> Builder {
        Builder::new_with_metadata(self.source.clone(), self.metadata.clone())
    }

    fn parquet(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    /// The index of a column in the file.
    fn column(&self, name: &str) -> Option<usize> {
        let columns = self.parquet().file_metadata().schema_descr().columns();
        columns.iter().position(|column| column.name() == name)
    }

    /// How many columns the file has.
    pub(crate) fn width(&self) -> usize {
        self.parquet().file_metadata().schema_descr().num_columns()
    }

    /// How many rows there are.
    pub(crate) fn rows(&self) -> usize {
        let rows = |group: &RowGroupMetaData| usize::try_from(group.num_rows()).unwrap_or(0);
        self.parquet().row_groups().iter().map(rows).fold(0, usize::saturating_add)
    }

    /// The least and the greatest value that a row group says it has in a column.
    fn bounds(&self, group: &RowGroupMetaData, column: &str) -> Option<(i64, i64)> {
        match group.columns().get(self.column(column)?)?.statistics()? {
            Statistics::Int32(of) => Some((i64::from(*of.min_opt()?), i64::from(*of.max_opt()?))),
            Statistics::Int64(of) => Some((*of.min_opt()?, *of.max_opt()?)),
            _ => None,
        }
    }

    /// Whether each row has this value in that column, by what the row groups say.
    pub(crate) fn all_are(&self, column: &str, value: i64) -> bool {
        self.parquet().row_groups().iter().all(|group| self.bounds(group, column) == Some((value, value)))
    }

    /// The file as if it had no row groups but those that may hold the value in that column.
    pub(crate) fn holding(&self, column: &str, value: i64) -> Result<Self> {
        let may_hold = |group: &&RowGroupMetaData| {
            self.bounds(group, column).is_none_or(|(first, last)| (first..=last).contains(&value))
        };
        let groups = self.parquet().row_groups().iter().filter(may_hold).cloned().collect();
        let metadata =
            ParquetMetaDataBuilder::new(self.parquet().file_metadata().clone()).set_row_groups(groups);
        self.with(metadata.build())
    }

    /// The file with what its row groups say of their pages. Of all row groups that would be more than most answers.
    pub(crate) fn with_pages(&self) -> Result<Self> {
        // The two lie in different places, and between them those of other row groups.
        let read = || {
            let mut reader = ParquetMetaDataReader::new_with_metadata(self.parquet().clone())
                .with_column_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&self.source)?;
            let mut reader = ParquetMetaDataReader::new_with_metadata(reader.finish()?)
                .with_offset_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&self.source)?;
            reader.finish()
        };
        self.with(read().map_err(self.wrong())?)
    }

    fn with(&self, metadata: ParquetMetaData) -> Result<Self> {
        Ok(Self { metadata: as_arrow(metadata).map_err(self.wrong())?, ..self.clone() })
    }

    /// The file with the bytes of its row groups at hand.
    pub(crate) fn read_ahead(&self) -> Result<Self> {
        let mut span: Option<Range<u64>> = None;
        for column in self.parquet().row_groups().iter().flat_map(RowGroupMetaData::columns) {
            let first = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let first = u64::try_from(first.min(column.data_page_offset())).unwrap_or(0);
            let end = first.saturating_add(u64::try_from(column.compressed_size()).unwrap_or(0));
            let span = span.get_or_insert(first..end);
            *span = span.start.min(first)..span.end.max(end);
        }
        let source = self.source.read_ahead(span.unwrap_or_default()).map_err(self.wrong())?;
        Ok(Self { source, ..self.clone() })
    }

    /// Where the miner's rows are.
    pub(crate) fn places(&self, miner: i64) -> Result<RowSelection> {
        let pages = RowSelection::from_consecutive_ranges(self.pages_with(miner).into_iter(), self.rows());
        let builder = self.builder();
        let mask = ProjectionMask::columns(builder.parquet_schema(), [MINER_ID]);
        let rows = pages.row_count();
        let batches = builder
            .with_projection(mask)
            .with_row_selection(pages.clone())
            .with_batch_size(rows.clamp(1, MAX_ROWS));
        let batches = batches.build().map_err(self.wrong())?;
        let wanted = Scalar::new(Int64Array::from(vec![miner]));
        let places = batches.map(|batch| {
            let found = cmp::eq(batch?.column(0), &wanted)?;
            Ok(if found.nulls().is_some() { prep_null_mask_filter(&found) } else { found })
        });
        let places = places.collect::<std::result::Result<Vec<_>, ArrowError>>();
        let places = places.map_err(|source| self.wrong()(source.into()))?;
        if places.iter().map(Array::len).sum::<usize>() != rows {
            return Err(self.wrong()(ParquetError::EOF(format!(
                "less than the {rows} rows that it speaks of"
            ))));
        }
        Ok(pages.and_then(&RowSelection::from_filters(&places)))
    }

    /// The rows of the pages that may hold the miner, by the bounds of pages where these are known. Whatever a file
    /// says, they come in order and each once.
    fn pages_with(&self, miner: i64) -> Vec<Range<usize>> {
        let mut ranges = Vec::new();
        let mut begin = 0_usize;
        for (number, group) in self.parquet().row_groups().iter().enumerate() {
            let rows = usize::try_from(group.num_rows()).unwrap_or(0);
            match self.pages_of(number, rows, miner) {
                Some(pages) => {
                    ranges.extend(pages.into_iter().map(|page| begin + page.start..begin + page.end))
                }
                None => ranges.push(begin..begin.saturating_add(rows)),
            }
            begin = begin.saturating_add(rows);
        }
        ranges
    }

    /// The same for a row group of so many rows; `None` if it does not tell.
    fn pages_of(&self, group: usize, rows: usize, miner: i64) -> Option<Vec<Range<usize>>> {
        let column = self.column(MINER_ID)?;
        let ColumnIndexMetaData::INT64(bounds) = self.parquet().column_index()?.get(group)?.get(column)?
        else {
            return None;
        };
        let pages = self.parquet().offset_index()?.get(group)?.get(column)?.page_locations();
        let begins = pages.iter().map(|page| usize::try_from(page.first_row_index));
        let begins = begins.collect::<std::result::Result<Vec<_>, _>>().ok()?;
        let ends = begins.iter().skip(1).copied().chain([rows]);
        let rows: Vec<Range<usize>> =
            begins.iter().copied().zip(ends).map(|(begin, end)| begin..end).collect();
        let bounds: Vec<_> = bounds.min_values().iter().zip(bounds.max_values()).collect();
        let told = begins.first() == Some(&0)
            && bounds.len() == rows.len()
            && rows.iter().all(|page| page.start <= page.end);
        told.then(|| {
            let may_hold = |(_, (first, last)): &(_, (&i64, &i64))| (**first..=**last).contains(&miner);
            rows.into_iter().zip(bounds).filter(may_hold).map(|(page, _)| page).collect()
        })
    }

    /// What is selected, `rows` rows: all columns of the file, or those of the builder's projection.
    pub(crate) fn read(&self, builder: Builder, rows: usize) -> Result<RecordBatch> {
        let reader = builder.with_batch_size(rows.clamp(1, MAX_ROWS)).build().map_err(self.wrong())?;
        let schema = reader.schema();
        let batches = reader.collect::<std::result::Result<Vec<_>, _>>();
        let batches = batches.map_err(|source| self.wrong()(source.into()))?;
        match batches.as_slice() {
            [batch] => Ok(batch.clone()),
            batches => concat_batches(&schema, batches).map_err(|source| self.wrong()(source.into())),
        }
    }

    /// Says which file it was.
    pub(crate) fn wrong(&self) -> impl FnOnce(ParquetError) -> Error + use<> {
        let path = self.file.path();
        move |source| Error::Parquet { path, source }
    }
}

/// What a file says of itself. Bounds are read of the columns alone that rows are looked up by: some programs write
/// those of all columns, and some of these files are ours of old.
fn about(source: &FileChunks, table: TableName) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    let schema = table.schema();
    let places: Vec<usize> =
        [STAT_DATE, MINER_ID].iter().filter_map(|name| schema.index_of(name).ok()).collect();
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(ParquetStatisticsPolicy::skip_except(&places))
        .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    let reader = ParquetMetaDataReader::new().with_metadata_options(Some(options));
    as_arrow(reader.parse_and_finish(source)?)
}

/// The types of our columns follow from those of Parquet; what else a file says of them need not be read.
fn as_arrow(metadata: ParquetMetaData) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    ArrowReaderMetadata::try_new(Arc::new(metadata), ArrowReaderOptions::new().with_skip_arrow_metadata(true))
}
