//! Snapshot files as a block store.
//!
//! [`Cars`] joins any number of CAR files, plain or inside zstd, into one store: a block is looked for in each.
//! A plain file is memory-mapped and indexed in one sequential pass that checks every block's hash; the index is
//! kept, and blocks are handed out in place.

#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod plain;
mod sort;
mod zst;

use std::path::{Path, PathBuf};

use cid::Cid;

use crate::block::{Block, BlockStore, blake2b};
use crate::error::{Error, Result};
use crate::progress::Progress;
use plain::PlainCar;

/// One or several CAR files as one block store.
#[derive(Debug)]
pub struct Cars {
    files: Vec<PlainCar>,
    about: Vec<CarFile>,
}

/// What a CAR file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarFile {
    /// The file as it was named.
    pub path: PathBuf,
    /// Version of the CAR, 1 or 2.
    pub version: u64,
    /// Whether it is inside zstd.
    pub compressed: bool,
    /// Bytes of the CAR, decompressed.
    pub bytes: u64,
    /// How many blocks it holds.
    pub blocks: usize,
    /// Its roots.
    pub roots: Vec<Cid>,
}

impl Cars {
    /// Opens CAR files, `.car` or `.car.zst` (told by content, not by name). What is inside zstd is decompressed
    /// once into `cache`, where indexes are kept, too. Every block's hash is checked once: while the index is made.
    ///
    /// # Errors
    /// If a file cannot be read, is no CAR, is truncated, or holds a block whose hash is wrong; the error names
    /// the file and the place.
    pub fn open(paths: &[PathBuf], cache: &Path, progress: &dyn Progress) -> Result<Self> {
        if paths.is_empty() {
            return Err(Error::Chain("no CAR file was given".into()));
        }
        let (mut files, mut about) = (Vec::new(), Vec::new());
        for path in paths {
            let compressed = zst::is_zstd(path)?;
            let file = if compressed {
                open_compressed(path, cache, progress)?
            } else {
                PlainCar::open(path, path, cache, progress)?
            };
            about.push(file.about(path, compressed));
            files.push(file);
        }
        let cars = Self { files, about };
        cars.check_roots()?;
        Ok(cars)
    }

    /// As [`Cars::open`], but checks every hash again, whatever is in the cache.
    ///
    /// # Errors
    /// As [`Cars::open`].
    pub fn open_anew(paths: &[PathBuf], cache: &Path, progress: &dyn Progress) -> Result<Self> {
        for path in paths {
            if zst::is_zstd(path)? {
                let copy = zst::place(path, cache)?;
                let _ = std::fs::remove_file(index::place(cache, &copy));
                let _ = std::fs::remove_file(copy);
            }
            let _ = std::fs::remove_file(index::place(cache, path));
        }
        Self::open(paths, cache, progress)
    }

    /// A root that is nowhere means a cut or damaged file, and is best said before anything is read.
    fn check_roots(&self) -> Result<()> {
        for file in &self.about {
            for root in &file.roots {
                if self.get(root)?.is_none() {
                    return Err(Error::File {
                        path: file.path.clone(),
                        offset: 0,
                        problem: format!(
                            "its header names block {root} as a root, which is in none of the files given"
                        ),
                        advice: "the file is damaged or incomplete: fetch it again, or give the file that holds the block beside it",
                    });
                }
            }
        }
        Ok(())
    }

    /// The roots of all files, in the order of the files.
    pub fn roots(&self) -> impl Iterator<Item = Cid> {
        self.about.iter().flat_map(|file| file.roots.iter().copied())
    }

    /// What the files are, in the order in which they were named.
    #[must_use]
    pub fn files(&self) -> &[CarFile] {
        &self.about
    }

    /// How many blocks the files hold, those that stand in several counted each time.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.about.iter().map(|file| file.blocks).sum()
    }
}

impl BlockStore for Cars {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        Ok(self.files.iter().find_map(|file| file.get(cid)).map(Block::Borrowed))
    }
}

fn open_compressed(path: &Path, cache: &Path, progress: &dyn Progress) -> Result<PlainCar> {
    let (copy, fresh) = zst::decompressed(path, cache, progress)?;
    match PlainCar::open(&copy, path, cache, progress) {
        Err(_) if !fresh => {
            // The copy in the cache may have been damaged since it was made: make it anew, once.
            tracing::warn!(copy = %copy.display(), "the decompressed copy does not read; making it anew");
            zst::forget(&copy)?;
            let (copy, _) = zst::decompressed(path, cache, progress)?;
            PlainCar::open(&copy, path, cache, progress)
        }
        Err(error) => {
            zst::forget(&copy)?;
            Err(error)
        }
        car => car,
    }
}

/// What a progress bar calls work on a file.
fn task(verb: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("{verb} {}", name.to_string_lossy())
}

/// Enough of a hash to tell files apart by.
fn short_hash(bytes: &[u8]) -> String {
    blake2b(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
