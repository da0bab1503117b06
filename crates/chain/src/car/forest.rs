//! A CAR in many small zstd frames with an index behind them (`.forest.car.zst`): read in place, frame by frame.
//!
//! ```text
//! ┌───────┬───────┬───────┬──┬────────────────────────┬──────────────────────────────┐
//! │ frame │ frame │ frame │ …│ skippable frame: index │ skippable frame: its offset  │
//! └───────┴───────┴───────┴──┴────────────────────────┴──────────────────────────────┘
//!   CAR     whole sections      8 + n bytes              8 + 8 bytes: where in the file the
//!   header  of a CAR, each                               content of the frame before begins
//!
//! index     version (0xdeadbef0), longest distance, collisions, number of buckets: u64, little endian
//!           slots: (hash, offset of the frame), 2 × u64 each, by hash; empty ones are all ones
//! hash      codec ^ code of the hash ^ the digest's u64 (little endian), less one
//! ```
//!
//! The slot of a hash is at `hash × buckets ÷ 2^64` or at most the longest distance behind. What a slot points at
//! may hold another block with the same hash, so the CID decides.
//!
//! Frames are decompressed when one of their blocks is asked for, and kept in a cache that is bounded in bytes. A
//! block's hash is checked when it is first read from its frame.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cid::Cid;
use memmap2::{Advice, Mmap};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zstd::zstd_safe;

use super::index::{Bytes, prefix};
use super::plain::{FETCH_AGAIN, NOT_A_CAR, REPORT_EVERY, check, header, section};
use super::{CarFile, Form, task};
use crate::block::Block;
use crate::error::{Error, Result};
use crate::progress::{Progress, Unit};

/// Magic of the first kind of skippable frame, which both index and footer are.
const SKIPPABLE: u32 = 0x184d_2a50;
/// Magic and length of a skippable frame.
const SKIPPABLE_HEADER: usize = 8;
/// A skippable frame that holds one u64.
const FOOTER: usize = SKIPPABLE_HEADER + 8;
const VERSION: u64 = 0xdead_bef0;
/// Version, longest distance, collisions, buckets.
const INDEX_HEADER: usize = 32;
const SLOT: usize = 16;
/// Hash of an empty slot.
const EMPTY: u64 = u64::MAX;
/// Frames looked into for one CID: hashes collide by chance only.
const MOST_CANDIDATES: usize = 16;
/// Largest content of a frame: writers end one after 8 kB of compressed or 64 kB of other content and one
/// more block, and no block of a chain is over 2 MB.
const LARGEST_FRAME: u64 = 16 << 20;
/// Window of the decompressor, as a power of two, enough for the largest frame.
const WINDOW_LOG: u32 = 24;
/// Decompressed frames kept, in bytes.
const CACHED: u64 = 96 << 20;
/// What a frame of the cache takes beside its content.
const FRAME_OVERHEAD: u64 = 256;
/// For the cache's first guess at how many frames it will hold.
const USUAL_FRAME: u64 = 32 << 10;

/// A CAR in indexed zstd.
#[derive(Debug)]
pub(super) struct ForestCar {
    bytes: Bytes,
    /// The file, as it was named.
    path: PathBuf,
    version: u64,
    roots: Vec<Cid>,
    /// Where in the file the sections of the first frame begin, behind the CAR header in its content.
    first_section: usize,
    index: Index,
    frames: Cache<u64, Arc<Frame>, ByContent>,
}

/// The index behind the frames.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Index {
    /// Where its slots are.
    slots: Range<usize>,
    longest_distance: u64,
    buckets: u64,
}

/// A decompressed frame.
#[derive(Debug)]
struct Frame {
    content: Arc<[u8]>,
    sections: Vec<FrameSection>,
}

#[derive(Debug)]
struct FrameSection {
    prefix: u64,
    offset: usize,
    good: AtomicBool,
}

/// Weighs frames by what they hold.
#[derive(Clone, Debug)]
struct ByContent;

impl Weighter<u64, Arc<Frame>> for ByContent {
    fn weight(&self, _offset: &u64, frame: &Arc<Frame>) -> u64 {
        let sections = frame.sections.len() * size_of::<FrameSection>();
        FRAME_OVERHEAD + (frame.content.len() + sections) as u64
    }
}

impl ForestCar {
    /// Opens `path`; `None` if it has no index of the known version, which makes it any CAR in zstd.
    ///
    /// # Errors
    /// If the file cannot be read, or has an index but no CAR.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        // SAFETY: as for a plain CAR, the mapping is read-only and private, and nobody truncates a snapshot under us.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let _ = map.advise(Advice::Random);
        Self::of(Bytes::Mapped(map), path)
    }

    /// As [`ForestCar::open`], of a file's bytes.
    fn of(bytes: Bytes, path: &Path) -> Result<Option<Self>> {
        let Some(index) = Index::of(bytes.get()) else { return Ok(None) };
        let damaged = |problem: &str| Error::File {
            path: path.to_owned(),
            offset: 0,
            problem: problem.to_owned(),
            advice: NOT_A_CAR,
        };
        let first = content(&bytes.get()[..index.slots.start]).map_err(|problem| damaged(&problem))?;
        let (version, roots, sections) = header(&first).map_err(|problem| damaged(&problem))?;
        let frames = Cache::with_weighter((CACHED / USUAL_FRAME) as usize, CACHED, ByContent);
        Ok(Some(Self {
            bytes,
            path: path.to_owned(),
            version,
            roots,
            first_section: sections.start,
            index,
            frames,
        }))
    }

    /// One in memory.
    #[cfg(fuzzing)]
    pub(super) fn held(bytes: Vec<u8>) -> Result<Option<Self>> {
        Self::of(Bytes::Held(bytes), Path::new("fuzzed"))
    }

    /// What it is.
    pub(super) fn about(&self) -> CarFile {
        CarFile {
            path: self.path.clone(),
            version: self.version,
            form: Form::IndexedZstd,
            bytes: self.bytes.get().len() as u64,
            blocks: self.index.occupied(self.bytes.get()),
            roots: self.roots.clone(),
        }
    }

    /// The file, as it was named.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Its roots.
    pub(super) fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The block of that CID, its hash checked.
    ///
    /// # Errors
    /// If the frame it is in does not decompress to sections of a CAR, or the hash is wrong.
    pub(super) fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        for offset in self.index.candidates(self.bytes.get(), hash_of(cid)).take(MOST_CANDIDATES) {
            let frame = self.frames.get_or_insert_with(&offset, || self.frame(offset).map(Arc::new))?;
            if let Some(block) = self.block(&frame, cid, offset)? {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    fn block(&self, frame: &Frame, cid: &Cid, offset: u64) -> Result<Option<Block<'static>>> {
        let wanted = prefix(cid.hash().digest());
        for found in frame.sections.iter().filter(|section| section.prefix == wanted) {
            let Ok(section) = section(&frame.content, found.offset) else { continue };
            if section.cid.hash() != cid.hash() {
                continue;
            }
            if !found.good.load(Ordering::Relaxed) {
                check(&section.cid, &frame.content[section.data..section.end], &self.path, offset)?;
                found.good.store(true, Ordering::Relaxed);
            }
            return Ok(Some(Block::Shared(Arc::clone(&frame.content), section.data..section.end)));
        }
        Ok(None)
    }

    /// Decompresses the frame at an offset and finds its sections.
    fn frame(&self, offset: u64) -> Result<Frame> {
        let damaged = |problem: String| Error::File {
            path: self.path.clone(),
            offset,
            problem: format!("the zstd frame there {problem}"),
            advice: FETCH_AGAIN,
        };
        let frames = self.index.slots.start - INDEX_HEADER - SKIPPABLE_HEADER;
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes.get().get(offset..frames))
            .ok_or_else(|| damaged("is said to be where no frame can be".to_owned()))?;
        let content = content(bytes).map_err(&damaged)?;
        let mut sections = Vec::new();
        let mut at = if offset == 0 { self.first_section } else { 0 };
        while at < content.len() {
            let section = section(&content, at).map_err(|(at, problem)| {
                damaged(format!("has, at byte {at} of its content, this: {problem}"))
            })?;
            let prefix = prefix(section.cid.hash().digest());
            sections.push(FrameSection { prefix, offset: at, good: AtomicBool::new(false) });
            at = section.end;
        }
        Ok(Frame { content: content.into(), sections })
    }

    /// Checks every block's hash, and that the index leads to it.
    ///
    /// # Errors
    /// As [`ForestCar::get`], and if a block is in a frame to which the index does not lead.
    pub(super) fn verify(&self, progress: &dyn Progress) -> Result<()> {
        let end = self.index.slots.start - INDEX_HEADER - SKIPPABLE_HEADER;
        progress.begin(task("reading", &self.path), end as u64, Unit::Bytes);
        let (mut at, mut reported) = (0, 0);
        while at < end {
            let damaged = |problem: String| Error::File {
                path: self.path.clone(),
                offset: at as u64,
                problem,
                advice: FETCH_AGAIN,
            };
            let frame = self.frame(at as u64)?;
            for found in &frame.sections {
                let section = section(&frame.content, found.offset)
                    .map_err(|(_, problem)| damaged(problem.to_owned()))?;
                check(&section.cid, &frame.content[section.data..section.end], &self.path, at as u64)?;
                let mut led =
                    self.index.candidates(self.bytes.get(), hash_of(&section.cid)).take(MOST_CANDIDATES);
                if !led.any(|offset| offset == at as u64) {
                    return Err(damaged(format!("the index does not lead to block {}", section.cid)));
                }
            }
            let length = zstd_safe::find_frame_compressed_size(&self.bytes.get()[at..end])
                .ok()
                .filter(|length| *length > 0)
                .ok_or_else(|| damaged("the zstd frame there is cut off".to_owned()))?;
            at += length;
            if at as u64 - reported >= REPORT_EVERY {
                reported = at as u64;
                progress.at(reported);
            }
        }
        progress.end();
        Ok(())
    }
}

/// The content of the zstd frame at the beginning of `bytes`.
fn content(bytes: &[u8]) -> std::result::Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("does not decompress ({error})");
    let mut decoder = zstd::Decoder::with_buffer(bytes).map_err(failed)?.single_frame();
    decoder.window_log_max(WINDOW_LOG).map_err(failed)?;
    let mut content = Vec::new();
    decoder.take(LARGEST_FRAME + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LARGEST_FRAME {
        return Err(format!("decompresses to more than {LARGEST_FRAME} bytes"));
    }
    Ok(content)
}

/// The hash by which the index knows a CID.
fn hash_of(cid: &Cid) -> u64 {
    let words = cid.hash().digest().chunks_exact(8);
    let mixed = words.fold(cid.codec() ^ cid.hash().code(), |hash, word| hash ^ number(word, 0).unwrap_or(0));
    mixed.saturating_sub(1)
}

impl Index {
    /// The index of a file, if its end says where one of the known version is.
    fn of(file: &[u8]) -> Option<Self> {
        let footer = file.len().checked_sub(FOOTER)?;
        if skippable(file, footer)? != 8 {
            return None;
        }
        let begin = usize::try_from(number(file, footer + SKIPPABLE_HEADER)?).ok()?;
        let length = skippable(file, begin.checked_sub(SKIPPABLE_HEADER)?)?;
        let slots = begin.checked_add(INDEX_HEADER)?..begin.checked_add(length)?;
        let known = number(file, begin)? == VERSION && slots.start <= slots.end && slots.end <= footer;
        let (longest_distance, buckets) = (number(file, begin + 8)?, number(file, begin + 24)?);
        known.then_some(Self { slots, longest_distance, buckets })
    }

    fn slot(&self, file: &[u8], at: u64) -> Option<(u64, u64)> {
        let begin = usize::try_from(at).ok()?.checked_mul(SLOT)?.checked_add(self.slots.start)?;
        let slot = file.get(begin..begin.checked_add(SLOT)?).filter(|_| begin + SLOT <= self.slots.end)?;
        Some((number(slot, 0)?, number(slot, 8)?))
    }

    /// Offsets of the frames that may hold a block with that hash.
    fn candidates<'f>(&self, file: &'f [u8], hash: u64) -> impl Iterator<Item = u64> + use<'_, 'f> {
        // The product of two u64 fits u128, its upper half u64.
        let ideal = (u128::from(hash) * u128::from(self.buckets)) >> 64;
        let first = u64::try_from(ideal).unwrap_or(u64::MAX);
        let mut distance = 0;
        (first..=u64::MAX)
            .map_while(move |at| self.slot(file, at))
            .take_while(move |(found, _)| {
                distance += u64::from(*found != hash);
                *found != EMPTY && *found <= hash && distance <= self.longest_distance.saturating_add(1)
            })
            .filter_map(move |(found, offset)| (found == hash).then_some(offset))
    }

    /// How many slots are taken: a block each, but for blocks of one hash in one frame.
    fn occupied(&self, file: &[u8]) -> u64 {
        let slots = file.get(self.slots.clone()).unwrap_or_default().chunks_exact(SLOT);
        slots.filter(|slot| number(slot, 0) != Some(EMPTY)).count() as u64
    }
}

/// Length of the content of the skippable frame at an offset.
fn skippable(file: &[u8], at: usize) -> Option<usize> {
    let header = number(file, at)?;
    // The lower half of the u64 is the magic, the upper the length.
    (header & u64::from(u32::MAX) == u64::from(SKIPPABLE)).then(|| usize::try_from(header >> 32).ok())?
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}
