//! The coverage of a set of files: which heights have states, which days can be closed, and what is missing between.

use chain::{ChainSegment, Clock};
use serde::Serialize;

use crate::output;

/// A stretch of tipsets whose state is in the files.
#[derive(Serialize)]
pub(super) struct StretchCoverage {
    pub(super) tipsets: usize,
    pub(super) first: TipsetPosition,
    pub(super) head: TipsetPosition,
    /// The days that can be closed: first and last.
    days: Option<[String; 2]>,
    /// Tipsets with messages whose receipts are in none of the files: their outcomes will be read from the states.
    without_receipts: usize,
    /// Why its states are not whole, so that no day can be closed from them.
    not_whole: Option<String>,
    missing_below: Option<MissingHeights>,
}

/// A tipset, and where in time it is.
#[derive(Clone, Serialize)]
pub(super) struct TipsetPosition {
    height: i64,
    day: String,
    tipset: String,
}

/// What should be below a stretch and is not.
#[derive(Serialize)]
struct MissingHeights {
    first_height: i64,
    last_height: i64,
    first_day: String,
    last_day: String,
    reason: String,
}

impl StretchCoverage {
    /// The coverage of a stretch; `None` if it has no tipset.
    pub(super) fn of(stretch: &ChainSegment<'_>) -> chain::Result<Option<Self>> {
        let ChainSegment { chain, missing: hole } = stretch;
        let clock = chain.clock();
        let point = |tipset: &chain::Tipset| TipsetPosition {
            height: tipset.height.0,
            day: clock.day_of(tipset.height).to_string(),
            tipset: tipset.key.to_string(),
        };
        let (Some(first), Some(head)) = (chain.tipsets().first(), chain.tipsets().last()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            tipsets: chain.tipsets().len(),
            first: point(first),
            head: point(head),
            days: chain.whole_days().map(|days| [days.first(), days.last()].map(|day| day.to_string())),
            without_receipts: chain.tipsets_without_receipts()?,
            not_whole: None,
            missing_below: hole.as_ref().and_then(|hole| MissingHeights::of(hole, clock)),
        }))
    }

    /// Notes that a state of it misses a block.
    pub(super) fn mark_incomplete(&mut self, missing: &chain::Error) {
        self.days = None;
        self.not_whole = Some(missing.to_string());
    }

    /// Prints it, lines under a heading.
    pub(super) fn print(&self) {
        output::print_line(format_args!(
            "states   {} {}, height {} ({}) to {} ({})",
            self.tipsets,
            if self.tipsets == 1 { "tipset" } else { "tipsets" },
            self.first.height,
            self.first.day,
            self.head.height,
            self.head.day
        ));
        if let Some(why) = &self.not_whole {
            output::print_line(format_args!("         not whole: {why}"));
        }
        match &self.days {
            Some([first, last]) if first == last => {
                output::print_line(format_args!("days     {first} can be closed"))
            }
            Some([first, last]) => {
                output::print_line(format_args!("days     {first} to {last} can be closed"))
            }
            None if self.not_whole.is_some() => {
                output::print_line("days     none can be closed from these states")
            }
            None => output::print_line("days     none can be closed: no day is whole in these states"),
        }
        if let Some(remark) = no_receipts(self.without_receipts) {
            output::print_line(format_args!("receipts {remark}"));
        }
        if let Some(MissingHeights { first_height, last_height, first_day, last_day, reason }) =
            &self.missing_below
        {
            output::print_line(format_args!(
                "missing  heights {first_height} to {last_height} ({first_day} to {last_day}): {reason}"
            ));
        }
    }
}

impl MissingHeights {
    fn of(hole: &chain::Error, clock: Clock) -> Option<Self> {
        let gap = hole.gap()?;
        Some(Self {
            first_height: gap.first.0,
            last_height: gap.last.0,
            first_day: clock.day_of(gap.first).to_string(),
            last_day: clock.day_of(gap.last).to_string(),
            reason: hole.to_string(),
        })
    }
}

/// A remark on tipsets without receipts, if there are any: no public snapshot has them.
pub(super) fn no_receipts(tipsets: usize) -> Option<String> {
    match tipsets {
        0 => None,
        1 => Some("no receipts: 1 tipset will be read from the states".to_owned()),
        tipsets => Some(format!("no receipts: {tipsets} tipsets will be read from the states")),
    }
}
