//! A lake of the bundled chain.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::{run_in, sample};

/// The data directory of a lake of the sample, shared by the tests of a file. A shell clears it away when the test
/// process ends, which closes the shell's stdin.
pub(crate) fn data() -> &'static Path {
    static DATA: OnceLock<PathBuf> = OnceLock::new();
    DATA.get_or_init(|| {
        let data = tempfile::Builder::new().prefix("sectorscope-lake-").tempdir().unwrap().keep();
        let watch = Command::new("sh")
            .args(["-c", "cat; rm -rf \"$0\""])
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        std::mem::forget(watch);
        run_in(&data, &["ingest", "car", sample().to_str().unwrap()]).printed();
        data
    })
}

/// Everything in a directory, with its bytes.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}
