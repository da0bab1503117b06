//! The queries of the HTTP API: statements built from numbers and from the program's own names.
//!
//! All run in one [`SqlSession`] as long as the published version is the same, within its limits; each bounds how many rows
//! it returns.

pub(crate) mod activity;
pub(crate) mod events;
pub(crate) mod expirations;
pub(crate) mod reconciliation;
mod rows;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Result;
use crate::formats::row_set::RowSet;
use crate::query::session::{QueryLimits, SqlSession};

/// Queries of a lake.
pub struct Queries {
    directory: PathBuf,
    limits: QueryLimits,
    open: tokio::sync::Mutex<Option<Arc<SqlSession>>>,
}

impl fmt::Debug for Queries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queries").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// Rows, and where to go on if there are more.
#[derive(Clone, Debug)]
pub struct Page<P> {
    /// The rows.
    pub rows: RowSet,
    /// The place of the last row; `None` if it is the last of all.
    pub next: Option<P>,
}

impl Queries {
    /// Queries of the lake in `directory`, each within these limits.
    #[must_use]
    pub fn new(directory: PathBuf, limits: QueryLimits) -> Self {
        Self { directory, limits, open: tokio::sync::Mutex::new(None) }
    }

    /// The session of this version: rows are never of a newer one than an answer says.
    pub(super) async fn session(&self, version: u64) -> Result<Arc<SqlSession>> {
        let mut open = self.open.lock().await;
        if let Some(session) = open.as_ref().filter(|session| session.version() == version) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(SqlSession::open_version(&self.directory, version, self.limits).await?);
        // Those who still ask for an older version are few, and soon none.
        if open.as_ref().is_none_or(|held| held.version() < version) {
            *open = Some(Arc::clone(&session));
        }
        Ok(session)
    }
}
