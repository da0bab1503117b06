//! Ranges of closed days.

use std::ops::RangeInclusive;

use chain::Day;

use crate::error::{Error, Result};

/// The days from `from` to `to` of those that are closed; a side that is not given is as far as these go. What is not
/// known is refused: it is never served as nothing.
pub(crate) fn resolve(
    closed: Option<RangeInclusive<Day>>,
    from: Option<Day>,
    to: Option<Day>,
) -> Result<RangeInclusive<Day>> {
    let closed = closed.ok_or(Error::NothingClosed)?;
    let (first, last) = (*closed.start(), *closed.end());
    let (from, to) = (from.unwrap_or(first), to.unwrap_or(last));
    if let Some(day) = [from, to].into_iter().find(|day| !closed.contains(day)) {
        return Err(Error::DayNotClosed { day, first, last });
    }
    if from > to {
        return Err(Error::ReversedRange { from, to });
    }
    Ok(from..=to)
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
        let closed = Some(first..=second);
        assert_eq!(resolve(closed.clone(), None, None).expect("days"), first..=second);
        assert_eq!(resolve(closed.clone(), Some(second), None).expect("days"), second..=second);
        assert_eq!(resolve(closed.clone(), None, Some(first)).expect("days"), first..=first);
        assert!(matches!(
            resolve(closed.clone(), Some(second), Some(first)),
            Err(Error::ReversedRange { .. })
        ));
        assert!(
            matches!(resolve(closed, None, Some(third)), Err(Error::DayNotClosed { day, .. }) if day == third)
        );
        assert!(matches!(resolve(None, None, None), Err(Error::NothingClosed)));
    }
}
