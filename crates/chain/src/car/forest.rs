//! A CAR in many small zstd frames with an index behind them (`.forest.car.zst`): read in place, frame by frame.
//!
//! ```text
//! ┌───────┬───────┬───────┬──┬──────────────────────────┬──────────────────────────────┐
//! │ frame │ frame │ frame │ …│ skippable frames: index  │ skippable frame: its offset  │
//! └───────┴───────┴───────┴──┴──────────────────────────┴──────────────────────────────┘
//!   CAR     whole sections      8 + n bytes each           8 + 8 bytes: where in the file the
//!   header  of a CAR, each                                 content of the first of them begins
//! ```
//!
//! What is in the index: [`super::slots`]. Where a slot points may hold another block with the same hash, so the CID
//! decides.
//!
//! Frames are decompressed when one of their blocks is asked for, and kept in a cache that is bounded in bytes. A
//! block's hash is checked when it is first read from its frame.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cid::Cid;
use memmap2::{Advice, Mmap};
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zstd::zstd_safe;

use super::index::{Bytes, prefix};
use super::plain::{
    FETCH_AGAIN, NOT_A_CAR, REPORT_EVERY, bad_hash, check, header, larger_at, section, too_large,
};
use super::slots::{Slots, hash_of};
use super::stream::{Fault, LARGEST_BLOCK, PASSED, Passed, Problem, Sections, forget};
use super::{CarFile, Form, task, zst};
use crate::block::Block;
use crate::error::{Error, Result};
use crate::progress::{Progress, Unit};

/// Frames looked into for one CID: hashes collide by chance only.
const MOST_CANDIDATES: usize = 16;
/// Largest content of a frame: writers end one after 8 kB of compressed or 64 kB of other content and one
/// more block, and no block of a chain is over 2 MB.
const LARGEST_FRAME: usize = LARGEST_BLOCK;
/// What frames are decompressed in where they are not held.
const PIECE: usize = 64 << 10;
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
    index: Slots,
    frames: Cache<u64, Arc<Frame>, ByContent>,
}

/// A decompressed frame.
#[derive(Debug)]
struct Frame {
    content: Arc<[u8]>,
    sections: Vec<FrameSection>,
    /// A block behind these that is too large to be one of a chain.
    larger: Option<Cid>,
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
        let Some(index) = Slots::of(bytes.get()) else { return Ok(None) };
        let damaged = |problem: &str| Error::File {
            path: path.to_owned(),
            offset: 0,
            problem: problem.to_owned(),
            advice: NOT_A_CAR,
        };
        let first =
            content(&bytes.get()[..index.begin()], LARGEST_FRAME).map_err(|problem| damaged(&problem))?;
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
        match frame.larger {
            Some(larger) if larger.hash() == cid.hash() => Err(too_large(cid)),
            _ => Ok(None),
        }
    }

    /// Decompresses the frame at an offset and finds its sections, up to one that is too large to be a chain's.
    fn frame(&self, offset: u64) -> Result<Frame> {
        let damaged = |problem: String| self.damaged(offset, &problem);
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes.get().get(offset..self.index.begin()))
            .ok_or_else(|| damaged("is said to be where no frame can be".to_owned()))?;
        let mut content = content(bytes, LARGEST_FRAME + 1).map_err(damaged)?;
        let (mut sections, mut larger) = (Vec::new(), None);
        let mut at = if offset == 0 { self.first_section } else { 0 };
        while at < content.len() {
            match section(&content, at) {
                Ok(section) => {
                    let prefix = prefix(section.cid.hash().digest());
                    sections.push(FrameSection { prefix, offset: at, good: AtomicBool::new(false) });
                    at = section.end;
                }
                // What is padded to a size ends with zeros.
                Err(_) if content[at..].iter().all(|byte| *byte == 0) => content.truncate(at),
                Err(_) if let Some(cid) = larger_at(&content, at) => {
                    larger = Some(cid);
                    content.truncate(at);
                }
                Err((at, problem)) => {
                    return Err(damaged(format!("has, at byte {at} of its content, this: {problem}")));
                }
            }
        }
        if content.len() > LARGEST_FRAME {
            return Err(damaged(format!("decompresses to more than {LARGEST_FRAME} bytes")));
        }
        Ok(Frame { content: content.into(), sections, larger })
    }

    /// An error about the frame at an offset.
    fn damaged(&self, offset: u64, problem: &str) -> Error {
        Error::File {
            path: self.path.clone(),
            offset,
            problem: format!("the zstd frame there {problem}"),
            advice: FETCH_AGAIN,
        }
    }

    /// Checks every block's hash, and that the index leads to it.
    ///
    /// # Errors
    /// As [`ForestCar::get`], and if a block is in a frame to which the index does not lead.
    pub(super) fn verify(&self, progress: &dyn Progress) -> Result<()> {
        progress.begin(task("reading", &self.path), self.index.begin() as u64, Unit::Bytes);
        let mut reported = 0;
        self.for_each(&mut |offset, section| {
            let hash = hash_of(&section.cid);
            let mut led = self.index.candidates(self.bytes.get(), hash).take(MOST_CANDIDATES);
            if !led.any(|found| found == offset) {
                let problem = format!("holds block {}, to which the index does not lead", section.cid);
                return Err(self.damaged(offset, &problem));
            }
            if offset - reported >= REPORT_EVERY {
                reported = offset;
                progress.at(reported);
            }
            Ok(())
        })?;
        progress.end();
        Ok(())
    }

    /// Calls `visit` with each section and the offset of its frame, in the order of the file, its hash checked.
    ///
    /// # Errors
    /// If a frame does not decompress to sections of a CAR, a hash is wrong, or `visit` fails.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(u64, &Passed<'_>) -> Result<()>) -> Result<()> {
        let (mut at, mut kept) = (0, 0);
        while at < self.index.begin() {
            let offset = at as u64;
            let frames = &self.bytes.get()[at..self.index.begin()];
            let length = zstd_safe::find_frame_compressed_size(frames)
                .ok()
                .filter(|length| *length > 0)
                .ok_or_else(|| self.damaged(offset, "is cut off"))?;
            let decoder = zst::decoder(&frames[..length]).and_then(|mut decoder| {
                let header = if at == 0 { self.first_section as u64 } else { 0 };
                io::copy(&mut decoder.by_ref().take(header), &mut io::sink()).map(|_| decoder)
            });
            let decoder = decoder.map_err(|error| self.damaged(offset, &undecodable(&error)))?;
            let content = decoder.take((length as u64).saturating_mul(zst::MOST_UNFOLDED));
            let mut sections = Sections::new(BufReader::with_capacity(PIECE, content), 0);
            while let Some(section) = sections.next().map_err(|fault| self.fault(offset, fault))? {
                visit(offset, &section)?;
            }
            at += length;
            if at - kept >= PASSED {
                if let Bytes::Mapped(map) = &self.bytes {
                    forget(map, kept..at);
                }
                kept = at;
            }
        }
        Ok(())
    }

    /// A fault within a frame as an error.
    fn fault(&self, offset: u64, fault: Fault) -> Error {
        match fault.problem {
            Problem::Hash(cid) => bad_hash(&cid, &self.path, offset),
            Problem::Io(error) => self.damaged(offset, &undecodable(&error)),
            Problem::Malformed(problem) => {
                self.damaged(offset, &format!("has, at byte {} of its content, this: {problem}", fault.at))
            }
        }
    }
}

/// At most `most` bytes of the content of the zstd frame at the beginning of `bytes`.
fn content(bytes: &[u8], most: usize) -> std::result::Result<Vec<u8>, String> {
    let mut content = Vec::new();
    zst::decoder(bytes)
        .and_then(|decoder| decoder.single_frame().take(most as u64).read_to_end(&mut content))
        .map_err(|error| undecodable(&error))?;
    Ok(content)
}

fn undecodable(error: &io::Error) -> String {
    format!("does not decompress ({error})")
}
