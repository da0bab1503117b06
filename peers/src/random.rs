//! Made-up contents, the same in each run.

use cid::Cid;
use cid::multihash::Multihash;
use fvm_ipld_bitfield::BitField;

/// Multicodec of sealed sectors' commitments, and their hash.
const SEALED: (u64, u64) = (0xf102, 0xb401);
/// Multicodec of unsealed data's commitments, and their hash.
const UNSEALED: (u64, u64) = (0xf101, 0x1012);

/// A generator of numbers (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that yields what its seed says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.any() % bound
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// An epoch of up to six million; its encoding takes one to five bytes.
    pub fn epoch(&mut self) -> i64 {
        let scale = [20, 200, 60_000, 6_000_000][self.below(4) as usize];
        self.below(scale) as i64 + 1
    }

    /// A quantity of any width up to 110 bits, zero now and then: weights, powers, amounts.
    pub fn quantity(&mut self) -> u128 {
        let wide = u128::from(self.any()) << 64 | u128::from(self.any());
        wide.checked_shr(self.below(110) as u32 + 18).unwrap_or(0) * u128::from(!self.once_in(8))
    }

    /// The commitment of sealed data.
    pub fn sealed(&mut self) -> Cid {
        self.commitment(SEALED)
    }

    /// The commitment of unsealed data.
    pub fn unsealed(&mut self) -> Cid {
        self.commitment(UNSEALED)
    }

    fn commitment(&mut self, (codec, hash): (u64, u64)) -> Cid {
        let digest: Vec<u8> = (0..4).flat_map(|_| self.any().to_le_bytes()).collect();
        Cid::new_v1(codec, Multihash::wrap(hash, &digest).expect("32 bytes fit"))
    }

    /// Some of the numbers: each with a chance of one in `times`.
    pub fn some_of(&mut self, numbers: &[u64], times: u64) -> BitField {
        let chosen = numbers.iter().copied().filter(|_| self.once_in(times));
        BitField::try_from_bits(chosen.collect::<Vec<_>>()).expect("small numbers")
    }
}
