//! A miner: what its messages and crons do to it, and its state as it is on chain.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::arrays::{SectorTree, amt};
use super::car::Car;
use super::encode::{Digest, NULL, below, big, bitfield, int, link_to, list, mix, uint};
use super::maps::Map;
use super::partition::{Partition, Power, Sums, nothing};
use super::recorded::Recorded;
use super::sectors::{DEADLINES, PERIOD, Sector, Stock, precommit};

/// Days after which a faulty sector leaves.
const FAULTY_FOR: i64 = 42 * PERIOD;

/// A miner.
pub struct Miner {
    pub stock: Stock,
    /// Whether it is to be written again.
    pub stirred: bool,
    sectors: SectorTree,
    /// Root of the sectors, as they were last written.
    written: Digest,
    /// Sectors that came or changed since the beginning.
    changed: BTreeMap<u64, Sector>,
    /// Partitions that changed since the beginning, or that are asked for often.
    partitions: BTreeMap<(u64, u64), Partition>,
    /// Of deadlines that have window `PoSts` in, which partitions they are of.
    posted: BTreeMap<u64, BTreeSet<u64>>,
    /// Sectors and partitions of a deadline when it last closed, if that was since the beginning.
    snapshots: BTreeMap<u64, (Digest, Digest)>,
    deadlines: Vec<Written>,
    dirty: BTreeSet<u64>,
    precommits: Map,
    /// The pre-commits, with epoch and expiration.
    pub precommitted: BTreeMap<u64, (i64, i64)>,
    /// The next number that is free.
    pub next_number: u64,
}

/// A deadline as it was last written.
#[derive(Clone, Copy, Default)]
struct Written {
    deadline: Digest,
    partitions: Digest,
    active: Power,
}

impl Miner {
    /// A miner as it is at the beginning.
    pub fn new(stock: Stock) -> Self {
        let mut miner = Self {
            stock,
            stirred: false,
            sectors: SectorTree::default(),
            written: Digest::default(),
            changed: BTreeMap::new(),
            partitions: BTreeMap::new(),
            posted: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            deadlines: vec![Written::default(); DEADLINES as usize],
            dirty: (0..DEADLINES).collect(),
            precommits: Map::default(),
            precommitted: BTreeMap::new(),
            next_number: stock.numbers,
        };
        for number in (0..stock.numbers).filter(|number| stock.sector(*number).is_some()) {
            miner.sectors.touch(number, true);
        }
        for nth in 0..(stock.numbers / 300).min(60) {
            let (number, epoch) = (miner.next_number, stock.beginning - 200 - nth.cast_signed() * 7);
            miner.precommit(number, epoch);
        }
        miner
    }

    /// The sector of that number.
    pub fn sector(&self, number: u64) -> Option<Sector> {
        self.changed.get(&number).copied().or_else(|| self.stock.sector(number))
    }

    fn change(&mut self, sector: Sector) {
        let is_new = self.sector(sector.number).is_none();
        self.changed.insert(sector.number, sector);
        self.sectors.touch(sector.number, is_new);
    }

    /// How many partitions a deadline has.
    pub fn partition_count(&self, deadline: u64) -> u64 {
        let last = self.partitions.range((deadline, 0)..=(deadline, u64::MAX)).next_back();
        self.stock.partitions(deadline).max(last.map_or(0, |((_, at), _)| at + 1))
    }

    /// A partition, to be looked at.
    pub fn partition(&self, deadline: u64, partition: u64) -> Partition {
        let found = self.partitions.get(&(deadline, partition)).cloned();
        found.unwrap_or_else(|| Partition::of(&self.stock, deadline, partition))
    }

    /// A partition, to be changed.
    fn partition_mut(&mut self, deadline: u64, partition: u64) -> &mut Partition {
        self.dirty.insert(deadline);
        let stock = self.stock;
        let begin = || Partition::of(&stock, deadline, partition);
        self.partitions.entry((deadline, partition)).or_insert_with(begin)
    }

    /// Pre-commits a sector; returns its expiration.
    pub fn precommit(&mut self, number: u64, epoch: i64) -> i64 {
        let expiration = epoch + 540 * PERIOD;
        self.precommits.set(&super::encode::id_address(number)[1..], precommit(number, epoch, expiration));
        self.precommitted.insert(number, (epoch, expiration));
        self.next_number = self.next_number.max(number + 1);
        expiration
    }

    /// Proves pre-committed sectors, which go into a deadline.
    pub fn prove(&mut self, numbers: &[u64], deadline: u64, epoch: i64) {
        let last = self.partition_count(deadline).saturating_sub(1);
        let full = self.partition(deadline, last).sectors.len() + numbers.len() > 2349;
        let partition = last + u64::from(full);
        for number in numbers {
            let Some((_, expiration)) = self.precommitted.remove(number) else { continue };
            self.precommits.remove(&super::encode::id_address(*number)[1..]);
            self.change(Sector {
                number: *number,
                sealed: mix(*number, 1),
                key: None,
                activation: epoch,
                expiration,
                power_base: epoch,
                verified: number.is_multiple_of(2),
            });
            let partition = self.partition_mut(deadline, partition);
            partition.sectors.insert(*number);
            partition.unproven.insert(*number);
        }
    }

    /// A window `PoSt` of some partitions, of which it skips some sectors.
    pub fn post(
        &mut self,
        deadline: u64,
        partitions: &[(u64, Vec<u64>)],
        epoch: i64,
        recorded: &mut Recorded,
    ) {
        let until = self.stock.leaves(deadline, epoch + FAULTY_FOR);
        for (at, skipped) in partitions {
            let changes = {
                let partition = self.partition(deadline, *at);
                !(skipped.is_empty() && partition.unproven.is_empty() && partition.recoveries.is_empty())
            };
            self.posted.entry(deadline).or_default().insert(*at);
            self.dirty.insert(deadline);
            if !changes {
                continue;
            }
            let partition = self.partition_mut(deadline, *at);
            for number in skipped {
                partition.unproven.remove(number);
                partition.faults.insert(*number, until);
            }
            recorded.faults += skipped.len();
            recorded.proven += std::mem::take(&mut partition.unproven).len();
            for number in std::mem::take(&mut partition.recoveries) {
                partition.faults.remove(&number);
                recorded.recovered += 1;
            }
        }
    }

    /// Declares all faulty sectors of a partition to recover.
    pub fn recover(&mut self, deadline: u64, partition: u64) {
        let partition = self.partition_mut(deadline, partition);
        partition.recoveries = partition.faults.keys().copied().collect();
    }

    /// Declares active sectors of a partition faulty.
    pub fn declare(&mut self, deadline: u64, partition: u64, numbers: &[u64], epoch: i64) {
        let until = self.stock.leaves(deadline, epoch + FAULTY_FOR);
        self.partition_mut(deadline, partition).faults.extend(numbers.iter().map(|number| (*number, until)));
    }

    /// Terminates sectors of a partition.
    pub fn terminate(&mut self, deadline: u64, partition: u64, numbers: &[u64]) {
        self.partition_mut(deadline, partition).terminate(numbers);
    }

    /// Extends sectors of a partition.
    pub fn extend(&mut self, deadline: u64, partition: u64, numbers: &[u64], (epoch, to): (i64, i64)) {
        self.partition_mut(deadline, partition);
        for sector in numbers.iter().filter_map(|number| self.sector(*number)).collect::<Vec<_>>() {
            self.change(Sector { expiration: to, power_base: epoch, ..sector });
        }
    }

    /// Snaps a sector of a partition: verified deals fill it.
    pub fn snap(&mut self, deadline: u64, partition: u64, number: u64, epoch: i64) {
        self.partition_mut(deadline, partition);
        if let Some(sector) = self.sector(number) {
            let (sealed, key) = (snapped(&sector), sector.key.or(Some(sector.sealed)));
            self.change(Sector { sealed, key, power_base: epoch, verified: true, ..sector });
        }
    }

    /// The cron at an epoch at which a deadline of it ends.
    pub fn close(&mut self, epoch: i64, recorded: &mut Recorded) {
        let (_, deadline) = self.stock.calendar(epoch);
        let posted = self.posted.remove(&deadline).unwrap_or_default();
        self.dirty.insert(deadline);
        for at in 0..self.partition_count(deadline) {
            let partition = self.partition(deadline, at);
            let due: Vec<(u64, bool)> = partition
                .live()
                .filter_map(|number| self.sector(number))
                .map(|sector| (sector.number, partition.leaves(&sector, &self.stock, deadline)))
                .filter(|(_, (leaves, _))| *leaves <= epoch)
                .map(|(number, (_, early))| (number, early))
                .collect();
            let gone: Vec<u64> = due.iter().map(|(number, _)| *number).collect();
            let missed: Vec<u64> = match posted.contains(&at) {
                true => Vec::new(),
                false => partition.live().filter(|number| !partition.faults.contains_key(number)).collect(),
            };
            if gone.is_empty() && missed.is_empty() && partition.recoveries.is_empty() {
                continue;
            }
            recorded.expired += due.iter().filter(|(_, early)| !early).count();
            recorded.terminated += due.iter().filter(|(_, early)| *early).count();
            recorded.faults += missed.iter().filter(|number| !gone.contains(number)).count();
            let until = self.stock.leaves(deadline, epoch + FAULTY_FOR);
            let partition = self.partition_mut(deadline, at);
            partition.recoveries.clear();
            partition.unproven.retain(|number| !missed.contains(number));
            partition.faults.extend(missed.iter().map(|number| (*number, until)));
            partition.terminate(&gone);
        }
        let partitions = self.deadlines[deadline as usize].partitions;
        self.snapshots.insert(deadline, (self.written, partitions));
    }

    /// Writes what has changed; `height` is of the next tipset. Returns its state, and what counts for its claim.
    pub fn write(&mut self, car: &mut Car, height: i64) -> io::Result<(Digest, Power)> {
        let mut tree = std::mem::take(&mut self.sectors);
        let sectors = tree.write(car, &|number| self.sector(number).map(|sector| sector.encode()))?;
        (self.sectors, self.written) = (tree, sectors);
        for deadline in std::mem::take(&mut self.dirty) {
            self.deadlines[deadline as usize] = self.write_deadline(car, deadline, &sectors)?;
        }
        let links: Vec<_> = self.deadlines.iter().map(|written| link_to(&written.deadline)).collect();
        let deadlines = car.put(&list(&[list(&links)]))?;
        let active = self.deadlines.iter().fold(Power::default(), |sum, of| sum.plus(of.active));
        let none = link_to(&amt(car, 6, &BTreeMap::new())?);
        let worker = super::encode::id_address(self.stock.miner);
        let info = list(&[super::encode::bytes(&worker), super::encode::bytes(&worker), uint(SIZE_IN_INFO)]);
        let info = car.put(&info)?;
        let allocated = car.put(&below(self.next_number))?;
        let (start, current) = self.stock.calendar(height);
        let state = list(&[
            link_to(&info),
            big(self.precommitted.len() as i128 * 100_000_000_000_000_000),
            big(i128::from(height) * 1_000_000_007),
            NULL.to_vec(),
            big(0),
            big(active.0 / (32 << 30) * 170_000_000_000_000_000),
            link_to(&self.precommits.write(car)?),
            none,
            link_to(&allocated),
            link_to(&sectors),
            int(start),
            uint(current),
            link_to(&deadlines),
            nothing(),
            vec![0xf5],
        ]);
        Ok((car.put(&state)?, active))
    }

    fn write_deadline(&self, car: &mut Car, deadline: u64, all_sectors: &Digest) -> io::Result<Written> {
        let (mut sums, mut partitions) = (Sums::default(), BTreeMap::new());
        for at in 0..self.partition_count(deadline) {
            let (partition, place) = (self.partition(deadline, at), (&self.stock, deadline, at));
            let sector = |number| self.sector(number);
            partitions.insert(at, partition.write(car, place, &sector, &mut sums)?);
        }
        let leaving = sums.leaving.iter().map(|(epoch, of)| (epoch.cast_unsigned(), bitfield(of))).collect();
        let (partitions, leaving) = (amt(car, 3, &partitions)?, amt(car, 5, &leaving)?);
        let none = link_to(&amt(car, 2, &BTreeMap::new())?);
        let snapshot = self.snapshots.get(&deadline).copied().unwrap_or((*all_sectors, partitions));
        let empty = BTreeSet::new();
        let state = list(&[
            link_to(&partitions),
            link_to(&leaving),
            bitfield(self.posted.get(&deadline).unwrap_or(&empty)),
            nothing(),
            uint(sums.live),
            uint(sums.total),
            sums.faulty_power.encode(),
            none.clone(),
            link_to(&snapshot.0),
            link_to(&snapshot.1),
            none,
            sums.live_power.encode(),
            big(sums.daily_fee),
        ]);
        Ok(Written { deadline: car.put(&state)?, partitions, active: sums.active() })
    }
}

/// The sector size as it stands in the miner's info.
const SIZE_IN_INFO: u64 = 32 << 30;

/// What the sealed data of a sector becomes by a snap.
pub fn snapped(sector: &Sector) -> u64 {
    mix(sector.sealed, 2)
}
