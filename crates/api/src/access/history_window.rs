//! The closed days that a request may see: the one place that decides it.
//!
//! Whatever an answer says of days is cut by a [`HistoryWindow`]: the days that are asked for, the place where a page goes on, the
//! first and last days that are told of, and what stands behind a tag. One day is told to everybody: since when a lake
//! has events, because totals stand on it.

use std::num::NonZeroU32;
use std::ops::RangeInclusive;

use chain::Day;

use crate::access::denial::Denial;

/// The closed days that a request may see, as of one published version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HistoryWindow {
    /// The first closed day of the lake.
    first_closed: Day,
    latest: Day,
    /// The first day that the key may see, closed or not; `None` if it may see all.
    allowed: Option<Day>,
}

impl HistoryWindow {
    /// Of these closed days, those that a key with so many days of history may see; all without a bound.
    pub(crate) fn new(closed: &RangeInclusive<Day>, history_days: Option<NonZeroU32>) -> Self {
        let (first_closed, latest) = (*closed.start(), *closed.end());
        let allowed = history_days.map(|days| {
            let first = i64::from(latest.unix_days()) - i64::from(days.get()) + 1;
            Day::from_unix_days(i32::try_from(first).unwrap_or(i32::MIN))
        });
        Self { first_closed, latest, allowed }
    }

    /// The first closed day that may be seen.
    pub(crate) fn first(&self) -> Day {
        self.allowed.map_or(self.first_closed, |allowed| allowed.max(self.first_closed))
    }

    /// The latest closed day.
    pub(crate) fn latest(&self) -> Day {
        self.latest
    }

    /// All days that may be seen.
    pub(crate) fn days(&self) -> RangeInclusive<Day> {
        self.first()..=self.latest
    }

    /// Whether there are closed days that may not be seen.
    pub(crate) fn hides_days(&self) -> bool {
        self.first() > self.first_closed
    }

    /// Refuses a day that is older than the key may see, closed or not.
    pub(crate) fn check(&self, asked: Day) -> Result<(), Denial> {
        match self.allowed {
            Some(first) if asked < first => Err(Denial::History { asked, first }),
            _ => Ok(()),
        }
    }

    /// A first day, moved up to the window if it is before it.
    pub(crate) fn clamp(&self, day: Day) -> Day {
        day.max(self.first())
    }

    /// A day, if it may be seen.
    pub(crate) fn visible(&self, day: Day) -> Option<Day> {
        (day >= self.first()).then_some(day)
    }

    /// The part of some days that may be seen; `None` if that is none of them.
    pub(crate) fn intersect(&self, days: &RangeInclusive<Day>) -> Option<RangeInclusive<Day>> {
        let from = self.clamp(*days.start());
        (from <= *days.end()).then_some(from..=*days.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(history_days: Option<u32>) -> HistoryWindow {
        let day = Day::from_unix_days;
        HistoryWindow::new(&(day(100)..=day(109)), history_days.and_then(NonZeroU32::new))
    }

    #[test]
    fn a_window_is_the_latest_day_and_those_before_it() {
        let day = Day::from_unix_days;
        assert_eq!(window(None).days(), day(100)..=day(109));
        assert_eq!(window(Some(1)).days(), day(109)..=day(109));
        assert_eq!(window(Some(10)).days(), day(100)..=day(109));
        assert_eq!(window(Some(u32::MAX)).days(), day(100)..=day(109));
        assert!(window(Some(9)).hides_days() && !window(Some(10)).hides_days() && !window(None).hides_days());
    }

    #[test]
    fn what_lies_before_it_is_refused_or_cut() {
        let day = Day::from_unix_days;
        let of = window(Some(3));
        assert!(of.check(day(107)).is_ok() && of.check(day(110)).is_ok());
        assert_eq!(of.check(day(106)), Err(Denial::History { asked: day(106), first: day(107) }));
        assert_eq!((of.clamp(day(101)), of.clamp(day(108))), (day(107), day(108)));
        assert_eq!((of.visible(day(106)), of.visible(day(107))), (None, Some(day(107))));
        assert_eq!(of.intersect(&(day(100)..=day(107))), Some(day(107)..=day(107)));
        assert_eq!(of.intersect(&(day(100)..=day(106))), None);
        // A key whose window begins before the lake does is refused days that it would not see then.
        assert!(window(Some(20)).check(day(89)).is_err() && window(Some(20)).check(day(90)).is_ok());
    }
}
