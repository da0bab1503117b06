//! Counters of a key's usage, without a lock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use super::terms::Quota;

/// Counts of one key since the server began to hold it.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    requests: AtomicU64,
    refused: AtomicU64,
    bytes: AtomicU64,
    last_used: AtomicI64,
    /// The quota's period by its number since 1970 (upper half), and the requests in it (lower half).
    window: AtomicU64,
}

/// Usage that is not written to the file so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct UsageDelta {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) bytes: u64,
    /// Unix seconds; 0 for never.
    pub(crate) last_used: i64,
}

/// The use of a quota in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct QuotaWindow {
    pub(crate) period: u32,
    pub(crate) used: u32,
}

impl QuotaWindow {
    fn of(packed: u64) -> Self {
        // Each half is 32 bits by construction.
        Self { period: (packed >> 32) as u32, used: packed as u32 }
    }

    fn packed(self) -> u64 {
        (u64::from(self.period) << 32) | u64::from(self.used)
    }

    /// Whether it is of a period that the clock cannot have come to yet: it was ahead when that was counted. The next period
    /// may be another server's, whose clock is a little ahead.
    pub(crate) fn is_in_future(self, period: u32) -> bool {
        self.period > period.saturating_add(1)
    }

    /// What counts of it at `now` (Unix seconds). A period that is over counts no more, and one that is to come never
    /// did; but a clock that is set back by less than a period does not give requests back.
    pub(crate) fn at(self, quota: Quota, now: i64) -> Self {
        let period = period(quota, now);
        let counts = self.period >= period && !self.is_in_future(period);
        if counts { self } else { Self { period, used: 0 } }
    }

    /// When its period ends, in Unix seconds.
    pub(crate) fn ends(self, quota: Quota) -> i64 {
        (i64::from(self.period) + 1) * i64::from(quota.per.seconds())
    }
}

/// The period of a quota that a moment (Unix seconds) lies in, by its number.
pub(crate) fn period(quota: Quota, now: i64) -> u32 {
    u32::try_from(now.max(0) / i64::from(quota.per.seconds())).unwrap_or(u32::MAX)
}

/// A quota after one request was taken out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotaStatus {
    /// How many are left.
    pub(crate) remaining: u32,
    /// When the quota resets, in Unix seconds.
    pub(crate) resets_at: i64,
}

/// The quota has no request left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QuotaExhausted {
    /// When the quota resets, in Unix seconds.
    pub(crate) resets_at: i64,
}

impl Counters {
    /// Counts a request made at `now` (Unix seconds).
    pub(crate) fn record_request(&self, now: i64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// Counts that a request was refused.
    pub(crate) fn record_denial(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of an answer's body.
    pub(crate) fn record_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes one request of the quota's period at `now` (Unix seconds).
    ///
    /// # Errors
    /// If there is none left to take.
    pub(crate) fn take_request(&self, quota: Quota, now: i64) -> Result<QuotaStatus, QuotaExhausted> {
        let mut outcome = Err(QuotaExhausted { resets_at: now });
        let step = |packed| {
            let window = QuotaWindow::of(packed).at(quota, now);
            let resets_at = window.ends(quota);
            let left = quota.requests.get().checked_sub(window.used).and_then(|left| left.checked_sub(1));
            outcome = left
                .map(|remaining| QuotaStatus { remaining, resets_at })
                .ok_or(QuotaExhausted { resets_at });
            left.map(|_| QuotaWindow { used: window.used + 1, ..window }.packed())
        };
        // Whether there was one to take is what the step has found.
        let _ = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        outcome
    }

    /// Drops a period that the clock cannot have reached yet; returns whether there was one.
    pub(crate) fn reset_future_period(&self, period: u32) -> bool {
        let step = |packed| {
            QuotaWindow::of(packed).is_in_future(period).then(|| QuotaWindow { period, used: 0 }.packed())
        };
        self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).is_ok()
    }

    /// The use of the quota.
    pub(crate) fn window(&self) -> QuotaWindow {
        QuotaWindow::of(self.window.load(Ordering::Relaxed))
    }

    /// Adds requests of that period that others made: servers beside this one, or this one before it was started.
    pub(crate) fn add_others(&self, others: QuotaWindow) {
        let step = |packed| {
            let window = QuotaWindow::of(packed);
            let used = match window.period.cmp(&others.period) {
                std::cmp::Ordering::Less => others.used,
                std::cmp::Ordering::Equal => window.used.saturating_add(others.used),
                std::cmp::Ordering::Greater => return None,
            };
            Some(QuotaWindow { period: others.period, used }.packed())
        };
        // A newer period needs nothing of an older one.
        let _ = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// Takes the usage since the last time.
    pub(crate) fn drain(&self) -> UsageDelta {
        UsageDelta {
            requests: self.requests.swap(0, Ordering::Relaxed),
            refused: self.refused.swap(0, Ordering::Relaxed),
            bytes: self.bytes.swap(0, Ordering::Relaxed),
            last_used: self.last_used.load(Ordering::Relaxed),
        }
    }

    /// Restores usage that could not be written.
    pub(crate) fn restore(&self, counted: UsageDelta) {
        self.requests.fetch_add(counted.requests, Ordering::Relaxed);
        self.refused.fetch_add(counted.refused, Ordering::Relaxed);
        self.bytes.fetch_add(counted.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quota() -> Quota {
        "3/minute".parse().expect("a quota")
    }

    /// How many are left after taking one.
    fn left(counters: &Counters, quota: Quota, now: i64) -> Option<u32> {
        counters.take_request(quota, now).ok().map(|taken| taken.remaining)
    }

    #[test]
    fn a_quota_is_used_up_and_comes_back_with_the_next_period() {
        let counters = Counters::default();
        assert_eq!(counters.take_request(quota(), 125), Ok(QuotaStatus { remaining: 2, resets_at: 180 }));
        let taken: Vec<_> = (0..3).map(|_| left(&counters, quota(), 179)).collect();
        assert_eq!(taken, [Some(1), Some(0), None]);
        assert_eq!(counters.take_request(quota(), 130), Err(QuotaExhausted { resets_at: 180 }));
        assert_eq!(left(&counters, quota(), 180), Some(2));
        // A clock that is set back gives nothing back, and says so.
        assert_eq!(counters.take_request(quota(), 179), Ok(QuotaStatus { remaining: 1, resets_at: 240 }));
        assert_eq!(left(&counters, quota(), 125), Some(0));
        assert_eq!(counters.take_request(quota(), 125), Err(QuotaExhausted { resets_at: 240 }));
    }

    #[test]
    fn a_clock_that_was_ahead_shuts_nobody_out() {
        let years = 20 * 365 * 86_400;
        let counters = Counters::default();
        let ahead: Vec<_> = (0..4).map(|_| left(&counters, quota(), years)).collect();
        assert_eq!(ahead, [Some(2), Some(1), Some(0), None]);
        assert_eq!(counters.take_request(quota(), 125), Ok(QuotaStatus { remaining: 2, resets_at: 180 }));
        // And what is written down of then is let go.
        assert!(!counters.reset_future_period(period(quota(), 125)));
        assert_eq!(left(&counters, quota(), years), Some(2));
        assert!(counters.reset_future_period(period(quota(), 125)));
        assert_eq!(counters.window(), QuotaWindow { period: 2, used: 0 });
        let stored = QuotaWindow { period: period(quota(), years), used: 3 };
        assert_eq!(stored.at(quota(), 125), QuotaWindow { period: 2, used: 0 });
        assert_eq!(QuotaWindow { period: 3, used: 3 }.at(quota(), 125), QuotaWindow { period: 3, used: 3 });
    }

    #[test]
    fn what_others_used_counts() {
        let counters = Counters::default();
        counters.add_others(QuotaWindow { period: 7, used: 2 });
        assert_eq!(left(&counters, quota(), 7 * 60), Some(0));
        counters.add_others(QuotaWindow { period: 6, used: 3 });
        assert_eq!(left(&counters, quota(), 8 * 60), Some(2), "an older period is over");
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let quota: Quota = "1000/day".parse().expect("a quota");
        let counters = Counters::default();
        let taken = std::thread::scope(|scope| {
            let run = || (0..500).filter(|_| counters.take_request(quota, 1).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum::<usize>()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn what_is_drained_can_be_put_back() {
        let counters = Counters::default();
        counters.record_request(5);
        counters.record_denial();
        counters.record_bytes(10);
        let counted = counters.drain();
        assert_eq!(counted, UsageDelta { requests: 1, refused: 1, bytes: 10, last_used: 5 });
        assert_eq!(counters.drain(), UsageDelta { last_used: 5, ..UsageDelta::default() });
        counters.restore(counted);
        assert_eq!(counters.drain(), counted);
    }
}
