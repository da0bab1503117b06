//! Integrity errors, which pass through libraries that know only the system's errors.

use std::path::PathBuf;

/// An integrity error that a library hands back inside an error of its own.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum IntegrityError {
    /// As the lake's error `UnexpectedFileType`.
    #[error("{path} is {what}")]
    UnexpectedFileType {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// As the lake's error `ExternallyModified`.
    #[error("{path}: {problem}; another program has rewritten it")]
    ExternallyModified {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// As the lake's error `LockReplaced`.
    #[error("{path} was removed or replaced")]
    LockReplaced {
        /// The lock's file.
        path: PathBuf,
    },
}

impl IntegrityError {
    /// The integrity error that an error comes from, if there is one.
    pub(crate) fn find_in(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            let io = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let found =
                io.and_then(|inner| inner.downcast_ref::<Self>()).or_else(|| error.downcast_ref::<Self>());
            if let Some(found) = found {
                return Some(found.clone());
            }
            next = error.source();
        }
        None
    }
}
