//! Copies of a lake: made while somebody writes to it, checked byte for byte when they are put back.
//!
//! A copy is a lake itself, as of one published version, and can be served as it is. `SHA256SUMS` in it lists its
//! files in the form that `sha256sum --check` reads.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chain::{Progress, Unit};
use sha2::{Digest, Sha256};

use crate::disk::Disk;
use crate::lock::{self, WriterLock};
use crate::schema::TableName;
use crate::snapshot::Snapshot;
use crate::stored::blocking;
use crate::{Error, Result, mend};

const SUMS: &str = "SHA256SUMS";
/// How often a copy is begun anew because files were swept away under it.
const ATTEMPTS: usize = 3;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The published version that the copy is of.
    pub version: u64,
    /// Files in the copy.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these files, those that were copied now: an older copy in the same place has the others.
    pub new_files: u64,
}

/// SHA-256 sums by path within the lake, with `/` between its parts.
type Sums = BTreeMap<String, String>;

/// Copies the lake in `from` to `to`, as of its newest published version; writing to it may go on. `to` is made, or
/// holds an older copy of the same lake, which is brought up to date.
///
/// # Errors
/// If there is no lake, `to` holds something else, or a file cannot be read or written.
pub async fn backup(from: &Path, to: &Path, progress: &(dyn Progress + Sync)) -> Result<Copied> {
    // Where there is no lake, nothing is made.
    Snapshot::open(from).await?;
    fs::create_dir_all(to).map_err(Error::io(to))?;
    let other = fs::read_dir(to).map_err(Error::io(to))?.flatten().any(|entry| {
        let name = entry.file_name();
        name != SUMS && name != lock::NAME
    });
    if other && !to.join(SUMS).is_file() {
        let problem = "it holds something that is no backup";
        return Err(Error::Backup {
            path: to.to_owned(),
            problem: problem.into(),
            advice: "give an empty directory",
        });
    }
    let _lock = WriterLock::take(to)?;
    let mut attempt = 1;
    loop {
        match copy(from, to, progress).await {
            // A writer has swept away what it replaced; then there is a newer version.
            Err(Error::Io { source, path })
                if source.kind() == io::ErrorKind::NotFound
                    && path.starts_with(from)
                    && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            done => return done,
        }
    }
}

async fn copy(from: &Path, to: &Path, progress: &(dyn Progress + Sync)) -> Result<Copied> {
    let snapshot = Snapshot::open(from).await?;
    let known = if to.join(SUMS).is_file() { sums(to)? } else { Sums::new() };
    let wanted = wanted(&snapshot, from)?;
    let total = wanted.iter().map(|path| from.join(path).metadata().map_or(0, |about| about.len())).sum();
    progress.begin("copying the lake".to_owned(), total, Unit::Bytes);
    let mut copied = Copied { version: snapshot.version(), ..Copied::default() };
    let mut now = Sums::new();
    for path in &wanted {
        let (source, target) = (from.join(path), to.join(path));
        let before = known.get(path).filter(|_| target.is_file()).cloned();
        let immutable = path.ends_with(".parquet");
        let sum = match before {
            // Data files have new names whenever they change.
            Some(sum) if immutable => sum,
            Some(sum) if path.ends_with(".json") && path.contains(mend::LOG) => {
                if hash(&source)? != sum {
                    return Err(Error::Backup {
                        path: target,
                        problem: "it is the backup of another lake, or of a past that this one did not have"
                            .into(),
                        advice: "give an empty directory",
                    });
                }
                sum
            }
            _ => {
                copied.new_files += 1;
                let (source, target) = (source.clone(), target.clone());
                blocking("copying a file", move || copy_file(&source, &target)).await?
            }
        };
        copied.files += 1;
        copied.bytes += to.join(path).metadata().map_or(0, |about| about.len());
        progress.at(copied.bytes);
        now.insert(path.clone(), sum);
    }
    let text: String = now.iter().map(|(path, sum)| format!("{sum}  {path}\n")).collect();
    let path = to.join(SUMS);
    Disk::default().replace(&path, text.as_bytes()).map_err(Error::io(&path))?;
    for gone in known.keys().filter(|path| !now.contains_key(*path)) {
        let _ = fs::remove_file(to.join(gone));
    }
    progress.end();
    Ok(copied)
}

/// The files of a copy in the order in which they are copied: what a log names before the log, and what publishes last.
fn wanted(snapshot: &Snapshot, lake: &Path) -> Result<Vec<String>> {
    let mut wanted = Vec::new();
    for table in TableName::ALL.into_iter().filter_map(|name| snapshot.table(name)) {
        let name = table.name().name();
        wanted.extend(table.files().iter().map(|file| format!("{name}/{}", file.name)));
        for entry in mend::log_up_to(table.directory(), table.version())? {
            wanted.push(format!("{name}/{}/{entry}", mend::LOG));
        }
    }
    wanted.extend(
        ["lake.json", "gaps.json"].into_iter().filter(|name| lake.join(name).is_file()).map(str::to_owned),
    );
    Ok(wanted)
}

/// Puts a copy back as the lake `to`, which must not be there yet: whole, or not at all.
///
/// # Errors
/// If `from` is no copy or a file of it is not what it was, there is something at `to`, or the disk fails.
pub async fn restore(from: &Path, to: &Path, progress: &(dyn Progress + Sync)) -> Result<Copied> {
    if !from.join(SUMS).is_file() {
        return Err(Error::Backup {
            path: from.to_owned(),
            problem: format!("there is no {SUMS} in it"),
            advice: "give a directory that `sectorscope backup` made to its end",
        });
    }
    if to.exists() && fs::read_dir(to).map_err(Error::io(to))?.next().is_some() {
        return Err(Error::Backup {
            path: to.to_owned(),
            problem: "there is a lake already".into(),
            advice: "move it away, or give another data directory (--data)",
        });
    }
    let sums = sums(from)?;
    let total = sums.keys().map(|path| from.join(path).metadata().map_or(0, |about| about.len())).sum();
    progress.begin("putting the lake back".to_owned(), total, Unit::Bytes);
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(Error::io(parent))?;
    let mut partial = to.as_os_str().to_owned();
    partial.push(format!(".{}.restoring", uuid::Uuid::new_v4().simple()));
    let partial = PathBuf::from(partial);
    let restored = put_back(from, &partial, &sums, progress).await;
    let named = match restored {
        Ok(mut restored) => {
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

async fn put_back(from: &Path, to: &Path, sums: &Sums, progress: &(dyn Progress + Sync)) -> Result<Copied> {
    let mut copied = Copied::default();
    for (path, sum) in sums {
        let (source, target) = (from.join(path), to.join(path));
        let found = {
            let (source, target) = (source.clone(), target.clone());
            blocking("copying a file", move || copy_file(&source, &target)).await?
        };
        if found != *sum {
            return Err(Error::Backup {
                path: source,
                problem: format!("its SHA-256 is {found}, and {SUMS} says {sum}"),
                advice: "it is damaged: take another backup",
            });
        }
        copied.files += 1;
        copied.new_files += 1;
        copied.bytes += target.metadata().map_or(0, |about| about.len());
        progress.at(copied.bytes);
    }
    // A copy that lacks what its log names is no lake.
    let snapshot = Snapshot::open(to).await?;
    for path in wanted(&snapshot, to)? {
        if !to.join(&path).is_file() {
            let problem = format!("{path} is missing");
            return Err(Error::Backup { path: from.to_owned(), problem, advice: "take another backup" });
        }
    }
    Ok(copied)
}

/// Copies a file, flushed, whole or not at all; its sum.
fn copy_file(from: &Path, to: &Path) -> Result<String> {
    let disk = Disk::default();
    let directory = to.parent().unwrap_or(to);
    fs::create_dir_all(directory).map_err(Error::io(directory))?;
    let mut source = File::open(from).map_err(Error::io(from))?;
    let mut hasher = Sha256::new();
    disk.place(to, &mut |file| {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = source.read(&mut buffer)?;
            if read == 0 {
                return Ok(());
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read])?;
        }
    })
    .map_err(Error::io(to))?;
    Ok(hex(&hasher.finalize()))
}

fn hash(path: &Path) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path).map_err(Error::io(path))?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer).map_err(Error::io(path))?;
        if read == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The sums that a copy says it has. A path that leads out of it is no path of a copy.
fn sums(dir: &Path) -> Result<Sums> {
    let path = dir.join(SUMS);
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let line = |line: &str| {
        let (sum, file) = line.split_once("  ")?;
        let inside = file.split('/').all(|part| !matches!(part, "" | "." | "..")) && !file.contains('\\');
        (inside && sum.len() == 64).then(|| (file.to_owned(), sum.to_owned()))
    };
    let sums: Option<Sums> = text.lines().map(line).collect();
    sums.ok_or_else(|| Error::Backup {
        path,
        problem: "a line of it is no sum of a file in the backup".into(),
        advice: "take another backup",
    })
}
