//! Where in a file each block is: an index on disk, mapped into memory.
//!
//! ```text
//! header    magic, size and time of the indexed file, where its sections end, number of blocks, bits of a bucket,
//!           CRC-32 of all that follows; seven u64 after the magic, little endian
//! buckets   2^bits + 1 × u64: where the entries of each value of the digest's first bits begin
//! entries   n × u64, sorted: the next 24 bits of the digest, then 40 bits of offset
//! ```
//!
//! Digests are uniform, so a bucket holds some sixteen entries; which of those with the same 24 bits is meant is
//! told by the CID in the file itself. That makes 8.5 bytes a block, all of them in a mapping that the system may
//! drop: 3·10⁸ blocks take 2.5 GB of disk and no memory of ours.
//!
//! An index exists only for a file whose every hash was checked while it was made. It is used for as long as size
//! and time of the file are what they were, and made anew if it is damaged.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use memmap2::Mmap;

use super::sort::Sorted;

const MAGIC: &[u8; 8] = b"SSCIDX01";
/// The magic and seven numbers.
const HEADER: usize = 64;
const OFFSET_BITS: u32 = 40;
const FINGERPRINT_BITS: u32 = 24;
/// Entries of a bucket, on average, as a power of two.
const BUCKET: u32 = 4;

/// Largest file that can be indexed.
pub(super) const LARGEST: u64 = 1 << OFFSET_BITS;

/// What tells whether a file is still the one that was indexed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    size: u64,
    /// Nanoseconds since 1970.
    changed: u64,
}

impl Stamp {
    pub(super) fn of(file: &fs::Metadata) -> Self {
        let changed = file.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let changed = changed.and_then(|time| u64::try_from(time.as_nanos()).ok()).unwrap_or_default();
        Self { size: file.len(), changed }
    }
}

/// Maps digests to offsets.
#[derive(Debug)]
pub(super) struct Index {
    bytes: Bytes,
    blocks: usize,
    bits: u32,
}

/// A file's bytes.
#[derive(Debug)]
pub(super) enum Bytes {
    /// Mapped into memory.
    Mapped(Mmap),
    /// Where there is no place to keep it.
    Held(Vec<u8>),
}

impl Bytes {
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Held(bytes) => bytes,
        }
    }
}

/// The part of a digest by which it is sorted and looked up.
pub(super) fn prefix(digest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = digest.len().min(8);
    bytes[..length].copy_from_slice(&digest[..length]);
    u64::from_be_bytes(bytes)
}

impl Index {
    /// The index kept at `path`, if it is whole and of a file with that stamp.
    pub(super) fn open(path: &Path, stamp: Stamp) -> Option<Self> {
        let file = File::open(path).ok()?;
        // SAFETY: read-only; the index is replaced by renaming, never written in place.
        let map = unsafe { Mmap::map(&file) }.ok()?;
        let index = Self::read(Bytes::Mapped(map), stamp);
        if index.is_none() {
            tracing::info!(index = %path.display(), "the index is of another file or damaged; making it anew");
        }
        index
    }

    fn read(bytes: Bytes, stamp: Stamp) -> Option<Self> {
        let all = bytes.get();
        if all.get(..MAGIC.len())? != MAGIC {
            return None;
        }
        let found = Stamp { size: number(all, 8)?, changed: number(all, 16)? };
        let (blocks, bits) = (usize::try_from(number(all, 24)?).ok()?, u32::try_from(number(all, 32)?).ok()?);
        let crc = number(all, 40)?;
        let rest = all.get(HEADER..)?;
        let length = (1_usize.checked_shl(bits)? + 1).checked_add(blocks)?.checked_mul(8)?;
        let whole = found == stamp && rest.len() == length && u64::from(crc32fast::hash(rest)) == crc;
        whole.then_some(Self { bytes, blocks, bits })
    }

    /// Writes the index of sorted (prefix, offset) pairs to `path`, or holds it in memory if that cannot be
    /// written.
    pub(super) fn make(path: &Path, stamp: Stamp, entries: Sorted) -> io::Result<Self> {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let held = |bytes: Vec<u8>| {
            Self::read(Bytes::Held(bytes), stamp)
                .ok_or_else(|| io::Error::other("an index does not read back"))
        };
        let file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&partial));
        let Ok(file) = file else {
            tracing::warn!(index = %path.display(), "the index cannot be kept; it will be made anew next time");
            let mut bytes = Vec::new();
            write(&mut bytes, stamp, entries)?;
            return held(bytes);
        };
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let written = write(&mut file, stamp, entries).and_then(|crc| {
            let mut file = file.into_inner()?;
            io::Seek::seek(&mut file, io::SeekFrom::Start(40))?;
            file.write_all(&u64::from(crc).to_le_bytes())?;
            fs::rename(&partial, path)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
        Self::open(path, stamp).ok_or_else(|| io::Error::other("an index does not read back"))
    }

    /// An index in memory, as [`kept`] made it.
    #[cfg(fuzzing)]
    pub(super) fn held(bytes: Vec<u8>) -> Option<Self> {
        Self::read(Bytes::Held(bytes), Stamp::default())
    }

    /// How many blocks it knows.
    pub(super) const fn len(&self) -> usize {
        self.blocks
    }

    /// Offsets of the sections whose digest may be that one.
    pub(super) fn candidates(&self, digest: &[u8]) -> impl Iterator<Item = u64> {
        let prefix = prefix(digest);
        let all = &self.bytes.get()[HEADER..];
        let bucket = if self.bits == 0 { 0 } else { (prefix >> (64 - self.bits)) as usize };
        let bound =
            |bucket: usize| number(all, bucket * 8).and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
        let entries = ((1_usize << self.bits) + 1) * 8;
        let (begin, end) = (bound(bucket), bound(bucket + 1).min(self.blocks));
        let wanted = fingerprint(prefix, self.bits);
        (begin..end)
            .filter_map(move |at| number(all, entries + at * 8))
            .skip_while(move |entry| entry >> OFFSET_BITS < wanted)
            .take_while(move |entry| entry >> OFFSET_BITS == wanted)
            .map(|entry| entry & (LARGEST - 1))
    }
}

/// The bytes of an index of sorted pairs.
#[cfg(fuzzing)]
pub(super) fn kept(entries: Sorted) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(&mut bytes, Stamp::default(), entries)?;
    Ok(bytes)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let number = bytes.get(at..at.checked_add(8)?)?;
    number.try_into().ok().map(u64::from_le_bytes)
}

/// The bits of a prefix after those of its bucket.
const fn fingerprint(prefix: u64, bits: u32) -> u64 {
    (prefix << bits) >> (64 - FINGERPRINT_BITS)
}

/// Writes an index and returns its checksum; into a buffer in memory, it also puts it in its place.
fn write(out: &mut dyn Output, stamp: Stamp, entries: Sorted) -> io::Result<u32> {
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
    out.write_all(MAGIC)?;
    for value in [stamp.size, stamp.changed, blocks, u64::from(bits), 0, 0, 0] {
        out.write_all(&value.to_le_bytes())?;
    }
    let mut crc = crc32fast::Hasher::new();
    let mut put = |value: u64| {
        let bytes = value.to_le_bytes();
        crc.update(&bytes);
        out.write_all(&bytes)
    };
    buckets.iter().try_for_each(|bound| put(*bound))?;
    // Pairs come by prefix; equal fingerprints of one bucket come in the order of their prefixes, which is enough.
    entries.for_each(&mut |prefix, offset| put(fingerprint(prefix, bits) << OFFSET_BITS | offset))?;
    let crc = crc.finalize();
    out.finish(crc)?;
    Ok(crc)
}

/// Where an index is written to.
trait Output: Write {
    /// Puts the checksum into the header, where that is in reach.
    fn finish(&mut self, crc: u32) -> io::Result<()>;
}

impl Output for Vec<u8> {
    fn finish(&mut self, crc: u32) -> io::Result<()> {
        self[40..48].copy_from_slice(&u64::from(crc).to_le_bytes());
        Ok(())
    }
}

impl Output for BufWriter<File> {
    fn finish(&mut self, _crc: u32) -> io::Result<()> {
        self.flush()
    }
}

/// Where the index of a file is kept in `cache`: by the file's path, so that a changed file replaces it.
pub(super) fn place(cache: &Path, file: &Path) -> PathBuf {
    let whole = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let hash = super::short_hash(whole.as_os_str().as_encoded_bytes());
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    cache.join(format!("{stem}-{hash}.index"))
}
