//! The object store through which the Delta library reads a table's log, and nothing else.
//!
//! The library opens what a log tells it to, by itself: a checkpoint may name further files, of any path or address. So
//! it gets its files from here: commits and checkpoints by names of our own form, regular files directly in the log's
//! directory, none of them absurdly long, and no checkpoint that names others. Writing is ours, so that it lasts.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use deltalake::logstore::object_store::path::Path as Location;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use futures::stream::{self, BoxStream, StreamExt};

use crate::delta::checkpoint;
use crate::delta::recovery::{LOG_DIRECTORY, MAX_LOG_FILE_BYTES};
use crate::error::integrity::IntegrityError;
use crate::schema::TableName;
use crate::storage::beneath;
use crate::storage::disk::Disk;
use crate::storage::file_names::LogName;
use crate::storage::object_reads::{self, NAME};

/// A table's log, in which what was put lasts.
#[derive(Clone, Debug)]
pub(crate) struct DurableStore {
    /// The table's directory, from the root on.
    directory: Arc<Path>,
    /// The log as the library calls it: by the table's name alone. A directory may have a name that means something else
    /// in an address, such as `a%20b`.
    log: Location,
    disk: Disk,
    /// Names of files that are as good as absent: torn ones, to a reader that may not remove them.
    hidden: Arc<RwLock<HashSet<String>>>,
}

impl DurableStore {
    /// The log of the table in `directory`, which is named from the root on.
    pub(crate) fn new(directory: &Path, table: TableName, disk: Disk) -> Self {
        let log = Location::from_iter([table.name(), LOG_DIRECTORY]);
        Self { directory: directory.into(), log, disk, hidden: Arc::default() }
    }

    /// From now on, these files and no others are passed over.
    pub(crate) fn hide(&self, names: HashSet<String>) {
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Whether it passes over any file.
    pub(crate) fn hides(&self) -> bool {
        !self.hidden.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn is_hidden(&self, name: &str) -> bool {
        self.hidden.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }

    /// The name of a file directly in the log.
    fn entry(&self, location: &Location) -> Result<String> {
        let parts = location.prefix_match(&self.log).map(|parts| parts.collect::<Vec<_>>());
        match parts.as_deref() {
            Some([name]) => Ok(name.as_ref().to_owned()),
            _ => {
                let path = self.directory.join(LOG_DIRECTORY);
                let problem = format!("what it names leads out of it, to {location}");
                Err(object_reads::object_error(location)(io::Error::other(
                    IntegrityError::ExternallyModified { path, problem },
                )))
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(LOG_DIRECTORY).join(name)
    }

    /// A file of the log that may be read, opened.
    fn open(&self, name: &str) -> io::Result<std::fs::File> {
        // The note of the last checkpoint only saves looking for it, and may say anything.
        let Some(of) = LogName::parse(name).filter(|_| !self.is_hidden(name)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let file = beneath::open(&self.directory, &[LOG_DIRECTORY, name])?;
        let length = file.metadata()?.len();
        let rewritten =
            |problem| io::Error::other(IntegrityError::ExternallyModified { path: self.path(name), problem });
        if length > MAX_LOG_FILE_BYTES {
            return Err(rewritten(format!("its {length} bytes are more than any log of ours has")));
        }
        if of.is_checkpoint {
            checkpoint::check(&file).map_err(rewritten)?;
        }
        Ok(file)
    }

    /// Puts a file under its name. Where `mode` says so, nothing may have it yet.
    async fn write(&self, location: &Location, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
        let path = self.path(&self.entry(location)?);
        let store = self.clone();
        let put = move || {
            let bytes: Vec<u8> = payload.iter().flat_map(|part| part.iter().copied()).collect();
            beneath::create_directory(&store.directory, &[LOG_DIRECTORY])?;
            match mode {
                PutMode::Create => store.disk.create(&path, &bytes),
                _ => store.disk.replace(&path, &bytes),
            }
        };
        let written = tokio::task::spawn_blocking(put).await;
        written
            .map_err(|source| Error::JoinError { source })?
            .map_err(object_reads::object_error(location))?;
        Ok(PutResult { e_tag: None, version: None })
    }

    /// What is in the log.
    fn listed(&self) -> Result<Vec<ObjectMeta>> {
        let failed = object_reads::object_error(&self.log);
        let entries = beneath::entries(&self.directory, &[LOG_DIRECTORY]).map_err(&failed)?;
        let names = entries.into_iter().map(|(name, _)| name);
        let mut listed = Vec::new();
        for name in names.filter(|name| LogName::parse(name).is_some() && !self.is_hidden(name)) {
            // What is gone meanwhile is not there.
            let Some(about) = beneath::metadata(&self.directory, &[LOG_DIRECTORY, &name]).map_err(&failed)?
            else {
                continue;
            };
            let last_modified = about.modified().map_err(&failed)?.into();
            let location = self.log.clone().join(name);
            listed.push(ObjectMeta {
                location,
                last_modified,
                size: about.len(),
                e_tag: None,
                version: None,
            });
        }
        // The library wants them in their order.
        listed.sort_unstable_by(|one, other| one.location.cmp(&other.location));
        Ok(listed)
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

#[async_trait::async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(
        &self,
        location: &Location,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        self.write(location, payload, opts.mode).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Location,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Location, options: GetOptions) -> Result<GetResult> {
        let name = self.entry(location)?;
        let (store, location) = (self.clone(), location.clone());
        let got = move || {
            let file = store.open(&name).map_err(object_reads::object_error(&location))?;
            object_reads::get_result(file, &store.path(&name), &location, &options)
        };
        tokio::task::spawn_blocking(got).await.map_err(|source| Error::JoinError { source })?
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Location>>,
    ) -> BoxStream<'static, Result<Location>> {
        let store = self.clone();
        let deleted = move |location: Result<Location>| {
            let location = location?;
            let path = store.path(&store.entry(&location)?);
            store.disk.remove(&path).map_err(object_reads::object_error(&location))?;
            Ok(location)
        };
        locations.map(deleted).boxed()
    }

    fn list(&self, prefix: Option<&Location>) -> BoxStream<'static, Result<ObjectMeta>> {
        // The log is all that there is below any prefix.
        if prefix.is_some_and(|prefix| !self.log.prefix_matches(prefix)) {
            return stream::empty().boxed();
        }
        match self.listed() {
            Ok(listed) => stream::iter(listed.into_iter().map(Ok)).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Location>) -> Result<ListResult> {
        let within = prefix.is_some_and(|prefix| *prefix == self.log);
        let objects = if within { self.listed()? } else { Vec::new() };
        Ok(ListResult { objects, common_prefixes: Vec::new() })
    }

    async fn copy_opts(&self, _from: &Location, _to: &Location, _options: CopyOptions) -> Result<()> {
        Err(Error::NotImplemented { operation: "copying".to_owned(), implementer: NAME.to_owned() })
    }
}

/// A file that comes in parts (a checkpoint): held until it is whole.
#[derive(Debug)]
struct Upload {
    store: DurableStore,
    location: Location,
    parts: Vec<PutPayload>,
}

#[async_trait::async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data);
        Box::pin(std::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let whole = self.parts.iter().flat_map(|part| part.iter().cloned()).collect();
        self.store.write(&self.location, whole, PutMode::Overwrite).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}
