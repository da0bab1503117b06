//! Temporary directories that nobody else may enter.

use tempfile::TempDir;

use crate::error::{Error, Result};

/// A temporary directory, whose name begins so, which nobody but its owner may enter. It goes when it is let go.
///
/// # Errors
/// If it cannot be made.
pub(crate) fn create_private(prefix: &str) -> Result<TempDir> {
    let mut made = tempfile::Builder::new();
    made.prefix(prefix);
    #[cfg(unix)]
    made.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    made.tempdir().map_err(Error::io(std::env::temp_dir()))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_else_may_look_into_it() {
        let made = super::create_private("private-").expect("a directory");
        let mode = made.path().metadata().expect("a directory").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
