//! One miner at one moment: what it has, where it stands, and when it leaves.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chain::state::Miner;
use chain::{AttoFil, Epoch, Result, work};

use crate::differ::status_sets::SectorStatusSets;
use crate::differ::terms::Terms;
use crate::event::{Content, Status};
use crate::power::Power;

/// Sectors, their power, and what is pledged and paid for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectorTotals {
    /// How many sectors.
    pub sectors: u64,
    /// Their raw and quality-adjusted bytes.
    pub power: Power,
    /// Their initial pledge.
    pub pledge: AttoFil,
    /// What they pay a day.
    pub daily_fee: AttoFil,
}

impl SectorTotals {
    /// Adds other sectors.
    pub fn add(&mut self, other: &Self) {
        self.sectors += other.sectors;
        self.power.rbp.0 = self.power.rbp.0.saturating_add(other.power.rbp.0);
        self.power.qap.0 = self.power.qap.0.saturating_add(other.power.qap.0);
        self.pledge.0 = self.pledge.0.saturating_add(other.pledge.0);
        self.daily_fee.0 = self.daily_fee.0.saturating_add(other.daily_fee.0);
    }

    fn of(terms: &Terms) -> Self {
        Self {
            sectors: 1,
            power: Power { rbp: terms.size, qap: terms.qap },
            pledge: terms.backing.pledge,
            daily_fee: terms.backing.daily_fee.unwrap_or_default(),
        }
    }
}

/// A deadline's partitions and live sectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadlineSummary {
    /// How many partitions it has.
    pub partitions: u64,
    /// Its live sectors.
    pub live: u64,
    /// Of these, the faulty ones.
    pub faulty: u64,
    /// Of these, the unproven ones.
    pub unproven: u64,
}

/// A miner at some moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MinerSummary {
    /// Sectors in its state, those included that left and are not compacted away yet.
    pub in_state: u64,
    /// What is active: live, neither faulty nor unproven. Its power is the miner's claim.
    pub active: SectorTotals,
    /// What is faulty.
    pub faulty: SectorTotals,
    /// What awaits its first window `PoSt`.
    pub unproven: SectorTotals,
    /// Its 48 deadlines, by index.
    pub deadlines: BTreeMap<u64, DeadlineSummary>,
    /// What expires when, by the sectors' own expiration and by what they hold; live sectors only.
    pub expirations: BTreeMap<Epoch, BTreeMap<Content, SectorTotals>>,
}

impl MinerSummary {
    /// Reads all of a miner's sectors and partitions.
    ///
    /// # Errors
    /// If its state does not read.
    pub fn of(miner: &Miner<'_>) -> Result<Self> {
        let mut summary = Self::default();
        miner.for_each_partition(&mut |deadline, _, partition| {
            let live = partition.live();
            let of = summary.deadlines.entry(deadline).or_default();
            of.partitions += 1;
            of.live += live.len();
            of.faulty += partition.faults.intersection(&live).len();
            of.unproven += partition.unproven.intersection(&live).len();
            Ok(())
        })?;
        let status_sets = SectorStatusSets::of(miner)?;
        miner.for_each_sector(&mut |found| {
            summary.in_state += 1;
            let holding = match status_sets.status(found.sector.number) {
                Status::None => return Ok(()),
                Status::Active => &mut summary.active,
                Status::Faulty => &mut summary.faulty,
                Status::Unproven => &mut summary.unproven,
            };
            let terms = Terms::of(&found)?;
            let sector = SectorTotals::of(&terms);
            holding.add(&sector);
            let expiring = match summary.expirations.entry(terms.expiration) {
                Entry::Occupied(there) => there.into_mut(),
                Entry::Vacant(new) => {
                    // A map of its own.
                    miner.store().spend(4 * work::RETAINED)?;
                    new.insert(BTreeMap::new())
                }
            };
            expiring.entry(terms.backing.content).or_default().add(&sector);
            Ok(())
        })?;
        Ok(summary)
    }

    /// Live sectors: active, faulty and unproven.
    #[must_use]
    pub const fn live(&self) -> u64 {
        self.active.sectors + self.faulty.sectors + self.unproven.sectors
    }
}
