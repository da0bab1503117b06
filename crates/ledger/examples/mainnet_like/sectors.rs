//! What a miner's sectors are at the beginning: a function of miner and number, so that none of them is held.
//!
//! Sectors come in batches with dates of their own, dealt out to the 48 deadlines in turn. Some batches are faulty,
//! some have left and wait for compaction; of every 64 numbers one was never used or is compacted away.

use super::encode::{NULL, big, int, link, list, mix, sealed, uint};

/// Epochs of a proving period.
pub const PERIOD: i64 = 2880;
pub const DEADLINES: u64 = 48;
/// Epochs of a deadline.
pub const WINDOW: i64 = 60;
/// Most sectors of a partition of 32 GiB sectors.
const MOST_IN_PARTITION: u64 = 2349;
/// Raw bytes of a sector.
pub const SIZE: i128 = 32 << 30;
const SEAL_PROOF: u64 = 8;
/// Since when sectors have a daily fee: actors v16 on mainnet.
const FEES: i64 = 4_878_840;

/// A sector on chain.
#[derive(Clone, Copy)]
pub struct Sector {
    pub number: u64,
    /// Stands for the CID of its sealed data.
    pub sealed: u64,
    /// The same of what it was before it was snapped.
    pub key: Option<u64>,
    pub activation: i64,
    pub expiration: i64,
    pub power_base: i64,
    /// Whether verified deals fill it.
    pub verified: bool,
}

impl Sector {
    /// Quality-adjusted bytes.
    pub const fn qap(&self) -> i128 {
        if self.verified { 10 * SIZE } else { SIZE }
    }

    /// What is pledged for it, in attoFIL.
    pub const fn pledge(&self) -> i128 {
        170_000_000_000_000_000 * self.qap() / SIZE
    }

    /// What it pays a day, in attoFIL.
    pub const fn daily_fee(&self) -> i128 {
        if self.power_base >= FEES { 59_500_000_000_000 * self.qap() / SIZE } else { 0 }
    }

    /// As it stands in its array.
    pub fn encode(&self) -> Vec<u8> {
        let weight = if self.verified { SIZE * i128::from(self.expiration - self.power_base) } else { 0 };
        let fee = self.power_base >= FEES;
        let reward = || if fee { NULL.to_vec() } else { big(300_000_000_000_000) };
        let mut fields = vec![
            uint(self.number),
            uint(SEAL_PROOF),
            sealed(self.sealed),
            list(&[]),
            int(self.activation),
            int(self.expiration),
            big(0),
            big(weight),
            big(self.pledge()),
            reward(),
            reward(),
            int(self.power_base),
            reward(),
            self.key.map_or_else(|| NULL.to_vec(), sealed),
            uint(1),
        ];
        if fee {
            fields.push(big(self.daily_fee()));
        }
        list(&fields)
    }
}

/// A pre-commit as the miner's map holds it.
pub fn precommit(number: u64, epoch: i64, expiration: i64) -> Vec<u8> {
    list(&[list(&precommit_info(number, epoch, expiration)), big(100_000_000_000_000_000), int(epoch)])
}

/// What method 28 is sent of a sector.
pub fn precommit_info(number: u64, epoch: i64, expiration: i64) -> Vec<Vec<u8>> {
    vec![
        uint(SEAL_PROOF),
        uint(number),
        sealed(mix(number, 1)),
        int(epoch - 100),
        list(&[]),
        int(expiration),
        NULL.to_vec(),
    ]
}

/// A piece of data that fills a sector, as methods 34 and 35 name it.
pub fn piece(number: u64) -> Vec<u8> {
    let digest = super::encode::noise(number, 32);
    let cid = link(&[&[0x01, 0x81, 0xe2, 0x03, 0x92, 0x20][..], &digest].concat());
    list(&[cid, uint(32 << 30), NULL.to_vec(), list(&[])])
}

/// Where a batch of sectors stands at the beginning.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Active,
    /// Without its first window `PoSt`.
    Unproven,
    /// Until it leaves early, at that epoch.
    Faulty(i64),
    /// The same, and declared to recover.
    Recovering(i64),
    Left,
}

/// A miner's sectors at the beginning.
#[derive(Clone, Copy)]
pub struct Stock {
    pub miner: u64,
    /// Numbers below that were in use.
    pub numbers: u64,
    /// Where in the proving period its deadline 0 begins.
    pub offset: i64,
    /// The height at which the chain begins.
    pub beginning: i64,
}

impl Stock {
    /// Sectors of a batch.
    const fn batch(&self) -> u64 {
        if self.numbers < 20_000 { 8 } else { 64 }
    }

    const fn batches_in_partition(&self) -> u64 {
        MOST_IN_PARTITION / self.batch()
    }

    /// How many partitions a deadline has.
    pub const fn partitions(&self, deadline: u64) -> u64 {
        let batches = self.numbers.div_ceil(self.batch());
        (batches + DEADLINES - 1 - deadline).div_euclid(DEADLINES).div_ceil(self.batches_in_partition())
    }

    /// The numbers of a partition.
    pub fn in_partition(&self, deadline: u64, partition: u64) -> impl Iterator<Item = u64> {
        let stock = *self;
        let first = partition * stock.batches_in_partition();
        (first..first + stock.batches_in_partition())
            .map(move |nth| (nth * DEADLINES + deadline) * stock.batch())
            .flat_map(move |begin| begin..(begin + stock.batch()).min(stock.numbers.max(begin)))
            .filter(move |number| stock.is_used(*number))
    }

    fn is_used(&self, number: u64) -> bool {
        number < self.numbers && !mix(self.miner, number).is_multiple_of(64)
    }

    fn stirred(&self, number: u64, what: u64) -> u64 {
        mix(mix(self.miner, number / self.batch()), what)
    }

    /// The sector of that number.
    pub fn sector(&self, number: u64) -> Option<Sector> {
        if !self.is_used(number) {
            return None;
        }
        let life = 540 * PERIOD - (self.stirred(number, 2) % 10).cast_signed() * PERIOD;
        let age = match self.stirred(number, 6) % 64 {
            // The oldest leave when their deadline ends next.
            0 => life + (self.stirred(number, 1) % PERIOD.cast_unsigned()).cast_signed(),
            _ => 3_000 + (self.stirred(number, 1) % 1_540_000).cast_signed(),
        };
        let activation = self.beginning - age;
        Some(Sector {
            number,
            sealed: mix(self.miner, mix(number, 1)),
            key: None,
            activation,
            expiration: activation + life,
            power_base: activation,
            verified: self.stirred(number, 3).is_multiple_of(3),
        })
    }

    /// Where it stands.
    pub fn standing(&self, number: u64) -> Standing {
        let deadline = number / self.batch() % DEADLINES;
        let expiration = self.sector(number).map_or(0, |sector| sector.expiration);
        let days = (self.stirred(number, 5) % 42).cast_signed();
        let until = self.leaves(deadline, self.beginning + days * PERIOD);
        match self.stirred(number, 4) % 100 {
            _ if self.leaves(deadline, expiration) < self.beginning => Standing::Left,
            0 => Standing::Left,
            1 => Standing::Faulty(until),
            2 => Standing::Recovering(until),
            3 => Standing::Unproven,
            _ => Standing::Active,
        }
    }

    /// The end of a deadline at which what expires at that epoch leaves.
    pub const fn leaves(&self, deadline: u64, expiration: i64) -> i64 {
        let last = self.offset + (deadline.cast_signed() + 1) * WINDOW - 1;
        expiration + (last - expiration).rem_euclid(PERIOD)
    }

    /// The first epoch of the proving period that an epoch is in, and the deadline that is open then.
    pub const fn calendar(&self, epoch: i64) -> (i64, u64) {
        let into = (epoch - self.offset).rem_euclid(PERIOD);
        (epoch - into, (into / WINDOW).cast_unsigned())
    }
}
