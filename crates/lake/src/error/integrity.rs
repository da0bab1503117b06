//! What is found in the depth, where only the system's errors pass.

use std::path::PathBuf;

/// What is found where only the system's errors pass, to be said as what it is.
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
    /// What was found, if it is what an error comes from.
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
