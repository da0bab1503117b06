//! CARs in indexed zstd: what is found has its hash, and a whole file gives what decompressing it from start to end gives.
#![no_main]

use chain::{Cid, fuzzing};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

/// Content that is looked up block by block.
const MOST: u64 = 1 << 16;

fuzz_target!(|input: &[u8]| {
    let Some(car) = fuzzing::Indexed::open(input.to_vec()) else { return };
    let whole = car.is_whole();
    let root = car.roots().first().copied();
    for cid in root.into_iter().chain([Cid::default()]) {
        let _ = car.get(&cid);
    }
    let Some(content) = fuzzing::decompressed(input, MOST) else { return };
    let Ok((_, _, sections)) = fuzzing::car_header(&content) else { return };
    let mut offset = sections.start;
    while let Ok((cid, data)) = fuzzing::car_section(&content, offset) {
        let good = fuzzing::car_check(&content, offset).is_ok();
        match car.get(&cid) {
            // The first of several blocks of one name may be meant, so only what is good is compared.
            Ok(Some(block)) if good => assert_eq!(*block, content[data.clone()]),
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => assert!(!whole || !good, "the index leads to every block of a whole file"),
        }
        offset = data.end;
        if offset >= content.len() {
            return;
        }
    }
});
