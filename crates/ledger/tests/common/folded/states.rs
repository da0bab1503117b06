//! States that are folded.

use super::Folded;
use super::blocks::{Blocks, bytes, int, link, list, uint};
use super::chains::{Spine, chain};
use super::kinds::Knobs;
use super::parts;
use super::parts::{
    HEIGHT, Parts, alternating, array, deadline, folded, folded_map, partition, precommit, run, sealed,
    sector, standing, state, state_with_claims,
};

const MINER: u64 = 1000;
const MARKET: u64 = 5;
/// Most partitions that a deadline may claim.
const PARTITIONS: u64 = 4096;

/// What becomes of the miner.
pub enum Miner {
    Stays,
    Comes,
    Changes,
}

/// Partitions whose sets all have a run for each bit.
fn fat(blocks: &mut Blocks, seed: u64, bytes: u64) -> Vec<Vec<u8>> {
    // Two bits make a run of one and one of zeros between; what is not in `sectors` is taken all the same.
    let sets = [(); 5].map(|()| alternating((4 * bytes / 5).clamp(1, 16_000)));
    let (one, mut other) = (partition(blocks, sets.clone(), None), sets);
    other[0] = run(seed, 3);
    vec![one, partition(blocks, other, None)]
}

/// All deadlines link one array, all of whose leaves are one.
pub fn partitions(knobs: Knobs, miner: Miner) -> Folded {
    let mut blocks = Blocks::default();
    let height = knobs.height.min(11);
    let mut write = |seed| {
        let leaf = fat(&mut blocks, seed, knobs.bytes);
        let partitions = folded(&mut blocks, 1, height, &leaf, PARTITIONS);
        Parts::of(&mut blocks, &partitions, true).put(&mut blocks)
    };
    let (one, other) = (write(7), write(70_000));
    let mut with = |head: Option<&Vec<u8>>| {
        let actors: Vec<_> = head.map(|head| (MINER, "storageminer", head.clone())).into_iter().collect();
        state(&mut blocks, &actors)
    };
    let states = match miner {
        Miner::Stays => vec![with(Some(&one))],
        Miner::Comes => vec![with(None), with(Some(&one))],
        Miner::Changes => vec![with(Some(&one)), with(Some(&other))],
    };
    chain(blocks, &Spine { states, ..Spine::of(2) })
}

/// One deadline in all 48 places, with as many partitions as asked for.
pub fn deadlines(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let number = knobs.count.clamp(1, 300);
    let set = alternating(4 * knobs.bytes / number + 1);
    let partitions = (0..number).map(|_| standing(&mut blocks, set.clone(), true)).collect();
    let partitions = array(&mut blocks, 5, partitions);
    let head = Parts::of(&mut blocks, &partitions, true).put(&mut blocks);
    let states = vec![state(&mut blocks, &[]), state(&mut blocks, &[(MINER, "storageminer", head)])];
    chain(blocks, &Spine { states, ..Spine::of(2) })
}

/// Sectors that are there, in one partition.
fn sound(blocks: &mut Blocks, number: u64, faulty: bool) -> Parts {
    let partition = standing(blocks, run(0, number), faulty);
    let partitions = array(blocks, 5, vec![partition]);
    let sectors = array(blocks, 5, (0..number).map(sector).collect());
    let precommits = (number..number + 20).map(|number| precommit(number, &[])).collect();
    let precommits = Some(parts::map(blocks, precommits));
    Parts { sectors: Some(sectors), precommits, ..Parts::of(blocks, &partitions, false) }
}

/// Many miners of one state: at first there are half of them.
pub fn miners(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let head = sound(&mut blocks, (knobs.bytes / 100).max(1), false).put(&mut blocks);
    let number = knobs.count.max(1);
    let mut with = |count| {
        let actor = |id| (MINER + id, "storageminer", head.clone());
        state(&mut blocks, &(0..count).map(actor).collect::<Vec<_>>())
    };
    let states = vec![with(number / 2), with(number)];
    chain(blocks, &Spine { states, ..Spine::of(3) })
}

/// All sectors become faulty and recover, as often as there are tipsets.
pub fn in_turn(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let mut with = |faulty| {
        let head = sound(&mut blocks, (knobs.bytes / 100).max(1), faulty).put(&mut blocks);
        state(&mut blocks, &[(MINER, "storageminer", head)])
    };
    let states = vec![with(false), with(true)];
    chain(blocks, &Spine { states, ..Spine::of(knobs.count) })
}

/// The deadline of a partition ends whose queue is one leaf of two fat entries.
pub fn queue(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let power = list(&[bytes(&[]), bytes(&[])]);
    let set = alternating(4 * knobs.bytes);
    let entry = list(&[set.clone(), set, bytes(&[]), power.clone(), power]);
    let queue = folded(&mut blocks, 1, knobs.height.min(13), &[entry.clone(), entry], 1 << 14);
    let mut with = |gone: bool, open| {
        let sectors = run(0, knobs.count.max(1));
        let terminated = if gone { sectors.clone() } else { bytes(&[]) };
        let none = bytes(&[]);
        let sets = [sectors, none.clone(), none.clone(), none, terminated];
        let one = partition(&mut blocks, sets, Some(queue.clone()));
        let partitions = array(&mut blocks, 5, vec![one]);
        let sectors = array(&mut blocks, 5, (0..knobs.count.clamp(1, 300)).map(sector).collect());
        let parts =
            Parts { sectors: Some(sectors), open, period: -59, ..Parts::of(&mut blocks, &partitions, false) };
        let head = parts.put(&mut blocks);
        state(&mut blocks, &[(MINER, "storageminer", head)])
    };
    let states = vec![with(false, 0), with(true, 1)];
    // The first tipset is the last of deadline 0.
    chain(blocks, &Spine { states, ..Spine::of(3) })
}

/// Bitfields that take long to read and hold little.
pub fn empty_runs(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let sets = [(); 5].map(|()| empty_runs_of(knobs.bytes));
    let one = partition(&mut blocks, sets, None);
    let partitions = folded(&mut blocks, 1, knobs.height.min(11), &[one.clone(), one], PARTITIONS);
    let head = Parts::of(&mut blocks, &partitions, true).put(&mut blocks);
    let states = vec![state(&mut blocks, &[(MINER, "storageminer", head)])];
    chain(blocks, &Spine { states, ..Spine::of(2) })
}

fn empty_runs_of(bytes: u64) -> Vec<u8> {
    parts::empty_runs(usize::try_from(bytes.clamp(2, 32 << 10)).unwrap())
}

/// Pre-commits come, each of which names many deals.
pub fn deals(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let proposal = |_| {
        let (price, party) = (bytes(&[]), bytes(&[0, 1]));
        let dates = [int(HEIGHT + 1000), int(HEIGHT + 900_000)];
        let head = [link(&sealed()), uint(2048), vec![0xf5], party.clone(), party, price.clone()];
        list(&[&head[..], &dates, &[price.clone(), price.clone(), price]].concat())
    };
    let proposals = array(&mut blocks, 5, (0..64).map(proposal).collect());
    let market = blocks.put(list(&[proposals]));
    let named: Vec<u64> = (0..knobs.bytes).map(|deal| deal % 64).collect();
    let precommits = (0..knobs.count.clamp(1, 64)).map(|number| precommit(number, &named)).collect();
    let precommits = Some(parts::map(&mut blocks, precommits));
    let mut with = |precommits: Option<Vec<u8>>| {
        let none = array(&mut blocks, 3, vec![]);
        let deadlines = vec![deadline(&mut blocks, &none)];
        let head = Parts { precommits, deadlines, in_all: true, ..Parts::default() }.put(&mut blocks);
        state(&mut blocks, &[(MINER, "storageminer", head), (MARKET, "storagemarket", market.clone())])
    };
    let states = vec![with(None), with(precommits)];
    chain(blocks, &Spine { states, ..Spine::of(u64::from(knobs.height)) })
}

/// Maps of pre-commits and of claims that are one node.
pub fn map_of(blocks: &mut Blocks, knobs: Knobs) -> Vec<u8> {
    folded_map(blocks, knobs.height.min(50), &[7], &bytes(&vec![0; usize::try_from(knobs.bytes).unwrap()]))
}

/// A miner's pre-commits and the power actor's claims.
pub fn map(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let node = map_of(&mut blocks, knobs);
    let head = Parts { precommits: Some(node.clone()), ..Parts::default() }.put(&mut blocks);
    let before = state(&mut blocks, &[]);
    let after = state_with_claims(&mut blocks, node, &[(MINER, "storageminer", head)]);
    chain(blocks, &Spine { states: vec![before, after], ..Spine::of(2) })
}

/// A miner's sectors.
pub fn sectors(knobs: Knobs) -> Folded {
    let mut blocks = Blocks::default();
    let sectors = folded(&mut blocks, 5, knobs.height.min(11), &vec![sector(0); 32], 1 << 32);
    let all = standing(&mut blocks, run(0, 16_000), false);
    let partitions = array(&mut blocks, 5, vec![all]);
    let parts = Parts::of(&mut blocks, &partitions, true);
    let head = Parts { sectors: Some(sectors), ..parts }.put(&mut blocks);
    let miners: Vec<_> =
        (0..knobs.count.max(1)).map(|id| (MINER + id, "storageminer", head.clone())).collect();
    let states = vec![state(&mut blocks, &[]), state(&mut blocks, &miners)];
    chain(blocks, &Spine { states, ..Spine::of(2) })
}
