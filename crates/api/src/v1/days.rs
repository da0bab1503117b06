//! Ranges of days: as JSON, counted, and iterated.

use std::ops::RangeInclusive;

use chain::{Clock, Day, DayRange};
use serde_json::{Value, json};

use crate::access::history_window::HistoryWindow;

/// Writes gaps as JSON, as far as their days may be seen.
#[derive(Clone, Copy)]
pub(super) struct GapFormatter {
    /// The chain's clock, where it is known.
    pub(super) clock: Option<Clock>,
    /// What may be seen, if a day is closed.
    pub(super) window: Option<HistoryWindow>,
}

impl GapFormatter {
    /// A gap as JSON; `None` for one whose days may not be seen.
    pub(super) fn to_json(self, gap: &lake::Gap) -> Option<Value> {
        let days = self.clock.map(|clock| clock.day_of(gap.first_epoch)..=clock.day_of(gap.last_epoch));
        if let (Some(days), Some(window)) = (&days, self.window.filter(HistoryWindow::hides_days)) {
            window.intersect(days)?;
        }
        Some(json!({
            "first_epoch": gap.first_epoch.0,
            "last_epoch": gap.last_epoch.0,
            "days": days.as_ref().map(day_range_json),
            "reason": gap.reason,
        }))
    }
}

/// First and last day, and how many there are.
pub(super) fn day_range_json(days: &RangeInclusive<Day>) -> Value {
    json!({ "first": days.start().to_string(), "last": days.end().to_string(), "days": day_count(days) })
}

/// How many days there are.
pub(super) fn day_count(days: &RangeInclusive<Day>) -> u64 {
    DayRange::new(*days.start(), *days.end()).map_or(0, DayRange::len)
}

/// The days, the latest first if `down`.
pub(super) fn iter_days(days: &RangeInclusive<Day>, down: bool) -> impl Iterator<Item = Day> + use<> {
    let days = DayRange::new(*days.start(), *days.end()).into_iter().flat_map(DayRange::iter);
    let (mut up, mut downwards) = (days.clone(), days.rev());
    std::iter::from_fn(move || if down { downwards.next() } else { up.next() })
}
