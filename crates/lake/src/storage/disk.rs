//! Durable writes.
//!
//! Everything that a lake writes goes through here. A file is there whole or not at all, and once a function has
//! returned, a power cut does not take back what it did: bytes are flushed before they get their name, and names are
//! flushed with the directory that holds them.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use chain::WallClock;
use uuid::Uuid;

use crate::storage::lock::WriterLock;

/// What a file is called until it is whole; whatever ends so and is found on opening was left by a crash.
pub(crate) const PARTIAL: &str = ".partial";

/// One thing done to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// Writing bytes to a new file.
    Write,
    /// Flushing a file.
    SyncFile,
    /// Giving a whole file its name, where none may have it yet.
    Link,
    /// Giving a whole file its name, in the place of another.
    Rename,
    /// Flushing a directory.
    SyncDirectory,
    /// Removing a file.
    Remove,
}

type Hook = dyn Fn(DiskStep, &Path) -> io::Result<()> + Send + Sync;

/// The disk that a lake is written to.
#[derive(Clone, Default)]
pub struct Disk {
    hook: Option<Arc<Hook>>,
    /// The lock without which nothing gets a name or loses it; once its holder is gone, nothing does.
    lock: Option<Weak<WriterLock>>,
    clock: WallClock,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk").field("hook", &self.hook.is_some()).finish()
    }
}

impl Disk {
    /// A disk that asks `hook` before each step. If that is an error, the step fails with it, a write half done: the
    /// way to try what a failing or full disk does.
    #[must_use]
    pub fn with_hook(hook: impl Fn(DiskStep, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { hook: Some(Arc::new(hook)), ..Self::default() }
    }

    /// The same disk, written to at the times that `clock` says.
    #[must_use]
    pub fn with_clock(mut self, clock: WallClock) -> Self {
        self.clock = clock;
        self
    }

    /// The clock by which it is written to.
    pub(crate) fn clock(&self) -> &WallClock {
        &self.clock
    }

    /// The same disk, on which files get names, or lose them, only as long as this lock is held and in its place.
    pub(crate) fn guarded_by(mut self, lock: &Arc<WriterLock>) -> Self {
        self.lock = Some(Arc::downgrade(lock));
        self
    }

    /// Whether the lock is held and in its place.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn check_lock(&self) -> io::Result<()> {
        match self.lock.as_ref().map(Weak::upgrade) {
            None => Ok(()),
            Some(Some(lock)) => lock.check(),
            Some(None) => Err(io::Error::other("the lake's lock was let go")),
        }
    }

    fn run_hook(&self, step: DiskStep, path: &Path) -> io::Result<()> {
        self.hook.as_ref().map_or(Ok(()), |hook| hook(step, path))?;
        if matches!(step, DiskStep::Link | DiskStep::Rename | DiskStep::Remove) {
            self.check_lock()
        } else {
            Ok(())
        }
    }

    /// Begins a file that nobody reads until something else names it.
    pub(crate) fn begin(&self, path: &Path) -> io::Result<NewFile> {
        Ok(NewFile { file: File::create_new(path)?, disk: self.clone(), path: path.to_owned() })
    }

    /// Makes a file under a name that nothing has yet: whole, or not at all.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] if something has the name.
    pub(crate) fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.under_name(path, &mut |file| file.write_all(bytes), |partial| {
            self.run_hook(DiskStep::Link, path)?;
            fs::hard_link(partial, path)
        })
    }

    /// Makes a file, or puts it in the place of the one that has its name: at every instant one of the two is there.
    pub(crate) fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.place(path, &mut |file| file.write_all(bytes))
    }

    /// As [`Disk::replace`], with what `write` writes.
    pub(crate) fn place(
        &self,
        path: &Path,
        write: &mut dyn FnMut(&mut NewFile) -> io::Result<()>,
    ) -> io::Result<()> {
        self.under_name(path, write, |partial| {
            self.run_hook(DiskStep::Rename, path)?;
            fs::rename(partial, path)
        })
    }

    fn under_name(
        &self,
        path: &Path,
        write: &mut dyn FnMut(&mut NewFile) -> io::Result<()>,
        name: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}{PARTIAL}", Uuid::new_v4().simple()));
        let partial = Path::new(&partial);
        let laid_down = self.begin(partial).and_then(|mut file| {
            write(&mut file)?;
            file.end()
        });
        let named = laid_down.and_then(|()| name(partial));
        // After a renaming there is nothing left to remove.
        let _ = fs::remove_file(partial);
        named?;
        self.sync_directory(path.parent().unwrap_or(path))
    }

    /// Flushes a directory: the names in it last.
    pub(crate) fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.run_hook(DiskStep::SyncDirectory, directory)?;
        // Only Unix has directories that can be opened and flushed; elsewhere the file system does so by itself.
        if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        self.run_hook(DiskStep::Remove, path)?;
        fs::remove_file(path)
    }
}

/// A file that is being written.
pub(crate) struct NewFile {
    file: File,
    disk: Disk,
    path: PathBuf,
}

impl NewFile {
    /// Flushes the file. It lasts once its directory is flushed, too.
    pub(crate) fn end(&self) -> io::Result<()> {
        self.disk.run_hook(DiskStep::SyncFile, &self.path)?;
        self.file.sync_all()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.disk.run_hook(DiskStep::Write, &self.path) {
            let _ = self.file.write_all(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
