//! What tests need from outside the repository, and what happens where it is absent: the test says so and is skipped,
//! or it fails if `SECTORSCOPE_REQUIRE_DATA` requires it. All test crates include this file, so it uses only `std`.
#![allow(dead_code, unreachable_pub)]

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names what must not be absent: kinds, separated by commas, or `all`.
const VARIABLE: &str = "SECTORSCOPE_REQUIRE_DATA";

/// A kind of thing that may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chains with known truth and the specification: `data`.
    Data,
    /// Programs and their packages, such as Prometheus and Python's `polars`: `programs`.
    Programs,
    /// The permission to mount a file system: `mounts`.
    Mounts,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Data, Kind::Programs, Kind::Mounts];

    fn name(self) -> &'static str {
        match self {
            Kind::Data => "data",
            Kind::Programs => "programs",
            Kind::Mounts => "mounts",
        }
    }

    /// Whether the value of the variable requires this kind.
    ///
    /// # Panics
    ///
    /// For a word that is no kind: a misspelled kind would require nothing.
    pub fn is_required(self, value: &str) -> bool {
        let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.fold(false, |required, word| {
            let known = word == "all" || Kind::ALL.iter().any(|kind| kind.name() == word);
            assert!(known, "{VARIABLE} has \"{word}\"; it is all, or some of data, programs, mounts");
            required || word == "all" || word == self.name()
        })
    }
}

/// Says why the calling test is skipped. The text goes to stderr itself, because the test runner hides what passing
/// tests print.
///
/// # Panics
///
/// If the environment requires this kind.
pub fn skip(kind: Kind, reason: impl Display) {
    let required = std::env::var_os(VARIABLE).unwrap_or_default();
    let required = required.to_string_lossy();
    assert!(!kind.is_required(&required), "{reason}, and {VARIABLE}={required} requires it");
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// A file or folder beside the repository, or in `$SECTORSCOPE_SHARED`; `None` where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    let beside = || {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = package.ancestors().find(|folder| folder.join("samples").is_dir());
        root.expect("the repository has samples").join("../shared")
    };
    let path = std::env::var_os("SECTORSCOPE_SHARED").map_or_else(beside, PathBuf::from).join(name);
    if path.exists() {
        return Some(path);
    }
    skip(Kind::Data, format_args!("{} is not here", path.display()));
    None
}

/// The Python with the packages that tests need: `python3`, unless `$SECTORSCOPE_PYTHON` names another.
pub fn python() -> OsString {
    std::env::var_os("SECTORSCOPE_PYTHON").unwrap_or_else(|| "python3".into())
}

/// Whether a program is installed.
pub fn has_program(name: &str) -> bool {
    let quiet = || Stdio::null();
    let run = Command::new(name).arg("--version").stdin(quiet()).stdout(quiet()).stderr(quiet()).status();
    let runs = run.is_ok_and(|status| status.success());
    if !runs {
        skip(Kind::Programs, format_args!("there is no {name} here"));
    }
    runs
}
