//! Ranges of closed days.

use chain::{Day, DayRange};

use crate::error::{Error, Result};

/// The days from `from` to `to` of those that are closed; a side that is not given is as far as these go. What is not
/// known is refused: it is never served as nothing.
pub(crate) fn resolve(closed: Option<DayRange>, from: Option<Day>, to: Option<Day>) -> Result<DayRange> {
    let closed = closed.ok_or(Error::NothingClosed)?;
    let (first, last) = (closed.first(), closed.last());
    let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
    if let Some(day) = [from, to].into_iter().find(|day| !closed.contains(*day)) {
        return Err(Error::DayNotClosed { day, first, last });
    }
    DayRange::new(from, to).ok_or(Error::ReversedRange { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().expect("a day")
    }

    #[test]
    fn only_closed_days_in_their_order_are_between() {
        let (first, second, third) = (day("2022-11-01"), day("2022-11-02"), day("2022-11-03"));
        let closed = DayRange::new(first, second);
        assert_eq!(resolve(closed, None, None).ok(), closed);
        assert_eq!(resolve(closed, Some(second), None).ok(), Some(second.into()));
        assert_eq!(resolve(closed, None, Some(first)).ok(), Some(first.into()));
        assert!(matches!(resolve(closed, Some(second), Some(first)), Err(Error::ReversedRange { .. })));
        assert!(
            matches!(resolve(closed, None, Some(third)), Err(Error::DayNotClosed { day, .. }) if day == third)
        );
        assert!(matches!(resolve(None, None, None), Err(Error::NothingClosed)));
    }
}
