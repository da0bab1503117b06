//! Telling a face how far long work has come.

/// What work is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a file.
    Bytes,
    /// Tipsets of a chain.
    Tipsets,
    /// Days of a lake.
    Days,
}

/// Told about long work, so that a face can show it.
pub trait Progress: Send + Sync {
    /// Work of `total` units begins; `task` says what it is, as in "reading long.car.zst".
    fn begin(&self, task: String, total: u64, unit: Unit);
    /// `done` units of it are done.
    fn at(&self, done: u64);
    /// It is over.
    fn end(&self);
}

/// Shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn begin(&self, _task: String, _total: u64, _unit: Unit) {}
    fn at(&self, _done: u64) {}
    fn end(&self) {}
}
