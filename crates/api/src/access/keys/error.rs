//! Errors of the files of keys and of their usage.

use std::path::{Path, PathBuf};

/// Why keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made.
    #[error("the file of keys {path} cannot be made: {source}", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file cannot be read or written.
    #[error("the file of keys {path} cannot be read or written: {source}", path = path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file is of another version of the program.
    #[error("the file of keys {path} is of form {form}, which this version of the program does not read", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its form.
        form: i64,
    },
    /// The file holds what this program did not make.
    #[error(
        "the file of keys {path} is not as this program makes it: its {what} is not ours. Nothing of it is used; put a \
         copy of your own in its place, or make the keys anew",
        path = path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// What is strange.
        what: String,
    },
    /// A key of that name is there.
    #[error("there has been a key called {0:?}; choose another name, so that logs and counts stay apart")]
    Taken(String),
    /// There is no key of that name.
    #[error("there is no key called {0:?}; `sectorscope keys list` lists them")]
    Unknown(String),
}

impl StoreError {
    /// Wraps what SQLite says of a file.
    pub(super) fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Sqlite { path: path.clone(), source }
    }
}
