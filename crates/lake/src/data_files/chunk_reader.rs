//! A file's bytes, read by offset, by several threads at once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::reader::{ChunkReader, Length};

use crate::storage::object_reads::read_at;

/// Bytes that are read ahead at most. What is longer is read page by page.
const MAX_READ_AHEAD: u64 = 64 << 20;

/// What a data file is read from. The Parquet library's own way moves the one place that all handles of a file share.
#[derive(Clone, Debug)]
pub(crate) struct FileChunks {
    file: Arc<File>,
    length: u64,
    /// A stretch that was read at once, and where it begins.
    ahead: Option<(u64, Bytes)>,
}

impl FileChunks {
    pub(crate) fn of(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self { file: Arc::new(file), length, ahead: None })
    }

    /// The same file, with these bytes at hand: one look at the disk, in the place of one for each page.
    pub(crate) fn read_ahead(&self, range: Range<u64>) -> Result<Self> {
        let length = range.end.saturating_sub(range.start);
        if length > MAX_READ_AHEAD {
            return Ok(self.clone());
        }
        let bytes = self.get_bytes(range.start, usize::try_from(length)?)?;
        Ok(Self { ahead: Some((range.start, bytes)), ..self.clone() })
    }

    /// The bytes from that place on that are at hand.
    fn buffered(&self, place: u64) -> Option<Bytes> {
        let (start, bytes) = self.ahead.as_ref()?;
        let skipped = usize::try_from(place.checked_sub(*start)?).ok()?;
        (skipped < bytes.len()).then(|| bytes.slice(skipped..))
    }

    fn at(&self, place: u64) -> FileCursor {
        FileCursor { file: Arc::clone(&self.file), place }
    }
}

impl Length for FileChunks {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for FileChunks {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(match self.buffered(start) {
            Some(bytes) => Box::new(bytes.reader()),
            None => Box::new(BufReader::new(self.at(start))),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        if let Some(bytes) = self.buffered(start).filter(|bytes| bytes.len() >= length) {
            return Ok(bytes.slice(..length));
        }
        // A damaged file may claim any length.
        if start.checked_add(length as u64).is_none_or(|end| end > self.length) {
            let problem = format!("{length} bytes at {start} of a file of {}", self.length);
            return Err(ParquetError::EOF(problem));
        }
        let mut bytes = vec![0; length];
        self.at(start).read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// A file from some place on.
struct FileCursor {
    file: Arc<File>,
    place: u64,
}

impl Read for FileCursor {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, bytes, self.place)?;
        self.place = self.place.saturating_add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn bytes_are_the_same_read_ahead_or_not_and_none_are_made_up() {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let bytes: Vec<u8> = (0..200).collect();
        file.write_all(&bytes).expect("written");
        let plain = FileChunks::of(file.reopen().expect("a file")).expect("it opens");
        assert_eq!(plain.len(), 200);
        let ahead = plain.read_ahead(50..100).expect("read ahead");
        for source in [&plain, &ahead] {
            for (start, length) in
                [(0, 200), (50, 50), (60, 40), (60, 41), (99, 1), (100, 1), (40, 20), (200, 0)]
            {
                let read = source.get_bytes(start, length).expect("within the file");
                assert_eq!(read, bytes[start as usize..start as usize + length], "{length} at {start}");
            }
            let mut read = [0; 30];
            source.get_read(60).expect("a place").read_exact(&mut read).expect("within the file");
            assert_eq!(read, bytes[60..90]);
            for (start, length) in [(0, 201), (201, 0), (199, 2), (u64::MAX, 1), (0, usize::MAX)] {
                assert!(source.get_bytes(start, length).is_err(), "{length} at {start}");
            }
        }
        assert!(plain.read_ahead(150..250).is_err());
    }
}
