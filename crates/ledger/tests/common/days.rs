//! Histories day by day, and what does not hold of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chain::{CarStore, Chain, Epoch, MinerId, NoProgress};
use ledger::checks::{Continuity, check_day};
use ledger::columns::COLUMNS;
use ledger::identities::{IDENTITIES, MinerDay, Operand};
use ledger::testing::{SyntheticHistory, SyntheticOptions};
use ledger::{ChainPower, ChainPowers, Event, EventReader, Kind, Power, Row, explain};

use super::shared;

/// A day of a history.
#[derive(Clone)]
pub struct Day {
    pub epochs: Range<Epoch>,
    pub events: Vec<Event>,
    pub powers: BTreeMap<MinerId, ChainPower>,
}

/// Closed days, one after the other.
#[derive(Clone)]
pub struct History {
    pub days: Vec<Day>,
    /// Whether it begins before the first pre-commit.
    pub whole: bool,
}

fn by_miner(powers: impl IntoIterator<Item = ChainPower>) -> BTreeMap<MinerId, ChainPower> {
    powers.into_iter().map(|power| (power.miner, power)).collect()
}

pub fn made_up(options: SyntheticOptions, days: usize) -> History {
    let day = |day: ledger::testing::SyntheticDay| Day {
        epochs: day.first_epoch..day.first_epoch + chain::EPOCHS_PER_DAY,
        events: day.events,
        powers: by_miner(day.powers),
    };
    History { days: SyntheticHistory::new(options).take(days).map(day).collect(), whole: true }
}

/// The closed days of a chain with known truth.
pub fn chain_history(name: &str) -> Option<History> {
    let path = shared(&format!("{name}.car.zst"))?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let clock = chain.clock();
    let (opening, mut reading) = EventReader::open(&chain, 0).unwrap();
    let mut events = opening.all().unwrap();
    let (mut powers, mut days) = (ChainPowers::default(), Vec::new());
    let mut day = clock.day_of(chain.tipsets()[0].height);
    for tipset in chain.tipsets() {
        while day < clock.day_of(tipset.height) {
            powers.advance(&cars, &tipset.parent_state_root, reading.codes()).unwrap();
            days.push(Day {
                epochs: clock.first_epoch(day)..clock.first_epoch(day.next()),
                events: std::mem::take(&mut events),
                powers: by_miner(powers.iter()),
            });
            day = day.next();
        }
        events.extend(reading.next().into_iter().flat_map(|tipset| tipset.unwrap().events));
    }
    // Only `tiny` and `long` begin with an empty chain; the first state of the others has pre-commits.
    Some(History { days, whole: matches!(name, "tiny" | "long") })
}

/// A miner's row of a day, from that of the day before.
pub type Add = dyn Fn(Option<&Row>, &[Event]) -> Row;

/// What was found when everything was checked.
#[derive(Default)]
pub struct Held {
    pub failures: Vec<String>,
    /// The names of what failed.
    pub names: BTreeSet<&'static str>,
    /// Identities whose figures were not all zero once.
    pub identities: BTreeSet<&'static str>,
    pub miner_days: usize,
}

impl Held {
    /// Everything, and the explanation of every number.
    pub fn of(history: &History) -> Self {
        Self::adding(history, &|previous, events| Row::of(previous, events).unwrap(), true)
    }

    /// With rows added up by `add`.
    pub fn adding(history: &History, add: &Add, explained: bool) -> Self {
        let mut held = Self::default();
        let mut rows: BTreeMap<MinerId, Row> = BTreeMap::new();
        let mut continuity = Continuity::new(history.whole);
        for day in &history.days {
            for failure in check_day(&day.events, day.epochs.clone()) {
                held.fail(failure.check.name(), failure.to_string());
            }
            let mut events: BTreeMap<MinerId, Vec<Event>> = BTreeMap::new();
            for event in &day.events {
                if let Some(problem) = continuity.check(event) {
                    held.fail("continuity across days", problem);
                }
                events.entry(event.miner).or_default().push(event.clone());
            }
            let miners: BTreeSet<_> =
                rows.keys().chain(events.keys()).chain(day.powers.keys()).copied().collect();
            let opening = day.events.iter().any(|event| event.kind == Kind::Opening);
            for miner in miners {
                let previous = rows.get(&miner);
                let row = add(previous, events.get(&miner).map_or(&[], Vec::as_slice));
                let none = Power::default();
                let nothing = ChainPower { miner, claim: none, live: none, faulty: none, unproven: none };
                let power = day.powers.get(&miner).copied().unwrap_or(nothing);
                let miner_day = MinerDay { previous, row: &row, power, opening };
                for (identity, difference) in miner_day.violations() {
                    let problem = format!("{miner} {}: {identity} fails by {difference:?}", identity.name);
                    held.fail(identity.name, problem);
                }
                for column in miner_day.wrong_statistics() {
                    held.fail(column.name, format!("{miner} {}", column.name));
                }
                if explained {
                    held.explain(&miner_day, events.get(&miner).map_or(&[], Vec::as_slice));
                }
                held.seen(&miner_day);
                held.miner_days += 1;
                rows.insert(miner, row);
            }
        }
        held
    }

    /// The parts of every number add up to it. Not where the first state of a large chain is one day.
    fn explain(&mut self, day: &MinerDay<'_>, events: &[Event]) {
        if events.len() > 10_000 {
            return;
        }
        for column in COLUMNS {
            if !explain(column, day.previous, day.row, events).unwrap().adds_up() {
                self.fail("explain", format!("{}: {} does not close", day.power.miner, column.name));
            }
        }
    }

    fn fail(&mut self, name: &'static str, problem: String) {
        self.names.insert(name);
        self.failures.push(problem);
    }

    fn seen(&mut self, day: &MinerDay<'_>) {
        let moved = |figure: Operand| day.value(figure) != Some(0);
        let moved = IDENTITIES.iter().filter(|of| of.terms.iter().all(|term| moved(term.figure)));
        self.identities.extend(moved.map(|identity| identity.name));
    }
}
