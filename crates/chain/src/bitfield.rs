//! Sets of sector numbers, as bitfields hold them.
//!
//! On chain a bitfield is a byte string in RLE+, read from the lowest bit of the first byte on:
//!
//! ```text
//! 00 (version)  b (value of the first run)  then runs of alternating value, each one of
//!   1                    a run of one
//!   01 llll              a run of 1..15
//!   00 varint            a run of any length
//! ```
//!
//! A [`SectorSet`] keeps the runs of ones as sorted, disjoint, non-touching ranges; all operations are merges of
//! such lists, so that their cost grows with runs, not with sectors.

use std::ops::Range;

use crate::block::BlockStore;
use crate::cbor::Reader;
use crate::error::{Error, Result};
use crate::work;

/// Longest encoding the actors accept (`fvm_ipld_bitfield::MAX_ENCODED_SIZE`).
const LONGEST: usize = 32 << 10;

/// A set of sector numbers (or partition indices), as sorted ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SectorSet {
    ranges: Vec<Range<u64>>,
}

impl SectorSet {
    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { ranges: Vec::new() }
    }

    /// Decodes RLE+.
    ///
    /// # Errors
    /// If the bytes are too many, of another version, or their runs pass 2^64.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > LONGEST {
            return Err(Error::malformed("a bitfield longer than the actors accept"));
        }
        let mut bits = Bits::new(bytes);
        if bits.take(2) != 0 {
            return Err(Error::malformed("a bitfield of an unknown version"));
        }
        let mut set = Self::new();
        let mut value = bits.take(1) == 1;
        let mut at = 0_u64;
        while bits.any_left() {
            let length = bits.run()?;
            let end = at.checked_add(length).ok_or_else(|| Error::malformed("a bitfield beyond 2^64"))?;
            if value {
                set.push(at..end);
            }
            at = end;
            value = !value;
        }
        Ok(set)
    }

    /// Reads an encoded set of a block, and counts that as work with the store that the block is from.
    ///
    /// # Errors
    /// As [`SectorSet::decode`], and if that is more work than the store allows.
    pub(crate) fn read(reader: &mut Reader<'_>, store: &dyn BlockStore) -> Result<Self> {
        let bytes = reader.bytes()?;
        let set = Self::decode(bytes)?;
        if !bytes.is_empty() {
            store.spend(work::BITFIELD_BYTE * bytes.len() as u64 + work::RUN * set.runs() as u64)?;
        }
        Ok(set)
    }

    /// The set of these numbers, in any order. 2^64 − 1 is none of them: no encoded set holds it either, since a run ends
    /// at 2^64 − 1 at most, and the actors accept no sector of a number above 2^63 − 1.
    #[must_use]
    pub fn from_numbers(mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let mut set = Self::new();
        for number in numbers {
            if set.ranges.last().is_none_or(|last| last.end <= number) {
                set.push(number..number.saturating_add(1));
            }
        }
        set
    }

    /// Appends a range at or after the end.
    fn push(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
    }

    /// How many numbers are in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.ranges.iter().fold(0, |sum, range| sum.saturating_add(range.end - range.start))
    }

    /// How many runs of numbers it is: what it takes in memory.
    #[must_use]
    pub const fn runs(&self) -> usize {
        self.ranges.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the number is in it.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        let after = self.ranges.partition_point(|range| range.start <= number);
        after > 0 && self.ranges[after - 1].end > number
    }

    /// Whether a number of the range is in it.
    pub(crate) fn meets(&self, range: &Range<u64>) -> bool {
        let first = self.ranges.partition_point(|own| own.end <= range.start);
        !range.is_empty() && self.ranges.get(first).is_some_and(|own| own.start < range.end)
    }

    /// The numbers in rising order. The caller bounds how many it takes: a hostile set may hold 2^64.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges.iter().flat_map(Range::clone)
    }

    /// What is in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a || b)
    }

    /// What is in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a && b)
    }

    /// What is in this one only.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a && !b)
    }

    /// What is in exactly one of the two.
    #[must_use]
    pub fn symmetric_difference(&self, other: &Self) -> Self {
        self.merge(other, |a, b| a != b)
    }

    /// The union of many sets, pairwise, so that large families stay cheap.
    #[must_use]
    pub fn union_of<'a>(sets: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sets: Vec<Self> = sets.into_iter().filter(|set| !set.is_empty()).cloned().collect();
        while sets.len() > 1 {
            sets = sets
                .chunks(2)
                .map(|pair| match pair {
                    [a, b] => a.union(b),
                    rest => rest.iter().fold(Self::new(), |all, set| all.union(set)),
                })
                .collect();
        }
        sets.pop().unwrap_or_default()
    }

    /// Walks over both lists' boundaries in order and keeps the stretches for which `keep(in a, in b)`.
    fn merge(&self, other: &Self, keep: impl Fn(bool, bool) -> bool) -> Self {
        let boundary = |ranges: &[Range<u64>], index: usize| {
            ranges.get(index / 2).map(|range| if index.is_multiple_of(2) { range.start } else { range.end })
        };
        let mut merged = Self::new();
        let (mut a, mut b) = (0, 0);
        let mut from = 0;
        loop {
            let (next_a, next_b) = (boundary(&self.ranges, a), boundary(&other.ranges, b));
            let Some(next) = next_a.into_iter().chain(next_b).min() else {
                return merged;
            };
            if keep(a % 2 == 1, b % 2 == 1) {
                merged.push(from..next);
            }
            from = next;
            a += usize::from(next_a == Some(next));
            b += usize::from(next_b == Some(next));
        }
    }
}

/// A union that sets are added to one by one: it takes as much memory as the union itself, however many they are.
#[derive(Debug, Default)]
pub struct SectorSetUnion {
    /// Ranges in any order.
    ranges: Vec<Range<u64>>,
    /// How many they may become before they are brought into order.
    most: usize,
}

impl SectorSetUnion {
    /// Ranges that are gathered before they are first brought into order.
    const FEW: usize = 1 << 12;

    /// Adds a set.
    pub fn add(&mut self, set: &SectorSet) {
        self.ranges.extend_from_slice(&set.ranges);
        if self.ranges.len() > self.most.max(Self::FEW) {
            self.settle();
            // Twice as many as there are, so that each is sorted a few times at most.
            self.most = 2 * self.ranges.len();
        }
    }

    /// The union of all sets added.
    #[must_use]
    pub fn set(mut self) -> SectorSet {
        self.settle();
        self.ranges.shrink_to_fit();
        SectorSet { ranges: self.ranges }
    }

    /// Sorts the ranges and joins those that touch.
    fn settle(&mut self) {
        // Those of each set are sorted already, which this sort makes use of.
        self.ranges.sort_by_key(|range| range.start);
        self.ranges.dedup_by(|next, last| {
            let touches = next.start <= last.end;
            if touches {
                last.end = last.end.max(next.end);
            }
            touches
        });
    }
}

/// Bits from the lowest of the first byte on; beyond the end all are 0.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last bit that is set ends: what follows is padding.
    end: usize,
}

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let last = bytes.iter().rposition(|byte| *byte != 0);
        let end = last.map_or(0, |last| 8 * last + (u8::BITS - bytes[last].leading_zeros()) as usize);
        Self { bytes, at: 0, end }
    }

    fn take(&mut self, count: usize) -> u64 {
        (0..count).fold(0, |value, bit| {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let set = u64::from(byte >> (self.at % 8) & 1);
            self.at += 1;
            value | set << bit
        })
    }

    /// Whether a bit is set from here on.
    const fn any_left(&self) -> bool {
        self.at < self.end
    }

    fn run(&mut self) -> Result<u64> {
        if self.take(1) == 1 {
            return Ok(1);
        }
        if self.take(1) == 1 {
            return Ok(self.take(4));
        }
        let mut length = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(8);
            if shift == 63 && byte > 1 {
                break;
            }
            length |= (byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(length);
            }
        }
        Err(Error::malformed("a bitfield with a run beyond 2^64"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ranges: &[Range<u64>]) -> SectorSet {
        SectorSet { ranges: ranges.to_vec() }
    }

    #[test]
    fn rle_plus_decodes_runs_of_every_form() {
        // version 00, first value 1, run of one "1", short run of 5 "01 1010", long run of 20 "00 00101000"
        let bits = "00".to_owned() + "1" + "1" + "01" + "1010" + "00" + "00101000";
        let mut bytes = vec![0_u8; bits.len().div_ceil(8)];
        for (at, bit) in bits.bytes().enumerate() {
            bytes[at / 8] |= (bit - b'0') << (at % 8);
        }
        assert_eq!(SectorSet::decode(&bytes).ok(), Some(set(&[0..1, 6..26])));
        assert_eq!(SectorSet::decode(&[]).ok(), Some(SectorSet::new()));
        assert!(SectorSet::decode(&[3]).is_err());
    }

    #[test]
    fn padding_is_no_run_and_zeros_before_the_last_bit_are() {
        // version 00, first value 1, a run of one, zeros to the end of the byte and beyond: padding.
        assert_eq!(SectorSet::decode(&[0b1100, 0, 0]).ok(), Some(SectorSet::from_numbers(vec![0])));
        // The same zeros with a bit behind them: runs of no length, then one of one.
        let mut bytes = vec![0_u8; LONGEST];
        bytes[0] = 0b1100;
        bytes[LONGEST - 2] = 0b0100_0000;
        assert_eq!(SectorSet::decode(&bytes).ok().map(|set| set.len()), Some(2));
        bytes.push(0);
        assert!(SectorSet::decode(&bytes).is_err());
    }

    #[test]
    fn no_set_holds_the_last_number_of_64_bits_since_no_encoded_one_can() {
        let last = u64::MAX - 1;
        assert_eq!(SectorSet::from_numbers(vec![u64::MAX, last, 0]), SectorSet::from_numbers(vec![0, last]));
        assert!(SectorSet::from_numbers(vec![last]).contains(last));
        // Version 00, first value 0, then runs whose lengths are varints: 2^64 - 1 zeros, and one number set.
        let zeros = (0..9).fold(1_u128 << 72, |varint, at| varint | 0xff << (8 * at));
        let encoded = |one: u128| (zeros << 5 | one << 85).to_le_bytes();
        assert!(SectorSet::decode(&encoded(0)).expect("zeros alone").is_empty());
        assert!(SectorSet::decode(&encoded(1)).is_err(), "the set's end would be 2^64");
    }

    #[test]
    fn a_union_of_many_sets_is_theirs_and_no_larger_than_it_must_be() {
        let of = |sets: &[SectorSet]| {
            let mut union = SectorSetUnion::default();
            sets.iter().for_each(|set| union.add(set));
            union
        };
        assert_eq!(of(&[]).set(), SectorSet::new());
        let sets: Vec<_> = (0..500_u64)
            .map(|at| {
                SectorSet::from_numbers((0..at % 37).map(|step| at * 7 % 211 + step * (1 + at % 5)).collect())
            })
            .collect();
        assert_eq!(of(&sets).set(), SectorSet::union_of(&sets));
        // The same sets over and over take no more than once.
        let many: Vec<_> = sets.iter().cycle().take(50_000).cloned().collect();
        let union = of(&many);
        assert!(union.ranges.len() <= SectorSetUnion::FEW + 37);
        assert_eq!(union.set(), SectorSet::union_of(&sets));
    }

    #[test]
    fn operations_agree_with_their_meaning_number_by_number() {
        let a = set(&[0..4, 6..7, 10..20]);
        let b = set(&[2..6, 7..8, 12..14, 30..31]);
        for number in 0..40 {
            let (in_a, in_b) = (a.contains(number), b.contains(number));
            assert_eq!(a.union(&b).contains(number), in_a || in_b);
            for end in number..40 {
                assert_eq!(a.meets(&(number..end)), (number..end).any(|number| a.contains(number)));
            }
            assert_eq!(a.intersection(&b).contains(number), in_a && in_b);
            assert_eq!(a.difference(&b).contains(number), in_a && !in_b);
            assert_eq!(a.symmetric_difference(&b).contains(number), in_a != in_b);
        }
        assert_eq!(a.union(&b), set(&[0..8, 10..20, 30..31]));
        assert_eq!(SectorSet::union_of([&a, &b, &a]), a.union(&b));
        assert_eq!(SectorSet::from_numbers(vec![3, 1, 2, 9, 1]), set(&[1..4, 9..10]));
        assert_eq!(a.len(), 15);
    }
}
