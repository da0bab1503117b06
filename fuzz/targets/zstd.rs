//! zstd: it ends, within a bound on memory and on what it unfolds to, and the same bytes unfold to the same.
#![no_main]

use chain::fuzzing;
use fuzz as _;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    if let Ok((length, sum)) = fuzzing::decompress(input) {
        assert!(length <= 1000 * input.len() as u64);
        assert!(sum <= 255 * length);
        // What stands twice unfolds twice.
        if length < 1 << 12 {
            assert_eq!(fuzzing::decompress(&[input, input].concat()).ok(), Some((2 * length, 2 * sum)));
        }
    }
});
