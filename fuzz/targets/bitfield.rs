//! Bitfields: they read as the actors read them, and the operations obey the laws of sets.
//!
//! An input is the length of the first bitfield, in two bytes, and two bitfields.
#![no_main]

use chain::SectorSet;
use fuzz::rle_plus;
use fvm_ipld_bitfield::BitField;
use libfuzzer_sys::fuzz_target;

/// Sets of more numbers are not unfolded.
const MOST: u64 = 1 << 8;

fuzz_target!(|input: &[u8]| {
    let Some((length, rest)) = input.split_first_chunk::<2>() else { return };
    let (a, b) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*length))));
    let (Some(a), Some(b)) = (decoded(a), decoded(b)) else { return };
    let (union, both) = (a.union(&b), a.intersection(&b));
    let (only_a, only_b) = (a.difference(&b), b.difference(&a));
    let either = a.symmetric_difference(&b);
    let count = |set: &SectorSet| u128::from(set.len());
    assert_eq!(count(&a) + count(&b), count(&union) + count(&both));
    assert_eq!(count(&a), count(&only_a) + count(&both));
    assert_eq!(union, b.union(&a));
    assert_eq!(both, b.intersection(&a));
    assert_eq!(either, only_a.union(&only_b));
    assert_eq!(either, union.difference(&both));
    assert_eq!(only_a.union(&both), a);
    assert!(only_a.intersection(&b).is_empty());
    assert_eq!(SectorSet::union_of([&only_b, &both, &only_a, &a]), union);
    assert_eq!(a.union(&a), a);
    assert!(a.difference(&a).is_empty() && a.symmetric_difference(&a).is_empty());
    for number in union.iter().take(16).chain(either.iter().take(16)) {
        for number in [number.saturating_sub(1), number, number.saturating_add(1)] {
            let (in_a, in_b) = (a.contains(number), b.contains(number));
            assert_eq!(union.contains(number), in_a || in_b);
            assert_eq!(both.contains(number), in_a && in_b);
            assert_eq!(only_a.contains(number), in_a && !in_b);
            assert_eq!(either.contains(number), in_a != in_b);
        }
    }
});

fn decoded(bytes: &[u8]) -> Option<SectorSet> {
    let (ours, theirs) = (SectorSet::decode(bytes), BitField::from_bytes(bytes));
    // The actors refuse what is not in its shortest form, as older ones did not.
    if let Ok(theirs) = &theirs {
        let ours = ours.as_ref().expect("the actors read it");
        assert_eq!(ours.len(), theirs.len());
        for range in theirs.ranges().take(64) {
            assert!(ours.contains(range.start) && ours.contains(range.end - 1));
            assert!(range.start == 0 || !ours.contains(range.start - 1));
            assert!(!ours.contains(range.end));
        }
    }
    let set = ours.ok()?;
    assert_eq!(set.is_empty(), set.iter().next().is_none());
    if set.len() <= MOST {
        let numbers: Vec<u64> = set.iter().collect();
        assert!(numbers.is_sorted_by(|a, b| a < b));
        assert_eq!(numbers.len() as u64, set.len());
        assert_eq!(SectorSet::from_numbers(numbers.clone()), set);
        assert_eq!(SectorSet::decode(&rle_plus(&numbers)).ok().as_ref(), Some(&set));
    }
    Some(set)
}
