//! Folded chains of every kind: whatever the numbers, each way of reading ends within its budget of work.
#![no_main]

#[path = "../../crates/ledger/tests/common/folded/mod.rs"]
mod folded;

use std::sync::atomic::Ordering;

use folded::{Kind, WAYS};
use libfuzzer_sys::fuzz_target;

/// Units of work, a fraction of what the smallest file is granted, so that an input takes milliseconds.
const MOST: u64 = 4_000_000;
/// What threads may have spent that is not added up yet.
const LEFT_OVER: u64 = 10_000_000;

fuzz_target!(|input: &[u8]| {
    let Some(mut folded) = Kind::fuzzed(input) else { return };
    for (name, way) in WAYS {
        folded = folded.with_most(MOST);
        folded.largest.store(0, Ordering::Relaxed);
        // Refused or read to its end: either is well.
        let _ = way(&folded, &folded.roots);
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
        let pieces = folded.largest.load(Ordering::Relaxed).saturating_mul(threads);
        assert!(folded.budget.spent() < (MOST + LEFT_OVER).saturating_add(pieces), "{name}");
    }
});
