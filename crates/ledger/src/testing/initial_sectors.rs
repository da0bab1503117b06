//! The sectors that stand in the first state of a made-up history.
//!
//! They may be many more than memory holds: what is known of each follows from its number, and kept are only those that
//! something has happened to, a bit each.

use chain::{EPOCHS_PER_DAY, Epoch, MinerId};

use super::random::Random;
use super::sector::{PARTS, Sector};
use crate::event::Status;

/// Days within which all of them expire.
const DAYS: u64 = 360;
/// Sector `n` expires on day `n × STRIDE` modulo [`DAYS`]; it has no divisor with these.
const STRIDE: u64 = 77;
/// `STRIDE × INVERSE` is 1 modulo [`DAYS`].
const INVERSE: u64 = 173;
/// Bits of a word.
const WORD: u64 = u64::BITS as u64;

/// What is left of a miner's initial sectors: those of the numbers from 0 on that nothing has happened to.
#[derive(Clone, Debug)]
pub(super) struct InitialSectors {
    seed: u64,
    first_epoch: Epoch,
    count: u64,
    /// A bit for each that is not among them any more.
    taken: Vec<u64>,
    /// How many are left, and the sum of their qualities, by where they stand.
    left: [(usize, u64); 3],
}

/// Where a initial sector can stand, in the order of what is counted.
pub(super) const STATUSES: [Status; 3] = [Status::Active, Status::Faulty, Status::Unproven];

fn status_index(status: Status) -> Option<usize> {
    STATUSES.iter().position(|at| *at == status)
}

impl InitialSectors {
    /// So many sectors of a miner in a state before `first_epoch`.
    pub(super) fn new(seed: u64, miner: MinerId, count: u64, first_epoch: Epoch) -> Self {
        let mut initial =
            Self { seed: seed ^ miner.0 << 40, first_epoch, count, taken: Vec::new(), left: [(0, 0); 3] };
        for number in 0..count {
            let (status, sector) = initial.sector(number);
            if let Some(at) = status_index(status) {
                let (sectors, quality) = &mut initial.left[at];
                *sectors += 1;
                *quality += u64::from(sector.quality);
            }
        }
        initial
    }

    /// How many there were at first.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// How many stand so, and the sum of their qualities.
    pub(super) fn left(&self, status: Status) -> (usize, u64) {
        status_index(status).map_or((0, 0), |at| self.left[at])
    }

    /// The sector of that number as it stands in the first state.
    pub(super) fn sector(&self, number: u64) -> (Status, Sector) {
        let mut random = Random(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let status = random.one_of(&[Status::Active, Status::Active, Status::Faulty, Status::Unproven]);
        let day = 1 + (number % DAYS * STRIDE % DAYS) as i64;
        let sector = Sector {
            number,
            activation: self.first_epoch + -random.life(),
            expiration: self.first_epoch
                + (day * EPOCHS_PER_DAY + random.below(EPOCHS_PER_DAY as usize) as i64),
            quality: random.quality(PARTS),
            upgraded: false,
        };
        (status, sector)
    }

    fn is_taken(&self, number: u64) -> bool {
        let word = self.taken.get((number / WORD) as usize).copied().unwrap_or_default();
        word >> (number % WORD) & 1 == 1
    }

    fn note_taken(&mut self, number: u64, status: Status, sector: Sector) {
        let word = (number / WORD) as usize;
        if self.taken.len() <= word {
            self.taken.resize(self.count.div_ceil(WORD) as usize, 0);
        }
        self.taken[word] |= 1 << (number % WORD);
        if let Some(at) = status_index(status) {
            let (sectors, quality) = &mut self.left[at];
            *sectors -= 1;
            *quality -= u64::from(sector.quality);
        }
    }

    /// Takes one that stands so: that of a thrown number or the next one that does. There must be one.
    pub(super) fn take(&mut self, status: Status, random: &mut Random) -> Option<Sector> {
        let from = random.below(self.count as usize) as u64;
        for number in (from..self.count).chain(0..from) {
            if self.is_taken(number) {
                continue;
            }
            let (stands, sector) = self.sector(number);
            if stands == status {
                self.note_taken(number, status, sector);
                return Some(sector);
            }
        }
        None
    }

    /// Takes those that stand so and whose time has come by an epoch, if those of the days before have been taken.
    pub(super) fn take_due(&mut self, epoch: Epoch) -> Vec<(Status, Sector)> {
        let today = (epoch.0 - self.first_epoch.0).div_euclid(EPOCHS_PER_DAY);
        let mut due = Vec::new();
        for day in [today - 1, today] {
            // Sectors that expire in that day: its number less one, modulo the days that there are.
            let Ok(residue) = u64::try_from(day - 1) else { continue };
            if residue >= DAYS {
                continue;
            }
            let mut number = residue * INVERSE % DAYS;
            while number < self.count {
                if !self.is_taken(number) {
                    let (status, sector) = self.sector(number);
                    if sector.expiration <= epoch {
                        self.note_taken(number, status, sector);
                        due.push((status, sector));
                    }
                }
                number += DAYS;
            }
        }
        due.sort_by_key(|(_, sector)| sector.number);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_sector_is_taken_once_when_its_time_comes_or_by_chance() {
        assert_eq!(STRIDE * INVERSE % DAYS, 1);
        let mut initial = InitialSectors::new(7, MinerId(1000), 2_000, Epoch(2_209_200));
        let whole: usize = STATUSES.iter().map(|status| initial.left(*status).0).sum();
        assert_eq!(whole, 2_000);
        let mut random = Random(3);
        let mut taken = std::collections::BTreeSet::new();
        for status in STATUSES {
            for _ in 0..100 {
                let sector = initial.take(status, &mut random).unwrap();
                assert_eq!(initial.sector(sector.number).0, status);
                assert!(taken.insert(sector.number));
            }
        }
        for day in 0..=(DAYS as i64 + 1) {
            let epoch = Epoch(2_209_200 + day * EPOCHS_PER_DAY + 17);
            for (_, sector) in initial.take_due(epoch) {
                assert!(sector.expiration <= epoch && epoch + -EPOCHS_PER_DAY < sector.expiration);
                assert!(taken.insert(sector.number));
            }
        }
        assert_eq!(taken.len(), 2_000);
        assert!(STATUSES.iter().all(|status| initial.left(*status) == (0, 0)));
    }
}
