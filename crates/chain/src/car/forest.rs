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
//! What is in the index: [`super::forest_index`]. Where a slot points may hold another block with the same hash, so the CID
//! decides.
//!
//! Frames are decompressed when one of their blocks is asked for or is likely to be next. A block's hash is checked when
//! it is first read from its frame.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cid::Cid;
use zstd::zstd_safe;

use super::forest_index::{ForestIndex, hash_of};
use super::frames::{Frame, Frames, LARGEST_FRAME, content, undecodable};
use super::index::prefix;
use super::info::{CarEncoding, CarFile, task};
use super::mapped_file::{FileBytes, MappedFile};
use super::plain::{NOT_A_CAR, REPORT_EVERY, bad_hash, check, header, section, too_large};
use super::readahead::Readahead;
use super::section_reader::{CheckedSection, Fault, Problem, RELEASE_EVERY, SectionReader};
use super::zst;
use crate::block::Block;
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::progress::{ProgressSink, ProgressUnit};

/// Frames looked into for one CID: hashes collide by chance only.
const MAX_CANDIDATES: usize = 16;
/// What frames are decompressed in where they are not held.
const PIECE: usize = 64 << 10;
/// A CAR in indexed zstd.
#[derive(Debug)]
pub(super) struct ForestCar {
    version: u64,
    roots: Vec<Cid>,
    index: ForestIndex,
    frames: Arc<Frames>,
    ahead: Readahead,
}

impl ForestCar {
    /// Opens `path`; `None` if it has no index of the known version, which makes it any CAR in zstd.
    ///
    /// # Errors
    /// If the file cannot be read, or has an index but no CAR.
    pub(super) fn open(path: &Path) -> Result<Option<Self>> {
        let io = |source| Error::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        Self::of(FileBytes::Mapped(MappedFile::of(&file).map_err(io)?), path)
    }

    /// As [`ForestCar::open`], of a file's bytes.
    fn of(bytes: FileBytes, path: &Path) -> Result<Option<Self>> {
        let Some(index) = ForestIndex::of(bytes.get()) else { return Ok(None) };
        let damaged = |problem: &str| Error::File {
            path: path.to_owned(),
            offset: 0,
            problem: problem.to_owned(),
            advice: NOT_A_CAR,
        };
        let first =
            content(&bytes.get()[..index.begin()], LARGEST_FRAME).map_err(|problem| damaged(&problem))?;
        let (version, roots, sections) = header(&first).map_err(|problem| damaged(&problem))?;
        let frames = Arc::new(Frames::new(bytes, path.to_owned(), index.begin(), sections.start));
        let ahead = Readahead::of(&frames);
        Ok(Some(Self { version, roots, index, frames, ahead }))
    }

    /// One in memory.
    #[cfg(fuzzing)]
    pub(super) fn from_memory(bytes: Vec<u8>) -> Result<Option<Self>> {
        Self::of(FileBytes::Held(bytes), Path::new("fuzzed"))
    }

    /// What it is.
    pub(super) fn about(&self) -> CarFile {
        CarFile {
            path: self.frames.path.clone(),
            version: self.version,
            encoding: CarEncoding::IndexedZstd,
            bytes: self.frames.bytes.get().len() as u64,
            blocks: self.index.occupied(self.frames.bytes.get()),
            roots: self.roots.clone(),
        }
    }

    /// The file, as it was named.
    pub(super) fn path(&self) -> &Path {
        &self.frames.path
    }

    /// Its roots.
    pub(super) fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The block of that CID, its hash checked. What had to be decompressed for it is spent from the budget.
    ///
    /// # Errors
    /// If the frame it is in does not decompress to sections of a CAR, the hash is wrong, or the budget is spent.
    pub(super) fn get(&self, cid: &Cid, budget: &Budget) -> Result<Option<Block<'_>>> {
        for offset in self.index.candidates(&self.frames.bytes, hash_of(cid)).take(MAX_CANDIDATES) {
            let (frame, missed) = self.frames.get(offset)?;
            self.ahead.note(offset, &frame, missed);
            if missed {
                budget.spend(frame.content.len() as u64)?;
            }
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
                check(&section.cid, &frame.content[section.data..section.end], &self.frames.path, offset)?;
                found.good.store(true, Ordering::Relaxed);
            }
            return Ok(Some(Block::Shared(Arc::clone(&frame.content), section.data..section.end)));
        }
        match frame.larger {
            Some(larger) if larger.hash() == cid.hash() => Err(too_large(cid)),
            _ => Ok(None),
        }
    }

    /// Checks every block's hash, and that the index leads to it.
    ///
    /// # Errors
    /// As [`ForestCar::get`], and if a block is in a frame to which the index does not lead.
    pub(super) fn verify(&self, progress: &dyn ProgressSink) -> Result<()> {
        progress.begin(task("reading", &self.frames.path), self.index.begin() as u64, ProgressUnit::Bytes);
        let mut reported = 0;
        self.for_each(&mut |offset, section| {
            let hash = hash_of(&section.cid);
            let mut led = self.index.candidates(&self.frames.bytes, hash).take(MAX_CANDIDATES);
            if !led.any(|found| found == offset) {
                let problem = format!("holds block {}, to which the index does not lead", section.cid);
                return Err(self.frames.damaged(offset, &problem));
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
    pub(super) fn for_each(
        &self,
        visit: &mut dyn FnMut(u64, &CheckedSection<'_>) -> Result<()>,
    ) -> Result<()> {
        let (mut at, mut kept) = (0, 0);
        while at < self.index.begin() {
            let offset = at as u64;
            let frames = &self.frames.bytes.get()[at..self.index.begin()];
            let length = zstd_safe::find_frame_compressed_size(frames)
                .ok()
                .filter(|length| *length > 0)
                .ok_or_else(|| self.frames.damaged(offset, "is cut off"))?;
            let decoder = zst::decoder(&frames[..length]).and_then(|mut decoder| {
                let header = if at == 0 { self.frames.first_section as u64 } else { 0 };
                io::copy(&mut decoder.by_ref().take(header), &mut io::sink()).map(|_| decoder)
            });
            let decoder = decoder.map_err(|error| self.frames.damaged(offset, &undecodable(&error)))?;
            let content = decoder.take((length as u64).saturating_mul(zst::MAX_EXPANSION));
            let mut sections = SectionReader::new(BufReader::with_capacity(PIECE, content), 0);
            while let Some(section) = sections.next().map_err(|fault| self.fault(offset, fault))? {
                visit(offset, &section)?;
            }
            at += length;
            if at - kept >= RELEASE_EVERY {
                if let FileBytes::Mapped(map) = &self.frames.bytes {
                    map.release(kept..at);
                }
                kept = at;
            }
        }
        Ok(())
    }

    /// A fault within a frame as an error.
    fn fault(&self, offset: u64, fault: Fault) -> Error {
        match fault.problem {
            Problem::Hash(cid) => bad_hash(&cid, &self.frames.path, offset),
            Problem::Io(error) => self.frames.damaged(offset, &undecodable(&error)),
            Problem::Malformed(problem) => self
                .frames
                .damaged(offset, &format!("has, at byte {} of its content, this: {problem}", fault.at)),
        }
    }
}
