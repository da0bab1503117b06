//! What a miner of a synthetic history does at an epoch, and what its crons do.

use std::collections::BTreeSet;
use std::sync::Arc;

use chain::Epoch;

use super::initial_sectors::STATUSES;
use super::provider::Provider;
use super::random::{BATCH, Random};
use super::sector::{MOST_PARTS, PARTS, Sector};
use crate::event::{Cause, Event, Kind, MessageRef, Status};

/// Most sectors that a miner holds pre-committed.
const MOST_PRECOMMITS: usize = 64;

/// One miner at one epoch.
pub(super) struct EpochActions<'a> {
    pub(super) random: &'a mut Random,
    pub(super) provider: &'a mut Provider,
    pub(super) live: &'a mut usize,
    pub(super) epoch: Epoch,
    pub(super) events: &'a mut Vec<Event>,
}

impl EpochActions<'_> {
    /// Lets something happen that the miner's sectors allow. `full`: nothing is onboarded.
    pub(super) fn play(&mut self, full: bool) {
        let chance = self.random.below(100);
        match chance {
            _ if full => self.terminate(),
            0..8 => self.onboard(Cause::NonInteractive),
            8..18 => self.onboard(Cause::Single),
            18..32 => self.onboard(Cause::Batch),
            32..36 => self.precommits_expire(),
            36..60 => self.post(),
            60..64 => self.fault(Cause::Declared, Some(10)),
            64..67 => self.fault(Cause::Missed, None),
            67..70 => self.fault(Cause::Disputed, Some(24)),
            70..75 => self.snap(),
            75..82 => self.extend(),
            82 => self.adjust(),
            83 => self.upgrade(),
            84..87 => self.terminate(),
            87..89 => self.drop_faulty(),
            89 => self.replace(),
            90..93 => self.precommit(Cause::Single),
            _ => self.precommit(Cause::Batch),
        }
    }

    /// Writes down what became of a sector: where it stood and how it was, and so after.
    pub(super) fn record(
        &mut self,
        kind: Kind,
        cause: Option<Cause>,
        before: Option<(Status, Sector)>,
        after: Option<(Status, Sector)>,
    ) {
        self.events.push(self.provider.event(self.epoch, kind, cause, before, after));
    }

    /// Moves a live sector to where it now stands, and writes that down.
    pub(super) fn shift(
        &mut self,
        kind: Kind,
        cause: Option<Cause>,
        from: Status,
        sector: Sector,
        to: Status,
    ) {
        let after = (to != Status::None).then_some((to, sector));
        self.record(kind, cause, Some((from, sector)), after);
        self.keep(sector, to);
    }

    pub(super) fn keep(&mut self, sector: Sector, status: Status) {
        match self.provider.list(status) {
            Some(list) => list.push(sector),
            None => *self.live -= 1,
        }
    }

    pub(super) fn draw(&mut self, status: Status) -> Vec<Sector> {
        self.provider.draw(status, self.random)
    }

    /// Gives the events from `first` on their message.
    pub(super) fn send(&mut self, first: usize, method: u64) {
        let events = &mut self.events[first..];
        let sectors: BTreeSet<_> = events.iter().map(|event| event.sector).collect();
        let sectors = u32::try_from(sectors.len()).unwrap_or(u32::MAX);
        let message = Arc::new(MessageRef { cid: self.random.cid(), method, sectors });
        events.iter_mut().for_each(|event| event.message = Some(Arc::clone(&message)));
    }

    pub(super) fn new_sector(&mut self) -> Sector {
        let number = self.provider.next;
        self.provider.next += 1;
        let expiration = self.epoch + self.random.life();
        let quality = self.random.quality(PARTS);
        Sector { number, activation: self.epoch, expiration, quality, upgraded: false }
    }

    pub(super) fn precommit(&mut self, cause: Cause) {
        if self.provider.precommits.len() > MOST_PRECOMMITS {
            return self.onboard(Cause::Batch);
        }
        let first = self.events.len();
        let many = if cause == Cause::Single { 1 } else { 1 + self.random.below(BATCH) };
        for _ in 0..many {
            let sector = self.new_sector();
            self.record(Kind::Precommit, Some(cause), None, Some((Status::None, sector)));
            self.provider.precommits.push(sector);
        }
        let method = if cause == Cause::Single { 6 } else { self.random.one_of(&[25, 28]) };
        self.send(first, method);
    }

    pub(super) fn precommits_expire(&mut self) {
        for sector in self.random.draw(&mut self.provider.precommits) {
            self.record(Kind::PrecommitExpired, None, Some((Status::None, sector)), None);
        }
    }

    pub(super) fn onboard(&mut self, cause: Cause) {
        let precommits = &mut self.provider.precommits;
        let sectors = match cause {
            Cause::NonInteractive => (0..=self.random.below(BATCH)).map(|_| self.new_sector()).collect(),
            _ if precommits.is_empty() => return self.precommit(cause),
            Cause::Single => vec![self.random.draw_one(precommits)],
            _ => self.random.draw(precommits),
        };
        let method = match cause {
            Cause::NonInteractive => 36,
            Cause::Single => 7,
            _ => self.random.one_of(&[26, 34]),
        };
        // Actors v1 had no unproven sectors.
        let proven = cause == Cause::Single && self.random.below(4) == 0;
        let first = self.events.len();
        for sector in sectors {
            let sector =
                Sector { activation: self.epoch, expiration: self.epoch + self.random.life(), ..sector };
            *self.live += 1;
            self.record(Kind::Onboard, Some(cause), None, Some((Status::Unproven, sector)));
            if proven {
                self.shift(Kind::Proven, None, Status::Unproven, sector, Status::Active);
            } else {
                self.keep(sector, Status::Unproven);
            }
        }
        self.send(first, method);
    }

    /// A window `PoSt`, which may skip some sectors.
    pub(super) fn post(&mut self) {
        let (unproven, faulty, active) =
            (self.draw(Status::Unproven), self.draw(Status::Faulty), self.draw(Status::Active));
        let first = self.events.len();
        for sector in unproven {
            if self.random.below(8) == 0 {
                let cause = Some(Cause::Skipped);
                self.shift(Kind::Fault, cause, Status::Unproven, sector, Status::Faulty);
            } else {
                self.shift(Kind::Proven, None, Status::Unproven, sector, Status::Active);
            }
        }
        for sector in faulty {
            self.shift(Kind::Recover, None, Status::Faulty, sector, Status::Active);
        }
        for sector in active {
            if self.random.below(8) == 0 {
                self.shift(Kind::Fault, Some(Cause::Skipped), Status::Active, sector, Status::Faulty);
            } else {
                self.keep(sector, Status::Active);
            }
        }
        self.send(first, 5);
    }

    pub(super) fn fault(&mut self, cause: Cause, method: Option<u64>) {
        let from = self.random.one_of(&[Status::Active, Status::Active, Status::Unproven]);
        let first = self.events.len();
        for sector in self.draw(from) {
            self.shift(Kind::Fault, Some(cause), from, sector, Status::Faulty);
        }
        if let Some(method) = method {
            self.send(first, method);
        }
    }

    /// Changes active sectors where they stand.
    pub(super) fn rework(
        &mut self,
        method: Option<u64>,
        twice: bool,
        mut change: impl FnMut(&mut Random, Sector) -> (Kind, Option<Cause>, Sector),
    ) {
        let first = self.events.len();
        for mut sector in self.draw(Status::Active) {
            // An extension may name a sector twice.
            for _ in 0..=usize::from(twice && self.random.below(16) == 0) {
                let (kind, cause, changed) = change(self.random, sector);
                let at = |sector| Some((Status::Active, sector));
                self.record(kind, cause, at(sector), at(changed));
                sector = changed;
            }
            self.keep(sector, Status::Active);
        }
        if let Some(method) = method {
            self.send(first, method);
        }
    }

    pub(super) fn snap(&mut self) {
        let method = self.random.one_of(&[27, 29, 35]);
        self.rework(Some(method), false, |random, sector| {
            (Kind::Snap, None, Sector { quality: random.quality(sector.quality), ..sector })
        });
    }

    /// An extension, which may drop claims, and may do that alone.
    pub(super) fn extend(&mut self) {
        let method = self.random.one_of(&[8, 32]);
        self.rework(Some(method), true, |random, sector| {
            let quality = PARTS + random.below(usize::from(sector.quality - PARTS) + 1) as u16;
            let quality = if sector.upgraded { sector.quality } else { quality };
            if random.below(8) == 0 {
                (Kind::Adjust, Some(Cause::Extension), Sector { quality, ..sector })
            } else {
                let expiration = sector.expiration + random.life();
                (Kind::Extend, None, Sector { quality, expiration, ..sector })
            }
        });
    }

    /// A migration or something else that no other kind covers. A migration may take sectors away.
    pub(super) fn adjust(&mut self) {
        if self.random.below(4) == 0 {
            for sector in self.draw(Status::Active) {
                let cause = Some(Cause::Migration);
                self.shift(Kind::Adjust, cause, Status::Active, sector, Status::None);
            }
            return;
        }
        let cause = self.random.one_of(&[Cause::Migration, Cause::Other]);
        self.rework(None, false, |random, sector| {
            let quality = if sector.upgraded { sector.quality } else { random.quality(PARTS) };
            (Kind::Adjust, Some(cause), Sector { quality, ..sector })
        });
    }

    /// Upgrades to full quality, some with an extension by the same message. Sectors that have it keep what they have.
    pub(super) fn upgrade(&mut self) {
        let first = self.events.len();
        for sector in self.draw(Status::Active) {
            let at = |sector| Some((Status::Active, sector));
            let upgraded = Sector { quality: MOST_PARTS, upgraded: true, ..sector };
            if !sector.upgraded {
                self.record(Kind::Upgrade, None, at(sector), at(upgraded));
            }
            let mut kept = upgraded;
            if self.random.below(2) == 0 {
                kept.expiration = upgraded.expiration + self.random.life();
                self.record(Kind::Extend, None, at(upgraded), at(kept));
            }
            self.keep(kept, Status::Active);
        }
        self.send(first, 37);
    }

    pub(super) fn terminate(&mut self) {
        let first = self.events.len();
        for from in [Status::Active, Status::Faulty, Status::Unproven] {
            if from == Status::Active || self.random.below(4) == 0 {
                for sector in self.draw(from) {
                    self.shift(Kind::Terminate, Some(Cause::Active), from, sector, Status::None);
                }
            }
        }
        self.send(first, 9);
    }

    pub(super) fn drop_faulty(&mut self) {
        for sector in self.draw(Status::Faulty) {
            self.shift(Kind::Terminate, Some(Cause::Passive), Status::Faulty, sector, Status::None);
        }
    }

    /// CC upgrades, up to actors v6: the old sectors leave before their time.
    pub(super) fn replace(&mut self) {
        for sector in self.draw(Status::Active) {
            let cause = if sector.expiration > self.epoch { Cause::Replaced } else { Cause::OnTime };
            self.shift(Kind::Expire, Some(cause), Status::Active, sector, Status::None);
        }
    }

    pub(super) fn expire(&mut self) {
        let epoch = self.epoch;
        let mut due = self.provider.initial.take_due(epoch);
        for from in STATUSES {
            let Some(list) = self.provider.list(from) else { continue };
            due.extend(list.extract_if(.., |sector| sector.expiration <= epoch).map(|sector| (from, sector)));
        }
        for (from, sector) in due {
            self.shift(Kind::Expire, Some(Cause::OnTime), from, sector, Status::None);
        }
    }
}
