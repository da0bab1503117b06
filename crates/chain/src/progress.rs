//! Reporting the progress of long work.

/// The unit in which work is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressUnit {
    /// Bytes of a file.
    Bytes,
    /// Tipsets of a chain.
    Tipsets,
    /// Days of a lake.
    Days,
}

/// Receives the progress of long work, to show it.
pub trait ProgressSink: Send + Sync {
    /// Work of `total` units begins; `task` says what it is, as in "reading long.car.zst".
    fn begin(&self, task: String, total: u64, unit: ProgressUnit);
    /// `done` units of it are done.
    fn at(&self, done: u64);
    /// It is over.
    fn end(&self);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn begin(&self, _task: String, _total: u64, _unit: ProgressUnit) {}
    fn at(&self, _done: u64) {}
    fn end(&self) {}
}
