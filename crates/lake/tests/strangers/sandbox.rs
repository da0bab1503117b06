//! A directory with a lake in it, and beside the lake what nobody may touch.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use chain::NoProgress;
use lake::Lake;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::common::{claim, copy_tree, finished, onboard};

/// What the files outside hold, and nothing else does.
const CANARY: &str = "CANARY-5b0c7f3a";
/// The provider of which only the lake outside has rows.
const STRANGER: u64 = 987_654_321_012;
/// What may lie beside the lake.
const KNOWN: [&str; 4] = ["few", "lake", "many", "outside"];
/// What commands may make.
const RESULTS: [&str; 4] = ["back", "copy", "older", "stolen"];

pub(crate) struct Sandbox {
    root: TempDir,
    listener: TcpListener,
    /// What is outside, as it was.
    pub(crate) outside: BTreeMap<PathBuf, Vec<u8>>,
}

impl Sandbox {
    pub(crate) async fn new() -> Self {
        let root = TempDir::new().expect("a directory");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a port that is asked");
        for (name, miner, days) in [("few", 1000, 3), ("many", 1000, 34), ("outside/lake", STRANGER, 3)] {
            let mut lake = Lake::open(&root.path().join(name)).await.expect("a lake");
            for number in 0..days {
                let sector = number as u64;
                let mut day = finished(
                    number,
                    vec![onboard(miner, sector, sector)],
                    vec![claim(miner, 1 + i128::from(number))],
                );
                if miner == STRANGER {
                    CANARY.clone_into(&mut day.source.source);
                }
                lake.close_days(&[day]).await.expect("a day");
            }
        }
        let outside = root.path().join("outside");
        let stranger = std::fs::read_dir(outside.join("lake/sp_sector_daily")).expect("a table");
        let stranger = stranger.map(|entry| entry.expect("an entry").path());
        let stranger = stranger.filter(|path| path.extension().is_some_and(|of| of == "parquet")).max();
        std::fs::copy(stranger.expect("a data file"), outside.join("canary.parquet")).expect("copied");
        std::fs::write(outside.join("secret"), CANARY).expect("written");
        let commit = format!("{{\"commitInfo\":{{\"secret\":\"{CANARY}\"}}}}\n");
        std::fs::write(outside.join("commit.json"), commit).expect("written");
        let mut sandbox = Self { root, listener, outside: BTreeMap::new() };
        sandbox.outside = sandbox.outside_now();
        sandbox
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.root.path().join("lake")
    }

    pub(crate) fn outside_path(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    /// The lake as it was before it was altered.
    pub(crate) fn sound(&self, many: bool) -> PathBuf {
        self.root.path().join(if many { "many" } else { "few" })
    }

    /// Where commands put what they make.
    pub(crate) fn result(&self, name: &str) -> PathBuf {
        assert!(RESULTS.contains(&name));
        self.root.path().join("results").join(name)
    }

    /// An address at which somebody would notice a visit.
    pub(crate) fn address(&self) -> String {
        let port = self.listener.local_addr().expect("a port").port();
        format!("http://127.0.0.1:{port}/canary.parquet?X-Amz-Signature=1")
    }

    /// How many visits there were.
    pub(crate) fn visits(&self) -> usize {
        match self.listener.accept() {
            Ok(_) => 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// A sound lake in the place of what was tried last.
    pub(crate) fn begin(&self, many: bool) {
        for name in ["lake", "results"] {
            let _ = std::fs::remove_dir_all(self.root.path().join(name));
        }
        copy_tree(&self.sound(many), &self.lake());
        std::fs::create_dir(self.root.path().join("results")).expect("a directory");
    }

    /// Lists the lake's files with their sums, as a copy has them.
    pub(crate) fn lake_is_copy(&self) {
        list(&self.lake(), false);
    }

    /// All that is outside.
    pub(crate) fn outside_now(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        files(&self.outside_path(), &mut |path| {
            found.insert(path.to_owned(), std::fs::read(path).expect("a file"));
        });
        for name in ["few", "many"] {
            files(&self.root.path().join(name), &mut |path| {
                found.insert(path.to_owned(), std::fs::read(path).expect("a file"));
            });
        }
        found
    }

    /// What lies where nothing may have been put.
    pub(crate) fn strays(&self) -> Vec<String> {
        let names = |dir: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(dir).expect("a directory");
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        };
        let mut strays = names(self.root.path());
        strays.retain(|name| !KNOWN.contains(&name.as_str()) && name != "results");
        let results = names(&self.root.path().join("results"));
        strays.extend(results.into_iter().filter(|name| !RESULTS.contains(&name.as_str())));
        strays
    }

    /// The canary in a text.
    pub(crate) fn canary_in(&self, text: &str) -> Option<&'static str> {
        [CANARY, "987654321012"].into_iter().find(|canary| text.contains(canary))
    }

    /// A file that a command has made and that holds what is outside.
    pub(crate) fn canary_in_results(&self) -> Option<PathBuf> {
        let outside: Vec<&Vec<u8>> = self
            .outside
            .iter()
            .filter(|(path, _)| path.starts_with(self.outside_path()))
            .map(|(_, of)| of)
            .collect();
        let mut found = None;
        files(&self.root.path().join("results"), &mut |path| {
            let bytes = std::fs::read(path).expect("a file");
            let told = String::from_utf8_lossy(&bytes).contains(CANARY);
            let is_note = path.ends_with("lake.json");
            if told || (!bytes.is_empty() && !is_note && outside.contains(&&bytes)) {
                found = Some(path.to_owned());
            }
        });
        found
    }
}

/// Visits the regular files below a directory.
pub(crate) fn files(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            files(&entry.path(), visit);
        } else if kind.is_file() {
            visit(&entry.path());
        }
    }
}

/// Writes the list of a directory's files anew; `all` of them, or those that a copy has.
pub(crate) fn list(dir: &Path, all: bool) {
    let mut lines = Vec::new();
    files(dir, &mut |path| {
        let name = path.strip_prefix(dir).expect("below it").to_str().expect("text").to_owned();
        let last = name.rsplit('/').next().unwrap_or_default();
        let is_log = name.contains("/_delta_log/");
        let digits = last.bytes().take_while(u8::is_ascii_digit).count();
        let version = last[..digits].parse::<u64>().is_ok() && digits == 20;
        let of_copy = match is_log {
            true => version && [".json", ".checkpoint.parquet"].contains(&&last[digits..]),
            false => name.ends_with(".parquet") || ["lake.json", "gaps.json"].contains(&name.as_str()),
        };
        if name != "SHA256SUMS" && (all || of_copy) {
            lines.push(line(&name, path));
        }
    });
    lines.sort_unstable_by(|one, other| one[66..].cmp(&other[66..]));
    std::fs::write(dir.join("SHA256SUMS"), lines.concat()).expect("written");
}

/// The line of a file in a list.
pub(crate) fn line(name: &str, of: &Path) -> String {
    let sum = Sha256::digest(std::fs::read(of).expect("a file"));
    let sum = data_encoding::HEXLOWER.encode(&sum);
    format!("{sum}  {name}\n")
}

/// Nothing is shown while a test copies.
pub(crate) const QUIET: NoProgress = NoProgress;
