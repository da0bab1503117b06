//! A CAR inside zstd: decompressed once into a cache, from where it is mapped.
//!
//! The copy's name is the file's own and a hash of its path, size and time, so a changed file gets a new copy.
//! It is written under another name and renamed when whole.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{short_hash, task};
use crate::error::{Error, Result};
use crate::progress::{Progress, Unit};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER: usize = 1 << 20;

/// Whether the file begins as a zstd frame.
pub(super) fn is_zstd(path: &Path) -> Result<bool> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut start = Vec::with_capacity(MAGIC.len());
    File::open(path).map_err(io)?.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    Ok(start == MAGIC)
}

/// The decompressed copy of `path` in `cache`, and whether it was made just now.
pub(super) fn decompressed(path: &Path, cache: &Path, progress: &dyn Progress) -> Result<(PathBuf, bool)> {
    let copy = place(path, cache)?;
    if copy.is_file() {
        return Ok((copy, false));
    }
    let io = |source| Error::Io { path: cache.to_owned(), source };
    fs::create_dir_all(cache).map_err(io)?;
    let partial = copy.with_extension(format!("{}.partial", std::process::id()));
    let written = decompress(path, &partial, progress);
    progress.end();
    match written.and_then(|()| fs::rename(&partial, &copy).map_err(io)) {
        Ok(()) => Ok((copy, true)),
        Err(error) => {
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

/// Removes a copy.
pub(super) fn forget(copy: &Path) -> Result<()> {
    fs::remove_file(copy).map_err(|source| Error::Io { path: copy.to_owned(), source })
}

/// Where in `cache` the decompressed copy of `path`, as it is now, has its place.
pub(super) fn place(path: &Path, cache: &Path) -> Result<PathBuf> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let whole = path.canonicalize().map_err(io)?;
    let about = fs::metadata(&whole).map_err(io)?;
    let changed =
        about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let identity = format!("{}\n{}\n{}", whole.display(), about.len(), changed.as_nanos());
    let hash = short_hash(identity.as_bytes());
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(cache.join(format!("{}-{hash}.car", stem.trim_end_matches(".car"))))
}

fn decompress(path: &Path, partial: &Path, progress: &dyn Progress) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let source = File::open(path).map_err(io)?;
    let length = source.metadata().map_err(io)?.len();
    progress.begin(task("decompressing", path), length, Unit::Bytes);
    let counted = Counted { inner: source, read: 0, progress };
    let mut decoder = zstd::Decoder::with_buffer(BufReader::with_capacity(BUFFER, counted)).map_err(io)?;
    let out_error = |source| Error::Io { path: partial.to_owned(), source };
    let mut out = File::create(partial).map_err(out_error)?;
    let mut buffer = vec![0; BUFFER];
    let mut written = 0_u64;
    loop {
        match decoder.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                out.write_all(&buffer[..count]).map_err(out_error)?;
                written += count as u64;
            }
            Err(error) => {
                return Err(Error::File {
                    path: path.to_owned(),
                    // What was read ahead has not been looked at.
                    offset: decoder.get_ref().get_ref().read - decoder.get_ref().buffer().len() as u64,
                    problem: format!(
                        "the zstd stream does not decompress ({error}) after {written} bytes of content"
                    ),
                    advice: "the file is damaged or incomplete: fetch it again",
                });
            }
        }
    }
}

/// Counts what is read, for progress and for errors.
struct Counted<'a> {
    inner: File,
    read: u64,
    progress: &'a dyn Progress,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        self.progress.at(self.read);
        Ok(count)
    }
}
