//! Where the chains lie that are read.

use std::io::Write as _;
use std::path::PathBuf;

/// A file of the shared chains; `None` with a printed reason where they are absent.
pub(crate) fn shared(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("SECTORSCOPE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = folder.join("data").join(name);
    if path.exists() {
        return Some(path);
    }
    let _ = writeln!(std::io::stderr(), "skipped: {} is not here", path.display());
    None
}
