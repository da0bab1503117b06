//! What fuzz targets share: blocks in memory, how an input spells several of them, and a writer of bitfields.

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;

use chain::{Block, BlockStore, Cid, Result, dag_cbor_cid};

/// Largest allocation that an input of under a megabyte may cause.
const LARGEST_ALLOCATION: usize = 64 << 20;

/// The system's allocator, which ends the process when one allocation is too large: the bound holds whether or not a
/// sanitizer watches.
struct Bounded;

// SAFETY: all is the system allocator's; a call beyond the bound does not return.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        within_bounds(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        within_bounds(size);
        // SAFETY: as the caller's.
        unsafe { System.realloc(place, layout, size) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        within_bounds(layout.size());
        // SAFETY: as the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

fn within_bounds(size: usize) {
    if size > LARGEST_ALLOCATION {
        eprintln!("an allocation of {size} bytes");
        std::process::abort();
    }
}

/// Begins a word of [`Blocks`] that stands for something else. In DAG-CBOR it is no item that Filecoin writes.
const ESCAPE: u8 = 0xd9;
/// After [`ESCAPE`]: the byte of [`ESCAPE`] itself.
const ITSELF: u8 = 0xff;
/// After [`ESCAPE`]: the block ends.
const END: u8 = 0xfe;
/// A link's first bytes: tag 42, a byte string of 39 bytes, the zero before a binary CID.
const LINK: [u8; 5] = [0xd8, 0x2a, 0x58, 0x27, 0];

/// Blocks in memory, in the order in which an input spells them.
///
/// An input is its blocks one after the other. In it `d9 fe` ends a block, `d9 n` is a link to block `n`, which must
/// stand before, and `d9 ff` is a plain `d9`. So links resolve although every block's name is its hash, and
/// keep resolving while the fuzzer changes what they point to.
pub struct Blocks {
    by_cid: HashMap<Cid, usize>,
    blocks: Vec<(Cid, Vec<u8>)>,
}

impl Blocks {
    /// Reads an input.
    #[must_use]
    pub fn read(input: &[u8]) -> Self {
        let mut all = Self { by_cid: HashMap::new(), blocks: Vec::new() };
        let (mut block, mut bytes) = (Vec::new(), input.iter().copied());
        while let Some(byte) = bytes.next() {
            if byte != ESCAPE {
                block.push(byte);
                continue;
            }
            match bytes.next() {
                Some(END) if all.blocks.len() < usize::from(END) => all.add(std::mem::take(&mut block)),
                Some(place) if usize::from(place) < all.blocks.len() => {
                    block.extend(LINK);
                    block.extend(all.blocks[usize::from(place)].0.to_bytes());
                }
                Some(ITSELF) | None => block.push(ESCAPE),
                Some(other) => block.extend([ESCAPE, other]),
            }
        }
        if !block.is_empty() {
            all.add(block);
        }
        all
    }

    fn add(&mut self, block: Vec<u8>) {
        let cid = dag_cbor_cid(&block);
        self.by_cid.insert(cid, self.blocks.len());
        self.blocks.push((cid, block));
    }

    /// Spells blocks as an input; links to blocks before become places.
    #[must_use]
    pub fn spell(blocks: &[Vec<u8>]) -> Vec<u8> {
        let names: HashMap<Vec<u8>, u8> = blocks
            .iter()
            .zip(0..END)
            .map(|(block, place)| ([&LINK[..], &dag_cbor_cid(block).to_bytes()].concat(), place))
            .collect();
        let mut input = Vec::new();
        for (block, own) in blocks.iter().zip(0..END) {
            let mut rest = &block[..];
            while let Some(byte) = rest.first() {
                let length = LINK.len() + 38;
                match rest.get(..length).and_then(|name| names.get(name)) {
                    Some(place) if *place < own => {
                        input.extend([ESCAPE, *place]);
                        rest = &rest[length..];
                        continue;
                    }
                    _ if *byte == ESCAPE => input.extend([ESCAPE, ITSELF]),
                    _ => input.push(*byte),
                }
                rest = &rest[1..];
            }
            input.extend([ESCAPE, END]);
        }
        input
    }

    /// The names of all blocks, in their order.
    pub fn names(&self) -> impl Iterator<Item = Cid> {
        self.blocks.iter().map(|(cid, _)| *cid)
    }

    /// The bytes of the last block; none if there is no block.
    #[must_use]
    pub fn last(&self) -> &[u8] {
        self.blocks.last().map_or(&[], |(_, block)| block)
    }

    /// The last block and the one before it, which the targets take for roots: after and before.
    #[must_use]
    pub fn roots(&self) -> Option<(Cid, Cid)> {
        let (after, _) = self.blocks.last()?;
        let (before, _) = self.blocks.iter().rev().nth(1).or(self.blocks.last())?;
        Some((*after, *before))
    }
}

impl BlockStore for Blocks {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        Ok(self.by_cid.get(cid).map(|place| Block::Borrowed(&self.blocks[*place].1)))
    }
}

/// The RLE+ of some numbers in rising order, all but the last run in their shortest form.
#[must_use]
pub fn rle_plus(numbers: &[u64]) -> Vec<u8> {
    let mut runs: Vec<u64> = Vec::new();
    let mut end = 0;
    for number in numbers {
        match runs.last_mut() {
            Some(run) if end == *number => *run += 1,
            None if *number == 0 => runs.push(1),
            _ => runs.extend([number - end, 1]),
        }
        end = number + 1;
    }
    let mut bits = vec![false, false, numbers.first() == Some(&0)];
    let push = |bits: &mut Vec<bool>, value: u64, count: usize| {
        bits.extend((0..count).map(|bit| value >> bit & 1 == 1));
    };
    for run in runs {
        match run {
            1 => push(&mut bits, 1, 1),
            2..16 => {
                push(&mut bits, 0b10, 2);
                push(&mut bits, run, 4);
            }
            _ => {
                push(&mut bits, 0, 2);
                let mut rest = run;
                while rest >= 0x80 {
                    push(&mut bits, rest & 0x7f | 0x80, 8);
                    rest >>= 7;
                }
                push(&mut bits, rest, 8);
            }
        }
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bits.chunks(8).map(byte).collect()
}
