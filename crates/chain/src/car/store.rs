//! Any number of CAR files as one block store.

use std::path::{Path, PathBuf};

use cid::Cid;

use super::forest::ForestCar;
use super::info::{CarEncoding, CarFile};
use super::plain::PlainCar;
use super::section_reader::CheckedSection;
use super::{index, zst};
use crate::block::{Block, BlockStore};
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::head::Heads;
use crate::header::Header;
use crate::progress::ProgressSink;
use crate::units::Epoch;

/// One or several CAR files as one block store.
#[derive(Debug)]
pub struct CarStore {
    files: Vec<AnyCar>,
    /// What reading them may cost.
    budget: Budget,
}

/// One of the files, in whichever encoding.
#[derive(Debug)]
enum AnyCar {
    Plain { car: PlainCar, named: PathBuf, encoding: CarEncoding },
    Forest(ForestCar),
}

impl CarStore {
    /// Opens CAR files, `.car` or `.car.zst` (told by content, not by name). What is inside zstd is decompressed
    /// once into `cache`, where indexes are kept, too; if it has Forest's index, it is read in place. Every block's
    /// hash is checked once: while the index is made, or when the block is first read.
    ///
    /// # Errors
    /// If a file cannot be read, is no CAR, is truncated, or holds a block whose hash is wrong; the error names
    /// the file and the place.
    pub fn open(paths: &[PathBuf], cache: &Path, progress: &dyn ProgressSink) -> Result<Self> {
        if paths.is_empty() {
            return Err(Error::Chain("no CAR file was given".into()));
        }
        let files = paths.iter().map(|path| AnyCar::open(path, cache, progress)).collect::<Result<_>>()?;
        let mut bytes = 0_u64;
        for path in paths {
            let about = std::fs::metadata(path).map_err(|source| Error::Io { path: path.clone(), source })?;
            bytes = bytes.saturating_add(about.len());
        }
        let cars = Self { files, budget: Budget::for_bytes(bytes) };
        cars.check_roots()?;
        Ok(cars)
    }

    /// As [`CarStore::open`], but checks every hash again, whatever is in the cache.
    ///
    /// # Errors
    /// As [`CarStore::open`].
    pub fn open_uncached(paths: &[PathBuf], cache: &Path, progress: &dyn ProgressSink) -> Result<Self> {
        for path in paths {
            if zst::is_zstd(path)? {
                let copy = zst::decompressed_path(path, cache)?;
                let _ = std::fs::remove_file(index::index_path(cache, &copy));
                let _ = std::fs::remove_file(copy);
            }
            let _ = std::fs::remove_file(index::index_path(cache, path));
        }
        let cars = Self::open(paths, cache, progress)?;
        for file in &cars.files {
            if let AnyCar::Forest(car) = file {
                car.verify(progress)?;
            }
        }
        Ok(cars)
    }

    /// A root that is nowhere means a cut or damaged file, and is best said before anything is read. A file of which no
    /// root is anywhere may yet hold what belongs to the chain of another, such as receipts.
    fn check_roots(&self) -> Result<()> {
        let mut rootless: Vec<(&AnyCar, Cid)> = Vec::new();
        for file in &self.files {
            let mut missing = Vec::new();
            for root in file.roots() {
                if self.get(root)?.is_none() {
                    missing.push(*root);
                }
            }
            match missing.first() {
                Some(root) if missing.len() < file.roots().len() => return Err(file.root_missing(root)),
                Some(root) => rootless.push((file, *root)),
                None => {}
            }
        }
        let Some((first, root)) = rootless.first() else { return Ok(()) };
        if rootless.len() == self.files.len() {
            return Err(first.root_missing(root));
        }
        let Ok(heads) = Heads::of(self, self.roots()) else { return Ok(()) };
        let head = heads.highest(self)?.height;
        for (file, root) in rootless.iter().filter(|(_, root)| *root != Cid::default()) {
            // A head that is lost must not make the chain shorter.
            if file.highest_header()?.is_some_and(|height| height > head) {
                return Err(file.root_missing(root));
            }
        }
        Ok(())
    }

    /// The roots of all files, in the order of the files.
    pub fn roots(&self) -> impl Iterator<Item = Cid> {
        self.files.iter().flat_map(|file| file.roots().iter().copied())
    }

    /// What the files are, in the order in which they were named. Counting the blocks of indexed zstd reads its index.
    #[must_use]
    pub fn files(&self) -> Vec<CarFile> {
        self.files.iter().map(AnyCar::about).collect()
    }

    /// What reading them may cost, and has cost so far.
    #[must_use]
    pub const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// How many blocks the files hold, those that stand in several counted each time.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.files().iter().map(|file| file.blocks).sum()
    }
}

impl BlockStore for CarStore {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        for file in &self.files {
            let found = match file {
                AnyCar::Plain { car, .. } => car.get(cid)?.map(Block::Borrowed),
                AnyCar::Forest(car) => car.get(cid, &self.budget)?,
            };
            if found.is_some() {
                return self.budget.charge_block(found);
            }
        }
        self.budget.charge_block(None)
    }

    fn spend(&self, work: u64) -> Result<()> {
        self.budget.spend(work)
    }

    fn file_names(&self) -> Vec<String> {
        let name = |file: &AnyCar| Some(file.named().file_name()?.to_string_lossy().into_owned());
        self.files.iter().filter_map(name).collect()
    }
}

impl AnyCar {
    fn open(path: &Path, cache: &Path, progress: &dyn ProgressSink) -> Result<Self> {
        let (car, encoding) = if !zst::is_zstd(path)? {
            (PlainCar::open(path, path, cache, progress)?, CarEncoding::Plain)
        } else if let Some(car) = ForestCar::open(path)? {
            return Ok(Self::Forest(car));
        } else {
            (open_compressed(path, cache, progress)?, CarEncoding::Zstd)
        };
        Ok(Self::Plain { car, named: path.to_owned(), encoding })
    }

    fn about(&self) -> CarFile {
        match self {
            Self::Plain { car, named, encoding } => car.about(named, *encoding),
            Self::Forest(car) => car.about(),
        }
    }

    fn roots(&self) -> &[Cid] {
        match self {
            Self::Plain { car, .. } => car.roots(),
            Self::Forest(car) => car.roots(),
        }
    }

    fn named(&self) -> &Path {
        match self {
            Self::Plain { named, .. } => named,
            Self::Forest(car) => car.path(),
        }
    }

    /// Height of the highest block header in the file. Reads all of it.
    fn highest_header(&self) -> Result<Option<Epoch>> {
        let mut highest = None;
        let mut visit = |section: &CheckedSection<'_>| {
            let header = section.data.and_then(|data| Header::decode(data, &section.cid).ok());
            highest = highest.max(header.map(|header| header.height));
        };
        match self {
            Self::Plain { car, named, .. } => car.for_each(named, &mut visit)?,
            Self::Forest(car) => car.for_each(&mut |_, section| {
                visit(section);
                Ok(())
            })?,
        }
        Ok(highest)
    }

    /// Says that a root is in none of the files.
    fn root_missing(&self, root: &Cid) -> Error {
        Error::File {
            path: self.named().to_owned(),
            offset: 0,
            problem: format!("its header names block {root} as a root, which is in none of the files given"),
            advice: if *root == Cid::default() {
                "this is the default of files that go with a snapshot: give that beside it"
            } else {
                "the file is damaged or incomplete: fetch it again, or give the file that holds the block beside it"
            },
        }
    }
}

fn open_compressed(path: &Path, cache: &Path, progress: &dyn ProgressSink) -> Result<PlainCar> {
    let (copy, fresh) = zst::decompressed_copy(path, cache, progress)?;
    match PlainCar::open(&copy, path, cache, progress) {
        Err(_) if !fresh => {
            // The copy in the cache may have been damaged since it was made: make it anew, once.
            tracing::warn!(copy = %copy.display(), "the decompressed copy does not read; making it anew");
            zst::remove(&copy)?;
            let (copy, _) = zst::decompressed_copy(path, cache, progress)?;
            PlainCar::open(&copy, path, cache, progress)
        }
        Err(error) => {
            zst::remove(&copy)?;
            Err(error)
        }
        car => car,
    }
}
