//! Small states of any actors version, written down as the blocks a chain would hold: one miner, whose sectors are all
//! in one partition, and the market's deals. Two of them that differ in one thing show what the differ makes of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "blocks.rs"]
mod blocks;

use std::collections::BTreeMap;

use chain::{
    Address, Cid, Epoch, ExecutedMessage, Message, MinerId, Receipt, SectorNumber, Transition, dag_cbor_cid,
};
use ledger::checks::check_day;
use ledger::{Differ, Event};

pub use blocks::{Blocks, NULL, big, bytes, int, link, list, set, text, uint};

pub const MINER: MinerId = MinerId(1000);
const SYSTEM: u64 = 0;
const POWER: u64 = 4;
const MARKET: u64 = 5;
const VERIFIED_REGISTRY: u64 = 6;
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
    /// What it pays a day, from actors v16 on; sectors of odd numbers have no such field.
    pub daily_fee: i128,
}

impl Sector {
    /// One that holds nothing.
    pub const fn empty(number: u64, activation: i64, expiration: i64) -> Self {
        Self {
            number,
            activation,
            power_base: activation,
            expiration,
            verified_weight: 0,
            sealed: 1,
            full_qap: false,
            daily_fee: 0,
        }
    }
}

/// A pre-commit on chain.
#[derive(Clone, Default)]
pub struct Precommit {
    pub number: u64,
    pub epoch: i64,
    pub expiration: i64,
    pub deals: Vec<u64>,
    /// Stored with it up to actors v8.
    pub verified_weight: i128,
    /// The sector that it is to replace, which it can say up to actors v8.
    pub replaces: Option<u64>,
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
    /// Codes that no publication has, which only the state's own manifest names; with the published ones that stand beside
    /// them in it.
    pub unpublished: Option<Vec<(&'static str, &'static str)>>,
    /// The power actor's state: of how many fields it is, and the miner's claim in bytes, raw and quality-adjusted.
    pub power: Option<(usize, i128, i128)>,
    /// Before the miner was created.
    pub without_miner: bool,
    /// The proving period that began with this epoch, and which of its deadlines is open.
    pub period_start: i64,
    pub open_deadline: u64,
    /// Deadline and index of the partition.
    pub location: (u64, u64),
    /// Whether the partition's proof is in.
    pub posted: bool,
    pub sectors: Vec<Sector>,
    pub unproven: Vec<u64>,
    pub faults: Vec<u64>,
    pub recoveries: Vec<u64>,
    pub terminated: Vec<u64>,
    /// The queue of expirations: epoch, sectors that leave on time, sectors that leave early.
    pub queue: Vec<(u64, Vec<u64>, Vec<u64>)>,
    pub precommits: Vec<Precommit>,
    pub deals: Vec<Deal>,
    /// The verified registry's claims of the miner: number and padded bytes.
    pub claims: Vec<(u64, u64)>,
    /// Sectors whose verified space is spread when they are extended (v9 on; before, that of all is).
    pub non_simple: Vec<u64>,
    /// The partitions that each proof accepted without a check proves: those since the deadlines opened, and those of the
    /// snapshot from when they closed.
    pub proofs: Vec<Vec<u64>>,
    pub proofs_snapshot: Vec<Vec<u64>>,
    /// The sectors active in the snapshot of the partition.
    pub partition_snapshot: Vec<u64>,
    pub multisigs: Vec<Multisig>,
}

/// A multisig: its number, signers and threshold, the id of its next transaction, and what waits for approvals: ids,
/// transactions as `[to, value, method, params]` and who has approved.
#[derive(Clone, Default)]
pub struct Multisig {
    pub number: u64,
    pub signers: Vec<u64>,
    pub threshold: u64,
    pub next: i64,
    pub pending: Vec<(i64, Vec<Vec<u8>>, Vec<u64>)>,
    /// Whether its state is in no file.
    pub absent: bool,
}

/// A message to the miner: method, parameters, what it returned.
pub type Sent = (u64, Vec<u8>, Vec<u8>);

/// The events that `differ` derives for a tipset at `height` between two states. They pass every check.
pub fn events(differ: &mut Differ, before: &State, after: &State, height: i64, sent: &[Sent]) -> Vec<Event> {
    events_since(differ, before, after, (height - 1, height), sent)
}

/// The same of a tipset whose parent's height is the first of the two, and its own the second.
pub fn events_since(
    differ: &mut Differ,
    before: &State,
    after: &State,
    heights: (i64, i64),
    sent: &[Sent],
) -> Vec<Event> {
    let executed = |(nonce, (method, params, returned)): (u64, &Sent)| ExecutedMessage {
        message: message((100, nonce), MINER.0, *method, params),
        receipt: Some(Receipt { exit_code: 0, returned: returned.clone() }),
    };
    derived_since(differ, before, after, heights, (0..).zip(sent).map(executed).collect())
}

/// As [`events`], of any messages.
pub fn derived(
    differ: &mut Differ,
    before: &State,
    after: &State,
    height: i64,
    messages: Vec<ExecutedMessage>,
) -> Vec<Event> {
    derived_since(differ, before, after, (height - 1, height), messages)
}

/// As [`derived`], of a tipset whose parent's height is the first of the two.
pub fn derived_since(
    differ: &mut Differ,
    before: &State,
    after: &State,
    (parent, height): (i64, i64),
    messages: Vec<ExecutedMessage>,
) -> Vec<Event> {
    let mut blocks = Blocks::default();
    let (before, after) = (before.put(&mut blocks), after.put(&mut blocks));
    let (parent, epoch) = (Epoch(parent), Epoch(height));
    let transition = Transition { height: epoch, parent, before, after, messages };
    let events = differ.events(&blocks, &transition).unwrap();
    assert_eq!(check_day(&events, Epoch(height)..Epoch(height) + 1), [], "{events:#?}");
    events
}

/// A message from an account, with its nonce, to an actor.
pub fn message((from, nonce): (u64, u64), to: u64, method: u64, params: &[u8]) -> Message {
    let (to, from) = (Address::id(to), Address::id(from));
    let zero = bytes(&[]);
    let fields = [
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
    ];
    Message::decode(&list(&fields)).unwrap()
}

/// Lets `differ` open a chain whose first state this is.
pub fn open(differ: &mut Differ, state: &State, height: i64) -> Vec<Event> {
    let mut blocks = Blocks::default();
    let root = state.put(&mut blocks);
    differ.open(&blocks, &root, Epoch(height)).unwrap()
}

/// A differ that resumes at a state and knows the first activation of one sector.
pub fn gone_on(state: &State, sector: u64, first: i64) -> Differ {
    let mut blocks = Blocks::default();
    let root = state.put(&mut blocks);
    let mut differ = Differ::new();
    differ.resume_from(&blocks, &root, vec![(MINER, SectorNumber(sector), Epoch(first))]).unwrap();
    differ
}

/// The blocks of a state, and its root.
pub fn written(state: &State) -> (Blocks, Cid) {
    let mut blocks = Blocks::default();
    let root = state.put(&mut blocks);
    (blocks, root)
}

impl State {
    /// Writes the state down and returns its root.
    fn put(&self, blocks: &mut Blocks) -> Cid {
        let (miner, market) = (self.miner(blocks), self.market(blocks));
        let mut actors = vec![(MINER.0, "storageminer", miner), (MARKET, "storagemarket", market)];
        if !self.claims.is_empty() {
            actors.push((VERIFIED_REGISTRY, "verifiedregistry", self.verified_registry(blocks)));
        }
        actors
            .extend(self.multisigs.iter().map(|one| (one.number, "multisig", one.put(self.actors, blocks))));
        actors.extend(self.power.map(|power| (POWER, "storagepower", self.power(blocks, power))));
        if let Some(published) = &self.unpublished {
            let named = |(name, code): (&str, Vec<u8>)| list(&[text(name), link(&code)]);
            let own = ["system", "storageminer", "storagepower", "storagemarket"];
            let own = own.map(|name| named((name, self.code(name))));
            let other = |(name, code): &(&str, &str)| named((name, code.parse::<Cid>().unwrap().to_bytes()));
            let entries: Vec<_> = own.into_iter().chain(published.iter().map(other)).collect();
            let manifest = blocks.put(list(&entries));
            actors.push((SYSTEM, "system", blocks.put(list(&[manifest]))));
        }
        let entry = |(id, name, head): (u64, &str, Vec<u8>)| {
            let mut actor = vec![link(&self.code(name)), head, uint(0), bytes(&[])];
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

    /// An actor's code. It is recognised by the name that the CID spells, which works for every version, or not at all.
    fn code(&self, name: &str) -> Vec<u8> {
        let name = format!("fil/{}/{name}", self.actors);
        match self.unpublished {
            Some(_) => dag_cbor_cid(name.as_bytes()).to_bytes(),
            None => [&[1, 0x55, 0, name.len() as u8], name.as_bytes()].concat(),
        }
    }

    /// The power actor's state: the claims are its last field but one, after the cron's queue and the epochs it is at.
    fn power(&self, blocks: &mut Blocks, (fields, raw, quality_adjusted): (usize, i128, i128)) -> Vec<u8> {
        let none = blocks.hamt(self.actors, &[]);
        let mut claim = vec![uint(8), big(raw), big(quality_adjusted)];
        if self.actors == 1 {
            claim.remove(0);
        }
        let claims = blocks.hamt(self.actors, &[(Address::id(MINER.0).as_bytes().to_vec(), list(&claim))]);
        let mut state = vec![bytes(&[]); fields];
        state[fields - 4..].clone_from_slice(&[none.clone(), int(7), claims, none]);
        if self.actors == 1 {
            state[fields - 4] = int(7);
            state[fields - 5] = state[fields - 1].clone();
        }
        blocks.put(list(&state))
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

    /// The verified registry's state, of which only the claims are ever read.
    fn verified_registry(&self, blocks: &mut Blocks) -> Vec<u8> {
        let claim = |(number, size): &(u64, u64)| {
            let rest = [int(0), int(0), int(0), uint(0)];
            let claim = [&[uint(MINER.0), uint(100), link(&sealed_cid(0)), uint(*size)][..], &rest].concat();
            (key(*number), list(&claim))
        };
        let claims: Vec<_> = self.claims.iter().map(claim).collect();
        let of_miner = blocks.hamt(self.actors, &claims);
        let claims = blocks.hamt(self.actors, &[(key(MINER.0), of_miner)]);
        let none = blocks.hamt(self.actors, &[]);
        blocks.put(list(&[bytes(&[0, 80]), none.clone(), none.clone(), none, uint(1), claims]))
    }

    fn miner(&self, blocks: &mut Blocks) -> Vec<u8> {
        let none = blocks.amt(self.actors, 3, &BTreeMap::new());
        let precommits: Vec<_> = self.precommits.iter().map(|precommit| self.precommit(precommit)).collect();
        let precommits = blocks.hamt(self.actors, &precommits);
        let sectors = self.sectors.iter().map(|sector| (sector.number, self.sector(sector))).collect();
        let sectors = blocks.amt(self.actors, 5, &sectors);
        let partition = self.partition(blocks);
        let posted: &[u64] = if self.posted { &[self.location.1] } else { &[] };
        let deadline = self.deadline(blocks, &BTreeMap::from([(self.location.1, partition)]), posted);
        let empty = self.deadline(blocks, &BTreeMap::new(), &[]);
        let deadlines: Vec<_> =
            (0..48).map(|at| if at == self.location.0 { deadline.clone() } else { empty.clone() }).collect();
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

    fn deadline(&self, blocks: &mut Blocks, partitions: &BTreeMap<u64, Vec<u8>>, posted: &[u64]) -> Vec<u8> {
        let none = blocks.amt(self.actors, 3, &BTreeMap::new());
        let partitions = blocks.amt(self.actors, 3, partitions);
        let (zero, power) = (uint(0), list(&[bytes(&[]), bytes(&[])]));
        let mut deadline =
            vec![partitions, none.clone(), set(posted), set(&[]), zero.clone(), zero, power.clone()];
        let proofs = |blocks: &mut Blocks, proofs: &[Vec<u64>]| {
            let proof = |partitions: &Vec<u64>| list(&[set(partitions), list(&[])]);
            blocks.amt(self.actors, 2, &(0..).zip(proofs.iter().map(proof)).collect())
        };
        if self.actors >= 3 {
            deadline.push(proofs(blocks, &self.proofs));
        }
        if self.actors >= 7 {
            deadline.push(none);
        }
        if self.actors >= 3 {
            deadline.extend([self.snapshot(blocks), proofs(blocks, &self.proofs_snapshot)]);
        }
        if self.actors >= 16 {
            deadline.extend([power, bytes(&[])]);
        }
        blocks.put(list(&deadline))
    }

    /// The snapshot of the partitions, which is of the one.
    fn snapshot(&self, blocks: &mut Blocks) -> Vec<u8> {
        let sectors = self.sectors.iter().copied();
        let partition = Self {
            actors: self.actors,
            sectors: sectors.filter(|sector| self.partition_snapshot.contains(&sector.number)).collect(),
            ..Self::default()
        };
        let partition = partition.partition(blocks);
        blocks.amt(self.actors, 3, &BTreeMap::from([(self.location.1, partition)]))
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
        let simple = !self.non_simple.contains(&sector.number);
        match self.actors {
            ..9 => {}
            9..12 => fields.push(vec![if simple { 0xf5 } else { 0xf4 }]),
            12.. => fields.push(uint(u64::from(simple) | u64::from(sector.full_qap) << 1)),
        }
        // Sectors from before actors v16 stay without the daily fee.
        if self.actors >= 16 && sector.number.is_multiple_of(2) {
            fields.push(big(sector.daily_fee));
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
        (key(precommit.number), list(&value))
    }
}

/// What methods 6 and 25 are sent of a sector.
pub fn precommit_info(precommit: &Precommit) -> Vec<Vec<u8>> {
    let deals: Vec<_> = precommit.deals.iter().map(|deal| uint(*deal)).collect();
    let replaces = vec![if precommit.replaces.is_some() { 0xf5 } else { 0xf4 }];
    let replaced = [replaces, uint(0), uint(0), uint(precommit.replaces.unwrap_or(0))];
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

impl Multisig {
    fn put(&self, actors: u8, blocks: &mut Blocks) -> Vec<u8> {
        let address = |id: &u64| bytes(Address::id(*id).as_bytes());
        let addresses = |ids: &[u64]| list(&ids.iter().map(address).collect::<Vec<_>>());
        let waiting = |(id, transaction, approved): &(i64, Vec<Vec<u8>>, Vec<u64>)| {
            // The id as a zigzag varint; those of tests are small.
            let key = vec![u8::try_from(id << 1 ^ id >> 63).unwrap()];
            (key, list(&[&transaction[..], &[addresses(approved)]].concat()))
        };
        let pending: Vec<_> = self.pending.iter().map(waiting).collect();
        let pending = blocks.hamt(actors, &pending);
        let locked = [bytes(&[]), int(0), int(0)];
        let fields = [addresses(&self.signers), uint(self.threshold), int(self.next)];
        let state = list(&[&fields[..], &locked, &[pending]].concat());
        if self.absent { link(&dag_cbor_cid(&state).to_bytes()) } else { blocks.put(state) }
    }
}

/// A number as a key: a varint, which is what follows the first byte of its address.
fn key(number: u64) -> Vec<u8> {
    Address::id(number).as_bytes()[1..].to_vec()
}

pub fn sealed_cid(seed: u8) -> Vec<u8> {
    dag_cbor_cid(&[seed]).to_bytes()
}
