//! Where in a file each block is: an index on disk, mapped into memory.
//!
//! ```text
//! header    magic, size and time of the indexed file, number of blocks, bits of a bucket, zeros to 64 bytes;
//!           u64 after the magic, little endian
//! buckets   2^bits + 1 × u64: where the entries of each value of the digest's first bits begin
//! entries   n × u64, sorted: the next 24 bits of the digest, then 40 bits of offset
//! sums      a u32 for each page of 4 KiB of all that: its CRC-32, which begins with the page's number
//! ```
//!
//! Digests are uniform, so a bucket holds some sixteen entries; which of those with the same 24 bits is meant is
//! told by the CID in the file itself. That makes 8.5 bytes a block, all of them in a mapping that the system may
//! drop: 3·10⁸ blocks take 2.5 GB of disk and no memory of ours.
//!
//! An index exists only for a file whose every hash was checked while it was made. It is used for as long as size
//! and time of the file are what they were. Opening it reads the first page; each other page is checked when it is
//! first looked into, and one that does not hold makes the whole index a [`DamagedIndex`].

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use super::external_sort::SortedPairs;
use super::mapped_file::{FileBytes, MappedFile};
use crate::integers::u64_le_at;

const MAGIC: &[u8; 8] = b"SSCIDX02";
/// The magic and seven numbers.
const HEADER: usize = 64;
/// What one checksum is over.
const PAGE: usize = 4 << 10;
const SUM: usize = 4;
const OFFSET_BITS: u32 = 40;
const FINGERPRINT_BITS: u32 = 24;
/// Entries of a bucket, on average, as a power of two.
const BUCKET: u32 = 4;

/// Largest file that can be indexed.
pub(super) const LARGEST: u64 = 1 << OFFSET_BITS;

/// What tells whether a file is still the one that was indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FileIdentity {
    size: u64,
    /// Nanoseconds since 1970.
    changed: u64,
}

impl FileIdentity {
    pub(super) fn of(file: &fs::Metadata) -> Self {
        let changed = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed = changed.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or_default();
        Self { size: file.len(), changed }
    }
}

/// Maps digests to offsets.
#[derive(Debug)]
pub(super) struct Index {
    bytes: FileBytes,
    blocks: usize,
    bits: u32,
    /// Where the sums begin.
    sums: usize,
    /// A bit for each page that is known good.
    good: Vec<AtomicU64>,
}

/// A page of the index is not as it was written.
#[derive(Clone, Copy, Debug)]
pub(super) struct DamagedIndex;

/// The part of a digest by which it is sorted and looked up.
pub(super) fn prefix(digest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = digest.len().min(8);
    bytes[..length].copy_from_slice(&digest[..length]);
    u64::from_be_bytes(bytes)
}

impl Index {
    /// The index kept at `path`, if it is of a file with that stamp and its first page holds.
    pub(super) fn open(path: &Path, stamp: FileIdentity) -> Option<Self> {
        let file = File::open(path).ok()?;
        let index = Self::read(FileBytes::Mapped(MappedFile::of(&file).ok()?), stamp);
        if index.is_none() {
            tracing::info!(index = %path.display(), "the index is of another file or damaged; making it anew");
        }
        index
    }

    fn read(bytes: FileBytes, stamp: FileIdentity) -> Option<Self> {
        let all = bytes.get();
        if all.get(..MAGIC.len())? != MAGIC {
            return None;
        }
        let found = FileIdentity { size: u64_le_at(all, 8)?, changed: u64_le_at(all, 16)? };
        let (blocks, bits) =
            (usize::try_from(u64_le_at(all, 24)?).ok()?, u32::try_from(u64_le_at(all, 32)?).ok()?);
        let sums =
            (1_usize.checked_shl(bits)? + 1).checked_add(blocks)?.checked_mul(8)?.checked_add(HEADER)?;
        let pages = sums.div_ceil(PAGE);
        if found != stamp || sums.checked_add(pages.checked_mul(SUM)?)? != all.len() {
            return None;
        }
        let good = std::iter::repeat_with(AtomicU64::default).take(pages.div_ceil(64)).collect();
        let index = Self { bytes, blocks, bits, sums, good };
        index.checked(0..HEADER).is_ok().then_some(index)
    }

    /// Writes the index of sorted (prefix, offset) pairs to `path`, or holds it in memory if that cannot be
    /// written.
    pub(super) fn make(path: &Path, stamp: FileIdentity, entries: &SortedPairs) -> io::Result<Self> {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&partial));
        let Ok(file) = file else {
            tracing::warn!(index = %path.display(), "the index cannot be kept; it will be made anew next time");
            let mut bytes = Vec::new();
            write(&mut bytes, stamp, entries)?;
            return Self::read(FileBytes::Held(bytes), stamp)
                .ok_or_else(|| io::Error::other("an index does not read back"));
        };
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let written = write(&mut file, stamp, entries).and_then(|()| {
            file.flush()?;
            fs::rename(&partial, path)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        Self::open(path, stamp).ok_or_else(|| io::Error::other("an index does not read back"))
    }

    /// An index in memory, as [`encode`] made it.
    #[cfg(fuzzing)]
    pub(super) fn from_memory(bytes: Vec<u8>) -> Option<Self> {
        Self::read(FileBytes::Held(bytes), FileIdentity::default())
    }

    /// How many blocks it knows.
    pub(super) const fn len(&self) -> usize {
        self.blocks
    }

    /// Offsets of the sections whose digest may be that one.
    ///
    /// # Errors
    /// If a page that would tell does not hold.
    pub(super) fn candidates(&self, digest: &[u8]) -> Result<impl Iterator<Item = u64>, DamagedIndex> {
        let prefix = prefix(digest);
        let bucket = if self.bits == 0 { 0 } else { (prefix >> (64 - self.bits)) as usize };
        let bounds = HEADER + bucket * 8;
        let bounds = self.checked(bounds..bounds + 16)?;
        let bound =
            |at| u64_le_at(bounds, at).and_then(|bound| usize::try_from(bound).ok()).ok_or(DamagedIndex);
        let (begin, end) = (bound(0)?, bound(8)?);
        if begin > end || end > self.blocks {
            return Err(DamagedIndex);
        }
        let entries = HEADER + ((1 << self.bits) + 1) * 8;
        let found = self.checked(entries + begin * 8..entries + end * 8)?;
        let wanted = fingerprint(prefix, self.bits);
        Ok(found
            .chunks_exact(8)
            .filter_map(|entry| u64_le_at(entry, 0))
            .skip_while(move |entry| entry >> OFFSET_BITS < wanted)
            .take_while(move |entry| entry >> OFFSET_BITS == wanted)
            .map(|entry| entry & (LARGEST - 1)))
    }

    /// The bytes of a range, whose pages are checked if they have not been.
    fn checked(&self, range: Range<usize>) -> Result<&[u8], DamagedIndex> {
        for page in range.start / PAGE..range.end.div_ceil(PAGE) {
            let (word, bit) = (self.good.get(page / 64).ok_or(DamagedIndex)?, 1 << (page % 64));
            if word.load(Ordering::Relaxed) & bit == 0 {
                self.check(page)?;
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        self.bytes.note(range.clone());
        self.bytes.get().get(range).ok_or(DamagedIndex)
    }

    fn check(&self, page: usize) -> Result<(), DamagedIndex> {
        let all = self.bytes.get();
        let found = all.get(page * PAGE..self.sums.min((page + 1) * PAGE)).ok_or(DamagedIndex)?;
        let sum = self.sums + page * SUM;
        if all.get(sum..sum + SUM) == Some(&sum_of(page, found)[..]) { Ok(()) } else { Err(DamagedIndex) }
    }
}

/// The bytes of an index of sorted pairs.
#[cfg(fuzzing)]
pub(super) fn encode(entries: SortedPairs) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes, FileIdentity::default(), &entries)?;
    Ok(bytes)
}

/// The bits of a prefix after those of its bucket.
const fn fingerprint(prefix: u64, bits: u32) -> u64 {
    (prefix << bits) >> (64 - FINGERPRINT_BITS)
}

/// The sum of a page; that of its bytes in another place is another.
fn sum_of(page: usize, bytes: &[u8]) -> [u8; SUM] {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&(page as u64).to_le_bytes());
    sum.update(bytes);
    sum.finalize().to_le_bytes()
}

fn write(out: &mut dyn Write, stamp: FileIdentity, entries: &SortedPairs) -> io::Result<()> {
    let blocks = entries.len();
    let bits = (u64::BITS - blocks.leading_zeros()).saturating_sub(BUCKET).min(32);
    let mut buckets = vec![0_u64; (1 << bits) + 1];
    entries.for_each(&mut |prefix, _| {
        let bucket = if bits == 0 { 0 } else { (prefix >> (64 - bits)) as usize };
        buckets[bucket + 1] += 1;
        Ok(())
    })?;
    for bucket in 1..buckets.len() {
        buckets[bucket] += buckets[bucket - 1];
    }
    let mut pages = Pages { out, page: Vec::with_capacity(PAGE), sums: Vec::new() };
    pages.put(u64::from_le_bytes(*MAGIC))?;
    for value in [stamp.size, stamp.changed, blocks, u64::from(bits), 0, 0, 0] {
        pages.put(value)?;
    }
    buckets.iter().try_for_each(|bound| pages.put(*bound))?;
    // Pairs come by prefix; equal fingerprints of one bucket come in the order of their prefixes, which is enough.
    entries.for_each(&mut |prefix, offset| pages.put(fingerprint(prefix, bits) << OFFSET_BITS | offset))?;
    pages.finish()
}

/// Writes numbers, and behind them the sum of each page of them.
struct Pages<'w> {
    out: &'w mut dyn Write,
    page: Vec<u8>,
    sums: Vec<u8>,
}

impl Pages<'_> {
    fn put(&mut self, value: u64) -> io::Result<()> {
        self.page.extend(value.to_le_bytes());
        if self.page.len() == PAGE { self.end_page() } else { Ok(()) }
    }

    fn end_page(&mut self) -> io::Result<()> {
        self.sums.extend(sum_of(self.sums.len() / SUM, &self.page));
        self.out.write_all(&self.page)?;
        self.page.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.page.is_empty() {
            self.end_page()?;
        }
        self.out.write_all(&self.sums)
    }
}

/// Where the index of a file is kept in `cache`: by the file's path, so that a changed file replaces it.
pub(super) fn index_path(cache: &Path, file: &Path) -> PathBuf {
    let whole = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let hash = super::info::short_hash(whole.as_os_str().as_encoded_bytes());
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    cache.join(format!("{stem}-{hash}.index"))
}
