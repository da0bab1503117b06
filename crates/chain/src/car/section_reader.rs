//! The sections of a CAR, one after the other, in flat memory whatever their size.
//!
//! Snapshots of version 2 bring along the data of F3 as one block of hundreds of megabytes, and 16 GiB are allowed
//! (FRC-0108). No event needs it, so its hash is checked as it passes, and nobody may ask for it.

use std::io::{self, Read};
use std::ops::Range;

use cid::Cid;

use super::mapped_file::MappedFile;
use crate::block::{Hashing, read_cid};
use crate::integers::whole_varint;

/// Largest block that is held in memory: no block of a chain is over 2 MB.
pub(super) const LARGEST_BLOCK: usize = 16 << 20;
/// What a block is passed by in, if it is larger.
const PIECE: u64 = 1 << 20;
/// How much of a mapped file is passed before it need not stay in memory.
pub(super) const RELEASE_EVERY: usize = 16 << 20;
/// More bytes than a CID takes: three varints and a length of at most ten bytes each, and a digest of 64.
const LONGEST_CID: u64 = 128;

/// Bytes of the longest varint of 64 bits.
const LONGEST_VARINT: usize = 10;

/// Reads sections and checks their hashes.
pub(super) struct SectionReader<R> {
    source: R,
    at: u64,
    buffer: Vec<u8>,
}

/// A section that was read, by offsets into the CAR.
pub(super) struct CheckedSection<'s> {
    pub(super) cid: Cid,
    /// Where it begins.
    pub(super) begin: u64,
    /// Its data; `None` if that is too large to be held.
    pub(super) data: Option<&'s [u8]>,
}

/// Why a section does not read, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: u64,
    pub(super) problem: Problem,
}

#[derive(Debug)]
pub(super) enum Problem {
    /// It is no section.
    Malformed(&'static str),
    /// It does not have the hash its CID says, or one of an unknown kind.
    Hash(Cid),
    /// The source does not read.
    Io(io::Error),
}

impl<R: Read> SectionReader<R> {
    /// Sections of a CAR, from where its header ends.
    pub(super) const fn new(source: R, begin: u64) -> Self {
        Self { source, at: begin, buffer: Vec::new() }
    }

    /// The next section, its hash checked; `None` at the end. A CAR may end with zeros, as what is padded to a size does.
    pub(super) fn next(&mut self) -> Result<Option<CheckedSection<'_>>, Fault> {
        let begin = self.at;
        let length = match self.length()? {
            Some(0) => return self.zeros(begin).map(|()| None),
            Some(length) => length,
            None => return Ok(None),
        };
        let start = self.at;
        let held = if length <= LARGEST_BLOCK as u64 { length } else { LONGEST_CID };
        self.read(held, begin)?;
        let mut rest = &self.buffer[..];
        let cid = read_cid(&mut rest).ok_or(malformed(start, "a block does not begin with a CID"))?;
        let data = self.buffer.len() - rest.len();
        let data_at = start + data as u64;
        let unhashed = || Fault { at: data_at, problem: Problem::Hash(cid) };
        let mut hashing = Hashing::of(&cid).ok_or_else(unhashed)?;
        hashing.add(&self.buffer[data..]);
        if held == length {
            return match hashing.matches() {
                true => Ok(Some(CheckedSection { cid, begin, data: Some(&self.buffer[data..]) })),
                false => Err(unhashed()),
            };
        }
        let mut left = length - held;
        while left > 0 {
            let piece = left.min(PIECE);
            self.read(piece, begin)?;
            hashing.add(&self.buffer);
            left -= piece;
        }
        if hashing.matches() { Ok(Some(CheckedSection { cid, begin, data: None })) } else { Err(unhashed()) }
    }

    /// The unsigned varint that comes next; `None` at the end.
    fn length(&mut self) -> Result<Option<u64>, Fault> {
        let begin = self.at;
        let mut bytes = [0; LONGEST_VARINT];
        let mut read = 0;
        for byte in &mut bytes {
            match self.source.read(std::slice::from_mut(byte)) {
                Ok(0) if read == 0 => return Ok(None),
                Ok(0) => break,
                Ok(_) => (self.at, read) = (self.at + 1, read + 1),
                Err(error) => return Err(Fault { at: self.at, problem: Problem::Io(error) }),
            }
            if *byte & 0x80 == 0 {
                break;
            }
        }
        match whole_varint(&bytes[..read]) {
            Some(length) => Ok(Some(length)),
            None => Err(malformed(begin, "a block's length is cut off or malformed")),
        }
    }

    /// Fills the buffer with the next `count` bytes of the section that began at `begin`.
    fn read(&mut self, count: u64, begin: u64) -> Result<(), Fault> {
        self.buffer.clear();
        let read = self.source.by_ref().take(count).read_to_end(&mut self.buffer);
        let read = read.map_err(|error| Fault { at: self.at, problem: Problem::Io(error) })? as u64;
        self.at += read;
        if read == count {
            Ok(())
        } else {
            Err(malformed(begin, "a block is longer than the rest of the file"))
        }
    }

    /// Checks that nothing but zeros is left.
    fn zeros(&mut self, begin: u64) -> Result<(), Fault> {
        loop {
            self.buffer.clear();
            let read = self.source.by_ref().take(PIECE).read_to_end(&mut self.buffer);
            match read.map_err(|error| Fault { at: self.at, problem: Problem::Io(error) })? {
                0 => return Ok(()),
                read => self.at += read as u64,
            }
            if self.buffer.iter().any(|byte| *byte != 0) {
                return Err(malformed(begin, "a block has no length, and more than zeros follows"));
            }
        }
    }
}

const fn malformed(at: u64, problem: &'static str) -> Fault {
    Fault { at, problem: Problem::Malformed(problem) }
}

/// Reads a part of a mapped file from start to end.
pub(super) struct MappedReader<'m> {
    map: &'m MappedFile,
    left: Range<usize>,
    /// From where on it may still be in memory.
    kept: usize,
}

impl<'m> MappedReader<'m> {
    pub(super) const fn new(map: &'m MappedFile, part: Range<usize>) -> Self {
        Self { map, kept: part.start, left: part }
    }
}

impl Read for MappedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.map.get().get(self.left.clone()).unwrap_or_default();
        let count = buffer.len().min(bytes.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.left.start += count;
        if self.left.start - self.kept >= RELEASE_EVERY {
            self.map.release(self.kept..self.left.start);
            self.kept = self.left.start;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::dag_cbor_cid;

    fn section(data: &[u8]) -> Vec<u8> {
        let cid = dag_cbor_cid(data).to_bytes();
        let (mut length, mut section) = (cid.len() + data.len(), Vec::new());
        while length >= 0x80 {
            section.push(length as u8 | 0x80);
            length >>= 7;
        }
        section.push(length as u8);
        [section, cid, data.to_vec()].concat()
    }

    /// Lengths of the blocks that are held, and of how many that are not.
    fn read(car: &[u8]) -> Result<(Vec<usize>, usize), Fault> {
        let mut sections = SectionReader::new(car, 0);
        let (mut held, mut passed) = (Vec::new(), 0);
        while let Some(section) = sections.next()? {
            match section.data {
                Some(data) => held.push(data.len()),
                None => passed += 1,
            }
        }
        Ok((held, passed))
    }

    #[test]
    fn a_block_of_any_size_is_checked_and_only_small_ones_are_held() {
        let large = section(&vec![7; LARGEST_BLOCK + 5]);
        let car = [section(b"one"), large.clone(), section(b"three")].concat();
        assert_eq!(read(&car).unwrap(), (vec![3, 5], 1));
        let mut sections = SectionReader::new(&car[..], 0);
        while sections.next().unwrap().is_some() {}
        assert!(sections.buffer.capacity() < 4 << 20);
        let mut wrong = car.clone();
        wrong[large.len() / 2] ^= 1;
        assert!(matches!(read(&wrong).unwrap_err().problem, Problem::Hash(_)));
        let cut = read(&car[..large.len() / 2]).unwrap_err();
        assert!(matches!(cut.problem, Problem::Malformed(_)) && cut.at == section(b"one").len() as u64);
    }

    #[test]
    fn zeros_may_follow_the_last_block_and_nothing_else_behind_them() {
        let car = section(b"one");
        assert_eq!(read(&[&car[..], &[0; 3_000_000]].concat()).unwrap(), (vec![3], 0));
        assert_eq!(read(&[&car[..], &[0]].concat()).unwrap(), (vec![3], 0));
        let behind = read(&[&car[..], &[0; 5], &car[..]].concat()).unwrap_err();
        assert_eq!(behind.at, car.len() as u64);
    }
}
