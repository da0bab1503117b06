//! Made-up histories that are valid: for tests and measurements that need more miners, days or kinds of events than a
//! chain at hand has.
//!
//! Every sector lives a life that the actors allow: pre-committed, onboarded, proven, faulty, recovered, snapped,
//! extended, and gone in one of the ways there are. Only time is shorter: sectors may leave after days, so that every
//! kind happens early. What the chain would say of each miner is added up over its sectors, not over the events.

mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;

use chain::{AttoFil, Bytes, Cid, EPOCHS_PER_DAY, Epoch, MinerId, SectorNumber};

use crate::event::{Backing, Cause, Content, Event, Kind, MessageRef, Status};
use crate::opening::Opening;
use crate::power::{ChainPower, Power};
use standing::{Standing, WHERE};

/// The first miner's number.
const FIRST_MINER: u64 = 1000;
/// Quality is in parts of a sector's size, so that sums of it are exact: 64 of 64 is a quality of 1.
const PARTS: u16 = 64;
const MOST_PARTS: u16 = 10 * PARTS;
/// What is pledged for each part of a sector's quality.
const PLEDGE: i128 = 3_000_000_000_000_001;
/// Most sectors of a message.
const BATCH: usize = 16;
/// Most sectors that a miner holds pre-committed.
const MOST_PRECOMMITS: usize = 64;
/// Longest life in days that a sector is committed to; on average it is a quarter of that.
const LONGEST: usize = 360;
/// Opening events that are made at once.
const OPENED_AT_ONCE: u64 = 4096;
/// Live sectors per event of a day, above which none are onboarded.
const MOST_LIVE: usize = 4;

/// What a made-up history is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeUpOptions {
    /// What chance starts from: the same options make the same history.
    pub seed: u64,
    /// How many miners there are, from f01000 on. The later ones have fewer sectors.
    pub miners: u64,
    /// About how many events a day has.
    pub events_per_day: usize,
    /// The first epoch of the first day; a day is [`EPOCHS_PER_DAY`] long.
    pub first_day_epoch: Epoch,
    /// How many sectors stand in the first state: `opening` events, or at epoch 0 `onboard` ones by `genesis`. They come
    /// on top of the first day's events.
    pub standing: usize,
}

impl Default for MadeUpOptions {
    /// Four miners, 300 events a day, from the mainnet day 2022-10-01 on, with nothing before.
    fn default() -> Self {
        Self { seed: 1, miners: 4, events_per_day: 300, first_day_epoch: Epoch(2_209_200), standing: 0 }
    }
}

/// A day of a made-up history.
#[derive(Clone, Debug)]
pub struct MadeUpDay {
    /// Its first epoch.
    pub first_epoch: Epoch,
    /// Its events, in the chain's order; on the first day those of the opening too, unless it was taken.
    pub events: Vec<Event>,
    /// What the chain says of every miner that has power at its end, by miner.
    pub powers: Vec<ChainPower>,
}

/// A made-up history, day by day and without an end. What it holds is bounded: some four live sectors for each event of
/// a day, and of those that stand in the first state a bit each.
///
/// ```
/// use ledger::testing::{MadeUp, MadeUpOptions};
///
/// let mut history = MadeUp::new(MadeUpOptions { events_per_day: 1_000, ..Default::default() });
/// let day = history.next().unwrap();
/// assert!(day.events.len() >= 1_000);
/// assert_eq!(day.powers.len(), 4);
/// ```
#[derive(Clone, Debug)]
pub struct MadeUp {
    options: MadeUpOptions,
    dice: Dice,
    providers: Vec<Provider>,
    first_epoch: Epoch,
    live: usize,
    /// Whether the opening is among the first day's events.
    opens: bool,
}

impl MadeUp {
    /// A history as the options say.
    #[must_use]
    pub fn new(options: MadeUpOptions) -> Self {
        let mut dice = Dice(options.seed);
        let mut standing = vec![0_u64; usize::try_from(options.miners).unwrap_or_default()];
        for _ in 0..options.standing {
            let nth = dice.below(standing.len());
            // Likelier of one with a low number.
            let nth = dice.below(nth + 1);
            standing.iter_mut().skip(nth).take(1).for_each(|count| *count += 1);
        }
        let provider = |(nth, count)| {
            let id = MinerId(FIRST_MINER + nth);
            let standing = Standing::new(options.seed, id, count, options.first_day_epoch);
            Provider::new(id, dice.below(3) == 0, standing)
        };
        Self {
            providers: (0..).zip(standing).map(provider).collect(),
            first_epoch: options.first_day_epoch,
            live: if options.miners == 0 { 0 } else { options.standing },
            opens: options.standing > 0,
            dice,
            options,
        }
    }

    /// Takes the opening out of the first day's events: those of the sectors that stand in the first state, which may be
    /// many more than memory holds.
    pub fn take_opening(&mut self) -> Opening<'static> {
        self.opens = false;
        let (epoch, most) = (self.options.first_day_epoch, self.options.standing as u64);
        let providers: Vec<Provider> = self.providers.clone();
        let batches = providers.into_iter().flat_map(move |provider| {
            let count = provider.standing.count();
            (0..count.div_ceil(OPENED_AT_ONCE)).map(move |nth| {
                let numbers = nth * OPENED_AT_ONCE..((nth + 1) * OPENED_AT_ONCE).min(count);
                Ok(numbers.map(|number| provider.opening(number, epoch)).collect())
            })
        });
        Opening::new(most, batches)
    }

    /// A scene of one miner, likelier of one with a low number.
    fn scene<'a>(&'a mut self, epoch: Epoch, events: &'a mut Vec<Event>) -> Option<Scene<'a>> {
        let upto = self.dice.below(self.providers.len());
        let nth = self.dice.below(upto + 1);
        let provider = self.providers.get_mut(nth)?;
        Some(Scene { dice: &mut self.dice, provider, live: &mut self.live, epoch, events })
    }

    /// The crons of an epoch: each miner's sectors whose time has come leave, once a day.
    fn crons(&mut self, slot: i64, epoch: Epoch, events: &mut Vec<Event>) {
        let (dice, live) = (&mut self.dice, &mut self.live);
        let first = usize::try_from(slot).unwrap_or_default();
        for provider in self.providers.iter_mut().skip(first).step_by(EPOCHS_PER_DAY as usize) {
            Scene { dice, provider, live, epoch, events }.expire();
        }
    }
}

impl Iterator for MadeUp {
    type Item = MadeUpDay;

    fn next(&mut self) -> Option<MadeUpDay> {
        let mut events = Vec::with_capacity(self.options.events_per_day + BATCH);
        if self.opens {
            events.extend(self.take_opening().flatten().flatten());
        }
        let (opened, wanted) = (events.len(), self.options.events_per_day as u128);
        let most_live = MOST_LIVE * self.options.events_per_day;
        for slot in 0..EPOCHS_PER_DAY {
            let epoch = self.first_epoch + slot;
            let due = wanted * (slot as u128 + 1) / EPOCHS_PER_DAY as u128;
            while ((events.len() - opened) as u128) < due {
                let full = self.live > most_live;
                self.scene(epoch, &mut events)?.play(full);
            }
            self.crons(slot, epoch, &mut events);
        }
        let powers =
            self.providers.iter().map(Provider::power).filter(|power| power.live.rbp.0 > 0).collect();
        let day = MadeUpDay { first_epoch: self.first_epoch, events, powers };
        self.first_epoch = self.first_epoch + EPOCHS_PER_DAY;
        Some(day)
    }
}

/// Chance from a seed (splitmix64).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 if that is 0.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.roll()) * end as u128) >> 64) as usize
    }

    fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    fn quality(&mut self, from: u16) -> u16 {
        // Most sectors are of quality 1.
        if self.below(2) == 0 { from } else { from + self.below(usize::from(MOST_PARTS - from) + 1) as u16 }
    }

    /// Epochs of some days.
    fn life(&mut self) -> i64 {
        let longest = self.below(LONGEST);
        EPOCHS_PER_DAY * (1 + self.below(longest + 1) as i64) + self.below(EPOCHS_PER_DAY as usize) as i64
    }

    /// Takes up to [`BATCH`] of some sectors.
    fn draw(&mut self, from: &mut Vec<Sector>) -> Vec<Sector> {
        let many = (1 + self.below(BATCH)).min(from.len());
        (0..many).map(|_| self.draw_one(from)).collect()
    }

    fn draw_one(&mut self, from: &mut Vec<Sector>) -> Sector {
        from.swap_remove(self.below(from.len()))
    }

    /// A CID that no block of this world has.
    fn cid(&mut self) -> Cid {
        // CIDv1, DAG-CBOR, blake2b-256, 32 bytes.
        let mut bytes = [0; 38];
        bytes[..6].copy_from_slice(&[0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20]);
        bytes[6..].chunks_exact_mut(8).for_each(|word| word.copy_from_slice(&self.roll().to_le_bytes()));
        Cid::try_from(&bytes[..]).unwrap_or_default()
    }
}

/// A sector, pre-committed or live.
#[derive(Clone, Copy, Debug)]
struct Sector {
    number: u64,
    activation: Epoch,
    expiration: Epoch,
    quality: u16,
    /// Whether it was upgraded to full quality, which it then keeps.
    upgraded: bool,
}

impl Sector {
    /// What a live sector holds: full quality by its flag, or by its quality verified deals; one in four of the others
    /// has deals.
    fn backing((status, sector): (Status, Self)) -> Option<Backing> {
        let content = match sector.quality {
            _ if sector.upgraded => Content::FullQuality,
            quality if quality > PARTS => Content::Verified,
            _ if sector.number % 4 == 0 => Content::Deals,
            _ => Content::Cc,
        };
        let pledge = AttoFil(PLEDGE * i128::from(sector.quality));
        (status != Status::None).then_some(Backing {
            content,
            pledge,
            daily_fee: Some(AttoFil(pledge.0 / 10_000)),
        })
    }
}

/// A miner and its sectors by where they stand.
#[derive(Clone, Debug)]
struct Provider {
    id: MinerId,
    size: Bytes,
    next: u64,
    standing: Standing,
    precommits: Vec<Sector>,
    unproven: Vec<Sector>,
    active: Vec<Sector>,
    faulty: Vec<Sector>,
}

impl Provider {
    const fn new(id: MinerId, large: bool, standing: Standing) -> Self {
        let size = Bytes(if large { 64 << 30 } else { 32 << 30 });
        let (none, next) = (Vec::new, standing.count());
        Self {
            id,
            size,
            next,
            standing,
            precommits: none(),
            unproven: none(),
            active: none(),
            faulty: none(),
        }
    }

    /// The event with which a standing sector comes into the ledger.
    fn opening(&self, number: u64, epoch: Epoch) -> Event {
        let (kind, cause) =
            if epoch.0 == 0 { (Kind::Onboard, Some(Cause::Genesis)) } else { (Kind::Opening, None) };
        self.told(epoch, kind, cause, None, Some(self.standing.sector(number)))
    }

    /// What became of a sector: where it stood and how it was, and so after. One of the two must be known.
    fn told(
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
    fn draw(&mut self, status: Status, dice: &mut Dice) -> Vec<Sector> {
        let (standing, _) = self.standing.left(status);
        let Some(list) = self.list(status) else { return Vec::new() };
        let mut left = (list.len(), standing);
        let many = (1 + dice.below(BATCH)).min(left.0 + left.1);
        let mut drawn = Vec::with_capacity(many);
        for _ in 0..many {
            if dice.below(left.0 + left.1) < left.0 {
                left.0 -= 1;
                drawn.extend(self.list(status).map(|list| dice.draw_one(list)));
            } else {
                left.1 -= 1;
                drawn.extend(self.standing.take(status, dice));
            }
        }
        drawn
    }

    fn qap(&self, parts: u64) -> Bytes {
        Bytes(self.size.0 / i128::from(PARTS) * i128::from(parts))
    }

    fn power(&self) -> ChainPower {
        let sum = |sectors: &[Sector], status: Status| {
            let (standing, quality) = self.standing.left(status);
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

    fn list(&mut self, status: Status) -> Option<&mut Vec<Sector>> {
        match status {
            Status::None => None,
            Status::Unproven => Some(&mut self.unproven),
            Status::Active => Some(&mut self.active),
            Status::Faulty => Some(&mut self.faulty),
        }
    }
}

/// One miner at one epoch.
struct Scene<'a> {
    dice: &'a mut Dice,
    provider: &'a mut Provider,
    live: &'a mut usize,
    epoch: Epoch,
    events: &'a mut Vec<Event>,
}

impl Scene<'_> {
    /// Lets something happen that the miner's sectors allow. `full`: nothing is onboarded.
    fn play(&mut self, full: bool) {
        let chance = self.dice.below(100);
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
    fn tell(
        &mut self,
        kind: Kind,
        cause: Option<Cause>,
        before: Option<(Status, Sector)>,
        after: Option<(Status, Sector)>,
    ) {
        self.events.push(self.provider.told(self.epoch, kind, cause, before, after));
    }

    /// Moves a live sector to where it now stands, and writes that down.
    fn shift(&mut self, kind: Kind, cause: Option<Cause>, from: Status, sector: Sector, to: Status) {
        let after = (to != Status::None).then_some((to, sector));
        self.tell(kind, cause, Some((from, sector)), after);
        self.keep(sector, to);
    }

    fn keep(&mut self, sector: Sector, status: Status) {
        match self.provider.list(status) {
            Some(list) => list.push(sector),
            None => *self.live -= 1,
        }
    }

    fn draw(&mut self, status: Status) -> Vec<Sector> {
        self.provider.draw(status, self.dice)
    }

    /// Gives the events from `first` on their message.
    fn send(&mut self, first: usize, method: u64) {
        let events = &mut self.events[first..];
        let sectors: BTreeSet<_> = events.iter().map(|event| event.sector).collect();
        let sectors = u32::try_from(sectors.len()).unwrap_or(u32::MAX);
        let message = Arc::new(MessageRef { cid: self.dice.cid(), method, sectors });
        events.iter_mut().for_each(|event| event.message = Some(Arc::clone(&message)));
    }

    fn new_sector(&mut self) -> Sector {
        let number = self.provider.next;
        self.provider.next += 1;
        let expiration = self.epoch + self.dice.life();
        let quality = self.dice.quality(PARTS);
        Sector { number, activation: self.epoch, expiration, quality, upgraded: false }
    }

    fn precommit(&mut self, cause: Cause) {
        if self.provider.precommits.len() > MOST_PRECOMMITS {
            return self.onboard(Cause::Batch);
        }
        let first = self.events.len();
        let many = if cause == Cause::Single { 1 } else { 1 + self.dice.below(BATCH) };
        for _ in 0..many {
            let sector = self.new_sector();
            self.tell(Kind::Precommit, Some(cause), None, Some((Status::None, sector)));
            self.provider.precommits.push(sector);
        }
        let method = if cause == Cause::Single { 6 } else { self.dice.one_of(&[25, 28]) };
        self.send(first, method);
    }

    fn precommits_expire(&mut self) {
        for sector in self.dice.draw(&mut self.provider.precommits) {
            self.tell(Kind::PrecommitExpired, None, Some((Status::None, sector)), None);
        }
    }

    fn onboard(&mut self, cause: Cause) {
        let precommits = &mut self.provider.precommits;
        let sectors = match cause {
            Cause::NonInteractive => (0..=self.dice.below(BATCH)).map(|_| self.new_sector()).collect(),
            _ if precommits.is_empty() => return self.precommit(cause),
            Cause::Single => vec![self.dice.draw_one(precommits)],
            _ => self.dice.draw(precommits),
        };
        let method = match cause {
            Cause::NonInteractive => 36,
            Cause::Single => 7,
            _ => self.dice.one_of(&[26, 34]),
        };
        // Actors v1 had no unproven sectors.
        let proven = cause == Cause::Single && self.dice.below(4) == 0;
        let first = self.events.len();
        for sector in sectors {
            let sector =
                Sector { activation: self.epoch, expiration: self.epoch + self.dice.life(), ..sector };
            *self.live += 1;
            self.tell(Kind::Onboard, Some(cause), None, Some((Status::Unproven, sector)));
            if proven {
                self.shift(Kind::Proven, None, Status::Unproven, sector, Status::Active);
            } else {
                self.keep(sector, Status::Unproven);
            }
        }
        self.send(first, method);
    }

    /// A window `PoSt`, which may skip some sectors.
    fn post(&mut self) {
        let (unproven, faulty, active) =
            (self.draw(Status::Unproven), self.draw(Status::Faulty), self.draw(Status::Active));
        let first = self.events.len();
        for sector in unproven {
            if self.dice.below(8) == 0 {
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
            if self.dice.below(8) == 0 {
                self.shift(Kind::Fault, Some(Cause::Skipped), Status::Active, sector, Status::Faulty);
            } else {
                self.keep(sector, Status::Active);
            }
        }
        self.send(first, 5);
    }

    fn fault(&mut self, cause: Cause, method: Option<u64>) {
        let from = self.dice.one_of(&[Status::Active, Status::Active, Status::Unproven]);
        let first = self.events.len();
        for sector in self.draw(from) {
            self.shift(Kind::Fault, Some(cause), from, sector, Status::Faulty);
        }
        if let Some(method) = method {
            self.send(first, method);
        }
    }

    /// Changes active sectors where they stand.
    fn rework(
        &mut self,
        method: Option<u64>,
        twice: bool,
        mut change: impl FnMut(&mut Dice, Sector) -> (Kind, Option<Cause>, Sector),
    ) {
        let first = self.events.len();
        for mut sector in self.draw(Status::Active) {
            // An extension may name a sector twice.
            for _ in 0..=usize::from(twice && self.dice.below(16) == 0) {
                let (kind, cause, changed) = change(self.dice, sector);
                let at = |sector| Some((Status::Active, sector));
                self.tell(kind, cause, at(sector), at(changed));
                sector = changed;
            }
            self.keep(sector, Status::Active);
        }
        if let Some(method) = method {
            self.send(first, method);
        }
    }

    fn snap(&mut self) {
        let method = self.dice.one_of(&[27, 29, 35]);
        self.rework(Some(method), false, |dice, sector| {
            (Kind::Snap, None, Sector { quality: dice.quality(sector.quality), ..sector })
        });
    }

    /// An extension, which may drop claims, and may do that alone.
    fn extend(&mut self) {
        let method = self.dice.one_of(&[8, 32]);
        self.rework(Some(method), true, |dice, sector| {
            let quality = PARTS + dice.below(usize::from(sector.quality - PARTS) + 1) as u16;
            let quality = if sector.upgraded { sector.quality } else { quality };
            if dice.below(8) == 0 {
                (Kind::Adjust, Some(Cause::Extension), Sector { quality, ..sector })
            } else {
                let expiration = sector.expiration + dice.life();
                (Kind::Extend, None, Sector { quality, expiration, ..sector })
            }
        });
    }

    /// A migration or something else that no other kind covers. A migration may take sectors away.
    fn adjust(&mut self) {
        if self.dice.below(4) == 0 {
            for sector in self.draw(Status::Active) {
                let cause = Some(Cause::Migration);
                self.shift(Kind::Adjust, cause, Status::Active, sector, Status::None);
            }
            return;
        }
        let cause = self.dice.one_of(&[Cause::Migration, Cause::Other]);
        self.rework(None, false, |dice, sector| {
            let quality = if sector.upgraded { sector.quality } else { dice.quality(PARTS) };
            (Kind::Adjust, Some(cause), Sector { quality, ..sector })
        });
    }

    /// Upgrades to full quality, some with an extension by the same message. Sectors that have it keep what they have.
    fn upgrade(&mut self) {
        let first = self.events.len();
        for sector in self.draw(Status::Active) {
            let at = |sector| Some((Status::Active, sector));
            let upgraded = Sector { quality: MOST_PARTS, upgraded: true, ..sector };
            if !sector.upgraded {
                self.tell(Kind::Upgrade, None, at(sector), at(upgraded));
            }
            let mut kept = upgraded;
            if self.dice.below(2) == 0 {
                kept.expiration = upgraded.expiration + self.dice.life();
                self.tell(Kind::Extend, None, at(upgraded), at(kept));
            }
            self.keep(kept, Status::Active);
        }
        self.send(first, 37);
    }

    fn terminate(&mut self) {
        let first = self.events.len();
        for from in [Status::Active, Status::Faulty, Status::Unproven] {
            if from == Status::Active || self.dice.below(4) == 0 {
                for sector in self.draw(from) {
                    self.shift(Kind::Terminate, Some(Cause::Active), from, sector, Status::None);
                }
            }
        }
        self.send(first, 9);
    }

    fn drop_faulty(&mut self) {
        for sector in self.draw(Status::Faulty) {
            self.shift(Kind::Terminate, Some(Cause::Passive), Status::Faulty, sector, Status::None);
        }
    }

    /// CC upgrades, up to actors v6: the old sectors leave before their time.
    fn replace(&mut self) {
        for sector in self.draw(Status::Active) {
            let cause = if sector.expiration > self.epoch { Cause::Replaced } else { Cause::OnTime };
            self.shift(Kind::Expire, Some(cause), Status::Active, sector, Status::None);
        }
    }

    fn expire(&mut self) {
        let epoch = self.epoch;
        let mut due = self.provider.standing.take_due(epoch);
        for from in WHERE {
            let Some(list) = self.provider.list(from) else { continue };
            due.extend(list.extract_if(.., |sector| sector.expiration <= epoch).map(|sector| (from, sector)));
        }
        for (from, sector) in due {
            self.shift(Kind::Expire, Some(Cause::OnTime), from, sector, Status::None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_the_same_for_the_same_options_and_has_every_kind_and_cause() {
        let options = MadeUpOptions { standing: 50, ..Default::default() };
        let days = |options| MadeUp::new(options).take(30).map(|day| day.events).collect::<Vec<_>>();
        let events = days(options);
        assert_eq!(events, days(options));
        assert_ne!(events, days(MadeUpOptions { seed: 2, ..options }));
        let seen: BTreeSet<_> = events.iter().flatten().map(|event| (event.kind, event.cause)).collect();
        let kinds: BTreeSet<_> = seen.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, Kind::ALL.iter().copied().collect());
        let causes: BTreeSet<_> = seen.iter().filter_map(|(_, cause)| *cause).collect();
        let genesis = MadeUpOptions { first_day_epoch: Epoch(0), ..options };
        assert!(days(genesis).iter().flatten().any(|event| event.cause == Some(Cause::Genesis)));
        assert_eq!(causes.len() + 1, Cause::ALL.len());
    }

    #[test]
    fn what_a_long_history_holds_is_bounded_and_its_days_are_as_long_as_asked() {
        let options = MadeUpOptions { miners: 50, events_per_day: 2_000, ..Default::default() };
        let mut history = MadeUp::new(options);
        for day in history.by_ref().take(400) {
            assert!((2_000..4_000).contains(&day.events.len()), "{}", day.events.len());
        }
        assert!(history.live <= (MOST_LIVE + 1) * options.events_per_day);
        let held: usize = history
            .providers
            .iter()
            .map(|held| held.active.len() + held.faulty.len() + held.unproven.len())
            .sum();
        assert_eq!(held, history.live);
    }
}
