//! The time of day: the clock of this machine, or one that a test sets.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::NaiveTime;

use crate::units::{DAY_SECONDS, Day};

/// A clock that says what time it is now: by default that of this machine. It is handed to what needs the time, so that
/// tests can set it. [`Clock`](crate::Clock) is another thing: it turns a chain's epochs into days.
#[derive(Clone, Debug, Default)]
pub struct WallClock(Option<Arc<AtomicI64>>);

impl WallClock {
    /// A clock that says `seconds` (Unix time) until it is set to another time. Its clones are the same clock.
    #[must_use]
    pub fn stopped_at(seconds: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(seconds))))
    }

    /// Sets a stopped clock to `seconds` (Unix time), for all its clones. The clock of this machine is never set.
    pub fn set(&self, seconds: i64) {
        if let Some(stopped) = &self.0 {
            stopped.store(seconds, Ordering::Relaxed);
        }
    }

    /// Now, in Unix seconds; negative before 1970.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.unix_millis().div_euclid(1000)
    }

    /// Now, in Unix milliseconds; negative before 1970.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        match &self.0 {
            Some(stopped) => stopped.load(Ordering::Relaxed).saturating_mul(1000),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or_else(|before| -millis(before.duration()), millis),
        }
    }
}

/// A point in time, in Unix seconds. Its text is that of RFC 3339, `2026-11-22T17:36:10Z`; the alternate form (`{:#}`) is
/// for people, `2026-11-22 17:36:10 UTC`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The UTC day that it is in.
    #[must_use]
    pub fn day(self) -> Day {
        let days = self.0.div_euclid(DAY_SECONDS);
        Day::from_unix_days(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_day = u32::try_from(self.0.rem_euclid(DAY_SECONDS)).unwrap_or_default();
        let time = NaiveTime::from_num_seconds_from_midnight_opt(of_day, 0).unwrap_or_default();
        let (separator, zone) = if f.alternate() { (" ", " UTC") } else { ("T", "Z") };
        write!(f, "{}{separator}{time}{zone}", self.day())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_in_time_is_written_in_utc() {
        for (seconds, text, for_people) in [
            (0, "1970-01-01T00:00:00Z", "1970-01-01 00:00:00 UTC"),
            (-1, "1969-12-31T23:59:59Z", "1969-12-31 23:59:59 UTC"),
            (1_598_306_400, "2020-08-24T22:00:00Z", "2020-08-24 22:00:00 UTC"),
            (1_795_369_067, "2026-11-22T17:37:47Z", "2026-11-22 17:37:47 UTC"),
        ] {
            assert_eq!(UnixTime(seconds).to_string(), text);
            assert_eq!(format!("{:#}", UnixTime(seconds)), for_people);
        }
        // No calendar has these days, and the text of one is still a text.
        assert!(
            UnixTime(i64::MAX).to_string().ends_with('Z') && UnixTime(i64::MIN).to_string().ends_with('Z')
        );
    }

    #[test]
    fn a_stopped_clock_goes_only_when_it_is_set_and_its_clones_with_it() {
        let clock = WallClock::stopped_at(1000);
        let clone = clock.clone();
        assert_eq!((clone.unix_seconds(), clone.unix_millis()), (1000, 1_000_000));
        clock.set(-5);
        assert_eq!((clone.unix_seconds(), clone.unix_millis()), (-5, -5000));
    }

    #[test]
    fn the_clock_of_this_machine_goes_and_cannot_be_set() {
        let clock = WallClock::default();
        clock.set(7);
        let before = clock.unix_millis();
        assert!(clock.unix_seconds() > 1_600_000_000 && clock.unix_millis() >= before);
    }
}
