//! What a CAR file is, and how it is named.

use std::fmt;
use std::path::{Path, PathBuf};

use cid::Cid;
use data_encoding::HEXLOWER;

use crate::block::blake2b;

/// How a CAR is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarEncoding {
    /// As it is.
    Plain,
    /// Inside zstd, to be decompressed from start to end.
    Zstd,
    /// In zstd frames with an index behind them (`.forest.car.zst`).
    IndexedZstd,
}

impl fmt::Display for CarEncoding {
    /// What comes after the CAR's version in its description; empty for a plain one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "",
            Self::Zstd => " in zstd",
            Self::IndexedZstd => " in indexed zstd",
        })
    }
}

/// What a CAR file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarFile {
    /// The file as it was named.
    pub path: PathBuf,
    /// Version of the CAR, 1 or 2.
    pub version: u64,
    /// How it is stored.
    pub encoding: CarEncoding,
    /// Bytes that are read: of the CAR, decompressed; of indexed zstd, those of the file.
    pub bytes: u64,
    /// How many blocks it holds.
    pub blocks: u64,
    /// Its roots.
    pub roots: Vec<Cid>,
}

/// What a progress bar calls work on a file.
pub(super) fn task(verb: &str, path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    format!("{verb} {}", name.to_string_lossy())
}

/// Enough of a hash to distinguish files.
pub(super) fn short_hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&blake2b(bytes)[..8])
}
