//! Which file a name leads to.

use std::fs::Metadata;
use std::time::SystemTime;

/// Tells files apart, whatever they are called: another file under the same name has another identity. Outside Unix all
/// files have the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// The identity of a file, by what the file system says of it.
    #[must_use]
    pub fn of(about: &Metadata) -> Self {
        #[cfg(unix)]
        let (device, inode) = {
            use std::os::unix::fs::MetadataExt;
            (about.dev(), about.ino())
        };
        #[cfg(not(unix))]
        let (device, inode) = {
            let _ = about;
            (0, 0)
        };
        Self { device, inode }
    }
}

/// Identifies a file's content: a changed file, or another one in its place, has another fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileFingerprint {
    file: FileIdentity,
    length: u64,
    written: Option<SystemTime>,
}

impl FileFingerprint {
    /// The fingerprint of a file, by what the file system says of it.
    pub(crate) fn of(about: &Metadata) -> Self {
        Self { file: FileIdentity::of(about), length: about.len(), written: about.modified().ok() }
    }
}
