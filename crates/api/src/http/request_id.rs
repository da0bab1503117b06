//! The id of a request: `<uuid>#<n>`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Gives each request its id: one random UUID for the server's life, and a count.
pub(crate) struct RequestIds {
    server: Arc<str>,
    last: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self { server: uuid::Uuid::new_v4().to_string().into(), last: AtomicU64::new(0) }
    }

    /// The next request's id; the first is number 1.
    pub(crate) fn next(&self) -> RequestId {
        let number = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        RequestId { server: Arc::clone(&self.server), number }
    }
}

/// A request's id. Its text needs no escaping in JSON.
#[derive(Clone, Debug)]
pub(crate) struct RequestId {
    server: Arc<str>,
    number: u64,
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.server, self.number)
    }
}
