//! The ends of a miner's deadlines, at which its cron ran.

use chain::state::Miner;
use chain::{Epoch, Transition};

/// Deadlines of a proving period (`WPoStPeriodDeadlines`).
pub(super) const DEADLINES: i64 = 48;
/// Epochs of a deadline (`WPoStChallengeWindow`).
pub(super) const WINDOW: i64 = 60;
/// Epochs of a proving period (`WPoStProvingPeriod`), a day's.
pub(super) const PERIOD: i64 = DEADLINES * WINDOW;
/// More proving periods than a sector ever lives, which is five years: a bound on what a hostile height can ask for.
const MOST_PERIODS: usize = 1 << 11;

/// When the deadlines of a miner ended during a transition: at the ends that lie after the parent's height and up to
/// the tipset's, if the deadline that the state calls the current one moved on.
///
/// The proving period that a state names may be days old (from actors v4 it is set only when deadline 0 opens, while
/// cron may have slept before), so it gives only the epochs at which periods begin, modulo their length
/// (`NewDeadlineInfoFromOffsetAndEpoch` in specs-actors v4 `miner_state.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeadlineEnds {
    /// An epoch at which a proving period begins, below its length.
    offset: i64,
    /// The first epoch and the last that count; none do if the first is higher.
    first: Epoch,
    last: Epoch,
}

impl DeadlineEnds {
    /// None at all.
    pub(super) const NONE: Self = Self { offset: 0, first: Epoch(1), last: Epoch(0) };

    /// Of a miner that is there before and after.
    pub(super) fn between(old: &Miner<'_>, new: &Miner<'_>, transition: &Transition) -> Self {
        let at = |miner: &Miner<'_>| (miner.proving_period_start, miner.current_deadline);
        if at(old) == at(new) { Self::NONE } else { Self::since(old, transition, transition.height) }
    }

    /// Of a miner of actors v1 that a message of the tipset deleted: those of the null rounds before, for its cron
    /// never slept.
    pub(super) fn until_deletion(old: &Miner<'_>, transition: &Transition) -> Self {
        Self::since(old, transition, transition.height + -1)
    }

    fn since(old: &Miner<'_>, transition: &Transition, last: Epoch) -> Self {
        let current = i64::try_from(old.current_deadline).unwrap_or(0);
        // What cron has brought the miner to is behind it, however far back the parent is said to be.
        let opened = old.proving_period_start + current * WINDOW;
        let first =
            if transition.parent < transition.height { opened.max(transition.parent + 1) } else { opened };
        Self { offset: old.proving_period_start.0.rem_euclid(PERIOD), first, last }
    }

    /// The epochs at which a deadline ended, in rising order.
    pub(super) fn of(self, deadline: u64) -> impl Iterator<Item = Epoch> + Clone {
        let end = i64::try_from(deadline).unwrap_or(0) * WINDOW + WINDOW - 1 + self.offset;
        let first = self.first + (end - self.first.0.rem_euclid(PERIOD)).rem_euclid(PERIOD);
        (0..)
            .map(move |period: i64| first + period * PERIOD)
            .take(MOST_PERIODS)
            .take_while(move |epoch| *epoch <= self.last && *epoch >= self.first)
    }

    /// How often each deadline ended, at most.
    pub(super) fn periods(self) -> u64 {
        let epochs = u64::try_from(self.last - self.first).unwrap_or(0);
        (epochs / PERIOD as u64 + 1).min(MOST_PERIODS as u64)
    }

    /// Whether a deadline ended at all.
    pub(super) fn ended(self, deadline: u64) -> bool {
        self.of(deadline).next().is_some()
    }

    /// The first epoch at which any deadline ended.
    pub(super) fn first(self) -> Option<Epoch> {
        let end = self.offset + WINDOW - 1;
        let first = self.first + (end - self.first.0.rem_euclid(WINDOW)).rem_euclid(WINDOW);
        (first >= self.first && first <= self.last).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(first: i64, last: i64, deadline: u64) -> Vec<i64> {
        let ends = DeadlineEnds { offset: 100, first: Epoch(first), last: Epoch(last) };
        ends.of(deadline).map(|epoch| epoch.0).collect()
    }

    #[test]
    fn a_deadline_ends_once_a_day_after_its_offset() {
        assert_eq!(ends(0, 10_000, 0), [159, 3039, 5919, 8799]);
        assert_eq!(ends(160, 3039, 0), [3039]);
        assert_eq!(ends(0, 10_000, 47), [99, 2979, 5859, 8739]);
        assert_eq!(ends(160, 3038, 0), [0; 0]);
    }

    #[test]
    fn the_first_end_is_that_of_whichever_deadline_comes_first() {
        let first =
            |first, last| DeadlineEnds { offset: 100, first: Epoch(first), last: Epoch(last) }.first();
        assert_eq!(first(0, 38), None);
        assert_eq!(first(0, 39), Some(Epoch(39)));
        assert_eq!(first(40, 5000), Some(Epoch(99)));
        assert_eq!(DeadlineEnds::NONE.first(), None);
    }

    #[test]
    fn heights_that_no_chain_has_ask_for_bounded_work() {
        assert_eq!(ends(i64::MIN, i64::MAX, 3).len(), MOST_PERIODS);
        assert!(ends(i64::MAX, i64::MAX, 3).len() <= MOST_PERIODS);
    }
}
