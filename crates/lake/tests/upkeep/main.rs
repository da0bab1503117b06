//! What a lake has to bear: damaged copies, unusual directories, old tombstones, older tables, queries beside each other.

#[path = "../common/mod.rs"]
mod common;

mod copies;
mod directories;
mod older_tables;
mod queries;
mod retention;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The data files of the daily rows of a lake or a copy.
fn data_files(of: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(of.join("sp_sector_daily")).expect("a table");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|kind| kind == "parquet")).collect()
}
