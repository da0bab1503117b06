//! What a key has asked for, counted without a lock.

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

/// Counts that are to be written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) refused: u64,
    pub(crate) bytes: u64,
    /// Unix seconds; 0 for never.
    pub(crate) last_used: i64,
}

/// How far a quota is used up in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) period: u32,
    pub(crate) used: u32,
}

impl Window {
    fn of(packed: u64) -> Self {
        // Each half is 32 bits by construction.
        Self { period: (packed >> 32) as u32, used: packed as u32 }
    }

    fn packed(self) -> u64 {
        (u64::from(self.period) << 32) | u64::from(self.used)
    }
}

/// The period of a quota that a moment (Unix seconds) lies in, by its number, and when the next one begins.
pub(crate) fn period(quota: Quota, now: i64) -> (u32, i64) {
    let length = i64::from(quota.per.seconds());
    let number = now.max(0) / length;
    (u32::try_from(number).unwrap_or(u32::MAX), (number + 1) * length)
}

impl Counters {
    /// Counts a request made at `now` (Unix seconds).
    pub(crate) fn asked(&self, now: i64) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.last_used.store(now, Ordering::Relaxed);
    }

    /// Counts that a request was refused.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts bytes of an answer's body.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes one request of the quota's period; how many are left, or `None` if there was none left to take.
    pub(crate) fn take(&self, quota: Quota, period: u32) -> Option<u32> {
        let limit = quota.requests.get();
        let mut left = None;
        let step = |packed| {
            let window = Window::of(packed);
            // A clock that is set back does not give requests back.
            let used = if window.period >= period { window.used } else { 0 };
            left = limit.checked_sub(used)?.checked_sub(1);
            left.map(|_| Window { period: window.period.max(period), used: used + 1 }.packed())
        };
        self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()?;
        left
    }

    /// How far the quota is used up.
    pub(crate) fn window(&self) -> Window {
        Window::of(self.window.load(Ordering::Relaxed))
    }

    /// Adds requests of that period that others made: servers beside this one, or this one before it was started.
    pub(crate) fn add_others(&self, others: Window) {
        let step = |packed| {
            let window = Window::of(packed);
            let used = match window.period.cmp(&others.period) {
                std::cmp::Ordering::Less => others.used,
                std::cmp::Ordering::Equal => window.used.saturating_add(others.used),
                std::cmp::Ordering::Greater => return None,
            };
            Some(Window { period: others.period, used }.packed())
        };
        // A newer period needs nothing of an older one.
        let _ = self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
    }

    /// Takes what was counted since the last time.
    pub(crate) fn drain(&self) -> Counted {
        Counted {
            requests: self.requests.swap(0, Ordering::Relaxed),
            refused: self.refused.swap(0, Ordering::Relaxed),
            bytes: self.bytes.swap(0, Ordering::Relaxed),
            last_used: self.last_used.load(Ordering::Relaxed),
        }
    }

    /// Puts back what could not be written down.
    pub(crate) fn put_back(&self, counted: Counted) {
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

    #[test]
    fn a_quota_is_used_up_and_comes_back_with_the_next_period() {
        let counters = Counters::default();
        let (first, resets) = period(quota(), 125);
        assert_eq!((first, resets), (2, 180));
        let taken: Vec<_> = (0..4).map(|_| counters.take(quota(), first)).collect();
        assert_eq!(taken, [Some(2), Some(1), Some(0), None]);
        assert_eq!(counters.take(quota(), 3), Some(2));
        assert_eq!(counters.take(quota(), 2), Some(1), "a clock set back gives nothing back");
    }

    #[test]
    fn what_others_used_counts() {
        let counters = Counters::default();
        counters.add_others(Window { period: 7, used: 2 });
        assert_eq!(counters.take(quota(), 7), Some(0));
        counters.add_others(Window { period: 6, used: 3 });
        assert_eq!(counters.take(quota(), 8), Some(2), "an older period is over");
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let quota: Quota = "1000/day".parse().expect("a quota");
        let counters = Counters::default();
        let taken = std::thread::scope(|scope| {
            let run = || (0..500).filter(|_| counters.take(quota, 1).is_some()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum::<usize>()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn what_is_drained_can_be_put_back() {
        let counters = Counters::default();
        counters.asked(5);
        counters.refused();
        counters.sent(10);
        let counted = counters.drain();
        assert_eq!(counted, Counted { requests: 1, refused: 1, bytes: 10, last_used: 5 });
        assert_eq!(counters.drain(), Counted { last_used: 5, ..Counted::default() });
        counters.put_back(counted);
        assert_eq!(counters.drain(), counted);
    }
}
