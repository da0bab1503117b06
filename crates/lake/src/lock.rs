//! One writer at a time.
//!
//! The lock is the operating system's, on a file in the lake, so that it dies with its holder however that ends. What
//! the file says is only for people: who holds it.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use crate::{Error, Result};

pub(crate) const NAME: &str = "writer.lock";
/// Longest description of a holder that is read.
const LONGEST: u64 = 4096;

/// The right to write to a lake, for as long as it lives.
#[derive(Debug)]
pub(crate) struct WriterLock {
    /// Closing it lets go of the lock.
    file: File,
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Nobody holds it any more, and a lake that is only looked at again stays byte for byte what it was.
        let _ = self.file.set_len(0);
    }
}

impl WriterLock {
    /// Takes the lock of the lake in `dir`.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it; it says which.
    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let path = dir.join(NAME);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::Locked { dir: dir.to_owned(), holder: said(&file) });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
        }
        // Only a courtesy to whoever is turned away.
        let _ = describe(&mut file);
        Ok(Self { file })
    }

    /// Who holds the lock of the lake in `dir`, as it says itself; `None` if nobody does.
    pub(crate) fn holder(dir: &Path) -> Option<String> {
        let file = File::open(dir.join(NAME)).ok()?;
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| said(&file))
    }
}

/// Process, command and time of this process.
fn describe(file: &mut File) -> std::io::Result<()> {
    let mut words = std::env::args().take(3);
    let program = words.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let command: Vec<String> = std::iter::once(program).chain(words).collect();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    let (id, command, since) = (std::process::id(), command.join(" "), since.as_secs());
    writeln!(file, "process {id} ({command}), since unix time {since}")
}

fn said(file: &File) -> String {
    let mut text = Vec::new();
    let mut file = file;
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(LONGEST).read_to_end(&mut text));
    let said = String::from_utf8_lossy(&text).trim().to_owned();
    if read.is_err() || said.is_empty() { "a process that has not said which".to_owned() } else { said }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_writer_is_told_who_the_first_is() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = WriterLock::take(dir.path()).expect("nobody holds it");
        match WriterLock::take(dir.path()) {
            Err(Error::Locked { holder, .. }) => {
                assert!(holder.starts_with(&format!("process {} (", std::process::id())), "{holder}");
            }
            other => panic!("{other:?}"),
        }
        assert!(WriterLock::holder(dir.path()).is_some_and(|holder| holder.starts_with("process ")));
        drop(first);
        assert_eq!(WriterLock::holder(dir.path()), None);
        WriterLock::take(dir.path()).expect("nobody holds it any more");
    }
}
