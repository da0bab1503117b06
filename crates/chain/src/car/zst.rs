//! A CAR inside zstd: decompressed once into a cache, from where it is mapped.
//!
//! ```text
//! ┌────────────┬────────┬───┬──────────────────────────────────────┐
//! │ 28 b5 2f fd│ frame  │ … │ 5? 2a 4d 18, length, skipped bytes   │ …   the frames' contents, one after another, are a CAR
//! └────────────┴────────┴───┴──────────────────────────────────────┘
//! ```
//!
//! The copy's name is the file's own and a hash of its path, size and time, so a changed file gets a new copy.
//! It is written under another name and renamed when whole.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::info::{short_hash, task};
use crate::error::{Error, Result};
use crate::progress::{ProgressSink, ProgressUnit};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Magic of a skippable frame, but for the lower half of its first byte. pzstd writes one before each frame.
const SKIPPABLE: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];
const BUFFER: usize = 1 << 20;
/// Widest window taken, as a power of two: what the zstd tool itself takes unasked. A decoder reserves it at once, but
/// touches only as much of it as there is content.
const WIDEST_WINDOW: u32 = 27;
/// How many times its size a file may unfold to, so that few bytes do not fill the disk. Blocks come with their
/// hashes, which do not compress: real snapshots unfold to less than ten times, and one with padding to 33.
pub(super) const MAX_EXPANSION: u64 = 200;

/// Whether the file begins as a zstd frame, be it a skippable one.
pub(super) fn is_zstd(path: &Path) -> Result<bool> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let mut start = Vec::with_capacity(MAGIC.len());
    File::open(path).map_err(io)?.take(MAGIC.len() as u64).read_to_end(&mut start).map_err(io)?;
    Ok(start == MAGIC
        || matches!(*start, [first, ..] if first & 0xf0 == SKIPPABLE[0]) && start[1..] == SKIPPABLE[1..])
}

/// The decompressed copy of `path` in `cache`, and whether it was made just now.
pub(super) fn decompressed_copy(
    path: &Path,
    cache: &Path,
    progress: &dyn ProgressSink,
) -> Result<(PathBuf, bool)> {
    let copy = decompressed_path(path, cache)?;
    if copy.is_file() {
        return Ok((copy, false));
    }
    let io = |source| Error::Io { path: cache.to_owned(), source };
    fs::create_dir_all(cache).map_err(io)?;
    let partial = copy.with_extension(format!("{}.partial", std::process::id()));
    let written = decompress_file(path, &partial, progress);
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
pub(super) fn remove(copy: &Path) -> Result<()> {
    fs::remove_file(copy).map_err(|source| Error::Io { path: copy.to_owned(), source })
}

/// The path in `cache` of the decompressed copy of `path` as it is now.
pub(super) fn decompressed_path(path: &Path, cache: &Path) -> Result<PathBuf> {
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

fn decompress_file(path: &Path, partial: &Path, progress: &dyn ProgressSink) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let source = File::open(path).map_err(io)?;
    let length = source.metadata().map_err(io)?.len();
    progress.begin(task("decompressing", path), length, ProgressUnit::Bytes);
    let counted = Counted { inner: source, read: 0, progress };
    let mut decoder = decoder(BufReader::with_capacity(BUFFER, counted)).map_err(io)?;
    let out_error = |source| Error::Io { path: partial.to_owned(), source };
    let mut out = File::create(partial).map_err(out_error)?;
    let mut buffer = vec![0; BUFFER];
    let mut written = 0_u64;
    loop {
        match decompress(&mut decoder, &mut buffer, written, length) {
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

/// A decoder, bounded in memory.
pub(super) fn decoder<R: BufRead>(source: R) -> io::Result<zstd::Decoder<'static, R>> {
    let mut decoder = zstd::Decoder::with_buffer(source)?;
    decoder.window_log_max(WIDEST_WINDOW)?;
    Ok(decoder)
}

/// Reads on from a file of `length` bytes that has unfolded to `written` so far.
pub(super) fn decompress(
    decoder: &mut impl Read,
    buffer: &mut [u8],
    written: u64,
    length: u64,
) -> io::Result<usize> {
    let count = decoder.read(buffer)?;
    if written.saturating_add(count as u64) > length.saturating_mul(MAX_EXPANSION) {
        return Err(io::Error::other(format!("it unfolds to over {MAX_EXPANSION} times its size")));
    }
    Ok(count)
}

/// Counts what is read, for progress and for errors.
struct Counted<'a> {
    inner: File,
    read: u64,
    progress: &'a dyn ProgressSink,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.read += count as u64;
        self.progress.at(self.read);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::NoProgress;

    /// What a file of these bytes fails with.
    fn failure(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hostile.car.zst");
        fs::write(&path, bytes).unwrap();
        decompressed_copy(&path, folder.path(), &NoProgress).unwrap_err().to_string()
    }

    /// A frame of blocks that each repeat one byte 128 KiB times, under a window of 2^`log`.
    fn frame(log: u8, blocks: usize) -> Vec<u8> {
        let block = |last: u32| (last | 1 << 1 | (128 << 10) << 3).to_le_bytes();
        let mut frame = [&MAGIC[..], &[0, (log - 10) << 3]].concat();
        for at in 1..=blocks {
            frame.extend(&block(u32::from(at == blocks))[..3]);
            frame.push(0);
        }
        frame
    }

    #[test]
    fn few_bytes_fill_neither_memory_nor_disk() {
        assert!(failure(&frame(28, 2)).contains("memory"));
        let said = failure(&frame(20, 1000));
        assert!(said.contains("over 200 times its size") && said.contains("hostile.car.zst"), "{said}");
    }
}
