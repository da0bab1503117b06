//! The activity of a connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What a connection is doing, shared between its stream and its service.
#[derive(Debug)]
pub(crate) struct Activity {
    born: Instant,
    /// Milliseconds from birth to the last byte that came or went.
    moved: AtomicU64,
    /// A request is being answered.
    pub(super) answering: AtomicBool,
    /// Bytes have come that are no whole request so far.
    pub(super) partial: AtomicBool,
    /// The bytes that have come do not end where a request's head does: some are left over for the next one.
    left_over: AtomicBool,
    /// Requests that have come whole.
    pub(super) requests: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            moved: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            partial: AtomicBool::new(false),
            left_over: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        })
    }

    /// A request has come whole.
    pub(crate) fn request_received(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.partial.store(false, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
    }

    /// Its answer is there. What came after it begins the next request.
    pub(crate) fn response_ready(&self) {
        self.partial.store(self.left_over.load(Ordering::Relaxed), Ordering::Relaxed);
        self.answering.store(false, Ordering::Relaxed);
        self.moved();
    }

    /// Bytes have come, of which these are the last.
    pub(super) fn came(&self, last: Tail) {
        self.moved();
        self.left_over.store(!last.ends_a_head(), Ordering::Relaxed);
        self.partial.store(true, Ordering::Relaxed);
    }

    pub(super) fn moved(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// For how long nothing has come or gone; `None` while a request is coming or being answered.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let busy = self.answering.load(Ordering::Relaxed) || self.partial.load(Ordering::Relaxed);
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        (!busy).then(|| self.born.elapsed().saturating_sub(moved))
    }
}

/// The last three bytes that have come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail([u8; 3]);

impl Tail {
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        let kept = self.0.iter().chain(bytes).rev().take(3);
        let mut tail = [0; 3];
        tail.iter_mut().rev().zip(kept).for_each(|(place, byte)| *place = *byte);
        Self(tail)
    }

    /// Whether they end with an empty line, as a head does; a line may end without a carriage return.
    pub(super) fn ends_a_head(self) -> bool {
        matches!(self.0, [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'])
    }
}
