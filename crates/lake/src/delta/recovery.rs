//! Crash recovery: what a crash may have left in a table's directory, and how a writer removes it on opening.
//!
//! Our own writes leave a file whole or not at all, so of a crash there remain only files that nothing names: partial
//! ones, and data files whose commit never came. Other programs, older file systems and failing disks can do worse: a
//! commit or checkpoint of no length, or cut off. The last commit can be rolled back, since what it named was not yet
//! answered for; what is damaged further down is damage, and said so when the table is read.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::storage::beneath;
use crate::storage::disk::{Disk, PARTIAL};
use crate::storage::file_names::{FileName, LogName};

/// The directory of a table's log.
pub(crate) const LOG_DIRECTORY: &str = "_delta_log";
/// Most bytes of a commit or a checkpoint: of ours, the largest names the files of some ten years anew.
pub(crate) const MAX_LOG_FILE_BYTES: u64 = 64 << 20;
/// How old a file must be to be taken for one that a crash has left. A younger one may be another writer's, whose lock
/// somebody has removed, and whose commit is still to come.
const MIN_ORPHAN_AGE: Duration = Duration::from_mins(10);
const LAST_CHECKPOINT: &str = "_last_checkpoint";
/// How a Parquet file begins and ends.
const PARQUET: &[u8; 4] = b"PAR1";

/// What is torn in a table's log: names of files, and what each is, in the words of a log line.
fn find_damage(table: &Path) -> Result<Vec<(String, &'static str)>> {
    let mut last: Option<LogName> = None;
    let mut torn = Vec::new();
    let mut note = false;
    for (name, _) in entries(table, &[LOG_DIRECTORY])? {
        let Some(of) = LogName::parse(&name) else {
            note |= name == LAST_CHECKPOINT;
            if name.contains(".checkpoint.") && !name.ends_with(PARTIAL) {
                let problem = "it is a checkpoint of a kind that this program writes none of".to_owned();
                return Err(Error::ExternallyModified {
                    path: table.join(LOG_DIRECTORY).join(name),
                    problem,
                });
            }
            continue;
        };
        if !of.is_checkpoint {
            // Where there is anything else in its place, it is said.
            about(table, &[LOG_DIRECTORY, &name])?;
            last = last.max(Some(of));
        } else if !is_parquet(table, &name)? {
            torn.push((name, "a torn checkpoint; the commits under it are read instead"));
        }
    }
    if note {
        let whole = read(table, LAST_CHECKPOINT)?;
        if !serde_json::from_slice::<Value>(&whole).is_ok_and(|note| note.is_object()) {
            torn.push((LAST_CHECKPOINT.to_owned(), "a torn note of the last checkpoint"));
        } else if !torn.is_empty() {
            // A note may speak of a checkpoint that is none.
            torn.push((LAST_CHECKPOINT.to_owned(), "the note of a torn checkpoint"));
        }
    }
    if let Some(last) = last.map(|last| last.to_string())
        && is_torn_commit(&read(table, &last)?)
    {
        torn.push((last, "a torn last commit; its days will be closed again"));
    }
    Ok(torn)
}

/// Removes a torn last commit, torn checkpoints and partial files from a table's log.
///
/// # Errors
/// If the directory cannot be read, or something in it cannot be removed.
pub(crate) fn repair_log(disk: &Disk, table: &Path) -> Result<()> {
    let mut torn = find_damage(table)?;
    let partial = entries(table, &[LOG_DIRECTORY])?.into_iter().map(|(name, _)| name);
    let partial: Vec<String> = partial.filter(|name| name.ends_with(PARTIAL)).collect();
    for name in partial {
        if is_stale(disk, table, &[LOG_DIRECTORY, &name])? {
            torn.push((name, "a file that was being written when its writer died"));
        }
    }
    for (name, what) in &torn {
        remove(disk, &table.join(LOG_DIRECTORY).join(name), what)?;
    }
    if !torn.is_empty() {
        let log = table.join(LOG_DIRECTORY);
        disk.sync_directory(&log).map_err(Error::io(&log))?;
    }
    Ok(())
}

/// Names of the torn files in a table's log, to be passed over by those who may not remove them.
///
/// # Errors
/// If the log cannot be read, or something in it is none of a log.
pub(crate) fn torn_files(table: &Path) -> Result<HashSet<String>> {
    Ok(find_damage(table)?.into_iter().map(|(name, _)| name).collect())
}

/// Whether there is a log with anything in it in the directory `table` of a lake.
///
/// # Errors
/// If the directory, or the log in it, is none.
pub(crate) fn has_log(lake: &Path, table: &str) -> Result<bool> {
    let names = beneath::entries(lake, &[table, LOG_DIRECTORY])
        .map_err(Error::io(lake.join(table).join(LOG_DIRECTORY)))?;
    Ok(names.iter().any(|(name, _)| LogName::parse(name).is_some()))
}

/// The path of a table's commit of that version.
pub(crate) fn commit_path(table: &Path, version: u64) -> PathBuf {
    table.join(LOG_DIRECTORY).join(LogName::commit(version).to_string())
}

/// Names of a log's commits and checkpoints up to a version, in the order of their versions, checkpoints of a version
/// after its commit.
///
/// # Errors
/// If the directory cannot be read.
pub(crate) fn log_files_up_to(table: &Path, version: u64) -> Result<Vec<LogName>> {
    let names = entries(table, &[LOG_DIRECTORY])?;
    let mut names: Vec<LogName> = names.iter().filter_map(|(name, _)| LogName::parse(name)).collect();
    names.retain(|name| name.version <= version);
    names.sort_unstable();
    Ok(names)
}

/// Removes the last commit, whose version is given; `why` says so in the words of a log line.
///
/// # Errors
/// If it cannot be removed.
pub(crate) fn roll_back_last_commit(disk: &Disk, table: &Path, version: u64, why: &str) -> Result<()> {
    remove(disk, &commit_path(table, version), why)?;
    // A checkpoint of that version says the same.
    for (name, _) in entries(table, &[LOG_DIRECTORY])? {
        let of = LogName::parse(&name).filter(|of| of.is_checkpoint && of.version == version);
        if of.is_some() || name == LAST_CHECKPOINT {
            let path = table.join(LOG_DIRECTORY).join(name);
            remove(disk, &path, "the checkpoint of a commit that was taken back")?;
        }
    }
    let log = table.join(LOG_DIRECTORY);
    disk.sync_directory(&log).map_err(Error::io(&log))
}

/// Removes partial files, and data files that the table does not know (`known` are those that it has or had).
///
/// # Errors
/// If the directory cannot be read, or something in it cannot be removed.
pub(crate) fn remove_orphans(disk: &Disk, table: &Path, known: &HashSet<FileName>) -> Result<()> {
    let mut removed = 0;
    for (name, kind) in entries(table, &[])? {
        let unknown = FileName::parse(&name).is_some_and(|name| !known.contains(&name));
        if kind.is_file() && (unknown || name.ends_with(PARTIAL)) && is_stale(disk, table, &[&name])? {
            let path = table.join(name);
            disk.remove(&path).map_err(Error::io(&path))?;
            removed += 1;
        }
    }
    if removed > 0 {
        tracing::info!(table = %table.display(), removed, "removed files whose commit never came");
    }
    Ok(())
}

/// Whether a file is a regular one that has been lying there for a while.
fn is_stale(disk: &Disk, table: &Path, names: &[&str]) -> Result<bool> {
    let now = disk.clock().system_time();
    Ok(about(table, names)?.is_some_and(|about| is_old(&about, now)))
}

fn is_old(about: &Metadata, now: SystemTime) -> bool {
    let Ok(written) = about.modified() else { return true };
    match now.duration_since(written) {
        Ok(age) => age > MIN_ORPHAN_AGE,
        // A clock may be a little ahead of that of a disk; a file of next year is no younger than others.
        Err(ahead) => ahead.duration() > MIN_ORPHAN_AGE,
    }
}

fn path(table: &Path, names: &[&str]) -> PathBuf {
    names.iter().fold(table.to_owned(), |path, name| path.join(name))
}

fn entries(table: &Path, names: &[&str]) -> Result<Vec<(String, std::fs::FileType)>> {
    beneath::entries(table, names).map_err(Error::io(path(table, names)))
}

fn about(table: &Path, names: &[&str]) -> Result<Option<Metadata>> {
    beneath::metadata(table, names).map_err(Error::io(path(table, names)))
}

fn read(table: &Path, name: &str) -> Result<Vec<u8>> {
    beneath::read(table, &[LOG_DIRECTORY, name], MAX_LOG_FILE_BYTES)
        .map_err(Error::io(table.join(LOG_DIRECTORY).join(name)))
}

fn remove(disk: &Disk, path: &Path, what: &str) -> Result<()> {
    disk.remove(path).map_err(Error::io(path))?;
    tracing::warn!(file = %path.display(), "removed {what}");
    Ok(())
}

/// A commit is lines of JSON objects, one at least, the last of them ended or whole.
fn is_torn_commit(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return true };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).peekable();
    lines.peek().is_none()
        || !lines.all(|line| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object()))
}

fn is_parquet(table: &Path, name: &str) -> Result<bool> {
    let file = beneath::open(table, &[LOG_DIRECTORY, name])
        .map_err(Error::io(table.join(LOG_DIRECTORY).join(name)))?;
    Ok(begins_and_ends(file).unwrap_or(false))
}

fn begins_and_ends(mut file: File) -> io::Result<bool> {
    let (mut first, mut last) = ([0; 4], [0; 4]);
    file.read_exact(&mut first)?;
    file.seek(SeekFrom::End(-4))?;
    file.read_exact(&mut last)?;
    Ok(file.metadata()?.len() > 12 && &first == PARQUET && &last == PARQUET)
}
