//! The list of a backup's files and their checksums, in the format that `sha256sum --check` reads.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::catalog::gaps;
use crate::catalog::layout;
use crate::delta::recovery::LOG_DIRECTORY;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::beneath;
use crate::storage::file_names::{FileName, LogName};

/// The list's name.
pub(super) const CHECKSUMS: &str = "SHA256SUMS";
/// Longest list that is read: some hundred thousand files.
const MAX_BYTES: u64 = 64 << 20;
/// Files beside the tables.
pub(super) const NOTES: [&str; 2] = [layout::NAME, gaps::NAME];

/// A file of a copy, by its place in the lake. There are no others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BackupPath {
    /// A data file of a table.
    Data(TableName, FileName),
    /// A commit or a checkpoint of a table.
    Log(TableName, LogName),
    /// A file beside the tables.
    Note(&'static str),
}

impl BackupPath {
    /// The file that a list names so; `None` if it is none of a copy.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let table = |name: &str| name.parse::<TableName>().ok();
        match text.split('/').collect::<Vec<_>>()[..] {
            [name] => NOTES.into_iter().find(|note| *note == name).map(Self::Note),
            [of, name] => Some(Self::Data(table(of)?, FileName::parse(name)?)),
            [of, LOG_DIRECTORY, name] => Some(Self::Log(table(of)?, LogName::parse(name)?)),
            _ => None,
        }
    }

    /// Does something with the names that lead to it.
    pub(super) fn named<T>(&self, act: impl FnOnce(&[&str]) -> T) -> T {
        act(&self.to_string().split('/').collect::<Vec<_>>())
    }

    /// How long the file is in a copy or a lake; `None` if it is not there.
    pub(super) fn length(&self, root: &Path) -> Result<Option<u64>> {
        let about = self.named(|names| beneath::metadata(root, names));
        let about = about.map_err(|error| Error::io(root.join(self.to_string()))(error))?;
        Ok(about.map(|about| about.len()))
    }

    /// Opens the file of a copy or a lake.
    pub(super) fn open(&self, root: &Path) -> Result<File> {
        let opened = self.named(|names| beneath::open(root, names));
        opened.map_err(|error| Error::io(root.join(self.to_string()))(error))
    }
}

impl fmt::Display for BackupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(table, name) => write!(f, "{}/{name}", table.name()),
            Self::Log(table, name) => write!(f, "{}/{LOG_DIRECTORY}/{name}", table.name()),
            Self::Note(name) => f.write_str(name),
        }
    }
}

/// SHA-256 sums by file.
pub(super) type Checksums = BTreeMap<BackupPath, String>;

/// The sums that a copy says it has; `None` if it has no list.
///
/// # Errors
/// If a line of it is no sum of a file of a copy.
pub(super) fn read(dir: &Path) -> Result<Option<Checksums>> {
    let path = dir.join(CHECKSUMS);
    let text = match beneath::read(dir, &[CHECKSUMS], MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let text = String::from_utf8_lossy(&text);
    let mut sums = Checksums::new();
    for (number, line) in (1..).zip(text.lines()) {
        // One that is named twice may be either.
        let is_new = entry(line).is_some_and(|(file, sum)| sums.insert(file, sum).is_none());
        if !is_new {
            return Err(Error::Backup {
                path,
                problem: format!(
                    "line {number} of it is no sum of a further file of a copy: {}",
                    shortened(line)
                ),
                advice: "give a directory that `sectorscope backup` made, and that nothing else has changed",
            });
        }
    }
    Ok(Some(sums))
}

fn entry(line: &str) -> Option<(BackupPath, String)> {
    let (sum, file) = line.split_once("  ")?;
    let is_sum = sum.len() == 64 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_sum.then(|| Some((BackupPath::parse(file)?, sum.to_owned())))?
}

/// The start of a line, for an error.
fn shortened(line: &str) -> String {
    const SHOWN: usize = 160;
    let mut shown: String = line.chars().take(SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    shown
}

/// The list as it is written.
pub(super) fn text(sums: &Checksums) -> String {
    let mut lines: Vec<(String, &String)> = sums.iter().map(|(file, sum)| (file.to_string(), sum)).collect();
    lines.sort_unstable();
    lines.iter().map(|(file, sum)| format!("{sum}  {file}\n")).collect()
}

/// The sum of an open file, as far as it went when it was opened.
pub(super) fn hash(mut file: File) -> io::Result<String> {
    read_hashed(&mut file, &mut |_| Ok(()))
}

/// Reads an open file, as far as it went when it was opened, and hands over what is read; its sum.
pub(super) fn read_hashed(
    file: &mut File,
    take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<String> {
    let mut hasher = Sha256::new();
    // One that grows while it is read has no end else.
    let length = file.metadata()?.len();
    let mut left = file.take(length);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = left.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        take(&buffer[..read])?;
    }
    Ok(HEXLOWER.encode(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_files_of_a_copy_and_nothing_else() {
        for right in [
            "lake.json",
            "gaps.json",
            "progress/2022-10-01-0123456789abcdef0123456789abcdef.parquet",
            "sp_sector_daily/_delta_log/00000000000000000003.json",
            "sector_events/_delta_log/00000000000000000032.checkpoint.parquet",
        ] {
            assert_eq!(BackupPath::parse(right).map(|path| path.to_string()).as_deref(), Some(right));
        }
        for wrong in [
            "",
            "/",
            "disk.iso",
            "../lake.json",
            "/lake.json",
            "./lake.json",
            "lake.json/",
            "writer.lock",
            "SHA256SUMS",
            "sub/photo.parquet",
            "progress/../progress/x.parquet",
            "progress//x.parquet",
            "progress/x.json",
            "progress/_delta_log",
            "progress/_delta_log/_last_checkpoint",
            "progress/_delta_log/../../x",
            "progress\\x.parquet",
            "progress/_delta_log/00000000000000000003.json/x",
        ] {
            assert_eq!(BackupPath::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(read(dir.path()).expect("no list"), None);
        let sum = "0123456789abcdef".repeat(4);
        let sums = Checksums::from([
            (BackupPath::Note(layout::NAME), sum.clone()),
            (BackupPath::Log(TableName::Rows, LogName::commit(3)), sum.clone()),
        ]);
        let path = dir.path().join(CHECKSUMS);
        std::fs::write(&path, text(&sums)).expect("written");
        assert_eq!(read(dir.path()).expect("a list"), Some(sums));
        let upper = sum.to_uppercase();
        for wrong in [
            format!("{sum} *lake.json"),
            format!("{sum}  lake.json\\n"),
            format!("{upper}  lake.json"),
            format!("{sum}x  lake.json"),
            "  lake.json".to_owned(),
            format!("{sum}  lake.json"),
            "lake.json".to_owned(),
            format!("{sum}  ../../victim"),
        ] {
            std::fs::write(&path, format!("{sum}  lake.json\n{wrong}\n")).expect("written");
            let refused = read(dir.path()).expect_err("no list of ours").to_string();
            assert!(refused.contains(CHECKSUMS) && refused.contains("line 2"), "{refused}");
        }
    }
}
