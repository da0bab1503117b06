//! What a crash may have left in a table's directory, and how a writer clears it away on opening.
//!
//! Our own writes leave a file whole or not at all, so of a crash there remain only files that nothing names: partial
//! ones, and data files whose commit never came. Other programs, older file systems and failing disks can do worse: a
//! commit or checkpoint of no length, or cut off. The last commit can be taken back, since what it named was not yet
//! answered for; what is damaged further down is damage, and said so when the table is read.

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::disk::{Disk, PARTIAL};
use crate::{Error, Result};

/// The directory of a table's log.
pub(crate) const LOG: &str = "_delta_log";
const LAST_CHECKPOINT: &str = "_last_checkpoint";
/// How a Parquet file begins and ends.
const PARQUET: &[u8; 4] = b"PAR1";

/// What is torn in a table's log: files by what they are, in the words of a log line.
fn damage(table: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let mut commits = Vec::new();
    let mut torn = Vec::new();
    for path in files(&table.join(LOG))? {
        let name = name(&path);
        if name.ends_with(PARTIAL) {
            torn.push((path, "a file that was being written when its writer died"));
        } else if name.ends_with(".checkpoint.parquet") && !is_parquet(&path) {
            torn.push((path, "a torn checkpoint; the commits under it are read instead"));
        } else if name == LAST_CHECKPOINT {
            if !is_json(&path) {
                torn.push((path, "a torn note of the last checkpoint"));
            }
        } else if name.strip_suffix(".json").is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
        {
            commits.push(path);
        }
    }
    // A note may speak of a checkpoint that is none.
    let note = table.join(LOG).join(LAST_CHECKPOINT);
    let said = torn.iter().any(|(path, _)| *path == note);
    if !said && note.is_file() && torn.iter().any(|(path, _)| name(path).ends_with(".checkpoint.parquet")) {
        torn.push((note, "the note of a torn checkpoint"));
    }
    // Names are zero-padded numbers, so the greatest is the last.
    if let Some(last) = commits.into_iter().max()
        && is_torn_commit(&last)
    {
        torn.push((last, "a torn last commit; its days will be closed again"));
    }
    Ok(torn)
}

/// Removes a torn last commit, torn checkpoints and partial files from a table's log.
///
/// # Errors
/// If the directory cannot be read, or something in it cannot be removed.
pub(crate) fn log(disk: &Disk, table: &Path) -> Result<()> {
    let torn = damage(table)?;
    for (path, what) in &torn {
        remove(disk, path, what)?;
    }
    if !torn.is_empty() {
        let log = table.join(LOG);
        disk.sync_directory(&log).map_err(Error::io(&log))?;
    }
    Ok(())
}

/// Names of the torn files in a table's log, to be passed over by those who may not remove them.
pub(crate) fn torn(table: &Path) -> HashSet<String> {
    damage(table).unwrap_or_default().iter().map(|(path, _)| name(path)).collect()
}

/// Where a table's commit of that version lies.
pub(crate) fn commit(table: &Path, version: u64) -> PathBuf {
    table.join(LOG).join(format!("{version:020}.json"))
}

/// Names of a log's commits and checkpoints up to a version, in the order of their versions, checkpoints of a version
/// after its commit.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn log_up_to(table: &Path, version: u64) -> Result<Vec<String>> {
    let mut names: Vec<String> = files(&table.join(LOG))?.iter().map(|path| name(path)).collect();
    names.retain(|name| {
        let of = name.split('.').next().and_then(|number| number.parse::<u64>().ok());
        let kind = name.ends_with(".json") || name.ends_with(".checkpoint.parquet");
        kind && of.is_some_and(|of| of <= version)
    });
    names.sort_by_key(|name| (name.split('.').next().map(str::to_owned), name.ends_with(".parquet")));
    Ok(names)
}

/// Removes the last commit, whose version is given, because what it stands on is lost.
///
/// # Errors
/// If it cannot be removed.
pub(crate) fn take_back(disk: &Disk, table: &Path, version: u64) -> Result<()> {
    remove(
        disk,
        &commit(table, version),
        "a last commit that stands on a lost one; its days will be closed again",
    )?;
    // A checkpoint of that version says the same.
    let log = table.join(LOG);
    for path in files(&log)? {
        let name = name(&path);
        if name == LAST_CHECKPOINT || name == format!("{version:020}.checkpoint.parquet") {
            remove(disk, &path, "the checkpoint of a commit that was taken back")?;
        }
    }
    disk.sync_directory(&log).map_err(Error::io(&log))
}

/// Removes partial files, and data files that the table does not know (`known` are those that it has or had).
///
/// # Errors
/// If the directory cannot be read, or something in it cannot be removed.
pub(crate) fn orphans(disk: &Disk, table: &Path, known: &HashSet<String>) -> Result<()> {
    let mut removed = 0;
    for path in files(table)? {
        let name = name(&path);
        if name.ends_with(PARTIAL) || (name.ends_with(".parquet") && !known.contains(&name)) {
            disk.remove(&path).map_err(Error::io(&path))?;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(table = %table.display(), removed, "removed files whose commit never came");
    }
    Ok(())
}

/// Plain files of a directory; none if it is not there.
fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(directory)(error)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(directory))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn remove(disk: &Disk, path: &Path, what: &str) -> Result<()> {
    disk.remove(path).map_err(Error::io(path))?;
    tracing::warn!(file = %path.display(), "removed {what}");
    Ok(())
}

/// A commit is lines of JSON objects, one at least, the last of them ended or whole.
fn is_torn_commit(path: &Path) -> bool {
    let Ok(text) = fs::read_to_string(path) else { return true };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_none()
        || !lines.all(|line| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object()))
}

fn is_json(path: &Path) -> bool {
    fs::read(path).is_ok_and(|text| serde_json::from_slice::<Value>(&text).is_ok())
}

fn is_parquet(path: &Path) -> bool {
    let ends = || -> std::io::Result<bool> {
        let mut file = fs::File::open(path)?;
        let (mut first, mut last) = ([0; 4], [0; 4]);
        file.read_exact(&mut first)?;
        file.seek(SeekFrom::End(-4))?;
        file.read_exact(&mut last)?;
        Ok(file.metadata()?.len() > 12 && &first == PARQUET && &last == PARQUET)
    };
    ends().unwrap_or(false)
}
