//! Backups of a lake: made while somebody writes to it, checked byte for byte when they are restored.
//!
//! A copy is a lake itself, as of one published version, and can be served as it is. `SHA256SUMS` in it lists its
//! files in the form that `sha256sum --check` reads.
//!
//! A directory is taken for an older copy only by what a copy of ours has: a list that names files of a lake and nothing
//! else, the tables' logs, and the note of the layout. What is removed from it are data files that the list names, and
//! nothing in it is reached through a link.

mod list;
pub(crate) mod restore;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use chain::{ProgressSink, ProgressUnit};

use crate::backup::list::{BackupPath, CHECKSUMS, Checksums, NOTES};
use crate::catalog::layout;
use crate::catalog::snapshot::Snapshot;
use crate::delta::recovery;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::beneath;
use crate::storage::blocking::blocking;
use crate::storage::disk::Disk;
use crate::storage::lock::{self, WriterLock};

/// How often a copy is begun anew because a writer deleted files meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// What a backup has copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The published version that the copy is of.
    pub version: u64,
    /// Files in the copy.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these files, those that were copied now: an older copy in the same place has the others.
    pub new_files: u64,
}

/// Copies the lake in `from` to `to`, as of its newest published version; writing to it may go on. `to` is made, or
/// holds an older copy of the same lake, which is brought up to date.
///
/// # Errors
/// If there is no lake, `to` holds something else, or a file cannot be read or written.
pub async fn backup(from: &Path, to: &Path, progress: &(dyn ProgressSink + Sync)) -> Result<BackupReport> {
    // Where there is no lake, nothing is made.
    Snapshot::open(from).await?;
    fs::create_dir_all(to).map_err(Error::io(to))?;
    read_older(from, to)?;
    let lock = Arc::new(WriterLock::acquire(to)?);
    let disk = Disk::default().guarded_by(&lock);
    let mut attempt = 1;
    loop {
        match copy(&disk, from, to, progress).await {
            // A writer has swept away what it replaced; then there is a newer version.
            Err(Error::Io { source, path })
                if source.kind() == io::ErrorKind::NotFound
                    && path.starts_with(from)
                    && attempt < MAX_ATTEMPTS =>
            {
                attempt += 1;
            }
            done => return done,
        }
    }
}

/// The sums of the older copy of the lake `from` that is in `to`; none of a directory with nothing in it.
fn read_older(from: &Path, to: &Path) -> Result<Checksums> {
    let other = |problem: String| Error::Backup {
        path: to.to_owned(),
        problem: format!("it holds something that is no backup: {problem}"),
        advice: "give an empty directory",
    };
    let Some(sums) = list::read(to).map_err(|error| match error {
        Error::Backup { problem, .. } => other(format!("of {CHECKSUMS}, {problem}")),
        error => error,
    })?
    else {
        let entries = beneath::entries(to, &[]).map_err(Error::io(to))?;
        return match entries.into_iter().find(|(name, _)| name != lock::NAME) {
            None => Ok(Checksums::new()),
            Some((name, _)) => Err(other(format!("there is {name}, and no {CHECKSUMS}"))),
        };
    };
    let published = sums.keys().find(|path| matches!(path, BackupPath::Log(TableName::Rows, _)));
    let has_tables = match published {
        Some(path) => path.length(to)?.is_some(),
        None => false,
    };
    // Lakes of layout 1, and copies of these, have no note of it.
    let noted = |dir: &Path| BackupPath::Note(layout::NAME).length(dir);
    let marked = match sums.contains_key(&BackupPath::Note(layout::NAME)) {
        true => noted(to)?.is_some() && layout::read(to).is_ok(),
        false => noted(from)?.is_none(),
    };
    if has_tables && marked {
        return Ok(sums);
    }
    Err(other(format!("there is {CHECKSUMS}, but not {} and the tables of a lake", layout::NAME)))
}

/// A file that a copy needs.
struct BackupFile {
    path: BackupPath,
    /// How long the table's log says a data file is.
    size: Option<u64>,
}

async fn copy(
    disk: &Disk,
    from: &Path,
    to: &Path,
    progress: &(dyn ProgressSink + Sync),
) -> Result<BackupReport> {
    let snapshot = Snapshot::open(from).await?;
    let known = read_older(from, to)?;
    let files_to_copy = files_to_copy(&snapshot, from)?;
    let mut total = 0;
    for BackupFile { path, .. } in &files_to_copy {
        total += path.length(from)?.unwrap_or_default();
    }
    progress.begin("copying the lake".to_owned(), total, ProgressUnit::Bytes);
    let mut report = BackupReport { version: snapshot.version(), ..BackupReport::default() };
    let mut now = Checksums::new();
    for file in &files_to_copy {
        let (sum, length) = match kept(from, to, file, known.get(&file.path)).await? {
            Some(kept) => kept,
            None => {
                report.new_files += 1;
                copy_checked(disk, from, to, file).await?
            }
        };
        report.files += 1;
        report.bytes += length;
        progress.at(report.bytes);
        now.insert(file.path.clone(), sum);
    }
    let path = to.join(CHECKSUMS);
    disk.replace(&path, list::text(&now).as_bytes()).map_err(Error::io(&path))?;
    for gone in known.keys().filter(|path| matches!(path, BackupPath::Data(..)) && !now.contains_key(*path)) {
        // What cannot be removed, or is no file any more, does no harm where it is.
        if matches!(gone.length(to), Ok(Some(_))) {
            let _ = disk.remove(&to.join(gone.to_string()));
        }
    }
    progress.end();
    Ok(report)
}

/// The sum and length of a file that an older copy has and that need not be copied; `None` if it must be copied. The
/// copy is read, so that a file which was damaged since is found: disks lose bytes without a word.
async fn kept(
    from: &Path,
    to: &Path,
    file: &BackupFile,
    known: Option<&String>,
) -> Result<Option<(String, u64)>> {
    let Some(sum) = known else { return Ok(None) };
    match &file.path {
        // Data files have new names whenever they change.
        BackupPath::Data(..) => {}
        // A commit never changes.
        BackupPath::Log(_, log) if !log.is_checkpoint => {
            if hash(from, &file.path).await? != *sum {
                return Err(Error::Backup {
                    path: to.join(file.path.to_string()),
                    problem: "it is the backup of another lake, or of a past that this one did not have"
                        .into(),
                    advice: "give an empty directory",
                });
            }
        }
        _ => return Ok(None),
    }
    let Some(length) = file.path.length(to)? else { return Ok(None) };
    if file.size.is_some_and(|size| size != length) || hash(to, &file.path).await? != *sum {
        tracing::warn!(file = %to.join(file.path.to_string()).display(), "damaged in the copy: it is copied anew");
        return Ok(None);
    }
    Ok(Some((sum.clone(), length)))
}

/// The sum of a file of a copy or a lake.
async fn hash(root: &Path, path: &BackupPath) -> Result<String> {
    let (file, at) = (path.open(root)?, root.join(path.to_string()));
    blocking("reading a file", move || list::hash(file).map_err(Error::io(at))).await
}

/// Copies a file that has as many bytes as the log says; its sum, and how long it is.
async fn copy_checked(disk: &Disk, from: &Path, to: &Path, file: &BackupFile) -> Result<(String, u64)> {
    let length = file.path.length(from)?;
    if let (Some(length), Some(size)) = (length, file.size)
        && length != size
    {
        let problem = format!("it has {length} bytes, and the table's log says {size}");
        return Err(Error::ExternallyModified { path: from.join(file.path.to_string()), problem });
    }
    copy_file(disk, from, to, &file.path).await
}

/// The files of a copy in the order in which they are copied: what a log names before the log, and what publishes last.
fn files_to_copy(snapshot: &Snapshot, lake: &Path) -> Result<Vec<BackupFile>> {
    let mut files_to_copy = Vec::new();
    for table in TableName::ALL.into_iter().filter_map(|name| snapshot.table(name)) {
        let name = table.name();
        files_to_copy.extend(table.files().iter().map(|file| BackupFile {
            path: BackupPath::Data(name, file.name.clone()),
            size: u64::try_from(file.size).ok(),
        }));
        for entry in recovery::log_files_up_to(table.directory(), table.version())? {
            files_to_copy.push(BackupFile { path: BackupPath::Log(name, entry), size: None });
        }
    }
    for note in NOTES.map(BackupPath::Note) {
        if note.length(lake)?.is_some() {
            files_to_copy.push(BackupFile { path: note, size: None });
        }
    }
    Ok(files_to_copy)
}

/// Copies a file from one directory to another, flushed, whole or not at all; its sum, and how long it is.
async fn copy_file(disk: &Disk, from: &Path, to: &Path, path: &BackupPath) -> Result<(String, u64)> {
    let (disk, from, to, path) = (disk.clone(), from.to_owned(), to.to_owned(), path.clone());
    blocking("copying a file", move || {
        let mut source = path.open(&from)?;
        let target = to.join(path.to_string());
        let above = |names: &[&str]| beneath::create_directory(&to, &names[..names.len().saturating_sub(1)]);
        path.named(above).map_err(Error::io(&target))?;
        let (mut sum, mut length) = (String::new(), 0);
        disk.place(&target, &mut |file| {
            sum = list::read_hashed(&mut source, &mut |bytes| {
                length += bytes.len() as u64;
                file.write_all(bytes)
            })?;
            Ok(())
        })
        .map_err(Error::io(&target))?;
        Ok((sum, length))
    })
    .await
}
