//! A re-closing under way, and what became of the later days.

use chain::Day;

use crate::close::day_changes::DayChange;
use crate::close::day_files::DayFiles;
use crate::writer::last_day::LastDay;

/// Days that are being closed again. Readers see nothing of it before one commit publishes all of it.
pub(crate) struct Reclosing {
    /// The first day that is closed again.
    pub(crate) from: Day,
    /// The files of the days closed again so far.
    pub(crate) files: Vec<DayFiles>,
    /// The last of these days, and its state root.
    pub(crate) last: Option<(LastDay, String)>,
    /// What it changes.
    pub(crate) changes: Vec<DayChange>,
}

/// What a re-closing has done to the later days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaterDays {
    /// Days whose rows were made anew from their own events.
    pub kept: u64,
    /// Days that depended on another state and were dropped.
    pub dropped: u64,
    /// What has changed on the days closed again and on those whose rows were made anew, in their order: how messages are
    /// known, rows or events. Days that were not closed before are not among them.
    pub changes: Vec<DayChange>,
}
