//! The Delta library's way to the disk: reading is the library's own, writing is ours, so that it lasts.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use deltalake::logstore::object_store::local::LocalFileSystem;
use deltalake::logstore::object_store::path::Path;
use deltalake::logstore::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use futures::stream::{BoxStream, StreamExt};

use crate::disk::Disk;

const NAME: &str = "lake";

/// A file system on which what was put lasts.
#[derive(Clone, Debug)]
pub(crate) struct DurableStore {
    files: Arc<LocalFileSystem>,
    disk: Disk,
    /// Names of files that are as good as absent: torn ones, to a reader that may not remove them.
    hidden: Arc<RwLock<HashSet<String>>>,
}

impl DurableStore {
    pub(crate) fn new(disk: Disk) -> Self {
        Self { files: Arc::new(LocalFileSystem::new()), disk, hidden: Arc::default() }
    }

    /// From now on, these files and no others are passed over.
    pub(crate) fn hide(&self, names: HashSet<String>) {
        *self.hidden.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Whether it passes over any file.
    pub(crate) fn hides(&self) -> bool {
        !self.hidden.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn is_hidden(&self, location: &Path) -> bool {
        let hidden = self.hidden.read().unwrap_or_else(PoisonError::into_inner);
        location.filename().is_some_and(|name| hidden.contains(name))
    }

    /// Puts a file under its name. Where `mode` says so, nothing may have it yet.
    async fn write(&self, location: &Path, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
        let path = self.files.path_to_filesystem(location)?;
        let disk = self.disk.clone();
        let put = move || {
            let bytes: Vec<u8> = payload.iter().flat_map(|part| part.iter().copied()).collect();
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            match mode {
                PutMode::Create => disk.create(&path, &bytes),
                _ => disk.replace(&path, &bytes),
            }
        };
        let written = tokio::task::spawn_blocking(put).await;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Error::AlreadyExists { path: location.to_string(), source: error.into() }
            }
            _ => Error::Generic { store: NAME, source: error.into() },
        };
        written.map_err(|source| Error::JoinError { source })?.map_err(failed)?;
        Ok(PutResult { e_tag: None, version: None })
    }
}

impl fmt::Display for DurableStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)
    }
}

#[async_trait::async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.write(location, payload, opts.mode).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload { store: self.clone(), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if self.is_hidden(location) {
            let source = io::Error::other("it is torn").into();
            return Err(Error::NotFound { path: location.to_string(), source });
        }
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let store = self.clone();
        let seen =
            move |file: &Result<ObjectMeta>| !file.as_ref().is_ok_and(|file| store.is_hidden(&file.location));
        self.files.list(prefix).filter(move |file| std::future::ready(seen(file))).boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let mut listed = self.files.list_with_delimiter(prefix).await?;
        listed.objects.retain(|file| !self.is_hidden(&file.location));
        Ok(listed)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.files.copy_opts(from, to, options).await
    }
}

/// A file that comes in parts (a checkpoint): held until it is whole.
#[derive(Debug)]
struct Upload {
    store: DurableStore,
    location: Path,
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
