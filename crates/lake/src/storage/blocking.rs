//! Work that blocks, on threads that may.

use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Does what blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    doing: &'static str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { doing, source })?
}

/// As [`blocking`], on the one thread on which all upkeep is done: what one month frees there, the next one takes again,
/// where each of many threads would keep its own.
pub(crate) async fn on_maintenance_thread<T: Send + 'static>(
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
