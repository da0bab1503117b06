//! Restores a backup as a lake: whole, or not at all.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{ProgressSink, ProgressUnit};

use crate::backup::list::{self, BackupPath, CHECKSUMS, Checksums};
use crate::backup::{BackupFile, BackupReport, copy_file, files_to_copy};
use crate::catalog::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::disk::Disk;
use crate::storage::lock::WriterLock;

/// How a lake is called that is being put back, after its name and something that is new each time.
const RESTORING: &str = ".restoring";
/// Digits of what is new each time.
const DIGITS: usize = 32;

/// Puts a copy back as the lake `to`, which must not be there yet: whole, or not at all. Of the copy only regular files
/// are read, and those alone that its list and its log both name. What a restoring to the same place has left that was
/// killed is removed.
///
/// # Errors
/// If `from` is no copy or a file of it is not what it was, there is something at `to`, or the disk fails.
pub async fn restore(from: &Path, to: &Path, progress: &(dyn ProgressSink + Sync)) -> Result<BackupReport> {
    remove_leftovers(to);
    let Some(sums) = list::read(from)? else {
        return Err(Error::Backup {
            path: from.to_owned(),
            problem: format!("there is no {CHECKSUMS} in it"),
            advice: "give a directory that `sectorscope backup` made to its end",
        });
    };
    if to.exists() && fs::read_dir(to).map_err(Error::io(to))?.next().is_some() {
        return Err(Error::Backup {
            path: to.to_owned(),
            problem: "there is a lake already".into(),
            advice: "move it away, or give another data directory (--data)",
        });
    }
    let mut total = 0;
    for file in sums.keys() {
        // What is no regular file, or not there, is refused before anything is copied.
        let length = file.length(from)?;
        let missing = || Error::io(from.join(file.to_string()))(std::io::ErrorKind::NotFound.into());
        total += length.ok_or_else(missing)?;
    }
    progress.begin("putting the lake back".to_owned(), total, ProgressUnit::Bytes);
    let parent = parent(to);
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(format!(".{}{RESTORING}", uuid::Uuid::new_v4().simple()));
    let partial = PathBuf::from(partial);
    let restored = copy_files(from, &partial, &sums, progress).await;
    let named = match restored {
        Ok((mut restored, _lock)) => {
            // Where the target is an empty directory, renaming puts the lake in its place.
            fs::rename(&partial, to).map_err(Error::io(to))?;
            Disk::default().sync_directory(parent).map_err(Error::io(parent))?;
            restored.version = Snapshot::open(to).await?.version();
            Ok(restored)
        }
        Err(error) => {
            let _ = fs::remove_dir_all(&partial);
            Err(error)
        }
    };
    progress.end();
    named
}

/// The directory that will contain the lake.
fn parent(to: &Path) -> &Path {
    match to.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => to,
    }
}

/// Removes what restorings to the same place have left that were killed. Those that go on hold a lock. That something
/// cannot be removed is no reason not to put a lake back.
fn remove_leftovers(to: &Path) {
    let Some(name) = to.file_name().and_then(|name| name.to_str()) else { return };
    let Ok(entries) = fs::read_dir(parent(to)) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let middle = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.'));
        let middle = middle.and_then(|rest| rest.strip_suffix(RESTORING));
        let is_ours =
            middle.is_some_and(|of| of.len() == DIGITS && of.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let path = entry.path();
        let Ok(_lock) = WriterLock::acquire(&path) else { continue };
        match fs::remove_dir_all(&path) {
            Ok(()) => {
                tracing::info!(path = %path.display(), "removed what a restoring that was killed had left")
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "could not remove what a restoring left")
            }
        }
    }
}

/// Copies all files of a copy: first the logs, then what these name.
async fn copy_files(
    from: &Path,
    to: &Path,
    sums: &Checksums,
    progress: &(dyn ProgressSink + Sync),
) -> Result<(BackupReport, Arc<WriterLock>)> {
    fs::create_dir(to).map_err(Error::io(to))?;
    let lock = Arc::new(WriterLock::acquire(to)?);
    let disk = Disk::default().guarded_by(&lock);
    let mut restored = CheckedCopy { disk, from, to, progress, report: BackupReport::default() };
    let is_data = |file: &BackupPath| matches!(file, BackupPath::Data(..));
    for (file, sum) in sums.iter().filter(|(file, _)| !is_data(file)) {
        restored.copy(file, sum).await?;
    }
    for (BackupFile { path, size }, sum) in named_files(from, to, sums).await? {
        let Some(size) = size else { continue };
        let length = path.length(from)?.unwrap_or_default();
        if length != size {
            let problem = format!("it has {length} bytes, and the table's log says {size}");
            return Err(Error::ExternallyModified { path: from.join(path.to_string()), problem });
        }
        restored.copy(&path, sum).await?;
    }
    Ok((restored.report, lock))
}

/// The files that the restored logs name, with their sums. The list and the logs must name the same files.
async fn named_files<'s>(
    from: &Path,
    to: &Path,
    sums: &'s Checksums,
) -> Result<Vec<(BackupFile, &'s String)>> {
    let refused = |problem| Error::Backup { path: from.to_owned(), problem, advice: "take another backup" };
    // A copy is a lake itself, and what is wrong with its logs is said of it, not of what is made of it.
    Snapshot::open_version(from, None).await.map_err(|error| match error {
        Error::NoLake { .. } => Error::Backup {
            path: from.to_owned(),
            problem: format!("there is no log of {} in it", TableName::Rows.name()),
            advice: "give a directory that `sectorscope backup` made to its end",
        },
        error => error,
    })?;
    let snapshot = Snapshot::open_version(to, None).await?;
    let files = files_to_copy(&snapshot, to)?;
    let names: BTreeSet<&BackupPath> = files.iter().map(|file| &file.path).collect();
    if let Some(other) = sums.keys().find(|file| !names.contains(file)) {
        return Err(refused(format!("{CHECKSUMS} names {other}, and the copy's log does not")));
    }
    let with_sum = files.into_iter().map(|file| match sums.get(&file.path) {
        Some(sum) => Ok((file, sum)),
        // A copy that lacks what its log names is no lake.
        None => Err(refused(format!("{} is missing, which the copy's log names", file.path))),
    });
    with_sum.collect()
}

/// Files that are copied, each with the sum that the list says.
struct CheckedCopy<'c> {
    disk: Disk,
    from: &'c Path,
    to: &'c Path,
    progress: &'c (dyn ProgressSink + Sync),
    report: BackupReport,
}

impl CheckedCopy<'_> {
    async fn copy(&mut self, file: &BackupPath, sum: &str) -> Result<()> {
        let (found, length) = copy_file(&self.disk, self.from, self.to, file).await?;
        if found != sum {
            return Err(Error::Backup {
                path: self.from.join(file.to_string()),
                problem: format!("its SHA-256 is {found}, and {CHECKSUMS} says {sum}"),
                advice: "it is damaged: take another backup, which writes it anew",
            });
        }
        self.report.files += 1;
        self.report.new_files += 1;
        self.report.bytes += length;
        self.progress.at(self.report.bytes);
        Ok(())
    }
}
