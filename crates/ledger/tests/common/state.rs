//! Small states of any actors version, written down as the blocks a chain would hold: one miner, whose sectors are all
//! in one partition, and the market's deals. Two of them that differ in one thing show what the differ makes of it.
#![allow(unreachable_pub, clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use chain::{
    Address, Block, BlockStore, Cid, Epoch, Executed, Message, MinerId, Receipt, Transition, message_cid,
};
use ledger::{Differ, Event};
use sha2::{Digest, Sha256};

pub const MINER: MinerId = MinerId(1000);
const MARKET: u64 = 5;
/// Sectors of 32 GiB, by their seal proof.
pub const SIZE: i128 = 32 << 30;
const SEAL_PROOF: u64 = 8;

/// A sector on chain.
#[derive(Clone, Copy)]
pub struct Sector {
    pub number: u64,
    pub activation: i64,
    /// From when its power counts; not the activation if it was snapped (in actors v7 to v11) or extended (later).
    pub power_base: i64,
    pub expiration: i64,
    pub verified_weight: i128,
    /// Stands for its sealed CID.
    pub sealed: u8,
    /// The flag of actors v19: ten times its size whatever it holds.
    pub full_qap: bool,
}

/// A pre-commit on chain.
#[derive(Clone)]
pub struct Precommit {
    pub number: u64,
    pub epoch: i64,
    pub expiration: i64,
    pub deals: Vec<u64>,
    /// Stored with it up to actors v8.
    pub verified_weight: i128,
}

/// A deal of the market.
#[derive(Clone, Copy)]
pub struct Deal {
    pub id: u64,
    pub size: u64,
    pub verified: bool,
    pub start: i64,
    pub end: i64,
}

/// A state.
#[derive(Clone, Default)]
pub struct State {
    pub actors: u8,
    /// Before the miner was created.
    pub without_miner: bool,
    /// The proving period that began with this epoch, and which of its deadlines is open.
    pub period_start: i64,
    pub open_deadline: u64,
    /// Deadline and index of the partition.
    pub seat: (u64, u64),
    pub sectors: Vec<Sector>,
    pub unproven: Vec<u64>,
    pub faults: Vec<u64>,
    pub recoveries: Vec<u64>,
    pub terminated: Vec<u64>,
    /// The queue of expirations: epoch, sectors that leave on time, sectors that leave early.
    pub queue: Vec<(u64, Vec<u64>, Vec<u64>)>,
    pub precommits: Vec<Precommit>,
    pub deals: Vec<Deal>,
}

/// A message to the miner: method, parameters, what it returned.
pub type Sent = (u64, Vec<u8>, Vec<u8>);

/// Tells `differ` of a tipset at `height` that led from one state to the other.
pub fn events(differ: &mut Differ, before: &State, after: &State, height: i64, sent: &[Sent]) -> Vec<Event> {
    let mut blocks = Blocks::default();
    let (before, after) = (before.put(&mut blocks), after.put(&mut blocks));
    let executed = |(nonce, (method, params, returned)): (u64, &Sent)| {
        let (to, from) = (Address::id(MINER.0), Address::id(100));
        let zero = bytes(&[]);
        let message = list(&[
            uint(0),
            bytes(to.as_bytes()),
            bytes(from.as_bytes()),
            uint(nonce),
            zero.clone(),
            uint(0),
            zero.clone(),
            zero,
            uint(*method),
            bytes(params),
        ]);
        Executed {
            message: Message::decode(&message).unwrap(),
            receipt: Receipt { exit_code: 0, returned: returned.clone() },
        }
    };
    let messages = (0..).zip(sent).map(executed).collect();
    let transition = Transition { height: Epoch(height), before, after, messages };
    differ.events(&blocks, &transition).unwrap()
}

/// Lets `differ` open a chain whose first state this is.
pub fn open(differ: &mut Differ, state: &State, height: i64) -> Vec<Event> {
    let mut blocks = Blocks::default();
    let root = state.put(&mut blocks);
    differ.open(&blocks, &root, Epoch(height)).unwrap()
}

/// Blocks in memory.
#[derive(Default)]
struct Blocks(HashMap<Cid, Vec<u8>>);

impl BlockStore for Blocks {
    fn get(&self, cid: &Cid) -> chain::Result<Option<Block<'_>>> {
        Ok(self.0.get(cid).map(|block| Block::Borrowed(block)))
    }
}

impl Blocks {
    /// Keeps a block and links it.
    fn put(&mut self, block: Vec<u8>) -> Vec<u8> {
        let cid = message_cid(&block);
        self.0.insert(cid, block);
        link(&cid.to_bytes())
    }

    /// An array; before actors v3 of the old form, three bits wide.
    fn amt(&mut self, actors: u8, width: u32, values: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
        let width = if actors < 3 { 3 } else { width };
        let last = values.keys().last().copied().unwrap_or(0);
        let height = (0..).find(|height| last >> (width * (height + 1)) == 0).unwrap();
        let node = self.amt_node(width, height, 0, values);
        let mut root = vec![uint(height.into()), uint(values.len() as u64), node];
        if actors >= 3 {
            root.insert(0, uint(width.into()));
        }
        self.put(list(&root))
    }

    fn amt_node(&mut self, width: u32, height: u32, first: u64, values: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
        let span = 1_u64 << (width * height);
        let (mut bitmap, mut links, mut leaves) = (vec![0; 1 << width.saturating_sub(3)], vec![], vec![]);
        for slot in 0..1_u64 << width {
            let begin = first + slot * span;
            let inside = values.range(begin..begin + span).map(|(at, value)| (*at, value.clone())).collect();
            let inside: BTreeMap<u64, Vec<u8>> = inside;
            let Some(value) = inside.values().next() else { continue };
            bitmap[slot as usize / 8] |= 1 << (slot % 8);
            if height == 0 {
                leaves.push(value.clone());
            } else {
                let child = self.amt_node(width, height - 1, begin, &inside);
                links.push(self.put(child));
            }
        }
        list(&[bytes(&bitmap), list(&links), list(&leaves)])
    }

    /// A map so small that it is one node; before actors v3 its pointers are maps.
    fn hamt(&mut self, actors: u8, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
        let mut slots: BTreeMap<u8, BTreeMap<&[u8], &[u8]>> = BTreeMap::new();
        for (key, value) in entries {
            slots.entry(Sha256::digest(key)[0] >> 3).or_default().insert(key, value);
        }
        let bits = slots.keys().fold(0_u32, |bits, slot| bits | 1 << slot);
        let pointers: Vec<_> = slots
            .values()
            .map(|bucket| {
                let pairs: Vec<_> =
                    bucket.iter().map(|(key, value)| list(&[bytes(key), value.to_vec()])).collect();
                let bucket = list(&pairs);
                // {"1": bucket}
                if actors < 3 { [vec![0xa1, 0x61, b'1'], bucket].concat() } else { bucket }
            })
            .collect();
        self.put(list(&[bytes(&bits.to_be_bytes()), list(&pointers)]))
    }
}

impl State {
    /// Writes the state down and returns its root.
    fn put(&self, blocks: &mut Blocks) -> Cid {
        let (miner, market) = (self.miner(blocks), self.market(blocks));
        let actors = [(MINER.0, "storageminer", miner), (MARKET, "storagemarket", market)];
        let entry = |(id, name, head): (u64, &str, Vec<u8>)| {
            // Actors are told by the name that their code CID spells, which works for every version.
            let name = format!("fil/{}/{name}", self.actors);
            let code = [&[1, 0x55, 0, name.len() as u8], name.as_bytes()].concat();
            let mut actor = vec![link(&code), head, uint(0), bytes(&[])];
            if self.actors >= 10 {
                actor.push(NULL.to_vec());
            }
            (Address::id(id).as_bytes().to_vec(), list(&actor))
        };
        let entries: Vec<_> = actors.into_iter().skip(usize::from(self.without_miner)).map(entry).collect();
        let mut root = blocks.hamt(self.actors, &entries);
        if self.actors > 1 {
            let info = blocks.put(list(&[]));
            root = blocks.put(list(&[uint(u64::from(self.actors)), root, info]));
        }
        Cid::try_from(chain::Reader::new(&root).link().unwrap()).unwrap()
    }

    /// The market's state, of which only the proposals are ever read.
    fn market(&self, blocks: &mut Blocks) -> Vec<u8> {
        let proposal = |deal: &Deal| {
            let (size, verified) = (uint(deal.size), vec![if deal.verified { 0xf5 } else { 0xf4 }]);
            let (piece, party, price) = (link(&sealed_cid(0)), bytes(&[0, 1]), bytes(&[]));
            let (start, end) = (int(deal.start), int(deal.end));
            let parties = [party.clone(), party, bytes(&[])];
            let rest = [start, end, price.clone(), price.clone(), price];
            (deal.id, list(&[&[piece, size, verified][..], &parties, &rest].concat()))
        };
        let proposals = blocks.amt(self.actors, 5, &self.deals.iter().map(proposal).collect());
        blocks.put(list(&[proposals]))
    }

    fn miner(&self, blocks: &mut Blocks) -> Vec<u8> {
        let none = blocks.amt(self.actors, 3, &BTreeMap::new());
        let precommits: Vec<_> = self.precommits.iter().map(|precommit| self.precommit(precommit)).collect();
        let precommits = blocks.hamt(self.actors, &precommits);
        let sectors = self.sectors.iter().map(|sector| (sector.number, self.sector(sector))).collect();
        let sectors = blocks.amt(self.actors, 5, &sectors);
        let partition = self.partition(blocks);
        let deadline = self.deadline(blocks, &BTreeMap::from([(self.seat.1, partition)]));
        let empty = self.deadline(blocks, &BTreeMap::new());
        let deadlines: Vec<_> =
            (0..48).map(|at| if at == self.seat.0 { deadline.clone() } else { empty.clone() }).collect();
        let deadlines = blocks.put(list(&[list(&deadlines)]));
        let (zero, early_terminations) = (bytes(&[]), set(&[]));
        let vesting = if self.actors >= 16 { NULL.to_vec() } else { none.clone() };
        let mut state = vec![none.clone(), zero.clone(), zero.clone(), vesting, zero.clone()];
        if self.actors > 1 {
            state.insert(4, zero);
        }
        state.extend([precommits, none.clone(), none, sectors]);
        state.extend([int(self.period_start), uint(self.open_deadline), deadlines, early_terminations]);
        if self.actors >= 4 {
            state.push(vec![0xf5]);
        }
        blocks.put(list(&state))
    }

    fn deadline(&self, blocks: &mut Blocks, partitions: &BTreeMap<u64, Vec<u8>>) -> Vec<u8> {
        let none = blocks.amt(self.actors, 3, &BTreeMap::new());
        let partitions = blocks.amt(self.actors, 3, partitions);
        let (zero, power) = (uint(0), list(&[bytes(&[]), bytes(&[])]));
        let mut deadline =
            vec![partitions, none.clone(), set(&[]), set(&[]), zero.clone(), zero, power.clone()];
        let links = match self.actors {
            ..3 => 0,
            3..7 => 3,
            7.. => 4,
        };
        deadline.extend(vec![none; links]);
        if self.actors >= 16 {
            deadline.extend([power, bytes(&[])]);
        }
        blocks.put(list(&deadline))
    }

    fn partition(&self, blocks: &mut Blocks) -> Vec<u8> {
        let power = list(&[bytes(&[]), bytes(&[])]);
        let entry = |(epoch, on_time, early): &(u64, Vec<u64>, Vec<u64>)| {
            let mut entry = vec![set(on_time), set(early), bytes(&[]), power.clone(), power.clone()];
            if self.actors >= 16 {
                entry.push(bytes(&[]));
            }
            (*epoch, list(&entry))
        };
        let queue = blocks.amt(self.actors, 4, &self.queue.iter().map(entry).collect());
        let early_terminated = blocks.amt(self.actors, 3, &BTreeMap::new());
        let sectors: Vec<_> = self.sectors.iter().map(|sector| sector.number).collect();
        let all = [&sectors[..], &self.terminated].concat();
        let mut partition = vec![set(&all), set(&self.faults), set(&self.recoveries), set(&self.terminated)];
        partition.extend([queue, early_terminated, power.clone(), power.clone(), power.clone()]);
        if self.actors > 1 {
            partition.insert(1, set(&self.unproven));
            partition.push(power);
        }
        list(&partition)
    }

    fn sector(&self, sector: &Sector) -> Vec<u8> {
        let snapped = sector.power_base != sector.activation;
        let overwritten = snapped && (7..12).contains(&self.actors);
        let activation = if overwritten { sector.power_base } else { sector.activation };
        let zero = bytes(&[]);
        let reward = if self.actors >= 16 { NULL.to_vec() } else { zero.clone() };
        let mut fields = vec![
            uint(sector.number),
            uint(SEAL_PROOF),
            link(&sealed_cid(sector.sealed)),
            list(&[]),
            int(activation),
            int(sector.expiration),
            zero.clone(),
            big(sector.verified_weight),
            zero.clone(),
            reward.clone(),
            reward.clone(),
        ];
        let age = if overwritten { sector.power_base - sector.activation } else { 0 };
        match self.actors {
            ..2 => {}
            2..12 => fields.extend([int(age), reward]),
            12.. => fields.extend([int(sector.power_base), reward]),
        }
        if self.actors >= 7 {
            fields.push(if snapped { link(&sealed_cid(0)) } else { NULL.to_vec() });
        }
        match self.actors {
            ..9 => {}
            9..12 => fields.push(vec![0xf5]),
            12.. => fields.push(uint(1 | u64::from(sector.full_qap) << 1)),
        }
        // Sectors from before actors v16 stay without the daily fee.
        if self.actors >= 16 && sector.number % 2 == 0 {
            fields.push(zero);
        }
        list(&fields)
    }

    fn precommit(&self, precommit: &Precommit) -> (Vec<u8>, Vec<u8>) {
        let mut info = precommit_info(precommit);
        if self.actors >= 9 {
            info.truncate(6);
            info.push(NULL.to_vec());
        }
        let mut value = vec![list(&info), bytes(&[]), int(precommit.epoch)];
        if self.actors < 9 {
            value.extend([bytes(&[]), big(precommit.verified_weight)]);
        }
        // The key is the number as a varint: what follows the first byte of its address.
        (Address::id(precommit.number).as_bytes()[1..].to_vec(), list(&value))
    }
}

/// What methods 6 and 25 are sent of a sector.
pub fn precommit_info(precommit: &Precommit) -> Vec<Vec<u8>> {
    let deals: Vec<_> = precommit.deals.iter().map(|deal| uint(*deal)).collect();
    let replaced = [vec![0xf4], uint(0), uint(0), uint(0)];
    let info = [
        uint(SEAL_PROOF),
        uint(precommit.number),
        link(&sealed_cid(1)),
        int(precommit.epoch - 100),
        list(&deals),
        int(precommit.expiration),
    ];
    [&info[..], &replaced].concat()
}

fn sealed_cid(seed: u8) -> Vec<u8> {
    message_cid(&[seed]).to_bytes()
}

pub const NULL: [u8; 1] = [0xf6];

fn head(major: u8, value: u64) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let (short, rest) = match value {
        0..24 => (value as u8, &bytes[8..]),
        24..0x100 => (24, &bytes[7..]),
        0x100..0x1_0000 => (25, &bytes[6..]),
        0x1_0000..0x1_0000_0000 => (26, &bytes[4..]),
        _ => (27, &bytes[..]),
    };
    [&[major << 5 | short], rest].concat()
}

pub fn uint(value: u64) -> Vec<u8> {
    head(0, value)
}

pub fn int(value: i64) -> Vec<u8> {
    if value < 0 { head(1, !value as u64) } else { head(0, value as u64) }
}

pub fn bytes(value: &[u8]) -> Vec<u8> {
    [&head(2, value.len() as u64), value].concat()
}

pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [head(4, items.len() as u64), items.concat()].concat()
}

/// A big integer that is not negative.
fn big(value: i128) -> Vec<u8> {
    if value == 0 { bytes(&[]) } else { bytes(&[&[0], &value.to_be_bytes()[1..]].concat()) }
}

fn link(cid: &[u8]) -> Vec<u8> {
    [vec![0xd8, 42], bytes(&[&[0], cid].concat())].concat()
}

/// A bitfield in RLE+: each number as a run of zeros of any length and a run of one.
pub fn set(numbers: &[u64]) -> Vec<u8> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers.dedup();
    // The version, and that the first run is one of zeros.
    let mut bits = vec![false; 3];
    let mut next = 0;
    for number in numbers {
        // A run as a varint may be empty, too.
        let mut rest = number - next;
        bits.extend([false, false]);
        loop {
            let byte = (rest & 0x7f) | u64::from(rest > 0x7f) << 7;
            bits.extend((0..8).map(|bit| byte >> bit & 1 == 1));
            rest >>= 7;
            if rest == 0 {
                break;
            }
        }
        bits.push(true);
        next = number + 1;
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    bytes(&bits.chunks(8).map(byte).collect::<Vec<_>>())
}
