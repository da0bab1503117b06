//! What does not hold of a day: identities of its rows and of the chain's powers, and checks of its events.

use std::collections::{BTreeMap, BTreeSet};

use chain::MinerId;
use datafusion::arrow::array::RecordBatch;
use ledger::checks::Failure;
use ledger::identities::MinerDay;
use ledger::{ChainPower, Kind, Row};

use crate::Result;
use crate::day::DayRows;
use crate::writer::FinishedDay;

/// The names of what does not hold, by miner; a check says how.
pub(crate) type Failures = BTreeMap<MinerId, BTreeMap<&'static str, Option<Failure>>>;

/// The names of what does not hold, each once: identities ([`ledger::identities::IDENTITIES`]), checks of the events
/// ([`ledger::checks::Check`]), and columns that do not come out of the row's others.
pub(crate) fn failures(
    finished: &FinishedDay,
    failed: Vec<Failure>,
    previous: &RecordBatch,
    rows: &RecordBatch,
) -> Result<Failures> {
    let by_miner = |batch: &RecordBatch| -> Result<BTreeMap<MinerId, Row>> {
        let rows = DayRows::new(finished.day, batch)?;
        Ok(rows.miners().iter().enumerate().filter_map(|(at, miner)| Some((*miner, rows.row(at)?))).collect())
    };
    Ok(of_rows(finished, failed, &by_miner(previous)?, &by_miner(rows)?))
}

/// As [`failures`], of rows that are at hand.
pub(crate) fn of_rows(
    finished: &FinishedDay,
    failed: Vec<Failure>,
    previous: &BTreeMap<MinerId, Row>,
    rows: &BTreeMap<MinerId, Row>,
) -> Failures {
    let mut failures = of_events(failed);
    let openings: BTreeSet<MinerId> =
        finished.events.iter().filter(|event| event.kind == Kind::Opening).map(|event| event.miner).collect();
    let powers: BTreeMap<MinerId, ChainPower> =
        finished.powers.iter().map(|power| (power.miner, *power)).collect();
    let miners: BTreeSet<MinerId> =
        rows.keys().chain(previous.keys()).chain(powers.keys()).copied().collect();
    let zero = Row::zero();
    for miner in miners {
        let of_day = MinerDay {
            previous: previous.get(&miner),
            row: rows.get(&miner).unwrap_or(&zero),
            power: powers.get(&miner).copied().unwrap_or_else(|| ChainPower::none(miner)),
            opening: openings.contains(&miner),
        };
        let broken = of_day.broken().map(|(identity, _)| identity.name);
        let statistics = of_day.broken_statistics().map(|column| column.name);
        for name in broken.chain(statistics) {
            failures.entry(miner).or_default().insert(name, None);
        }
    }
    failures
}

/// What the events alone fail.
pub(crate) fn of_events(failed: Vec<Failure>) -> Failures {
    let mut failures = Failures::new();
    for failure in failed {
        failures.entry(failure.miner).or_default().insert(failure.check.name(), Some(failure));
    }
    failures
}
