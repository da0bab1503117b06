//! The frames of a CAR in indexed zstd: decompressed when they are needed, or shortly before, and kept in a cache that is
//! bounded in bytes.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cid::Cid;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use zstd::zstd_safe::{self, DCtx};

use super::index::prefix;
use super::mapped_file::FileBytes;
use super::plain::{FETCH_AGAIN, larger_at, section};
use super::section_reader::LARGEST_BLOCK;
use super::zst;
use crate::error::{Error, Result};

/// Largest content of a frame: writers end one after 8 kB of compressed or 64 kB of other content and one
/// more block, and no block of a chain is over 2 MB.
pub(super) const LARGEST_FRAME: usize = LARGEST_BLOCK;
/// Most bytes, packed and unpacked, of a frame that is decompressed at once; a few are larger.
const SMALL_FRAME: usize = 256 << 10;
/// Decompressed frames kept, in bytes.
const CACHED: u64 = 96 << 20;
/// What a frame of the cache takes beside its content.
const FRAME_OVERHEAD: u64 = 256;
/// Bytes of a block and its CID, of which most have more.
const USUAL_SECTION: usize = 200;
/// For the cache's first guess at how many frames it will hold.
const USUAL_FRAME: u64 = 32 << 10;

/// A file's frames.
#[derive(Debug)]
pub(super) struct Frames {
    pub(super) bytes: FileBytes,
    /// The file, as it was named.
    pub(super) path: PathBuf,
    /// Where in the file they end.
    end: usize,
    /// Where the sections of the first frame begin, behind the CAR header in its content.
    pub(super) first_section: usize,
    cache: Cache<u64, Arc<Frame>, ByContent>,
}

/// A decompressed frame.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) content: Arc<[u8]>,
    pub(super) sections: Vec<FrameSection>,
    /// A block behind these that is too large to be one of a chain.
    pub(super) larger: Option<Cid>,
    /// Where in the file it ends.
    pub(super) end: u64,
    /// Whether it was decompressed ahead, and nobody has asked for it yet.
    pub(super) ahead: AtomicBool,
}

#[derive(Debug)]
pub(super) struct FrameSection {
    pub(super) prefix: u64,
    pub(super) offset: usize,
    /// Whether its hash was found right.
    pub(super) good: AtomicBool,
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

impl Frames {
    /// The frames of a file up to `end`; none is decompressed.
    pub(super) fn new(bytes: FileBytes, path: PathBuf, end: usize, first_section: usize) -> Self {
        let cache = Cache::with_weighter((CACHED / USUAL_FRAME) as usize, CACHED, ByContent);
        Self { bytes, path, end, first_section, cache }
    }

    /// Where in the file they end.
    pub(super) const fn end(&self) -> usize {
        self.end
    }

    /// The frame at an offset, and whether it had to be decompressed now.
    ///
    /// # Errors
    /// If it does not decompress to sections of a CAR.
    pub(super) fn get(&self, offset: u64) -> Result<(Arc<Frame>, bool)> {
        let mut missed = false;
        let frame = self.cache.get_or_insert_with(&offset, || {
            missed = true;
            self.unpack(offset, false).map(Arc::new)
        })?;
        Ok((frame, missed))
    }

    /// The frame at an offset, which nobody has asked for yet; `None` if none is there or it is damaged, which is said
    /// to who asks for it.
    pub(super) fn get_ahead(&self, offset: u64) -> Option<Arc<Frame>> {
        if offset >= self.end as u64 {
            return None;
        }
        self.cache.get_or_insert_with(&offset, || self.unpack(offset, true).map(Arc::new)).ok()
    }

    /// Decompresses the frame at an offset and finds its sections, up to one that is too large to be a chain's.
    fn unpack(&self, offset: u64, ahead: bool) -> Result<Frame> {
        let damaged = |problem: String| self.damaged(offset, &problem);
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.bytes.get().get(offset..self.end))
            .ok_or_else(|| damaged("is said to be where no frame can be".to_owned()))?;
        let mut content = content(bytes, LARGEST_FRAME + 1).map_err(damaged)?;
        let (mut sections, mut larger) = (Vec::with_capacity(content.len() / USUAL_SECTION), None);
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
        sections.shrink_to_fit();
        if content.len() > LARGEST_FRAME {
            return Err(damaged(format!("decompresses to more than {LARGEST_FRAME} bytes")));
        }
        let length = zstd_safe::find_frame_compressed_size(bytes).unwrap_or(bytes.len());
        let end = offset + length as u64;
        self.bytes.note(offset as usize..end as usize);
        Ok(Frame { content: content.into(), sections, larger, end, ahead: AtomicBool::new(ahead) })
    }

    /// An error about the frame at an offset.
    pub(super) fn damaged(&self, offset: u64, problem: &str) -> Error {
        Error::File {
            path: self.path.clone(),
            offset,
            problem: format!("the zstd frame there {problem}"),
            advice: FETCH_AGAIN,
        }
    }
}

impl Frame {
    /// Whether this is the first time that somebody asks for a frame that was decompressed ahead.
    pub(super) fn was_ahead(&self) -> bool {
        self.ahead.load(Ordering::Relaxed) && self.ahead.swap(false, Ordering::Relaxed)
    }
}

thread_local! {
    /// What frames are decompressed with, and where they come out: making these anew takes as long as a frame does.
    static UNPACKING: RefCell<(DCtx<'static>, Vec<u8>)> = RefCell::new((DCtx::create(), Vec::new()));
}

/// At most `most` bytes of the content of the zstd frame at the beginning of `bytes`.
pub(super) fn content(bytes: &[u8], most: usize) -> std::result::Result<Vec<u8>, String> {
    if let Some(content) = small_content(bytes) {
        return Ok(content);
    }
    let mut content = Vec::new();
    zst::decoder(bytes)
        .and_then(|decoder| decoder.single_frame().take(most as u64).read_to_end(&mut content))
        .map_err(|error| undecodable(&error))?;
    Ok(content)
}

/// The same, if the frame is whole and of the usual size.
fn small_content(bytes: &[u8]) -> Option<Vec<u8>> {
    let length = zstd_safe::find_frame_compressed_size(bytes).ok().filter(|length| *length <= SMALL_FRAME)?;
    let frame = bytes.get(..length)?;
    UNPACKING.with_borrow_mut(|(decoder, content)| {
        content.clear();
        content.reserve(SMALL_FRAME);
        decoder.decompress(content, frame).ok()?;
        Some(content.clone())
    })
}

pub(super) fn undecodable(error: &io::Error) -> String {
    format!("does not decompress ({error})")
}
