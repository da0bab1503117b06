//! The writer's lock: one writer at a time.
//!
//! The lock is the operating system's, on a file in the lake, so that it dies with its holder however that ends. What
//! the file says is only for people: who holds it.
//!
//! Whoever removes the file, or puts another in its place, lets a second writer in: it locks the new file. So a holder
//! looks whether the file in the lake is still the one that it has locked: once it has locked it, and before each commit.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chain::WallClock;

use crate::error::integrity::IntegrityError;
use crate::error::{Error, Result};
use crate::storage::beneath;
use crate::storage::file_identity::FileIdentity;

pub(crate) const NAME: &str = "writer.lock";
/// Longest description of a holder that is read.
const MAX_BYTES: u64 = 4096;
/// How each description begins. What begins otherwise is none of ours, and stays as it is.
const BEGINS: &str = "process ";
/// How often a lock is taken anew whose file was replaced meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// The right to write to a lake, until it is dropped.
#[derive(Debug)]
pub(crate) struct WriterLock {
    /// Closing it lets go of the lock.
    file: File,
    path: PathBuf,
    /// Whether the file says who holds it.
    described: bool,
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Nobody holds it any more, and a lake that is only looked at again stays byte for byte what it was.
        if self.described {
            let _ = self.file.set_len(0);
        }
    }
}

impl WriterLock {
    /// Takes the lock of the lake in `dir`.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it; it says which. If it is no regular file.
    pub(crate) fn acquire(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        for _ in 0..MAX_ATTEMPTS {
            let file = beneath::open_or_create(dir, NAME).map_err(Error::io(&path))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { dir: dir.to_owned(), holder: said(&file) });
                }
                Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
            }
            let mut lock = Self { file, path: path.clone(), described: false };
            if lock.check().is_ok() {
                // Only a courtesy to whoever is turned away.
                lock.described = describe(&mut lock.file).is_ok_and(|described| described);
                return Ok(lock);
            }
        }
        Err(Error::LockReplaced { path })
    }

    /// Whether the file in the lake is the one that is locked.
    ///
    /// # Errors
    /// If it is gone, or another one.
    pub(crate) fn check(&self) -> io::Result<()> {
        let there = fs::symlink_metadata(&self.path);
        let same = match there {
            Ok(there) => FileIdentity::of(&there) == FileIdentity::of(&self.file.metadata()?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        };
        if same {
            Ok(())
        } else {
            Err(io::Error::other(IntegrityError::LockReplaced { path: self.path.clone() }))
        }
    }

    /// Who holds the lock of the lake in `dir`, as it says itself; `None` if nobody does.
    pub(crate) fn holder(dir: &Path) -> Option<String> {
        let file = beneath::open(dir, &[NAME]).ok()?;
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| said(&file))
    }
}

/// Process, command and time of this process; false if the file holds what is none of ours.
fn describe(file: &mut File) -> io::Result<bool> {
    let before = text(file)?;
    if !before.is_empty() && !before.starts_with(BEGINS.as_bytes()) {
        return Ok(false);
    }
    // A path among them need not be text.
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).take(3);
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let command: Vec<String> = std::iter::once(program).chain(words).collect();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let (id, command) = (std::process::id(), command.join(" "));
    let since = WallClock::default().unix_seconds();
    writeln!(file, "{BEGINS}{id} ({command}), since unix time {since}")?;
    Ok(true)
}

fn text(mut file: &File) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

fn said(file: &File) -> String {
    let text = text(file).unwrap_or_default();
    let said = String::from_utf8_lossy(&text).trim().to_owned();
    if said.is_empty() { "a process that has not said which".to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_writer_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = WriterLock::acquire(dir.path()).expect("nobody holds it");
        match WriterLock::acquire(dir.path()) {
            Err(Error::Locked { holder, .. }) => {
                assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        assert!(WriterLock::holder(dir.path()).is_some_and(|holder| holder.starts_with("process ")));
        drop(first);
        assert_eq!(WriterLock::holder(dir.path()), None);
        WriterLock::acquire(dir.path()).expect("nobody holds it any more");
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_was_replaced_is_noticed() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = WriterLock::acquire(dir.path()).expect("nobody holds it");
        first.check().expect("it is there");
        fs::remove_file(dir.path().join(NAME)).expect("removed");
        let gone = Error::io("")(first.check().expect_err("it is gone"));
        assert!(matches!(&gone, Error::LockReplaced { path } if path.ends_with(NAME)), "{gone}");
        let second = WriterLock::acquire(dir.path()).expect("nobody holds the new one");
        first.check().expect_err("it is another");
        second.check().expect("it is there");
        drop(first);
        assert!(WriterLock::holder(dir.path()).is_some(), "the second one's file is as it was");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_lock_of_ours_is_neither_followed_nor_changed() {
        let outside = tempfile::tempdir().expect("a directory");
        let keys = outside.path().join("authorized_keys");
        fs::write(&keys, b"ssh-ed25519 AAAA").expect("a file");
        let dir = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(&keys, dir.path().join(NAME)).expect("a link");
        let refused = WriterLock::acquire(dir.path()).expect_err("it is a link");
        assert!(matches!(refused, Error::UnexpectedFileType { what: "a link", .. }), "{refused}");
        assert_eq!(WriterLock::holder(dir.path()), None);
        fs::remove_file(dir.path().join(NAME)).expect("removed");
        fs::hard_link(&keys, dir.path().join(NAME)).expect("a second name");
        drop(WriterLock::acquire(dir.path()).expect("a file like any other"));
        assert_eq!(fs::read(&keys).expect("a file"), b"ssh-ed25519 AAAA");
    }
}
