//! What folded chains are made of: arrays and maps whose nodes stand in many places, miners, states, messages, tipsets.

use std::collections::BTreeMap;

use chain::{Address, Cid, Reader};
use sha2::{Digest, Sha256};

use super::blocks::{Blocks, NULL, bytes, int, link, list, set, text, uint};

/// The actors version that everything is written as.
pub const ACTORS: u8 = 12;
/// Unix time of mainnet's epoch 0.
const GENESIS: i64 = 1_598_306_400;
/// Sectors of 32 GiB, by their seal proof.
const SEAL_PROOF: u64 = 8;
/// Height of the first tipset.
pub const HEIGHT: i64 = 3_600_000;

/// The CID that a link made by [`Blocks::put`] is of.
pub fn cid(link: &[u8]) -> Cid {
    Cid::try_from(Reader::new(link).link().unwrap()).unwrap()
}

/// The bitfield of every other number below `count`, starting with 0: a run for each bit.
pub fn alternating(count: u64) -> Vec<u8> {
    // Version 00, the first run is of ones, and all runs are of one.
    let mut field = vec![0xff; usize::try_from((3 + 2 * count).div_ceil(8)).unwrap()];
    field[0] = 0xfc;
    bytes(&field)
}

/// The bitfield of one run of numbers from `first` on.
pub fn run(first: u64, count: u64) -> Vec<u8> {
    let mut bits = vec![false; 3];
    for length in [first, count] {
        bits.extend([false, false]);
        let mut rest = length;
        loop {
            let byte = (rest & 0x7f) | u64::from(rest > 0x7f) << 7;
            bits.extend((0..8).map(|bit| byte >> bit & 1 == 1));
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bytes(&bits.chunks(8).map(byte).collect::<Vec<_>>())
}

/// Runs of no length, as many as fit some bytes, and a last one of one.
pub fn empty_runs(length: usize) -> Vec<u8> {
    let mut field = vec![0; length.max(2)];
    field[0] = 0b1100;
    let last = field.len() - 1;
    field[last] = 0b0100_0000;
    bytes(&field)
}

/// A node whose first slots hold these links or values.
fn node(width: u32, links: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<u8> {
    let present = links.len() + values.len();
    let mut bitmap = vec![0; 1 << width.saturating_sub(3)];
    (0..present).for_each(|slot| bitmap[slot / 8] |= 1 << (slot % 8));
    list(&[bytes(&bitmap), list(links), list(values)])
}

/// An array that is one leaf in all places: `height` levels of nodes that each link the one below in every slot. Its root
/// counts what there seems to be, up to a bound.
pub fn folded(blocks: &mut Blocks, width: u32, height: u32, values: &[Vec<u8>], most: u64) -> Vec<u8> {
    let mut below = node(width, &[], values);
    let mut count = values.len() as u64;
    for _ in 0..height {
        let child = blocks.put(below);
        below = node(width, &vec![child; 1 << width], &[]);
        count = count.saturating_mul(1 << width);
    }
    let root = [uint(width.into()), uint(height.into()), uint(count.min(most)), below];
    blocks.put(list(&root))
}

/// As [`folded`], in the old form that messages and receipts are in.
pub fn folded_old(blocks: &mut Blocks, height: u32, values: &[Vec<u8>]) -> Vec<u8> {
    let mut below = node(3, &[], values);
    let mut count = values.len() as u64;
    for _ in 0..height {
        let child = blocks.put(below);
        below = node(3, &vec![child; 8], &[]);
        count *= 8;
    }
    blocks.put(list(&[uint(height.into()), uint(count), below]))
}

/// An array of these values from 0 on.
pub fn array(blocks: &mut Blocks, width: u32, values: Vec<Vec<u8>>) -> Vec<u8> {
    blocks.amt(ACTORS, width, &(0..).zip(values).collect())
}

/// A list in the old form.
pub fn old_array(blocks: &mut Blocks, values: Vec<Vec<u8>>) -> Vec<u8> {
    blocks.amt(2, 3, &(0..).zip(values).collect())
}

/// A map of any size.
pub fn map(blocks: &mut Blocks, entries: Vec<(Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let hashed = entries.into_iter().map(|(key, value)| (Sha256::digest(&key).into(), key, value)).collect();
    let root = map_node(blocks, 0, hashed);
    blocks.put(root)
}

fn map_node(blocks: &mut Blocks, depth: usize, entries: Vec<([u8; 32], Vec<u8>, Vec<u8>)>) -> Vec<u8> {
    let slot_of = |hash: &[u8; 32]| {
        (0..5).fold(0, |slot, bit| {
            let at = depth * 5 + bit;
            slot << 1 | u32::from(hash[at / 8] >> (7 - at % 8) & 1)
        })
    };
    let mut slots: BTreeMap<u32, Vec<_>> = BTreeMap::new();
    for entry in entries {
        slots.entry(slot_of(&entry.0)).or_default().push(entry);
    }
    let bits = slots.keys().fold(0_u32, |bits, slot| bits | 1 << slot);
    let mut pointers = Vec::new();
    for (_, mut of_slot) in slots {
        pointers.push(if of_slot.len() > 3 {
            let below = map_node(blocks, depth + 1, of_slot);
            blocks.put(below)
        } else {
            of_slot.sort_by(|a, b| a.1.cmp(&b.1));
            list(
                &of_slot.iter().map(|(_, key, value)| list(&[bytes(key), value.clone()])).collect::<Vec<_>>(),
            )
        });
    }
    list(&[bytes(&bits.to_be_bytes()), list(&pointers)])
}

/// A map whose every slot links one node, `height` times.
pub fn folded_map(blocks: &mut Blocks, height: u32, key: &[u8], value: &[u8]) -> Vec<u8> {
    let bucket = list(&[list(&[bytes(key), value.to_vec()])]);
    let mut below = list(&[bytes(&u32::MAX.to_be_bytes()), list(&vec![bucket; 32])]);
    for _ in 0..height {
        let child = blocks.put(below);
        below = list(&[bytes(&u32::MAX.to_be_bytes()), list(&vec![child; 32])]);
    }
    blocks.put(below)
}

/// A partition: all, unproven, faulty, recovering, terminated sectors, each as an encoded bitfield, and its queue.
pub fn partition(blocks: &mut Blocks, sets: [Vec<u8>; 5], queue: Option<Vec<u8>>) -> Vec<u8> {
    let none = array(blocks, 3, vec![]);
    let power = list(&[bytes(&[]), bytes(&[])]);
    let queue = queue.unwrap_or_else(|| none.clone());
    let rest = [queue, none, power.clone(), power.clone(), power.clone(), power];
    list(&[&sets[..], &rest].concat())
}

/// The partition of these sectors, all of them active or faulty.
pub fn standing(blocks: &mut Blocks, sectors: Vec<u8>, faulty: bool) -> Vec<u8> {
    let none = bytes(&[]);
    let faults = if faulty { sectors.clone() } else { none.clone() };
    partition(blocks, [sectors, none.clone(), faults, none.clone(), none], None)
}

/// A deadline with these partitions, which an array links.
pub fn deadline(blocks: &mut Blocks, partitions: &[u8]) -> Vec<u8> {
    let none = array(blocks, 3, vec![]);
    let (zero, power) = (uint(0), list(&[bytes(&[]), bytes(&[])]));
    let partitions = partitions.to_vec();
    let fields = [
        partitions.clone(),
        none.clone(),
        set(&[]),
        set(&[]),
        zero.clone(),
        zero,
        power,
        none.clone(),
        none.clone(),
        partitions,
        none,
    ];
    blocks.put(list(&fields))
}

/// A miner's parts that are written already: where they are absent, empty.
#[derive(Clone, Default)]
pub struct Parts {
    /// Its deadlines: one for all of the 48, or the first ones.
    pub deadlines: Vec<Vec<u8>>,
    /// Whether one stands for all.
    pub in_all: bool,
    pub sectors: Option<Vec<u8>>,
    pub precommits: Option<Vec<u8>>,
    /// Begin of its proving period, after [`HEIGHT`], and its open deadline.
    pub period: i64,
    pub open: u64,
}

impl Parts {
    /// Of a miner whose partitions are the same in one deadline, or in all.
    pub fn of(blocks: &mut Blocks, partitions: &[u8], in_all: bool) -> Self {
        Self { deadlines: vec![deadline(blocks, partitions)], in_all, ..Self::default() }
    }

    /// The miner's state.
    pub fn put(&self, blocks: &mut Blocks) -> Vec<u8> {
        let (none, no_map) = (array(blocks, 3, vec![]), map(blocks, vec![]));
        let empty = deadline(blocks, &none);
        let at = |at: usize| {
            let at = if self.in_all { 0 } else { at };
            self.deadlines.get(at).unwrap_or(&empty).clone()
        };
        let deadlines = blocks.put(list(&[list(&(0..48).map(at).collect::<Vec<_>>())]));
        let zero = bytes(&[]);
        let state = [
            none.clone(),
            zero.clone(),
            zero.clone(),
            none.clone(),
            zero.clone(),
            zero,
            self.precommits.clone().unwrap_or(no_map),
            none.clone(),
            none.clone(),
            self.sectors.clone().unwrap_or(none),
            int(HEIGHT + self.period),
            uint(self.open),
            deadlines,
            set(&[]),
            vec![0xf5],
        ];
        blocks.put(list(&state))
    }
}

/// A committed sector.
pub fn sector(number: u64) -> Vec<u8> {
    let zero = bytes(&[]);
    list(&[
        uint(number),
        uint(SEAL_PROOF),
        link(&sealed()),
        list(&[]),
        int(HEIGHT - 1000),
        int(HEIGHT + 1_000_000),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        zero.clone(),
        int(HEIGHT - 1000),
        zero,
        NULL.to_vec(),
        uint(1),
    ])
}

pub fn sealed() -> Vec<u8> {
    chain::dag_cbor_cid(b"sealed").to_bytes()
}

/// Key and value of a pre-commit with some deals.
pub fn precommit(number: u64, deals: &[u64]) -> (Vec<u8>, Vec<u8>) {
    let deals: Vec<_> = deals.iter().map(|deal| uint(*deal)).collect();
    let info = [
        uint(SEAL_PROOF),
        uint(number),
        link(&sealed()),
        int(HEIGHT - 100),
        list(&deals),
        int(HEIGHT + 1_000_000),
        NULL.to_vec(),
    ];
    (key(number), list(&[list(&info), bytes(&[]), int(HEIGHT)]))
}

/// A number as a key: a varint, which is what follows the first byte of its address.
pub fn key(number: u64) -> Vec<u8> {
    Address::id(number).as_bytes()[1..].to_vec()
}

fn code(name: &str) -> Vec<u8> {
    let name = format!("fil/{ACTORS}/{name}");
    [&[1, 0x55, 0, u8::try_from(name.len()).unwrap()], name.as_bytes()].concat()
}

/// A state of some actors by number, name and head, beside a power actor without claims.
pub fn state(blocks: &mut Blocks, actors: &[(u64, &str, Vec<u8>)]) -> Cid {
    let claims = map(blocks, vec![]);
    state_with_claims(blocks, claims, actors)
}

/// The same with the claims' map.
pub fn state_with_claims(blocks: &mut Blocks, claims: Vec<u8>, actors: &[(u64, &str, Vec<u8>)]) -> Cid {
    let none = map(blocks, vec![]);
    let mut fields = vec![bytes(&[]); 11];
    fields.extend([none.clone(), int(7), claims, none]);
    let power = blocks.put(list(&fields));
    let entry = |(id, name, head): &(u64, &str, Vec<u8>)| {
        let actor = [link(&code(name)), head.clone(), uint(0), bytes(&[]), NULL.to_vec()];
        (Address::id(*id).as_bytes().to_vec(), list(&actor))
    };
    let power = entry(&(4, "storagepower", power));
    let entries = actors.iter().map(entry).chain([power]).collect();
    let actors = map(blocks, entries);
    let info = blocks.put(list(&[]));
    let root = blocks.put(list(&[uint(4), actors, info]));
    cid(&root)
}

/// A message from an account with its nonce.
pub fn message(
    blocks: &mut Blocks,
    (from, nonce): (u64, u64),
    to: u64,
    method: u64,
    params: &[u8],
) -> Vec<u8> {
    let (to, from, zero) = (Address::id(to), Address::id(from), bytes(&[]));
    blocks.put(list(&[
        uint(0),
        bytes(to.as_bytes()),
        bytes(from.as_bytes()),
        uint(nonce),
        zero.clone(),
        uint(0),
        zero.clone(),
        zero,
        uint(method),
        bytes(params),
    ]))
}

/// A tipset's blocks: how they differ, and what they all say.
pub struct Header<'a> {
    pub height: i64,
    /// Seconds by which its time is off.
    pub off: i64,
    pub parents: &'a [Vec<u8>],
    pub state: Cid,
    /// Links of the receipts and of the blocks' messages.
    pub receipts: &'a [u8],
    pub messages: &'a [u8],
}

/// Writes some blocks of one tipset.
pub fn headers(blocks: &mut Blocks, header: &Header<'_>, count: u64) -> Vec<Vec<u8>> {
    let mut put = |at: u64| {
        let none = || NULL.to_vec();
        blocks.put(list(&[
            bytes(Address::id(1000 + at).as_bytes()),
            list(&[bytes(&at.to_be_bytes())]),
            list(&[uint(1), bytes(b"proof")]),
            none(),
            none(),
            list(header.parents),
            bytes(&[0, 1]),
            int(header.height),
            link(&header.state.to_bytes()),
            header.receipts.to_vec(),
            header.messages.to_vec(),
            none(),
            int(GENESIS + 30 * header.height + header.off),
            none(),
            none(),
            none(),
        ]))
    };
    (0..count.max(1)).map(&mut put).collect()
}

/// Metadata of a snapshot that names a head's blocks.
pub fn metadata(blocks: &mut Blocks, head: &[Vec<u8>]) -> Vec<u8> {
    let entries =
        [text("Version"), uint(2), text("HeadTipsetKey"), list(head), text("F3Data"), NULL.to_vec()];
    // A map of three.
    blocks.put([vec![0xa3], entries.concat()].concat())
}
