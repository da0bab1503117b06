//! What reads files, over bytes in memory: for the fuzz targets, which set `--cfg fuzzing`, and for nothing else.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use cid::Cid;

use super::external_sort::ExternalSorter;
use super::forest::ForestCar;
use super::index::{self, Index};
use super::{plain, zst};
use crate::block::Block;
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::progress::NoProgress;

/// The version, the roots, and where the sections are.
///
/// # Errors
/// If the bytes are no CAR.
pub fn car_header(bytes: &[u8]) -> std::result::Result<(u64, Vec<Cid>, Range<usize>), String> {
    plain::header(bytes)
}

/// The CID of the section at `offset`, and where its data is.
///
/// # Errors
/// If there is no section.
pub fn car_section(bytes: &[u8], offset: usize) -> std::result::Result<(Cid, Range<usize>), &'static str> {
    plain::section(bytes, offset)
        .map(|found| (found.cid, found.data..found.end))
        .map_err(|(_, problem)| problem)
}

/// Whether the section at `offset` has the hash its CID says.
///
/// # Errors
/// If there is no section, or it has another hash.
pub fn car_check(bytes: &[u8], offset: usize) -> Result<()> {
    let section = plain::section(bytes, offset).map_err(|(_, problem)| Error::malformed(problem))?;
    plain::check(&section.cid, &bytes[section.data..section.end], Path::new("fuzzed"), section.data as u64)
}

/// Makes an index of sections in memory, as it is kept in a file.
///
/// # Errors
/// If a temporary file cannot be written.
pub fn index_of(sections: &[(Cid, usize)]) -> io::Result<Vec<u8>> {
    let mut entries = ExternalSorter::new();
    for (cid, offset) in sections {
        entries.push(index::prefix(cid.hash().digest()), *offset as u64)?;
    }
    index::encode(entries.finish()?)
}

/// The offsets at which an index has each CID; `None` if it is damaged where one of them would be.
#[must_use]
pub fn looked_up(index: Vec<u8>, cids: &[Cid]) -> Option<Vec<Vec<u64>>> {
    let index = Index::from_memory(index)?;
    let places = |cid: &Cid| index.candidates(cid.hash().digest()).ok().map(Iterator::collect);
    cids.iter().map(places).collect()
}

/// How many bytes some zstd decompresses to, and the sum of these bytes.
///
/// # Errors
/// If it does not.
pub fn decompress(bytes: &[u8]) -> io::Result<(u64, u64)> {
    let length = bytes.len() as u64;
    let mut decoder = zst::decoder(bytes)?;
    let mut buffer = [0; 1 << 12];
    let (mut written, mut sum) = (0, 0_u64);
    loop {
        match zst::decompress(&mut decoder, &mut buffer, written, length)? {
            0 => return Ok((written, sum)),
            count => {
                written += count as u64;
                sum = buffer[..count].iter().fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
            }
        }
    }
}

/// What some zstd decompresses to; `None` if it does not, or to more than `most` bytes.
#[must_use]
pub fn decompressed(bytes: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let decoder = zst::decoder(bytes).ok()?;
    decoder.take(most + 1).read_to_end(&mut content).ok()?;
    (content.len() as u64 <= most).then_some(content)
}

/// A CAR in indexed zstd, in memory.
pub struct Indexed(ForestCar, Budget);

impl Indexed {
    /// Opens it; `None` if the bytes have no index of the known version, or no CAR header.
    #[must_use]
    pub fn open(bytes: Vec<u8>) -> Option<Self> {
        let budget = Budget::for_bytes(bytes.len() as u64);
        ForestCar::from_memory(bytes).ok().flatten().map(|car| Self(car, budget))
    }

    /// The block of that CID.
    ///
    /// # Errors
    /// If it is damaged.
    pub fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        self.0.get(cid, &self.1)
    }

    /// Its roots.
    #[must_use]
    pub fn roots(&self) -> &[Cid] {
        self.0.roots()
    }

    /// Whether every block has its hash and is found by the index.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.verify(&NoProgress).is_ok()
    }
}
