//! The network: its actors, and what each tipset does to them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::Options;
use super::arrays::{amt, old_amt};
use super::car::Car;
use super::encode::{Digest, NULL, big, bytes, id_address, int, link, link_to, list, mix, noise, uint};
use super::maps::Map;
use super::messages::Sent;
use super::miner::Miner;
use super::partition::Power;
use super::recorded::Recorded;
use super::sectors::{PERIOD, Stock, WINDOW};
use super::tipsets::{self, After, Signed};
use super::traffic::Traffic;

/// The height at which a chain begins: of actors v18 on mainnet.
const BEGINNING: i64 = 6_200_000;
/// A null round comes after that many tipsets.
const NULL_ROUND: i64 = 40;
const CODES: &str = include_str!("../../../chain/data/actor-codes.txt");

/// A network between two tipsets.
pub struct Network {
    pub options: Options,
    pub miners: Vec<Miner>,
    actors: Map,
    claims: Map,
    /// The power actor's queue of crons.
    crons: Map,
    powers: Vec<Power>,
    /// How many messages each account has sent.
    nonces: Vec<u64>,
    /// Accounts to which something happened.
    stirred: BTreeSet<usize>,
    /// The epoch up to which crons are in the queue.
    enqueued: i64,
    codes: BTreeMap<String, Vec<u8>>,
    pub recorded: Recorded,
}

/// Number of an account.
fn account_id(account: usize) -> u64 {
    2_000_000 + account as u64
}

/// Address of an account: a BLS key, of every tenth a secp256k1 key, of every fiftieth a contract.
pub fn address(account: usize) -> Vec<u8> {
    let seed = mix(account as u64, 7);
    match account % 50 {
        49 => [&[4, 10][..], &noise(seed, 20)].concat(),
        at if at % 10 == 3 => [&[1][..], &noise(seed, 20)].concat(),
        _ => [&[3][..], &noise(seed, 48)].concat(),
    }
}

/// The numbers that the miners have in use, many for few.
fn stocks(options: &Options) -> Vec<Stock> {
    let share = |miner: u64| 1.0 / (miner as f64 + 5.0);
    let all: f64 = (0..options.miners).map(share).sum();
    // One number in 64 is not in use.
    let numbers = options.sectors as f64 * 64.0 / 63.0;
    (0..options.miners)
        .map(|miner| Stock {
            miner: 100_000 + 61 * miner,
            numbers: (numbers * share(miner) / all) as u64,
            offset: (mix(miner, 11) % PERIOD.cast_unsigned()).cast_signed(),
            beginning: BEGINNING,
        })
        .collect()
}

impl Network {
    /// Writes the state at the beginning, and the tipsets after it; returns the head's blocks.
    pub fn run(car: &mut Car, options: Options) -> io::Result<(Vec<Digest>, Recorded)> {
        let mut network = Self::begin(options);
        let mut state = network.write_first(car)?;
        let mut parents = tipsets::write_below(car, BEGINNING)?;
        let (mut height, mut receipts) = (BEGINNING, old_amt(car, Vec::new())?);
        for nth in 1..=options.tipsets {
            let messages = network.messages(height);
            let after = After { parents: &parents, height, state, receipts };
            let (blocks, its_receipts) = tipsets::write(car, after, &messages)?;
            network.close(height);
            state = network.write(car, height + 1)?;
            (parents, receipts) = (blocks, its_receipts);
            height += 1;
            if nth.cast_signed() % NULL_ROUND == 0 {
                network.close(height);
                height += 1;
            }
        }
        // The head's own messages have no outcome yet.
        let head = After { parents: &parents, height, state, receipts };
        Ok((tipsets::write(car, head, &[])?.0, network.recorded))
    }

    fn begin(options: Options) -> Self {
        let code = |line: &str| {
            let mut words = line.split_whitespace();
            let (name, version, cid) = (words.next()?, words.next()?, words.next()?);
            let cid: chain::Cid = cid.parse().ok()?;
            (version == "18" && line.ends_with("mainnet")).then(|| (name.to_owned(), link(&cid.to_bytes())))
        };
        Self {
            options,
            miners: Vec::new(),
            actors: Map::default(),
            claims: Map::default(),
            crons: Map::default(),
            powers: Vec::new(),
            nonces: vec![0; options.accounts],
            stirred: BTreeSet::new(),
            enqueued: BEGINNING - 1,
            codes: CODES.lines().filter_map(code).collect(),
            recorded: Recorded::default(),
        }
    }

    fn set_actor(&mut self, id: u64, name: &str, head: &Digest, (nonce, balance): (u64, i128)) {
        let code = self.codes.get(name).cloned().unwrap_or_default();
        let entry = list(&[code, link_to(head), uint(nonce), big(balance), NULL.to_vec()]);
        self.actors.set(&id_address(id), entry);
    }

    fn write_first(&mut self, car: &mut Car) -> io::Result<Digest> {
        let mut addresses = Map::default();
        for account in 0..self.options.accounts {
            addresses.set(&address(account), uint(account_id(account)));
            self.set_account(car, account)?;
        }
        let name = [&[0x60 | 7][..], b"mainnet"].concat();
        let root = addresses.write(car)?;
        drop(addresses);
        let init = car.put(&list(&[link_to(&root), uint(4_000_000), name]))?;
        let code = |(name, cid): (&String, &Vec<u8>)| {
            list(&[[&[0x60 | name.len() as u8][..], name.as_bytes()].concat(), cid.clone()])
        };
        let manifest = car.put(&list(&self.codes.iter().map(code).collect::<Vec<_>>()))?;
        let system = car.put(&list(&[link_to(&manifest)]))?;
        let deals = amt(car, 5, &BTreeMap::new())?;
        let market = car.put(&list(&[link_to(&deals), link_to(&deals)]))?;
        let named =
            [(0, "system", system), (1, "init", init), (5, "storagemarket", market), (2, "reward", deals)];
        for (id, name, head) in named {
            self.set_actor(id, name, &head, (0, 0));
        }
        for stock in stocks(&self.options) {
            let mut miner = Miner::new(stock);
            let (head, power) = miner.write(car, BEGINNING)?;
            self.powers.push(power);
            self.set_miner(&stock, &head, power);
            self.miners.push(miner);
        }
        self.enqueue(car, BEGINNING)?;
        self.write_tree(car)
    }

    fn set_account(&mut self, car: &mut Car, account: usize) -> io::Result<()> {
        let name = if account % 50 == 49 { "evm" } else { "account" };
        let head = car.put(&list(&[bytes(&address(account))]))?;
        let nonce = self.nonces[account];
        let balance = 1_000_000_000_000_000_000_000 - i128::from(nonce) * 3_000_000_000_000;
        self.set_actor(account_id(account), name, &head, (nonce, balance));
        Ok(())
    }

    fn set_miner(&mut self, stock: &Stock, head: &Digest, power: Power) {
        self.set_actor(stock.miner, "storageminer", head, (0, power.0));
        self.claims.set(&id_address(stock.miner), list(&[uint(8), big(power.0), big(power.1)]));
    }

    /// Puts crons into the power actor's queue, of an hour from that height on: at each epoch those of the miners of
    /// which a deadline ends then.
    fn enqueue(&mut self, car: &mut Car, height: i64) -> io::Result<()> {
        for epoch in self.enqueued + 1..height + WINDOW {
            let event = |miner: &Miner| list(&[bytes(&id_address(miner.stock.miner)), bytes(&noise(1, 4))]);
            let due: Vec<_> = self.miners.iter().filter(|miner| ends(miner, epoch)).map(event).collect();
            let events = amt(car, 6, &(0..).zip(due).collect())?;
            self.crons.set(&id_address(epoch.cast_unsigned())[1..], link_to(&events));
            self.enqueued = epoch;
        }
        Ok(())
    }

    /// The crons of an epoch.
    fn close(&mut self, epoch: i64) {
        let recorded = &mut self.recorded;
        self.miners.iter_mut().filter(|miner| ends(miner, epoch)).for_each(|miner| {
            miner.close(epoch, recorded);
            miner.stirred = true;
        });
        self.crons.remove(&id_address(epoch.cast_unsigned())[1..]);
    }

    fn messages(&mut self, height: i64) -> Vec<Signed> {
        let mut traffic = Traffic::new(height, self.options);
        let sent = traffic.sent(&mut self.miners, &mut self.recorded);
        self.stirred.extend(traffic.paid);
        let sign = |sent: Sent| {
            let nonce = self.nonces[sent.from];
            self.nonces[sent.from] += 1;
            self.stirred.insert(sent.from);
            Signed { from: address(sent.from), nonce, sent }
        };
        sent.into_iter().map(sign).collect()
    }

    /// Writes the state before the tipset of a height.
    fn write(&mut self, car: &mut Car, height: i64) -> io::Result<Digest> {
        for at in 0..self.miners.len() {
            if std::mem::take(&mut self.miners[at].stirred) {
                let (head, power) = self.miners[at].write(car, height)?;
                self.powers[at] = power;
                let stock = self.miners[at].stock;
                self.set_miner(&stock, &head, power);
            }
        }
        for account in std::mem::take(&mut self.stirred) {
            self.set_account(car, account)?;
        }
        self.enqueue(car, height)?;
        self.write_tree(car)
    }

    fn write_tree(&mut self, car: &mut Car) -> io::Result<Digest> {
        let all = self.powers.iter().fold(Power::default(), |sum, power| sum.plus(*power));
        let (crons, claims) = (self.crons.write(car)?, self.claims.write(car)?);
        let (miners, zero) = (uint(self.miners.len() as u64), big(0));
        let state = list(&[
            big(all.0),
            big(all.0),
            big(all.1),
            big(all.1),
            zero.clone(),
            big(all.0),
            big(all.1),
            zero.clone(),
            list(&[zero.clone(), zero]),
            miners.clone(),
            miners,
            int(0),
            uint(0),
            link_to(&crons),
            int(0),
            link_to(&claims),
            NULL.to_vec(),
        ]);
        let power = car.put(&state)?;
        self.set_actor(4, "storagepower", &power, (0, 0));
        let info = car.put(&list(&[]))?;
        let root = self.actors.write(car)?;
        car.put(&list(&[uint(5), link_to(&root), link_to(&info)]))
    }
}

/// Whether a deadline of a miner ends with an epoch.
fn ends(miner: &Miner, epoch: i64) -> bool {
    (epoch + 1 - miner.stock.offset).rem_euclid(WINDOW) == 0
}
