//! What reading some files may cost: a bound on all that is done with them and held of them.
//!
//! Hashes make cycles of blocks impossible, but not folding: a few small blocks that link the next one many times are a
//! tree without end, a hundred miners may have one state, and a thousand tipsets two states in turn. No bound on one
//! structure bounds the whole. So everything that is read from a set of files spends from one budget, which is in
//! proportion to the bytes of the files: each block that is asked for, each run of a bitfield, and each thing that is kept.
//!
//! Work is counted in units of about a nanosecond of one core; sixteen are a byte that stays in memory.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::block::Block;
use crate::error::{Error, Result};
use crate::work;

/// Units for each byte of the files as they are given, compressed or not. The real and made chains that tests read spend 8
/// to 125.
const PER_BYTE: u64 = 1000;
/// Units whatever the size: a test chain may be small, and have years of empty days above its genesis.
const FLOOR: u64 = 1_500_000_000;
/// What a thread spends before it is added to the sum of all, at most.
const MAX_QUANTUM: u64 = 1 << 18;
/// The part of a small limit that a thread spends before it is added.
const QUANTA: u64 = 256;
/// Parts in which is counted, so that threads do not wait for each other.
const PARTS: usize = 32;

/// What is left for reading some files. All threads spend from it.
#[derive(Debug)]
pub struct Budget {
    /// Bytes of the files.
    bytes: u64,
    limit: u64,
    quantum: u64,
    spent: AtomicU64,
    parts: [Part; PARTS],
}

/// A counter in a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Part(AtomicU64);

thread_local! {
    /// The part in which this thread counts.
    static PART: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % PARTS
    };
}

impl Budget {
    /// The budget of files of so many bytes together.
    #[must_use]
    pub fn for_bytes(bytes: u64) -> Self {
        let limit = bytes.saturating_mul(PER_BYTE).saturating_add(FLOOR);
        Self::with_limit(bytes, limit)
    }

    /// Of another bound than the files' size gives.
    #[must_use]
    pub fn with_limit(bytes: u64, limit: u64) -> Self {
        let quantum = (limit / QUANTA).clamp(1, MAX_QUANTUM);
        Self { bytes, limit, quantum, spent: AtomicU64::new(0), parts: Default::default() }
    }

    /// Counts a block that was asked for, and passes it on.
    ///
    /// # Errors
    /// As [`Budget::spend`].
    pub fn charge_block<'b>(&self, block: Option<Block<'b>>) -> Result<Option<Block<'b>>> {
        self.spend(work::BLOCK + block.as_ref().map_or(0, |block| block.len() as u64))?;
        Ok(block)
    }

    /// Counts some work.
    ///
    /// # Errors
    /// [`Error::TooMuchWork`] once that is more than the files can need, and from then on always.
    pub fn spend(&self, work: u64) -> Result<()> {
        let part = &self.parts[PART.with(|part| *part)].0;
        // Large pieces are added at once, so that what a part holds is far from overflowing.
        if work >= self.quantum {
            self.add(work);
        } else if part.fetch_add(work, Ordering::Relaxed) + work >= self.quantum {
            self.add(part.swap(0, Ordering::Relaxed));
        }
        if self.spent.load(Ordering::Relaxed) > self.limit {
            return Err(Error::TooMuchWork { block: None, bytes: self.bytes });
        }
        Ok(())
    }

    fn add(&self, work: u64) {
        let add = |spent: u64| Some(spent.saturating_add(work));
        let _ = self.spent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What has been spent so far.
    #[must_use]
    pub fn spent(&self) -> u64 {
        let parts = self.parts.iter().map(|part| part.0.load(Ordering::Relaxed));
        parts.fold(self.spent.load(Ordering::Relaxed), u64::saturating_add)
    }

    /// What may be spent in all.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_in_proportion_to_the_files_and_once_spent_stays_so() {
        let budget = Budget::for_bytes(1_000_000);
        assert_eq!(budget.limit(), 2_500_000_000);
        budget.spend(2_499_000_000).unwrap();
        budget.spend(999_999).unwrap();
        assert_eq!(budget.spent(), 2_499_999_999);
        let said = budget.spend(500_000).unwrap_err().to_string();
        assert!(said.contains("1000000 bytes"), "{said}");
        assert!(budget.spend(0).is_err());
    }

    #[test]
    fn small_pieces_on_several_threads_add_up() {
        let budget = Budget::for_bytes(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..100_000).try_for_each(|_| budget.spend(7)).unwrap());
            }
        });
        assert_eq!(budget.spent(), 2_800_000);
    }

    #[test]
    fn work_without_bound_is_an_error_and_no_overflow() {
        let budget = Budget::for_bytes(u64::MAX);
        assert_eq!(budget.limit(), u64::MAX);
        budget.spend(u64::MAX).unwrap();
        let budget = Budget::for_bytes(1);
        budget.spend(7).unwrap();
        assert!(budget.spend(u64::MAX).is_err() && budget.spend(0).is_err());
    }
}
