//! Chance from a seed.

use chain::{Cid, EPOCHS_PER_DAY};

use super::sector::{MOST_PARTS, Sector};

/// Most sectors of a message.
pub(super) const BATCH: usize = 16;
/// Longest life in days that a sector is committed to; on average it is a quarter of that.
pub(super) const LONGEST: usize = 360;

/// Chance from a seed (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 if that is 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.roll()) * end as u128) >> 64) as usize
    }

    pub(super) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    pub(super) fn quality(&mut self, from: u16) -> u16 {
        // Most sectors are of quality 1.
        if self.below(2) == 0 { from } else { from + self.below(usize::from(MOST_PARTS - from) + 1) as u16 }
    }

    /// Epochs of some days.
    pub(super) fn life(&mut self) -> i64 {
        let longest = self.below(LONGEST);
        EPOCHS_PER_DAY * (1 + self.below(longest + 1) as i64) + self.below(EPOCHS_PER_DAY as usize) as i64
    }

    /// Takes up to [`BATCH`] of some sectors.
    pub(super) fn draw(&mut self, from: &mut Vec<Sector>) -> Vec<Sector> {
        let many = (1 + self.below(BATCH)).min(from.len());
        (0..many).map(|_| self.draw_one(from)).collect()
    }

    pub(super) fn draw_one(&mut self, from: &mut Vec<Sector>) -> Sector {
        from.swap_remove(self.below(from.len()))
    }

    /// A CID that no block of this world has.
    pub(super) fn cid(&mut self) -> Cid {
        // CIDv1, DAG-CBOR, blake2b-256, 32 bytes.
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&[0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20]);
        bytes[6..].chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&self.roll().to_le_bytes()));
        Cid::try_from(&bytes[..]).unwrap_or_default()
    }
}
