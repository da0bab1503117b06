//! A miner of a synthetic history.

use chain::{Bytes, Epoch, MinerId, SectorNumber};

use super::initial_sectors::InitialSectors;
use super::random::{BATCH, Random};
use super::sector::{PARTS, Sector};
use crate::event::{Cause, Event, Kind, Status};
use crate::power::{ChainPower, Power};

/// A miner and its sectors by where they stand.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    pub(super) id: MinerId,
    pub(super) size: Bytes,
    pub(super) next: u64,
    pub(super) initial: InitialSectors,
    pub(super) precommits: Vec<Sector>,
    pub(super) unproven: Vec<Sector>,
    pub(super) active: Vec<Sector>,
    pub(super) faulty: Vec<Sector>,
}

impl Provider {
    pub(super) const fn new(id: MinerId, large: bool, initial: InitialSectors) -> Self {
        let size = Bytes(if large { 64 << 30 } else { 32 << 30 });
        let (none, next) = (Vec::new, initial.count());
        Self { id, size, next, initial, precommits: none(), unproven: none(), active: none(), faulty: none() }
    }

    /// The event with which an initial sector comes into the ledger.
    pub(super) fn opening(&self, number: u64, epoch: Epoch) -> Event {
        let (kind, cause) =
            if epoch.0 == 0 { (Kind::Onboard, Some(Cause::Genesis)) } else { (Kind::Opening, None) };
        self.event(epoch, kind, cause, None, Some(self.initial.sector(number)))
    }

    /// What became of a sector: where it stood and how it was, and so after. One of the two must be known.
    pub(super) fn event(
        &self,
        epoch: Epoch,
        kind: Kind,
        cause: Option<Cause>,
        before: Option<(Status, Sector)>,
        after: Option<(Status, Sector)>,
    ) -> Event {
        let known = before.or(after).map(|(_, sector)| sector);
        let qap = |sector: Sector| self.qap(sector.quality.into());
        let committed = matches!(kind, Kind::Precommit | Kind::PrecommitExpired);
        Event {
            epoch,
            miner: self.id,
            sector: SectorNumber(known.map_or(0, |sector| sector.number)),
            kind,
            cause,
            sector_size: self.size,
            qap_before: before.map(|(_, sector)| qap(sector)),
            qap_after: after.map(|(_, sector)| qap(sector)),
            activation: known.filter(|_| !committed).map(|sector| sector.activation),
            expiration_before: before.map(|(_, sector)| sector.expiration),
            expiration_after: after.map(|(_, sector)| sector.expiration),
            backing_before: before.and_then(Sector::backing),
            backing_after: after.and_then(Sector::backing),
            status_before: before.map_or(Status::None, |(status, _)| status),
            status_after: after.map_or(Status::None, |(status, _)| status),
            message: None,
            uncertain: false,
        }
    }

    /// Takes up to [`BATCH`] sectors that stand so.
    pub(super) fn draw(&mut self, status: Status, random: &mut Random) -> Vec<Sector> {
        let (standing, _) = self.initial.left(status);
        let Some(list) = self.list(status) else { return Vec::new() };
        let mut left = (list.len(), standing);
        let many = (1 + random.below(BATCH)).min(left.0 + left.1);
        let mut drawn = Vec::with_capacity(many);
        for _ in 0..many {
            if random.below(left.0 + left.1) < left.0 {
                left.0 -= 1;
                drawn.extend(self.list(status).map(|list| random.draw_one(list)));
            } else {
                left.1 -= 1;
                drawn.extend(self.initial.take(status, random));
            }
        }
        drawn
    }

    pub(super) fn qap(&self, parts: u64) -> Bytes {
        Bytes(self.size.0 / i128::from(PARTS) * i128::from(parts))
    }

    pub(super) fn power(&self) -> ChainPower {
        let sum = |sectors: &[Sector], status: Status| {
            let (standing, quality) = self.initial.left(status);
            let quality = sectors.iter().fold(quality, |sum, sector| sum + u64::from(sector.quality));
            Power { rbp: Bytes(self.size.0 * (sectors.len() + standing) as i128), qap: self.qap(quality) }
        };
        let claim = sum(&self.active, Status::Active);
        let (faulty, unproven) = (sum(&self.faulty, Status::Faulty), sum(&self.unproven, Status::Unproven));
        let live = Power {
            rbp: Bytes(claim.rbp.0 + faulty.rbp.0 + unproven.rbp.0),
            qap: Bytes(claim.qap.0 + faulty.qap.0 + unproven.qap.0),
        };
        ChainPower { miner: self.id, claim, live, faulty, unproven }
    }

    pub(super) fn list(&mut self, status: Status) -> Option<&mut Vec<Sector>> {
        match status {
            Status::None => None,
            Status::Unproven => Some(&mut self.unproven),
            Status::Active => Some(&mut self.active),
            Status::Faulty => Some(&mut self.faulty),
        }
    }
}
