//! Opens what is beneath a directory of ours, and nothing else.
//!
//! A lake, or a copy of one, may be a stranger's: a link in it leads anywhere, a FIFO never answers, a device never ends.
//! So whatever is read, written or removed below such a directory is reached from it name by name, no name is a link, and
//! the last one is a regular file. The directory itself is named by who runs the program, and may be a link.

use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::integrity::IntegrityError;

fn not_plain(path: &Path, of: FileType) -> io::Error {
    io::Error::other(IntegrityError::UnexpectedFileType { path: path.to_owned(), what: kind(of) })
}

fn kind(of: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if of.is_fifo() {
            return "a FIFO";
        }
        if of.is_socket() {
            return "a socket";
        }
        if of.is_block_device() || of.is_char_device() {
            return "a device";
        }
    }
    if of.is_symlink() {
        "a link"
    } else if of.is_dir() {
        "a directory"
    } else {
        "no directory"
    }
}

/// What is known of a regular file; `None` if nothing has the name.
///
/// # Errors
/// If it is something else, or one of the names before it is no directory.
pub(crate) fn metadata(root: &Path, names: &[&str]) -> io::Result<Option<Metadata>> {
    let Some(about) = last(root, names)? else { return Ok(None) };
    if about.is_file() { Ok(Some(about)) } else { Err(not_plain(&join(root, names), about.file_type())) }
}

/// Whether there is a directory of that name.
///
/// # Errors
/// If it is something else, as a link to one.
pub(crate) fn is_directory(root: &Path, names: &[&str]) -> io::Result<bool> {
    let Some(about) = last(root, names)? else { return Ok(false) };
    if about.is_dir() { Ok(true) } else { Err(not_plain(&join(root, names), about.file_type())) }
}

/// Makes a directory and those above it, below `root`, where they are absent.
///
/// # Errors
/// If one of the names is something else, or it cannot be made.
pub(crate) fn create_directory(root: &Path, names: &[&str]) -> io::Result<()> {
    for depth in 1..=names.len() {
        let names = &names[..depth];
        match fs::create_dir(join(root, names)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        is_directory(root, names)?;
    }
    Ok(())
}

/// The names in a directory, and what each is; none if it is not there.
///
/// # Errors
/// If it is no directory, or cannot be read.
pub(crate) fn entries(root: &Path, names: &[&str]) -> io::Result<Vec<(String, FileType)>> {
    if !names.is_empty() && !is_directory(root, names)? {
        return Ok(Vec::new());
    }
    let entry = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.file_type()?))
    };
    fs::read_dir(join(root, names))?.map(entry).collect()
}

/// Opens a regular file for reading.
///
/// # Errors
/// If it is not there, is something else, or one of the names before it is no directory.
pub(crate) fn open(root: &Path, names: &[&str]) -> io::Result<File> {
    // Only looking at it first: opening a device may do something.
    if metadata(root, names)?.is_none() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = way::open(root, names)?;
    regular(file, root, names)
}

/// Reads a regular file of at most so many bytes.
///
/// # Errors
/// As [`open`], and if it is longer.
pub(crate) fn read(root: &Path, names: &[&str], most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(root, names)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

/// Opens a regular file for reading and writing, and makes it where it is absent. What is in it stays.
///
/// # Errors
/// If it is something else, or cannot be made or opened.
pub(crate) fn open_or_create(root: &Path, name: &str) -> io::Result<File> {
    metadata(root, &[name])?;
    regular(way::open_or_create(root, name)?, root, &[name])
}

/// What was opened must be what was looked at.
fn regular(file: File, root: &Path, names: &[&str]) -> io::Result<File> {
    let about = file.metadata()?;
    if about.is_file() { Ok(file) } else { Err(not_plain(&join(root, names), about.file_type())) }
}

/// What has the last name, none of the others being anything but a directory.
fn last(root: &Path, names: &[&str]) -> io::Result<Option<Metadata>> {
    let mut path = root.to_owned();
    let mut names = names.iter().peekable();
    while let Some(name) = names.next() {
        path.push(name);
        let about = match fs::symlink_metadata(&path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if names.peek().is_none() {
            return Ok(Some(about));
        }
        if !about.is_dir() {
            return Err(not_plain(&path, about.file_type()));
        }
    }
    Ok(None)
}

fn join(root: &Path, names: &[&str]) -> PathBuf {
    let mut path = root.to_owned();
    path.extend(names);
    path
}

#[cfg(unix)]
mod way {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    use rustix::fd::OwnedFd;
    use rustix::fs::{Mode, OFlags, open as open_at_once, openat};

    /// The directory that holds the last name.
    fn directory(root: &Path, names: &[&str]) -> io::Result<OwnedFd> {
        let directory = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut at = open_at_once(root, directory, Mode::empty())?;
        for name in names {
            at = openat(&at, *name, directory | OFlags::NOFOLLOW, Mode::empty())?;
        }
        Ok(at)
    }

    pub(super) fn open(root: &Path, names: &[&str]) -> io::Result<File> {
        let Some((name, above)) = names.split_last() else { return Err(io::ErrorKind::NotFound.into()) };
        // Where a FIFO has come into its place, opening does not wait for who writes to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        Ok(openat(directory(root, above)?, *name, flags, Mode::empty())?.into())
    }

    pub(super) fn open_or_create(root: &Path, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        Ok(openat(directory(root, &[])?, name, flags, mode)?.into())
    }
}

#[cfg(not(unix))]
mod way {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(super) fn open(root: &Path, names: &[&str]) -> io::Result<File> {
        File::open(super::join(root, names))
    }

    pub(super) fn open_or_create(root: &Path, name: &str) -> io::Result<File> {
        File::options().read(true).write(true).create(true).truncate(false).open(root.join(name))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_are_opened_and_no_name_is_a_link() {
        let outside = tempfile::tempdir().expect("a directory");
        fs::create_dir(outside.path().join("far")).expect("a directory");
        fs::write(outside.path().join("far/secret"), b"secret").expect("a file");
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        fs::create_dir(root.join("near")).expect("a directory");
        fs::write(root.join("near/own"), b"own").expect("a file");
        symlink(outside.path().join("far/secret"), root.join("link")).expect("a link");
        symlink(outside.path().join("nowhere"), root.join("dangling")).expect("a link");
        symlink(outside.path().join("far"), root.join("away")).expect("a link");
        symlink(root.join("near"), root.join("beside")).expect("a link");
        let made = std::process::Command::new("mkfifo").arg(root.join("fifo")).status();
        assert!(made.expect("mkfifo").success());
        let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("a socket");

        assert_eq!(read(root, &["near", "own"], 3).expect("a file"), b"own");
        assert_eq!(read(root, &["near", "own"], 2).expect_err("longer").kind(), io::ErrorKind::InvalidData);
        assert_eq!(open(root, &["near", "no"]).expect_err("none").kind(), io::ErrorKind::NotFound);
        let refused = [
            (&["link"][..], "link is a link"),
            (&["dangling"], "dangling is a link"),
            (&["away", "secret"], "away is a link"),
            (&["beside", "own"], "beside is a link"),
            (&["fifo"], "fifo is a FIFO"),
            (&["socket"], "socket is a socket"),
            (&["near"], "near is a directory"),
            (&["near", "own", "deeper"], "own is no directory"),
        ];
        for (names, said) in refused {
            let opened = open(root, names).expect_err("it is no regular file").to_string();
            assert!(opened.ends_with(said), "{opened}");
            let looked = metadata(root, names).expect_err("it is no regular file").to_string();
            assert!(looked.ends_with(said), "{looked}");
        }
        for name in ["link", "dangling", "fifo", "socket", "near"] {
            open_or_create(root, name).expect_err("it is no regular file");
        }
        for names in [&["away"][..], &["away", "new"], &["near", "own"]] {
            create_directory(root, names).expect_err("it leads elsewhere");
            entries(root, names).expect_err("it leads elsewhere");
        }
        assert!(!outside.path().join("far/new").exists() && !outside.path().join("nowhere").exists());
        create_directory(root, &["made", "deeper"]).expect("made");
        open_or_create(root, "new").expect("made");
        assert_eq!(read(root, &["new"], 0).expect("a file"), b"");
    }
}
