//! CAR files: sections follow each other without a gap to the end, and each is found by its hash.
#![no_main]

use chain::{Cid, fuzzing};
use fuzz as _;
use libfuzzer_sys::fuzz_target;

/// An index of more sections is not made here.
const MOST: usize = 1 << 10;

fuzz_target!(|input: &[u8]| {
    let Ok((version, roots, sections)) = fuzzing::car_header(input) else { return };
    assert!(version == 1 || version == 2);
    assert!(!roots.is_empty() && roots.len() < input.len());
    assert!(sections.start <= sections.end && sections.end <= input.len());
    let car = &input[..sections.end];
    let (mut found, mut offset): (Vec<(Cid, usize)>, _) = (Vec::new(), sections.start);
    while offset < car.len() {
        let Ok((cid, data)) = fuzzing::car_section(car, offset) else { break };
        assert!(offset < data.start && data.start <= data.end && data.end <= car.len());
        let name = cid.to_bytes();
        assert_eq!(&car[data.start - name.len()..data.start], name);
        let checked = fuzzing::car_check(car, offset);
        let hash = cid.hash();
        if hash.code() == 0 {
            assert_eq!(checked.is_ok(), hash.digest() == &car[data.clone()]);
        }
        found.push((cid, offset));
        offset = data.end;
    }
    if found.len() > MOST {
        return;
    }
    let index = fuzzing::index_of(&found).expect("in memory");
    let cids: Vec<Cid> = found.iter().map(|(cid, _)| *cid).collect();
    let places = fuzzing::looked_up(index.clone(), &cids).expect("it was made just now");
    for ((_, offset), places) in found.iter().zip(&places) {
        assert!(places.contains(&(*offset as u64)));
    }
    let mut damaged = index;
    let at = input.len() * 7 % damaged.len();
    damaged[at] ^= 1 << (input.len() % 8);
    assert!(fuzzing::looked_up(damaged, &cids).is_none_or(|found| found == places));
});
