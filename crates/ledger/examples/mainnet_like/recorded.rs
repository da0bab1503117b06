//! What a made chain did, for comparison with what is read from it.

/// Events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    pub precommitted: usize,
    pub onboarded: usize,
    pub proven: usize,
    pub faults: usize,
    pub recovered: usize,
    pub extended: usize,
    pub snapped: usize,
    pub expired: usize,
    pub terminated: usize,
}
