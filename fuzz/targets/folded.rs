//! Folded chains of every kind: whatever the numbers, each way of reading ends within its budget of work.
#![no_main]

#[path = "../../crates/ledger/tests/common/folded/mod.rs"]
mod folded;

use std::sync::atomic::Ordering;

use folded::{Kind, WAYS};
use libfuzzer_sys::fuzz_target;

/// Units of work of the smallest limit, and how often it may be doubled. Any limit has to be kept, and one that is soon spent
/// lets an input take a fraction of a millisecond.
const LEAST: u64 = 1 << 14;
const DOUBLINGS: u32 = 8;
/// Parts of a limit that threads may have spent and not added up.
const LEFT_OVER: u64 = 8;

fuzz_target!(|input: &[u8]| {
    let Some(mut folded) = Kind::fuzzed(input) else { return };
    // Each further doubling is half as frequent.
    let limit = LEAST << input.get(6).map_or(0, |byte| byte.trailing_zeros().min(DOUBLINGS));
    for (name, way) in WAYS {
        folded = folded.with_most(limit);
        folded.largest.store(0, Ordering::Relaxed);
        // Refused or read to its end: either is well.
        let _ = way(&folded, &folded.roots);
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
        let pieces = folded.largest.load(Ordering::Relaxed).saturating_mul(threads);
        assert!(folded.budget.spent() < (limit + limit / LEFT_OVER).saturating_add(pieces), "{name}");
    }
});
