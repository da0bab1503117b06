//! Permissions of files that hold secrets.

use std::path::Path;

/// What is wrong with the permissions of a file that is for its owner's eyes; `None` if nothing is, or the system has no such
/// permissions. A group that may read is taken for wanted.
#[must_use]
pub fn describe_exposure(path: &Path) -> Option<String> {
    let mode = mode(path)?;
    let may = match (mode & 0o004 != 0, mode & 0o022 != 0) {
        (false, false) => return None,
        (true, false) => "read",
        (false, true) => "write",
        (true, true) => "read and write",
    };
    Some(format!(
        "others than its owner may {may} {} (mode {:03o}): take that away, with chmod go-w,o-r",
        path.display(),
        mode & 0o777
    ))
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    let about = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    Some(std::os::unix::fs::PermissionsExt::mode(&about.permissions()))
}

#[cfg(not(unix))]
fn mode(_: &Path) -> Option<u32> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_may_read_or_write_is_said() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let said = |mode| {
            std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(mode)).expect("a mode");
            describe_exposure(file.path())
        };
        for (mode, may) in [
            (0o600, None),
            (0o640, None),
            (0o400, None),
            (0o644, Some("read")),
            (0o620, Some("write")),
            (0o666, Some("read and write")),
            (0o602, Some("write")),
        ] {
            let told = said(mode);
            assert_eq!(told.is_some(), may.is_some(), "{mode:o}: {told:?}");
            if let (Some(told), Some(may)) = (told, may) {
                assert!(told.contains(&format!("may {may} /")), "{mode:o}: {told}");
            }
        }
        assert_eq!(describe_exposure(Path::new("/nowhere/at/all")), None);
    }
}
