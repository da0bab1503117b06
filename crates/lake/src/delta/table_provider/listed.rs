//! The object store through which the engine reads the files of a published version, and no others.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::{
    DefaultParquetFileReaderFactory, ParquetFileReaderFactory,
};
use datafusion::error::Result as EngineResult;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};

use crate::data_files::data_file::LocatedFile;
use crate::storage::object_reads::{self, NAME};

/// Files by what the engine calls them: table, slash, name.
#[derive(Clone)]
pub(super) struct ListedFiles(Arc<BTreeMap<String, LocatedFile>>);

impl fmt::Debug for ListedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ListedFiles").field(&self.0.len()).finish()
    }
}

impl fmt::Display for ListedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

/// What the engine calls a file.
pub(super) fn object_name(file: &LocatedFile) -> String {
    format!("{}/{}", file.table.name(), file.file.name)
}

impl ListedFiles {
    pub(super) fn new(files: impl IntoIterator<Item = LocatedFile>) -> Self {
        Self(Arc::new(files.into_iter().map(|file| (object_name(&file), file)).collect()))
    }

    fn file(&self, location: &Path) -> Result<LocatedFile> {
        let unknown = || std::io::Error::from(std::io::ErrorKind::NotFound);
        self.0.get(location.as_ref()).cloned().ok_or_else(|| object_reads::object_error(location)(unknown()))
    }
}

/// What the engine never does to files of a lake.
fn refused<T>(operation: &str) -> Result<T> {
    Err(Error::NotImplemented { operation: operation.to_owned(), implementer: NAME.to_owned() })
}

#[async_trait::async_trait]
impl ObjectStore for ListedFiles {
    async fn put_opts(&self, _location: &Path, _payload: PutPayload, _opts: PutOptions) -> Result<PutResult> {
        refused("writing")
    }

    async fn put_multipart_opts(
        &self,
        _location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        refused("writing")
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (file, location) = (self.file(location)?, location.clone());
        let got = move || {
            let open = file.open().map_err(object_reads::object_error(&location))?;
            object_reads::get_result(open, &file.path(), &location, &options)
        };
        tokio::task::spawn_blocking(got).await.map_err(|source| Error::JoinError { source })?
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let (file, failed, ranges) =
            (self.file(location)?, object_reads::object_error(location), ranges.to_vec());
        let read = move || {
            let length = u64::try_from(file.file.size).unwrap_or_default();
            file.open().and_then(|open| object_reads::read_ranges(&open, length, &ranges)).map_err(failed)
        };
        tokio::task::spawn_blocking(read).await.map_err(|source| Error::JoinError { source })?
    }

    fn delete_stream(
        &self,
        _locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::iter([refused("removing")]).boxed()
    }

    /// The files are named to the engine, which looks for none.
    fn list(&self, _prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        stream::empty().boxed()
    }

    async fn list_with_delimiter(&self, _prefix: Option<&Path>) -> Result<ListResult> {
        Ok(ListResult { objects: Vec::new(), common_prefixes: Vec::new() })
    }

    async fn copy_opts(&self, _from: &Path, _to: &Path, _options: CopyOptions) -> Result<()> {
        refused("copying")
    }
}

/// Opens files for the engine, and holds what each says of itself against its table's log before anything is decoded.
#[derive(Debug)]
pub(super) struct CheckedReaderFactory {
    files: ListedFiles,
    readers: DefaultParquetFileReaderFactory,
}

impl CheckedReaderFactory {
    pub(super) fn new(files: ListedFiles) -> Self {
        Self { readers: DefaultParquetFileReaderFactory::new(Arc::new(files.clone())), files }
    }
}

impl ParquetFileReaderFactory for CheckedReaderFactory {
    fn create_reader(
        &self,
        partition_index: usize,
        partitioned_file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> EngineResult<Box<dyn AsyncFileReader + Send>> {
        let file = self.files.file(&partitioned_file.object_meta.location)?;
        let reader =
            self.readers.create_reader(partition_index, partitioned_file, metadata_size_hint, metrics)?;
        Ok(Box::new(CheckedReader { file, reader }))
    }
}

/// A file that the engine reads.
struct CheckedReader {
    file: LocatedFile,
    reader: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for CheckedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, ParquetResult<Bytes>> {
        self.reader.get_bytes(range)
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, ParquetResult<Vec<Bytes>>> {
        self.reader.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, ParquetResult<Arc<ParquetMetaData>>> {
        async move {
            let metadata = self.reader.get_metadata(options).await?;
            self.file.check_rows(&metadata).map_err(|error| ParquetError::External(Box::new(error)))?;
            Ok(metadata)
        }
        .boxed()
    }
}
