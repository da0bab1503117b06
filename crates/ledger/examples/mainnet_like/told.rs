//! What a made chain did, for whoever reads it to be held against.

/// Events by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
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
