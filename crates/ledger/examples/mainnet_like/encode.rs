//! DAG-CBOR, links and sets of sectors, as the actors write them.

pub use super::blocks::{NULL, big, bytes, int, link, list, uint};

/// blake2b-256 of a block, which its CID is made of.
pub type Digest = [u8; 32];

/// What the CID of a DAG-CBOR block has before its digest.
pub const CID_PREFIX: [u8; 6] = [0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
/// The same of a sealed sector's: `fil-commitment-sealed`, Poseidon.
const SEALED_PREFIX: [u8; 8] = [0x01, 0x82, 0xe2, 0x03, 0x81, 0xe8, 0x02, 0x20];

/// A link to a block.
pub fn link_to(digest: &Digest) -> Vec<u8> {
    link(&[&CID_PREFIX[..], digest].concat())
}

/// The CID of sealed data that a number stands for.
pub fn sealed(seed: u64) -> Vec<u8> {
    let words = (0..4).flat_map(|word| mix(seed, word).to_le_bytes());
    let digest: Vec<u8> = words.collect();
    link(&[&SEALED_PREFIX[..], &digest].concat())
}

/// An actor's number as an ID address.
pub fn id_address(id: u64) -> Vec<u8> {
    chain::Address::id(id).as_bytes().to_vec()
}

/// Bytes that look like chance, such as proofs and keys.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    (0..).flat_map(|word| mix(seed, word).to_le_bytes()).take(length).collect()
}

/// Two numbers stirred into one that looks like chance (the finish of splitmix64).
pub fn mix(a: u64, b: u64) -> u64 {
    let mut mixed = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.wrapping_add(0x632b_e59b_d9b4_e019);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// A bitfield in RLE+ of numbers in rising order, each once: runs in their shortest forms.
pub fn bitfield<'n>(numbers: impl IntoIterator<Item = &'n u64>) -> Vec<u8> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end == *number => *end += 1,
            _ => runs.push((*number, number + 1)),
        }
    }
    of_runs(&runs)
}

/// The bitfield of the numbers below one.
pub fn below(number: u64) -> Vec<u8> {
    if number == 0 { bytes(&[]) } else { of_runs(&[(0, number)]) }
}

fn of_runs(runs: &[(u64, u64)]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0, 2);
    bits.push(u64::from(runs.first().is_some_and(|(begin, _)| *begin == 0)), 1);
    let mut at = 0;
    for (begin, end) in runs {
        if *begin > at {
            bits.run(begin - at);
        }
        bits.run(end - begin);
        at = *end;
    }
    if at == 0 { bytes(&[]) } else { bytes(&bits.bytes) }
}

/// Bits from the lowest of the first byte on.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, value: u64, bits: usize) {
        for bit in 0..bits {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let byte = self.count / 8;
            self.bytes[byte] |= ((value >> bit & 1) as u8) << (self.count % 8);
            self.count += 1;
        }
    }

    fn run(&mut self, length: u64) {
        match length {
            1 => self.push(1, 1),
            2..16 => self.push(0b10 | length << 2, 6),
            _ => {
                self.push(0, 2);
                let mut rest = length;
                while rest > 0x7f {
                    self.push(rest & 0x7f | 0x80, 8);
                    rest >>= 7;
                }
                self.push(rest, 8);
            }
        }
    }
}
