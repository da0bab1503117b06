//! What a miner's calendar refutes: calls for deadlines that were not theirs to be made for at that height.

use chain::Epoch;
use chain::state::MinerCall;

use super::super::deadline_ends::{DEADLINES, PERIOD, WINDOW};

/// Epochs before a deadline opens from which on faults and recoveries are declared no more (`FaultDeclarationCutoff`).
const DECLARATION_CUTOFF: i64 = 70;

/// The position of a height in a miner's proving period. Source: builtin-actors, `actors/miner/src/deadlines.rs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ProvingSchedule {
    /// Epochs since a deadline 0 opened.
    elapsed: i64,
}

impl ProvingSchedule {
    /// Of a height, for a miner one of whose proving periods begins at `start`. The start may be long ago: it tells by
    /// its place in a period only.
    pub(super) fn at(height: Epoch, start: Epoch) -> Self {
        Self { elapsed: (height - start).rem_euclid(PERIOD) }
    }

    /// Epochs until the deadline opens; none if it is open. `None` if there is no such deadline.
    fn opens_in(self, deadline: u64) -> Option<i64> {
        let deadline = i64::try_from(deadline).ok().filter(|deadline| *deadline < DEADLINES)?;
        let since = (self.elapsed - deadline * WINDOW).rem_euclid(PERIOD);
        Some(if since < WINDOW { 0 } else { PERIOD - since })
    }

    /// Whether the deadline is open.
    pub(super) fn is_open(self, deadline: u64) -> bool {
        self.opens_in(deadline) == Some(0)
    }

    /// Whether the deadline is open or the next: what is in it cannot be terminated or snapped.
    pub(super) fn is_immutable(self, deadline: u64) -> bool {
        self.opens_in(deadline).is_none_or(|epochs| epochs <= WINDOW)
    }

    /// Whether it is too late to declare faults and recoveries for the deadline.
    pub(super) fn is_past_declaring(self, deadline: u64) -> bool {
        self.opens_in(deadline).is_none_or(|epochs| epochs <= DECLARATION_CUTOFF)
    }

    /// Whether the call failed as a whole for the deadlines that it names.
    pub(super) fn refutes(self, op: &MinerCall, version: u8) -> bool {
        match op {
            MinerCall::Post { deadline, .. } => !self.is_open(*deadline),
            MinerCall::Dispute { deadline, .. } => self.is_open(*deadline),
            MinerCall::DeclareFaults(places) | MinerCall::DeclareRecoveries(places) => {
                places.iter().any(|place| self.is_past_declaring(place.deadline))
            }
            // In actors v1 and v2 a sector could be terminated at any time.
            MinerCall::Terminate(places) => {
                version >= 3 && places.iter().any(|place| self.is_immutable(place.deadline))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(elapsed: i64) -> ProvingSchedule {
        ProvingSchedule::at(Epoch(7 * PERIOD + 100 + elapsed), Epoch(100))
    }

    #[test]
    fn a_deadline_is_open_for_sixty_epochs_and_immutable_for_the_sixty_before() {
        for (elapsed, open, immutable) in [
            (539, false, false),
            (540, false, true),
            (599, false, true),
            (600, true, true),
            (659, true, true),
            (660, false, false),
        ] {
            assert_eq!(at(elapsed).is_open(10), open, "{elapsed}");
            assert_eq!(at(elapsed).is_immutable(10), immutable, "{elapsed}");
        }
        // The first deadline of the next period.
        assert!(at(PERIOD - 60).is_immutable(0) && !at(PERIOD - 61).is_immutable(0));
    }

    #[test]
    fn declarations_end_seventy_epochs_before_a_deadline_opens() {
        for (elapsed, past) in [(529, false), (530, true), (600, true), (659, true), (660, false)] {
            assert_eq!(at(elapsed).is_past_declaring(10), past, "{elapsed}");
        }
    }

    #[test]
    fn a_proving_period_that_starts_later_tells_as_well() {
        assert!(ProvingSchedule::at(Epoch(100), Epoch(100 + 3 * PERIOD)).is_open(0));
        assert!(ProvingSchedule::at(Epoch(99), Epoch(100)).is_open(47));
    }

    #[test]
    fn there_are_48_deadlines() {
        assert!(!at(0).is_open(48) && at(0).is_immutable(48) && at(0).is_past_declaring(u64::MAX));
    }
}
