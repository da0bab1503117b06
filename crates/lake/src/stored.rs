//! A table's rows, read back on threads that may block.

use std::sync::LazyLock;

use chain::{Day, MinerId};
use datafusion::arrow::array::RecordBatch;
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::progress::{self, Progress};
use crate::table::Table;
use crate::{Error, Result, read};

impl Table {
    /// The rows of a day that the table holds; none of one that it does not hold.
    pub(crate) async fn day(&self, day: Day) -> Result<RecordBatch> {
        let name = self.name();
        let Some(file) = self.files().of(day).cloned() else {
            return Ok(RecordBatch::new_empty(name.schema()));
        };
        let file = self.located(&file);
        blocking("reading a day", move || read::day(&file, day)).await
    }

    /// A miner's rows of a day that the table holds, read without the other miners'.
    pub(crate) async fn miner_on(&self, miner: MinerId, day: Day) -> Result<RecordBatch> {
        let name = self.name();
        let Some(file) = self.files().of(day).cloned() else {
            return Ok(RecordBatch::new_empty(name.schema()));
        };
        let file = self.located(&file);
        blocking("reading a day", move || read::miner(&file, miner, Some(day))).await
    }

    /// The table's rows as progress, ordered by day. Only table `progress` has such rows.
    pub(crate) async fn progress(&self) -> Result<Vec<Progress>> {
        let files: Vec<_> = self.files().iter().map(|file| self.located(file)).collect();
        blocking("reading progress", move || {
            let mut rows = Vec::new();
            for file in files {
                rows.extend(progress::rows(&read::whole(&file)?)?);
            }
            Ok(rows)
        })
        .await
    }
}

/// Does what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { doing, source })?
}

/// As [`blocking`], on the one thread on which all upkeep is done: what one month frees there, the next one takes again,
/// where each of many threads would keep its own.
pub(crate) async fn in_turn<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    static THREAD: LazyLock<Option<ThreadPool>> =
        LazyLock::new(|| ThreadPoolBuilder::new().num_threads(1).build().ok());
    let on_it = move || match &*THREAD {
        Some(thread) => thread.install(work),
        None => work(),
    };
    blocking(doing, on_it).await
}
