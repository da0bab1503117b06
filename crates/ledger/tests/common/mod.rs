//! Chains with known truth, replayed. They are outside the repository; `outside` says what happens without them.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod days;
pub mod forest;
pub mod outside;
pub mod truth;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chain::{Bytes, CarStore, Chain, Day, Epoch, MinerId, NoProgress};
use ledger::{ChainPower, ChainPowers, Event, EventReader, MinerSummary, Power, Status};
use serde_json::Value;

/// A file of the chains with known truth; `None` where it is absent.
pub fn shared(name: &str) -> Option<PathBuf> {
    outside::shared(&format!("data/{name}"))
}

/// The lines of a truth file.
pub fn lines(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(shared(name).unwrap()).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What is added up over the sectors of one status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i128,
    pub rbp: i128,
    pub qap: i128,
    pub duration: i128,
    pub duration_squared: i128,
}

/// A miner's balance, kept from events alone.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    pub of: BTreeMap<Status, Sum>,
}

impl Balance {
    pub fn apply(&mut self, event: &Event) {
        let sides = [
            (event.status_before, event.qap_before, event.expiration_before, -1),
            (event.status_after, event.qap_after, event.expiration_after, 1),
        ];
        for (status, qap, expiration, sign) in sides {
            if status == Status::None {
                continue;
            }
            let duration = i128::from(expiration.unwrap() - event.activation.unwrap());
            let sum = self.of.entry(status).or_default();
            sum.count += sign;
            sum.rbp += sign * event.sector_size.0;
            sum.qap += sign * qap.unwrap().0;
            sum.duration += sign * duration;
            sum.duration_squared += sign * duration * duration;
        }
    }

    pub fn get(&self, status: Status) -> Sum {
        self.of.get(&status).copied().unwrap_or_default()
    }

    pub fn live(&self) -> Sum {
        self.of.values().fold(Sum::default(), |a, b| Sum {
            count: a.count + b.count,
            rbp: a.rbp + b.rbp,
            qap: a.qap + b.qap,
            duration: a.duration + b.duration,
            duration_squared: a.duration_squared + b.duration_squared,
        })
    }
}

/// A claim that is not the sum of a miner's active sectors: claimed less active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    pub miner: MinerId,
    pub height: Epoch,
    pub rbp: i128,
    pub qap: i128,
}

/// A chain read from start to end.
pub struct Replay {
    pub events: Vec<Event>,
    /// At the end of each finished day: every miner's balance by the ledger, and what the chain says of it.
    pub days: BTreeMap<Day, BTreeMap<MinerId, (Balance, ChainPower)>>,
    /// By how much claims were not the sum of active sectors, before the tipset of which height.
    pub deviations: Vec<Deviation>,
    pub clock: chain::Clock,
}

/// Replays a chain, checking after every tipset that the ledger's active power is the power actor's claim.
pub fn replay(name: &str) -> Option<Replay> {
    let replay = deviating(name)?;
    assert_eq!(replay.deviations, [], "{name}");
    Some(replay)
}

/// Replays a chain that may have claims which are not the sum of active sectors.
pub fn deviating(name: &str) -> Option<Replay> {
    let path = shared(&format!("{name}.car.zst"))?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    Some(replay_of(&cars))
}

pub fn replay_of(cars: &CarStore) -> Replay {
    let chain = Chain::open(cars, cars.roots()).unwrap();
    let clock = chain.clock();
    let (opening, mut reading) = EventReader::open(&chain, 0).unwrap();
    let mut pending = opening.all().unwrap();
    let mut powers = ChainPowers::default();
    let mut balances: BTreeMap<MinerId, Balance> = BTreeMap::new();
    let mut replay = Replay { events: Vec::new(), days: BTreeMap::new(), deviations: Vec::new(), clock };
    for (index, tipset) in chain.tipsets().iter().enumerate() {
        // The state before this tipset is what everything so far has led to.
        if index > 0 {
            pending.extend(reading.next().unwrap().unwrap().events);
        }
        for event in &pending {
            balances.entry(event.miner).or_default().apply(event);
        }
        replay.events.append(&mut pending);
        powers.advance(cars, &tipset.parent_state_root, reading.codes()).unwrap();
        for (miner, balance) in &balances {
            let active = balance.get(Status::Active);
            let claim = powers.of(*miner).claim;
            let (rbp, qap) = (claim.rbp.0 - active.rbp, claim.qap.0 - active.qap);
            if (rbp, qap) != (0, 0) {
                replay.deviations.push(Deviation { miner: *miner, height: tipset.height, rbp, qap });
            }
        }
        let mut day = match index.checked_sub(1) {
            Some(before) => clock.day_of(chain.tipsets()[before].height),
            None => continue,
        };
        while day < clock.day_of(tipset.height) {
            let rows = balances.iter().map(|(miner, balance)| (*miner, (balance.clone(), powers.of(*miner))));
            replay.days.insert(day, rows.collect());
            day = day.next();
        }
    }
    replay
}

/// What the chain should say of a miner's power, by its sectors one by one.
pub fn portrayed(miner: MinerId, portrait: &MinerSummary) -> ChainPower {
    let [claim, faulty, unproven] = [portrait.active, portrait.faulty, portrait.unproven].map(|of| of.power);
    let sum = |of: fn(Power) -> Bytes| Bytes([claim, faulty, unproven].map(|power| of(power).0).iter().sum());
    let live = Power { rbp: sum(|power| power.rbp), qap: sum(|power| power.qap) };
    ChainPower { miner, claim, live, faulty, unproven }
}
