//! A vector: one mainnet message with the state it touched, read apart from the code under test by the positions
//! written down here.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::io::Read;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chain::state::{ActorCodes, ActorKind, StateTree};
use chain::{
    Amt, AttoFil, Block, BlockStore, Bytes, CarStore, Cid, Epoch, ExecutedMessage, Hamt, Message, MinerId,
    NoProgress, Reader, Receipt, SectorNumber, SectorSet, Transition,
};
use ledger::checks::check_day;
use ledger::{Backing, Cause, Content, Differ, Event, Kind, Status};
use serde_json::Value;

/// A store that notes what it was asked for and has not.
pub struct Watched {
    pub blocks: CarStore,
    pub absent: Mutex<Vec<Cid>>,
}

impl BlockStore for Watched {
    fn get(&self, cid: &Cid) -> chain::Result<Option<Block<'_>>> {
        let found = self.blocks.get(cid)?;
        if found.is_none() {
            self.absent.lock().unwrap().push(*cid);
        }
        Ok(found)
    }
}

/// One message with its outcome, or none, and the states before and after.
pub struct Vector {
    pub name: String,
    pub actors: u8,
    pub epoch: Epoch,
    pub executed: Vec<ExecutedMessage>,
    pub before: Cid,
    pub after: Cid,
    pub store: Watched,
}

impl Vector {
    pub fn read(path: &Path) -> Self {
        let vector: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let base64 = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap_or_default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut car = Vec::new();
        flate2::read::GzDecoder::new(&*base64(&vector["car"])).read_to_end(&mut car).unwrap();
        let file = folder.path().join("vector.car");
        std::fs::write(&file, car).unwrap();
        let blocks = CarStore::open(&[file], folder.path(), &NoProgress).unwrap();
        let root =
            |side: &str| vector[side]["state_tree"]["root_cid"]["/"].as_str().unwrap().parse().unwrap();
        let [messages, receipts, variants] = [
            &vector["apply_messages"],
            &vector["postconditions"]["receipts"],
            &vector["preconditions"]["variants"],
        ]
        .map(|list| list.as_array().unwrap());
        assert!(messages.len() < 2 && messages.len() == receipts.len() && variants.len() == 1);
        let executed = |(message, receipt): (&Value, &Value)| ExecutedMessage {
            message: Message::decode(&base64(&message["bytes"])).unwrap(),
            receipt: Some(Receipt {
                exit_code: receipt["exit_code"].as_i64().unwrap(),
                returned: base64(&receipt["return"]),
            }),
        };
        Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            actors: match variants[0]["nv"].as_u64().unwrap() {
                0..=3 => 1,
                14 => 6,
                15 => 7,
                17 => 9,
                18 => 10,
                other => panic!("no vectors of network version {other} are known"),
            },
            epoch: Epoch(variants[0]["epoch"].as_i64().unwrap()),
            executed: messages.iter().zip(receipts).map(executed).collect(),
            before: root("preconditions"),
            after: root("postconditions"),
            store: Watched { blocks, absent: Mutex::default() },
        }
    }

    /// Its message.
    pub fn message(&self) -> &Message {
        &self.executed[0].message
    }

    /// What its message returned.
    pub fn returned(&self) -> &[u8] {
        self.executed[0].returned()
    }

    /// The receiver, by its number; without a message the miner that changed.
    pub fn receiver(&self) -> u64 {
        let [before, after] =
            [&self.before, &self.after].map(|root| StateTree::open(&self.store.blocks, root).unwrap());
        if let Some(executed) = self.executed.first() {
            return before.resolve(&executed.message.to).unwrap().unwrap();
        }
        let mut miners = Vec::new();
        let diff = after.diff(&before, &mut |id, old, _| {
            let kind = old.and_then(|old| ActorCodes::new().kind_of(&old.code).unwrap());
            miners.extend(matches!(kind, Some((ActorKind::Miner, _))).then_some(id));
            Ok(())
        });
        diff.unwrap();
        assert_eq!(miners.len(), 1, "{}", self.name);
        miners[0]
    }

    /// What the differ makes of it, without asking for a block that is not in the vector. It passes every check.
    pub fn events(&self) -> Vec<Event> {
        let transition = Transition {
            height: self.epoch,
            parent: self.epoch + -1,
            before: self.before,
            after: self.after,
            messages: self.executed.clone(),
        };
        let events = Differ::new().events(&self.store, &transition);
        assert_eq!(*self.store.absent.lock().unwrap(), [], "{}", self.name);
        let events = events.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let day = self.epoch..self.epoch + 1;
        assert_eq!(check_day(&events, day), [], "{}: {events:#?}", self.name);
        events
    }

    /// An event on a sector of `size` that is nowhere before and after.
    pub fn event(&self, kind: Kind, cause: Option<Cause>, sector: u64, size: i128) -> Event {
        Event {
            epoch: self.epoch,
            miner: MinerId(self.receiver()),
            sector: SectorNumber(sector),
            kind,
            cause,
            sector_size: Bytes(size),
            qap_before: None,
            qap_after: None,
            activation: None,
            expiration_before: None,
            expiration_after: None,
            backing_before: None,
            backing_after: None,
            status_before: Status::None,
            status_after: Status::None,
            message: None,
            uncertain: false,
        }
    }

    pub fn side(&self, root: &Cid, miner: u64) -> Side<'_> {
        let tree = StateTree::open(&self.store.blocks, root).unwrap();
        let actor = tree.actor(miner).unwrap().unwrap();
        let (_, layout) = ActorCodes::new().kind_of(&actor.code).unwrap().unwrap();
        assert_eq!(layout.version, self.actors, "{}", self.name);
        let state = self.store.blocks.get(&actor.head).unwrap().unwrap().to_vec();
        Side { store: &self.store.blocks, root: *root, state, actors: self.actors }
    }

    pub fn sides(&self) -> (Side<'_>, Side<'_>) {
        let miner = self.receiver();
        (self.side(&self.before, miner), self.side(&self.after, miner))
    }
}

/// A miner's state on one side of a vector. Positions are those of actors v1.
pub struct Side<'v> {
    pub store: &'v CarStore,
    pub root: Cid,
    pub state: Vec<u8>,
    pub actors: u8,
}

/// Of a sector, what its events say.
pub struct Sector {
    pub size: i128,
    pub sealed: Cid,
    pub activation: Epoch,
    pub expiration: Epoch,
    pub qap: Bytes,
    pub backing: Backing,
}

/// Where the sectors of a partition stand.
pub struct Standing {
    pub unproven: SectorSet,
    pub faults: SectorSet,
    pub recoveries: SectorSet,
    pub terminated: SectorSet,
}

impl Side<'_> {
    /// A link of the miner's state; from actors v2 on the fee debt stands before the pre-commits.
    pub fn link(&self, position: usize) -> Cid {
        link(tuple(&self.state)[position + usize::from(self.actors > 1)])
    }

    pub fn block(&self, cid: &Cid) -> Vec<u8> {
        self.store.get(cid).unwrap().unwrap().to_vec()
    }

    pub fn element(&self, root: &Cid, index: u64) -> Vec<u8> {
        let amt = Amt::open(self.store, root, "array").unwrap();
        amt.get(index, |value| Ok(value.raw()?.to_vec())).unwrap().unwrap()
    }

    pub fn precommit(&self, sector: u64) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        let mut rest = sector;
        while rest > 0x7f {
            key.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        key.push(rest as u8);
        Hamt::new(self.store, &self.link(5), "pre-commits").get(&key).unwrap()
    }

    /// `[number, seal proof, sealed CID, deals, activation, expiration, deal weight, verified weight, initial pledge, …]`.
    pub fn sector(&self, number: u64) -> Sector {
        let raw = self.element(&self.link(8), number);
        let fields = tuple(&raw);
        let (size, activation, expiration) = (size_of(fields[1]), int(fields[4]), int(fields[5]));
        Sector {
            size,
            sealed: link(fields[2]),
            activation: Epoch(activation),
            expiration: Epoch(expiration),
            // Up to actors v11 power counts from the activation.
            qap: qap(size, expiration - activation, big(fields[7])),
            backing: Backing {
                content: match (big(fields[6]) > 0, big(fields[7]) > 0) {
                    (_, true) => Content::Verified,
                    (true, false) => Content::Deals,
                    (false, false) => Content::Cc,
                },
                pledge: AttoFil(big(fields[8])),
                // Every vector is older than the fee.
                daily_fee: Some(AttoFil(0)),
            },
        }
    }

    /// `[sectors, faults, recoveries, terminated, …]`, from actors v2 on with the unproven after the first.
    pub fn standing(&self, deadline: u64, partition: u64) -> Standing {
        let deadlines = self.block(&self.link(11));
        let deadline = link(tuple(tuple(&deadlines)[0])[usize::try_from(deadline).unwrap()]);
        let raw = self.element(&link(tuple(&self.block(&deadline))[0]), partition);
        let mut sets = tuple(&raw).into_iter().skip(1);
        let mut next = || set(sets.next().unwrap());
        let unproven = if self.actors > 1 { next() } else { SectorSet::new() };
        Standing { unproven, faults: next(), recoveries: next(), terminated: next() }
    }

    /// What a deal weighs if it is verified: `[piece CID, piece size, verified, client, provider, label, start, end, …]`.
    pub fn verified_weight(&self, deal: u64) -> i128 {
        const MARKET: u64 = 5;
        let market = StateTree::open(self.store, &self.root).unwrap().actor(MARKET).unwrap().unwrap();
        let proposals = link(tuple(&self.block(&market.head))[0]);
        let raw = self.element(&proposals, deal);
        let proposal = tuple(&raw);
        let verified = Reader::new(proposal[2]).bool().unwrap();
        let duration = int(proposal[7]) - int(proposal[6]);
        if verified { i128::from(uint(proposal[1])) * i128::from(duration) } else { 0 }
    }
}

/// The definition's formula with its two divisions made one, which rounds down to the same.
pub fn qap(size: i128, duration: i64, verified_weight: i128) -> Bytes {
    let space_time = size * i128::from(duration);
    Bytes((size * (((space_time + 9 * verified_weight) << 20) / space_time)) >> 20)
}

/// Mainnet has sectors of 32 GiB and 64 GiB, each by two seal proofs.
pub fn size_of(proof: &[u8]) -> i128 {
    match uint(proof) {
        3 | 8 => 32 << 30,
        4 | 9 => 64 << 30,
        other => panic!("seal proof {other}"),
    }
}

/// The raw items of an array.
pub fn tuple(raw: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(raw);
    (0..reader.array().unwrap()).map(|_| reader.raw().unwrap()).collect()
}

pub fn uint(raw: &[u8]) -> u64 {
    Reader::new(raw).uint().unwrap()
}

pub fn int(raw: &[u8]) -> i64 {
    Reader::new(raw).int().unwrap()
}

pub fn big(raw: &[u8]) -> i128 {
    Reader::new(raw).bigint().unwrap()
}

pub fn link(raw: &[u8]) -> Cid {
    Cid::try_from(Reader::new(raw).link().unwrap()).unwrap()
}

pub fn set(raw: &[u8]) -> SectorSet {
    SectorSet::decode(Reader::new(raw).bytes().unwrap()).unwrap()
}
