//! The activity of a connection.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// In the place of a time: no request's head is coming.
const NONE: u64 = u64::MAX;

/// What a connection is doing, shared between its stream and its service, which run in one task.
#[derive(Debug)]
pub(crate) struct Activity {
    born: Instant,
    /// Milliseconds from birth to the last byte that came or went.
    moved: AtomicU64,
    /// Milliseconds from birth to the first byte of a request that has not come whole so far, or [`NONE`].
    head_began: AtomicU64,
    /// A request is being answered.
    answering: AtomicBool,
    /// The bytes that have come do not end where a request's head does: some are left over for the next one.
    left_over: AtomicBool,
}

/// How long a connection is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// While a request's head is coming, from its first byte on.
    pub(crate) head: Duration,
    /// While it idles.
    pub(crate) idle: Duration,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            moved: AtomicU64::new(0),
            head_began: AtomicU64::new(NONE),
            answering: AtomicBool::new(false),
            left_over: AtomicBool::new(false),
        })
    }

    /// A request has come whole.
    pub(crate) fn request_received(&self) {
        self.head_began.store(NONE, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
    }

    /// Its answer is there. What came after it begins the next request.
    pub(crate) fn response_ready(&self) {
        self.answering.store(false, Ordering::Relaxed);
        self.moved();
        if self.left_over.load(Ordering::Relaxed) {
            self.head_began.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Bytes have come, of which these are the last.
    pub(super) fn came(&self, last: Tail) {
        self.moved();
        self.left_over.store(!last.ends_a_head(), Ordering::Relaxed);
        if !self.answering.load(Ordering::Relaxed) && !self.is_receiving() {
            self.head_began.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn moved(&self) {
        self.moved.store(self.now(), Ordering::Relaxed);
    }

    /// Whether bytes have come that are no whole request so far.
    pub(super) fn is_receiving(&self) -> bool {
        self.head_began.load(Ordering::Relaxed) != NONE
    }

    /// For how long nothing has come or gone; `None` while a request is coming or being answered.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let is_busy = self.answering.load(Ordering::Relaxed) || self.is_receiving();
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        (!is_busy).then(|| self.born.elapsed().saturating_sub(moved))
    }

    /// Until when the connection is kept if nothing more happens; `None` while a request is answered.
    fn deadline(&self, patience: Patience) -> Option<Instant> {
        if self.answering.load(Ordering::Relaxed) {
            return None;
        }
        let (since, patience) = match self.head_began.load(Ordering::Relaxed) {
            NONE => (self.moved.load(Ordering::Relaxed), patience.idle),
            began => (began, patience.head),
        };
        self.born.checked_add(Duration::from_millis(since).saturating_add(patience))
    }

    /// Ends when the patience with the connection does. It is for the task that polls the connection: whatever happens to
    /// the connection wakes that task, which then finds the new deadline here.
    pub(crate) async fn outlasted(&self, patience: Patience) {
        let mut timer = pin!(sleep_until(self.born));
        poll_fn(|cx| {
            loop {
                let Some(deadline) = self.deadline(patience) else { return Poll::Pending };
                // Each request puts the deadline off, so the timer is only set anew where it must end sooner, or has ended.
                if deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                ready!(timer.as_mut().poll(cx));
                if deadline <= Instant::now() {
                    return Poll::Ready(());
                }
                timer.as_mut().reset(deadline);
            }
        })
        .await;
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NONE - 1)
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
