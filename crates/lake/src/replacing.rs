//! Closing days again: what a replacement puts in the place of closed days, and what becomes of the days after them.

use chain::Day;
use datafusion::arrow::array::RecordBatch;

use crate::day_files::DayFiles;

/// Days that are being closed again. Nothing of it is seen before all of it is committed at once.
pub(crate) struct Replacing {
    /// The first day that is closed again.
    pub(crate) from: Day,
    /// The files of the days closed again so far.
    pub(crate) files: Vec<DayFiles>,
    /// The last of these days, its rows, and its state root.
    pub(crate) last: Option<(Day, RecordBatch, String)>,
}

/// What closing days again has done to the days after them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Later {
    /// Days whose rows were made anew from their own events.
    pub kept: u64,
    /// Days that stood on another state and were given up.
    pub dropped: u64,
}
