//! Names of files, as a table's log or a list says them.
//!
//! A log is written by whoever made the lake, and what it calls a file is joined to the table's directory: `../..`, an
//! absolute path or an escaped slash would lead out of it. So a name is text until it has become one of these types, and
//! only these are joined to a directory.

use std::fmt;
use std::path::{Path, PathBuf};

use chain::Day;

/// Longest name of a data file.
const MAX_NAME_BYTES: usize = 200;
const PARQUET: &str = ".parquet";
const CHECKPOINT: &str = ".checkpoint.parquet";
const COMMIT: &str = ".json";
/// Digits of a version in the name of a commit.
const DIGITS: usize = 20;

/// The name of a data file: one plain component below its table's directory, of letters, digits, `-`, `_` and `.`, that
/// begins with a letter or a digit and ends with `.parquet`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileName(String);

impl FileName {
    /// A name that no file has yet, of a file whose first day is this.
    pub(crate) fn new(day: Day) -> Self {
        Self(format!("{day}-{}{PARQUET}", uuid::Uuid::new_v4().simple()))
    }

    /// The name; `None` if the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let named = text.len() <= MAX_NAME_BYTES
            && text.ends_with(PARQUET)
            && text.bytes().all(plain)
            && text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        named.then(|| Self(text.to_owned()))
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of the file in its table's directory.
    pub(crate) fn path_in(&self, directory: &Path) -> PathBuf {
        directory.join(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a commit or a checkpoint in a table's log, as this program has them written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogName {
    /// The table's version.
    pub(crate) version: u64,
    /// Whether it is the checkpoint of that version, and not its commit. Commits come first.
    pub(crate) is_checkpoint: bool,
}

impl LogName {
    /// The commit of a version.
    pub(crate) const fn commit(version: u64) -> Self {
        Self { version, is_checkpoint: false }
    }

    /// The name; `None` if the text is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (digits, rest) = text.split_at_checked(DIGITS)?;
        let is_checkpoint = match rest {
            COMMIT => false,
            CHECKPOINT => true,
            _ => return None,
        };
        let version = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
        Some(Self { version, is_checkpoint })
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_checkpoint { CHECKPOINT } else { COMMIT };
        write!(f, "{:020}{kind}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_plain_component() {
        let made = FileName::new(Day::from_unix_days(19_266));
        assert_eq!(FileName::parse(made.as_str()), Some(made.clone()));
        assert_eq!(made.path_in(Path::new("/lake/progress")).parent(), Some(Path::new("/lake/progress")));
        let spark = "part-00000-5e6bd2a6-c000.zstd.parquet";
        assert_eq!(FileName::parse(spark).map(|name| name.to_string()).as_deref(), Some(spark));
        let long = format!("{}.parquet", "a".repeat(MAX_NAME_BYTES));
        for wrong in [
            "",
            ".parquet",
            "..parquet",
            "../x.parquet",
            "..",
            "a/../x.parquet",
            "a/x.parquet",
            "/etc/x.parquet",
            "a\\x.parquet",
            "C:x.parquet",
            "file:x.parquet",
            "s3://bucket/x.parquet",
            "%2e%2e%2fx.parquet",
            "x%2eparquet",
            "x.parquet/",
            "x.parquet\n",
            "x\0.parquet",
            "x\u{202e}.parquet",
            "x.json",
            "_delta_log",
            "_x.parquet",
            "-x.parquet",
            "*.parquet",
            "x y.parquet",
            "x.parquet.1.partial",
            &long,
        ] {
            assert_eq!(FileName::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_log_has_commits_and_checkpoints_of_versions() {
        for (text, version, is_checkpoint) in [
            ("00000000000000000000.json", 0, false),
            ("00000000000000000032.checkpoint.parquet", 32, true),
            ("18446744073709551615.json", u64::MAX, false),
        ] {
            let name = LogName::parse(text).expect("a name");
            assert_eq!(
                (name.version, name.is_checkpoint, name.to_string().as_str()),
                (version, is_checkpoint, text)
            );
        }
        for wrong in [
            "",
            "0.json",
            "18446744073709551616.json",
            "+0000000000000000001.json",
            "00000000000000000001.json.1.partial",
            "00000000000000000001.crc",
            "00000000000000000001.00000000000000000002.compacted.json",
            "00000000000000000001.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000001.checkpoint.3a0d65cd-4056-49b8-937b-95f9e3ee90e5.json",
            "../0000000000000000001.json",
            "000000000000000000é1.json",
            "_last_checkpoint",
        ] {
            assert_eq!(LogName::parse(wrong), None, "{wrong}");
        }
    }
}
