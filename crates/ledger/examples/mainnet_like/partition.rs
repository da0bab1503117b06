//! A partition, and what a deadline's partitions add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::arrays::amt;
use super::car::Car;
use super::encode::{Digest, big, bitfield, bytes, link_to, list};
use super::sectors::{SIZE, Sector, Standing, Stock};

/// The sectors of a partition and where they stand.
#[derive(Clone, Default)]
pub struct Partition {
    pub sectors: BTreeSet<u64>,
    pub unproven: BTreeSet<u64>,
    /// With the epoch at which each leaves early.
    pub faults: BTreeMap<u64, i64>,
    pub recoveries: BTreeSet<u64>,
    pub terminated: BTreeSet<u64>,
}

/// Raw and quality-adjusted bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Power(pub i128, pub i128);

impl Power {
    /// What a sector has.
    pub const fn of(sector: &Sector) -> Self {
        Self(SIZE, sector.qap())
    }

    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }

    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 - other.0, self.1 - other.1)
    }

    /// As a tuple.
    pub fn encode(self) -> Vec<u8> {
        list(&[big(self.0), big(self.1)])
    }
}

/// What some partitions add up to.
#[derive(Default)]
pub struct Sums {
    pub live: u64,
    pub total: u64,
    pub live_power: Power,
    pub unproven_power: Power,
    pub faulty_power: Power,
    pub recovering_power: Power,
    pub daily_fee: i128,
    /// When sectors leave, with the partitions that they are in.
    pub leaving: BTreeMap<i64, BTreeSet<u64>>,
}

impl Sums {
    /// What counts for the miner's claim: live, proven and not faulty.
    pub const fn active(&self) -> Power {
        self.live_power.minus(self.unproven_power).minus(self.faulty_power)
    }
}

/// What leaves at one time.
#[derive(Default)]
struct Leaving {
    on_time: BTreeSet<u64>,
    early: BTreeSet<u64>,
    pledge: i128,
    active: Power,
    faulty: Power,
    fee: i128,
}

impl Partition {
    /// What it is at the beginning.
    pub fn of(stock: &Stock, deadline: u64, partition: u64) -> Self {
        let mut found = Self::default();
        for number in stock.in_partition(deadline, partition) {
            found.sectors.insert(number);
            match stock.standing(number) {
                Standing::Active => {}
                Standing::Unproven => drop(found.unproven.insert(number)),
                Standing::Faulty(until) => drop(found.faults.insert(number, until)),
                Standing::Recovering(until) => {
                    found.faults.insert(number, until);
                    found.recoveries.insert(number);
                }
                Standing::Left => drop(found.terminated.insert(number)),
            }
        }
        found
    }

    /// The live sectors.
    pub fn live(&self) -> impl Iterator<Item = u64> {
        self.sectors.iter().filter(|number| !self.terminated.contains(number)).copied()
    }

    /// The live sectors that are proven and not faulty.
    pub fn active(&self) -> impl Iterator<Item = u64> {
        self.live().filter(|number| !self.unproven.contains(number) && !self.faults.contains_key(number))
    }

    /// Takes sectors out as terminated.
    pub fn terminate(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.terminated.insert(*number);
            self.unproven.remove(number);
            self.faults.remove(number);
            self.recoveries.remove(number);
        }
    }

    /// When a sector leaves if nothing happens to it, and whether that is early.
    pub fn leaves(&self, sector: &Sector, stock: &Stock, deadline: u64) -> (i64, bool) {
        let on_time = stock.leaves(deadline, sector.expiration);
        match self.faults.get(&sector.number) {
            Some(early) if *early < on_time => (*early, true),
            _ => (on_time, false),
        }
    }

    /// Writes its queue; returns it as it stands in its array, and adds it to the sums of its deadline.
    pub fn write(
        &self,
        car: &mut Car,
        (stock, deadline, partition): (&Stock, u64, u64),
        sector: &dyn Fn(u64) -> Option<Sector>,
        all: &mut Sums,
    ) -> io::Result<Vec<u8>> {
        let (mut sums, mut queue) = (Sums::default(), BTreeMap::<i64, Leaving>::new());
        for found in self.live().filter_map(sector) {
            let power = Power::of(&found);
            let (epoch, early) = self.leaves(&found, stock, deadline);
            let leaving = queue.entry(epoch).or_default();
            if self.faults.contains_key(&found.number) {
                sums.faulty_power = sums.faulty_power.plus(power);
                leaving.faulty = leaving.faulty.plus(power);
            } else {
                leaving.active = leaving.active.plus(power);
            }
            if self.unproven.contains(&found.number) {
                sums.unproven_power = sums.unproven_power.plus(power);
            }
            if self.recoveries.contains(&found.number) {
                sums.recovering_power = sums.recovering_power.plus(power);
            }
            if early {
                leaving.early.insert(found.number);
            } else {
                leaving.on_time.insert(found.number);
                leaving.pledge += found.pledge();
            }
            leaving.fee += found.daily_fee();
            sums.live += 1;
            sums.live_power = sums.live_power.plus(power);
            sums.daily_fee += found.daily_fee();
        }
        let queue: BTreeMap<u64, Vec<u8>> = queue
            .iter()
            .map(|(epoch, leaving)| {
                all.leaving.entry(*epoch).or_default().insert(partition);
                (epoch.cast_unsigned(), leaving.encode())
            })
            .collect();
        let (queue, early) = (amt(car, 4, &queue)?, amt(car, 3, &BTreeMap::new())?);
        let encoded = self.encode(&sums, &queue, &early);
        all.live += sums.live;
        all.total += self.sectors.len() as u64;
        all.live_power = all.live_power.plus(sums.live_power);
        all.unproven_power = all.unproven_power.plus(sums.unproven_power);
        all.faulty_power = all.faulty_power.plus(sums.faulty_power);
        all.daily_fee += sums.daily_fee;
        Ok(encoded)
    }

    fn encode(&self, sums: &Sums, queue: &Digest, early: &Digest) -> Vec<u8> {
        list(&[
            bitfield(&self.sectors),
            bitfield(&self.unproven),
            bitfield(self.faults.keys()),
            bitfield(&self.recoveries),
            bitfield(&self.terminated),
            link_to(queue),
            link_to(early),
            sums.live_power.encode(),
            sums.unproven_power.encode(),
            sums.faulty_power.encode(),
            sums.recovering_power.encode(),
        ])
    }
}

impl Leaving {
    fn encode(&self) -> Vec<u8> {
        let (on_time, early) = (bitfield(&self.on_time), bitfield(&self.early));
        list(&[on_time, early, big(self.pledge), self.active.encode(), self.faulty.encode(), big(self.fee)])
    }
}

/// An empty byte string, which is the empty set, too.
pub fn nothing() -> Vec<u8> {
    bytes(&[])
}
