//! A plain CAR file, of version 1 or 2, mapped into memory.
//!
//! ```text
//! version 1
//! ┌────────┬────────────────────────────┬────────┬─────┬──────┬────────┬─────┬──────┬──
//! │ varint │ {"roots": […], "version":1}│ varint │ CID │ data │ varint │ CID │ data │ …
//! └────────┴────────────────────────────┴────────┴─────┴──────┴────────┴─────┴──────┴──
//!   length of the header, DAG-CBOR        length of CID and data: a section
//!
//! version 2: a version 1 inside
//! ┌────────┬───────────────┬─────────────────┬─────────────┬───────────┬─────────────────┬───────────┬──
//! │ varint │ {"version":2} │ characteristics │ data offset │ data size │ offset of index │ version 1 │ …
//! └────────┴───────────────┴─────────────────┴─────────────┴───────────┴─────────────────┴───────────┴──
//!                            16 bytes          8, little endian                            from data offset on
//! ```
//!
//! The first opening reads the file once from start to end: it notes where each section begins, checks each hash,
//! and keeps the index. A block is a slice of the mapping. Damage to the index may be met only when a block is looked
//! up: then the file is read again, and the lookup goes on in the new index. Behind the last section there may be zeros.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cid::Cid;
use memmap2::Advice;

use super::external_sort::ExternalSorter;
use super::index::{self, DamagedIndex, FileIdentity, Index, prefix};
use super::info::{CarEncoding, CarFile, task};
use super::mapped_file::MappedFile;
use super::section_reader::{CheckedSection, Fault, LARGEST_BLOCK, MappedReader, Problem, SectionReader};
use crate::block::{cid_of, has_hash, read_cid};
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::integers::{u64_le_at, varint};
use crate::progress::{NoProgress, ProgressSink, ProgressUnit};

pub(super) const FETCH_AGAIN: &str = "the file is damaged or incomplete: fetch it again";
pub(super) const NOT_A_CAR: &str = "give a Filecoin snapshot, .car or .car.zst";
/// How much is read between two reports of progress.
pub(super) const REPORT_EVERY: u64 = 8 << 20;
/// Longest header taken: far above any tipset's roots.
const LONGEST_HEADER: u64 = 1 << 20;

/// A plain CAR: mapped, indexed, every hash checked.
#[derive(Debug)]
pub(super) struct PlainCar {
    map: MappedFile,
    /// The file, as it was named.
    named: PathBuf,
    version: u64,
    roots: Vec<Cid>,
    /// Where its sections are.
    sections: Range<usize>,
    /// Where its index is kept, and by what it is known to be of this file.
    kept: (PathBuf, FileIdentity),
    index: Index,
    /// What came in the index's place when that was found damaged; or why nothing did.
    anew: OnceLock<std::result::Result<Index, String>>,
}

impl PlainCar {
    /// Opens `path`; errors name `named`, which differs where `path` is a decompressed copy. Its index is kept in
    /// `cache`.
    pub(super) fn open(path: &Path, named: &Path, cache: &Path, progress: &dyn ProgressSink) -> Result<Self> {
        let io = |source| Error::Io { path: named.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        let damaged = |offset, problem: &str, advice| Error::File {
            path: named.to_owned(),
            offset,
            problem: problem.to_owned(),
            advice,
        };
        if about.len() == 0 {
            return Err(damaged(0, "the file is empty", NOT_A_CAR));
        }
        let map = MappedFile::of(&file).map_err(io)?;
        let (version, roots, sections) =
            header(map.get()).map_err(|problem| damaged(0, &problem, NOT_A_CAR))?;
        let kept = (index::index_path(cache, path), FileIdentity::of(&about));
        let index = match Index::open(&kept.0, kept.1) {
            Some(index) => index,
            None => indexed(&map, sections.clone(), named, &kept, progress)?,
        };
        Ok(Self {
            map,
            named: named.to_owned(),
            version,
            roots,
            sections,
            kept,
            index,
            anew: OnceLock::new(),
        })
    }

    /// What it is.
    pub(super) fn about(&self, path: &Path, encoding: CarEncoding) -> CarFile {
        CarFile {
            path: path.to_owned(),
            version: self.version,
            encoding,
            bytes: self.map.get().len() as u64,
            blocks: self.index.len() as u64,
            roots: self.roots.clone(),
        }
    }

    /// Its roots.
    pub(super) fn roots(&self) -> &[Cid] {
        &self.roots
    }

    /// The block with that CID's digest, in place.
    ///
    /// # Errors
    /// If it is too large to be one of a chain, or the index is damaged and the file does not let itself be indexed again.
    pub(super) fn get(&self, cid: &Cid) -> Result<Option<&[u8]>> {
        match self.found(cid)? {
            Some(data) if data.len() > LARGEST_BLOCK => Err(too_large(cid)),
            found => Ok(found),
        }
    }

    fn found(&self, cid: &Cid) -> Result<Option<&[u8]>> {
        if self.anew.get().is_none()
            && let Ok(found) = self.find(&self.index, cid)
        {
            return Ok(found);
        }
        match self.anew.get_or_init(|| self.index_again()) {
            Ok(index) => {
                self.find(index, cid).map_err(|DamagedIndex| self.not_indexed("it is damaged again"))
            }
            Err(problem) => Err(self.not_indexed(problem)),
        }
    }

    fn find(&self, index: &Index, cid: &Cid) -> std::result::Result<Option<&[u8]>, DamagedIndex> {
        Ok(index.candidates(cid.hash().digest())?.find_map(|offset| {
            let offset = usize::try_from(offset).ok()?;
            let section = section(self.map.get(), offset).ok()?;
            self.map.note(offset..section.end);
            (section.cid.hash() == cid.hash()).then(|| &self.map.get()[section.data..section.end])
        }))
    }

    /// Reads the file again for what its damaged index does not tell.
    fn index_again(&self) -> std::result::Result<Index, String> {
        tracing::warn!(
            index = %self.kept.0.display(), file = %self.named.display(),
            "the index is damaged: reading the file again to make it anew"
        );
        indexed(&self.map, self.sections.clone(), &self.named, &self.kept, &NoProgress)
            .map_err(|error| error.to_string())
    }

    fn not_indexed(&self, problem: &str) -> Error {
        Error::File {
            path: self.kept.0.clone(),
            offset: 0,
            problem: format!(
                "this index of {} is damaged, and making it anew failed: {problem}",
                self.named.display()
            ),
            advice: "when that is mended, delete the index and try again",
        }
    }

    /// Calls `visit` with each section, in the order of the file; errors name `named`.
    ///
    /// # Errors
    /// If a section does not read, or its hash is wrong.
    pub(super) fn for_each(&self, named: &Path, visit: &mut dyn FnMut(&CheckedSection<'_>)) -> Result<()> {
        let through = MappedReader::new(&self.map, self.sections.clone());
        let mut sections = SectionReader::new(through, self.sections.start as u64);
        while let Some(section) = sections.next().map_err(|fault| fault.in_file(named))? {
            visit(&section);
        }
        Ok(())
    }
}

/// Says that a block may be in a snapshot, but not in a chain.
pub(super) fn too_large(cid: &Cid) -> Error {
    Error::Chain(format!("block {cid} is larger than {LARGEST_BLOCK} bytes, which no block of a chain is"))
}

/// One section of a CAR, by offsets into the file.
pub(super) struct Section {
    pub(super) cid: Cid,
    pub(super) data: usize,
    pub(super) end: usize,
}

/// Reads the section at `offset`; on error says at which offset and why.
pub(super) fn section(bytes: &[u8], offset: usize) -> std::result::Result<Section, (usize, &'static str)> {
    let (length, start) =
        varint_at(bytes, offset).ok_or((offset, "a block's length is cut off or malformed"))?;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| start.checked_add(length))
        .filter(|end| *end <= bytes.len())
        .ok_or((offset, "a block is longer than the rest of the file"))?;
    let mut rest = &bytes[start..end];
    let cid = read_cid(&mut rest).ok_or((start, "a block does not begin with a CID"))?;
    Ok(Section { cid, data: end - rest.len(), end })
}

/// The CID of the section at `offset`, if its length says that it is too large to be a block of a chain.
pub(super) fn larger_at(bytes: &[u8], offset: usize) -> Option<Cid> {
    let (length, start) = varint_at(bytes, offset)?;
    (length > LARGEST_BLOCK as u64).then(|| read_cid(&mut bytes.get(start..)?)).flatten()
}

/// The unsigned varint at `offset`: its value and the offset after it.
fn varint_at(bytes: &[u8], offset: usize) -> Option<(u64, usize)> {
    let (value, length) = varint(bytes.get(offset..)?)?;
    Some((value, offset + length))
}

/// The version, the roots, and where the sections are.
pub(super) fn header(bytes: &[u8]) -> std::result::Result<(u64, Vec<Cid>, Range<usize>), String> {
    match header_at(bytes, 0)? {
        (1, roots, end) => with_roots(roots).map(|roots| (1, roots, end..bytes.len())),
        (2, _, end) => {
            let inside = wrapped(bytes, end).ok_or("the CARv2 header points outside the file")?;
            match header_at(&bytes[..inside.end], inside.start)? {
                (1, roots, end) => with_roots(roots).map(|roots| (2, roots, end..inside.end)),
                (version, ..) => Err(format!("this CARv2 wraps a CAR of version {version}, which must be 1")),
            }
        }
        (version, ..) => Err(format!("this is a CAR of version {version}, and only 1 and 2 are read")),
    }
}

fn with_roots(roots: Vec<Cid>) -> std::result::Result<Vec<Cid>, String> {
    if roots.is_empty() { Err("the CAR header names no roots".to_owned()) } else { Ok(roots) }
}

/// Where a CARv2, whose own header ends at `end`, has its version 1.
fn wrapped(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    let number = |at: usize| usize::try_from(u64_le_at(bytes, at)?).ok();
    let (offset, size) = (number(end + 16)?, number(end + 24)?);
    let inside = offset..offset.checked_add(size)?;
    (offset >= end + 40 && inside.end <= bytes.len()).then_some(inside)
}

/// Version, roots and end of the header at an offset.
fn header_at(bytes: &[u8], at: usize) -> std::result::Result<(u64, Vec<Cid>, usize), String> {
    let no_car = || "this is no CAR file (it does not begin with a CAR header)".to_owned();
    let (length, start) = varint_at(bytes, at).ok_or_else(no_car)?;
    if length == 0 || length > LONGEST_HEADER {
        return Err(no_car());
    }
    let end = start + usize::try_from(length).map_err(|_| no_car())?;
    let header = bytes.get(start..end).ok_or_else(|| "the file ends within its CAR header".to_owned())?;
    let (roots, version) = decode_header(header).map_err(|_| no_car())?;
    Ok((version, roots, end))
}

fn decode_header(bytes: &[u8]) -> Result<(Vec<Cid>, u64)> {
    let mut reader = Reader::new(bytes);
    let (mut roots, mut version) = (Vec::new(), 0);
    for _ in 0..reader.map()? {
        match reader.text()? {
            "roots" => {
                for _ in 0..reader.array()? {
                    roots.push(cid_of(reader.link()?)?);
                }
            }
            "version" => version = reader.uint()?,
            _ => reader.skip()?,
        }
    }
    Ok((roots, version))
}

/// Makes the index of sections, and keeps it.
fn indexed(
    map: &MappedFile,
    sections: Range<usize>,
    named: &Path,
    (place, stamp): &(PathBuf, FileIdentity),
    progress: &dyn ProgressSink,
) -> Result<Index> {
    map.advise(Advice::Sequential);
    progress.begin(task("reading", named), sections.end as u64, ProgressUnit::Bytes);
    let scanned = scan(map, sections, named, progress);
    progress.end();
    map.advise(Advice::Random);
    let keep = |source| Error::Io { path: place.clone(), source };
    Index::make(place, *stamp, &scanned?.finish().map_err(keep)?).map_err(keep)
}

/// Notes every section and checks every hash.
fn scan(
    map: &MappedFile,
    sections: Range<usize>,
    named: &Path,
    progress: &dyn ProgressSink,
) -> Result<ExternalSorter> {
    if sections.end as u64 >= index::LARGEST {
        return Err(Error::Chain(format!("{}: a file of over a TiB; split it in several", named.display())));
    }
    let begin = sections.start as u64;
    let mut sections = SectionReader::new(MappedReader::new(map, sections), begin);
    let (mut entries, mut reported) = (ExternalSorter::new(), 0);
    while let Some(section) = sections.next().map_err(|fault| fault.in_file(named))? {
        let noted = entries.push(prefix(section.cid.hash().digest()), section.begin);
        noted.map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        if section.begin - reported >= REPORT_EVERY {
            reported = section.begin;
            progress.at(reported);
        }
    }
    Ok(entries)
}

impl Fault {
    /// As an error of a file.
    fn in_file(self, named: &Path) -> Error {
        let path = named.to_owned();
        match self.problem {
            Problem::Malformed(problem) => {
                Error::File { path, offset: self.at, problem: problem.to_owned(), advice: FETCH_AGAIN }
            }
            Problem::Hash(cid) => bad_hash(&cid, named, self.at),
            Problem::Io(source) => Error::Io { path, source },
        }
    }
}

/// Checks a block's hash.
pub(super) fn check(cid: &Cid, data: &[u8], named: &Path, offset: u64) -> Result<()> {
    match has_hash(cid, data) {
        Some(true) => Ok(()),
        _ => Err(bad_hash(cid, named, offset)),
    }
}

/// Says that a block does not have the hash its CID says, or that this is of an unknown kind.
pub(super) fn bad_hash(cid: &Cid, named: &Path, offset: u64) -> Error {
    let path = named.to_owned();
    if has_hash(cid, &[]).is_some() {
        return Error::WrongHash { path, offset, cid: Box::new(*cid) };
    }
    Error::File {
        path,
        offset,
        problem: format!("block {cid} has a hash of an unknown kind ({:#x})", cid.hash().code()),
        advice: "give a Filecoin snapshot; its blocks have blake2b-256 or sha2-256 hashes",
    }
}
