//! The health of the server: draining, reading the lake, reconciliation.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lake::Reader;

/// What the server knows of its own state.
#[derive(Debug, Default)]
pub(crate) struct Health {
    draining: AtomicBool,
    lake: Mutex<LakeHealth>,
}

/// The outcome of the latest looks at the lake.
#[derive(Clone, Copy, Debug, Default)]
struct LakeHealth {
    /// Since when no newer version could be looked for.
    failing_since: Option<Instant>,
    /// The latest day cannot be read.
    unreadable: bool,
    reconciled: Option<ReconciliationSummary>,
}

/// The reconciliation of the latest closed day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReconciliationSummary {
    /// The published version that this is of.
    pub(crate) version: u64,
    /// Miners of the day.
    pub(crate) miner_days: u64,
    /// Of these, those with something that does not hold.
    pub(crate) unclosed: u64,
}

impl Health {
    /// The server takes no new connections any more.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Records whether the lake could be refreshed.
    pub(crate) fn record_refresh(&self, succeeded: bool) {
        let mut lake = self.lake();
        lake.failing_since =
            if succeeded { None } else { lake.failing_since.or_else(|| Some(Instant::now())) };
    }

    /// Records whether the latest day could be read.
    pub(crate) fn record_latest_day(&self, succeeded: bool) {
        self.lake().unreadable = !succeeded;
    }

    /// Records the reconciliation of the latest day.
    pub(crate) fn record_reconciliation(&self, of: ReconciliationSummary) {
        self.lake().reconciled = Some(of);
    }

    /// The reconciliation of the latest day, once it is known.
    pub(crate) fn reconciliation(&self) -> Option<ReconciliationSummary> {
        self.lake().reconciled
    }

    /// For how long no newer version could be looked for.
    pub(crate) fn failing_for(&self) -> Option<Duration> {
        self.lake().failing_since.map(|since| since.elapsed())
    }

    /// Why no requests should be sent, if so: among others, if no newer version could be looked for as long as `unready_after`.
    pub(crate) fn unready(&self, reader: &Reader, unready_after: Duration) -> Option<Unready> {
        if self.draining.load(Ordering::Relaxed) {
            return Some(Unready::Draining);
        }
        let lake = *self.lake();
        let failing = lake.failing_since.map(|since| since.elapsed());
        if let Some(time) = failing.filter(|time| *time >= unready_after) {
            return Some(Unready::Failing(time));
        }
        if reader.days().is_none() {
            return Some(Unready::NothingClosed);
        }
        lake.unreadable.then_some(Unready::Unreadable)
    }

    fn lake(&self) -> MutexGuard<'_, LakeHealth> {
        self.lake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why no requests should be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unready {
    Draining,
    NothingClosed,
    Unreadable,
    /// No newer version could be looked for, for so long.
    Failing(Duration),
}

impl fmt::Display for Unready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draining => f.write_str("The server is shutting down."),
            Self::NothingClosed => f.write_str("No day is closed so far."),
            Self::Unreadable => f.write_str("The latest closed day cannot be read."),
            Self::Failing(time) => {
                write!(f, "For {} seconds no newer data could be looked for.", time.as_secs())
            }
        }
    }
}
