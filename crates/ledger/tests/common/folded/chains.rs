//! Chains of states, and what of them is folded: headers, messages, receipts.

use chain::{Address, Cid};

use super::Folded;
use super::blocks::{Blocks, bytes, int, list, uint};
use super::kinds::Knobs;
use super::parts::{
    self, HEIGHT, Header, Parts, array, cid, folded_old, headers, message, old_array, run, standing, state,
};

const MINER: u64 = 1000;
const MULTISIG: u64 = 2000;
/// Most tipsets that are written.
const TIPSETS: u64 = 2000;

/// A chain: its states in turn, and what hangs from each tipset.
pub struct Spine {
    pub states: Vec<Cid>,
    pub tipsets: u64,
    /// Blocks of each.
    pub blocks: u64,
    /// The messages of each block, and the receipts of all.
    pub messages: Option<Vec<u8>>,
    pub receipts: Option<Vec<u8>>,
}

impl Spine {
    pub fn of(tipsets: u64) -> Self {
        let tipsets = tipsets.clamp(2, TIPSETS);
        Self { states: Vec::new(), tipsets, blocks: 1, messages: None, receipts: None }
    }
}

/// Writes the headers; the roots are those of the last tipset.
pub fn chain(mut blocks: Blocks, spine: &Spine) -> Folded {
    let none = old_array(&mut blocks, vec![]);
    let no_messages = blocks.put(list(&[none.clone(), none.clone()]));
    let mut parents = genesis(&mut blocks, spine.states[0]);
    for (at, state) in (0..spine.tipsets).zip(spine.states.iter().cycle()) {
        let header = Header {
            height: HEIGHT + i64::try_from(at).unwrap(),
            off: 0,
            parents: &parents,
            state: *state,
            receipts: spine.receipts.as_ref().unwrap_or(&none),
            messages: spine.messages.as_ref().unwrap_or(&no_messages),
        };
        parents = headers(&mut blocks, &header, spine.blocks);
    }
    let roots = parents.iter().map(|link| cid(link)).collect();
    Folded::of(blocks, roots)
}

/// A chain of tipsets of one block, with the heights and the seconds by which their times are off, lowest first; and the
/// header of each. Nothing is in its states.
pub fn of_heights(heights: &[(i64, i64)]) -> (Folded, Vec<Cid>) {
    let mut blocks = Blocks::default();
    let state = state(&mut blocks, &[]);
    let none = old_array(&mut blocks, vec![]);
    let messages = blocks.put(list(&[none.clone(), none.clone()]));
    let rises = heights.first().is_some_and(|(height, _)| *height > 0);
    let mut parents = if rises { genesis(&mut blocks, state) } else { vec![nowhere(b"below")] };
    let mut all = Vec::new();
    for (height, off) in heights {
        let (receipts, messages) = (&none, &messages);
        let header = Header { height: *height, off: *off, parents: &parents, state, receipts, messages };
        parents = headers(&mut blocks, &header, 1);
        all.push(cid(&parents[0]));
    }
    (Folded::of(blocks, all.last().copied().into_iter().collect()), all)
}

/// A link to a block that is in no file.
fn nowhere(what: &[u8]) -> Vec<u8> {
    super::blocks::link(&chain::dag_cbor_cid(what).to_bytes())
}

/// A header of genesis, where every chain ends.
fn genesis(blocks: &mut Blocks, state: Cid) -> Vec<Vec<u8>> {
    let (parents, none) = ([nowhere(b"below")], old_array(blocks, vec![]));
    let messages = blocks.put(list(&[none.clone(), none.clone()]));
    let header = Header { height: 0, off: 0, parents: &parents, state, receipts: &none, messages: &messages };
    headers(blocks, &header, 1)
}

/// A block's messages from these, which nobody signs.
fn of_block(blocks: &mut Blocks, messages: Vec<Vec<u8>>) -> Vec<u8> {
    let (bls, secp) = (old_array(blocks, messages), old_array(blocks, vec![]));
    blocks.put(list(&[bls, secp]))
}

/// Receipts that are in no file.
fn lost() -> Option<Vec<u8>> {
    Some(nowhere(b"receipts"))
}

/// A miner of some sectors, and the state in which they are active or faulty.
fn one_miner(blocks: &mut Blocks, sectors: u64, faulty: bool) -> Cid {
    let partition = standing(blocks, run(0, sectors), faulty);
    let partitions = array(blocks, 5, vec![partition]);
    let there = array(blocks, 5, (0..sectors.min(300)).map(parts::sector).collect());
    let parts = Parts::of(blocks, &partitions, false);
    let head = Parts { sectors: Some(there), ..parts }.put(blocks);
    state(blocks, &[(MINER, "storageminer", head)])
}

/// One list of messages in all blocks of all tipsets.
pub fn messages(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let params = vec![0; usize::try_from(knobs.bytes / 16).unwrap()];
    let sent =
        (0..knobs.count.max(1)).map(|nonce| message(&mut blocks, (100, nonce), MINER, 0, &params)).collect();
    let messages = Some(of_block(&mut blocks, sent));
    let states = vec![one_miner(&mut blocks, 10, false), one_miner(&mut blocks, 10, true)];
    let spine =
        Spine { states, blocks: u64::from(knobs.height) * 2, messages, receipts: lost(), ..Spine::of(10) };
    chain(blocks, &spine)
}

/// Receipts with long answers, all of one leaf.
pub fn receipts(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let answer = vec![0; usize::try_from(knobs.bytes).unwrap()];
    let receipt = list(&[uint(0), bytes(&answer), uint(1)]);
    let receipts = Some(folded_old(&mut blocks, knobs.height.min(5), &vec![receipt; 8]));
    let sent = vec![message(&mut blocks, (100, 0), MINER, 0, &[])];
    let messages = Some(of_block(&mut blocks, sent));
    let states = vec![one_miner(&mut blocks, 10, false), one_miner(&mut blocks, 10, true)];
    chain(blocks, &Spine { states, messages, receipts, ..Spine::of(knobs.count) })
}

/// Approvals of a transaction that many have approved.
pub fn multisig(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let address = |id: u64| bytes(Address::id(id).as_bytes());
    let signers: Vec<_> = (0..knobs.bytes.max(2)).map(|at| address(100 + at)).collect();
    let transaction = list(&[address(MINER), bytes(&[]), uint(0), bytes(&[]), list(&signers[1..])]);
    // Transaction 0, by its zigzag varint.
    let pending = parts::map(&mut blocks, vec![(vec![0], transaction)]);
    let mut with = |next: i64| {
        let fields =
            [list(&signers), uint(knobs.bytes + 1), int(next), bytes(&[]), int(0), int(0), pending.clone()];
        let multisig = blocks.put(list(&fields));
        state(&mut blocks, &[(MULTISIG, "multisig", multisig)])
    };
    let states = vec![with(1), with(2)];
    let approval = list(&[int(0), bytes(&[])]);
    let sent =
        (0..knobs.count.max(1)).map(|nonce| message(&mut blocks, (100, nonce), MULTISIG, 3, &approval));
    let sent = sent.collect();
    let messages = Some(of_block(&mut blocks, sent));
    let tipsets = u64::from(knobs.height);
    chain(blocks, &Spine { states, messages, receipts: lost(), ..Spine::of(tipsets) })
}

/// Aggregates (method 26) that name as many sectors as one may.
pub fn aggregates(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let params = list(&[run(0, 1 << 16), bytes(&[])]);
    let sent = (0..knobs.count.max(1)).map(|nonce| message(&mut blocks, (100, nonce), MINER, 26, &params));
    let sent = sent.collect();
    let messages = Some(of_block(&mut blocks, sent));
    let states = vec![one_miner(&mut blocks, 10, false), one_miner(&mut blocks, 10, true)];
    let tipsets = u64::from(knobs.height);
    chain(blocks, &Spine { states, messages, receipts: lost(), ..Spine::of(tipsets) })
}

/// Tipsets of many blocks, each of which names all of the tipset before.
pub fn many_headers(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let states = vec![state(&mut blocks, &[])];
    chain(blocks, &Spine { states, blocks: (knobs.bytes / 160).min(256), ..Spine::of(knobs.count / 25) })
}

/// Metadata that names the same head as often as asked for.
pub fn metadata(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let states = vec![state(&mut blocks, &[])];
    let Folded { mut blocks, roots, .. } = chain(blocks, &Spine { states, ..Spine::of(2) });
    let head = super::blocks::link(&roots[0].to_bytes());
    let named = vec![head; usize::try_from(knobs.bytes * 4).unwrap()];
    let root = parts::metadata(&mut blocks, &named);
    Folded::of(blocks, vec![cid(&root)])
}

/// Partitions that claim sectors of which there is nothing, all of which become faulty, and declarations of that.
pub fn claimed_nowhere(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let number = knobs.count.max(1);
    let mut with = |faulty| {
        let each = |at: u64| run(at << 14, 1 << 14);
        let partitions = (0..number).map(|at| standing(&mut blocks, each(at), faulty)).collect();
        let partitions = array(&mut blocks, 5, partitions);
        let head = Parts::of(&mut blocks, &partitions, false).put(&mut blocks);
        state(&mut blocks, &[(MINER, "storageminer", head)])
    };
    let states = vec![with(false), with(true)];
    let place = list(&[uint(0), uint(0), run(0, 60_000)]);
    let params = list(&[list(&vec![place; usize::try_from(knobs.bytes / 64 + 1).unwrap()])]);
    let methods = [8, 9, 10, 11].into_iter().cycle();
    let sent = (0..u64::from(knobs.height)).zip(methods);
    let sent =
        sent.map(|(nonce, method)| message(&mut blocks, (100, nonce), MINER, method, &params)).collect();
    let messages = Some(of_block(&mut blocks, sent));
    chain(blocks, &Spine { states, messages, receipts: lost(), ..Spine::of(3) })
}
