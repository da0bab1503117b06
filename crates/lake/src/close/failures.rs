//! Failed identities and checks of a day: of its rows, of the chain's powers and of its events; and the anomalies among them
//! that are the chain's own.

use std::collections::{BTreeMap, BTreeSet};

use chain::MinerId;
use datafusion::arrow::array::RecordBatch;
use ledger::checks::Failure;
use ledger::identities::MinerDay;
use ledger::{AnomalyHistory, AnomalySignals, ChainPower, MinerAnomaly, Row};

use crate::error::Result;
use crate::records::finished_day::FinishedDay;
use crate::rows::day_rows::DayRows;

/// The names of what does not hold, by miner; a check says how.
pub(crate) type Failures = BTreeMap<MinerId, BTreeMap<&'static str, Option<Failure>>>;

/// What was found of a day.
#[derive(Debug, Default)]
pub(crate) struct DayFindings {
    /// What does not hold and is not explained.
    pub(crate) failures: Failures,
    /// Where the chain itself does not close.
    pub(crate) anomalous: BTreeMap<MinerId, MinerAnomaly>,
}

/// What a day is held against, beside its rows.
#[derive(Clone, Copy)]
pub(crate) struct CheckInput<'d> {
    pub(crate) finished: &'d FinishedDay,
    /// What its events say that anomalies can begin with, and whose ledger they open.
    pub(crate) seen: &'d AnomalySignals,
    /// What of the days before bears on it.
    pub(crate) carried: &'d AnomalyHistory,
}

impl CheckInput<'_> {
    /// What is found of the day, whose events fail this, by its rows and those of the day before.
    pub(crate) fn findings(
        self,
        failed: Vec<Failure>,
        previous: &RecordBatch,
        rows: &RecordBatch,
    ) -> Result<DayFindings> {
        let by_miner = |batch: &RecordBatch| -> Result<BTreeMap<MinerId, Row>> {
            let rows = DayRows::new(self.finished.day, batch)?;
            Ok(rows
                .miners()
                .iter()
                .enumerate()
                .filter_map(|(at, miner)| Some((*miner, rows.row(at)?)))
                .collect())
        };
        Ok(self.findings_of_rows(failed, &by_miner(previous)?, &by_miner(rows)?))
    }

    /// The same, by rows that are at hand. Names of what does not hold are of identities
    /// ([`ledger::identities::IDENTITIES`]), checks of the events ([`ledger::checks::Check`]), and columns that do not come
    /// out of the row's others.
    pub(crate) fn findings_of_rows(
        self,
        failed: Vec<Failure>,
        previous: &BTreeMap<MinerId, Row>,
        rows: &BTreeMap<MinerId, Row>,
    ) -> DayFindings {
        let Self { finished, seen, carried } = self;
        let mut found = DayFindings { failures: event_failures(failed), anomalous: BTreeMap::new() };
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
                opening: seen.openings.contains(&miner),
            };
            let broken = of_day.violations().map(|(identity, _)| identity.name);
            let statistics = of_day.wrong_statistics().map(|column| column.name);
            let mut names: Vec<_> = broken.chain(statistics).collect();
            if names.is_empty() {
                continue;
            }
            if let Some(anomalous) = carried.explain(&of_day, seen, &finished.events) {
                names.retain(|name| !anomalous.anomaly.explains().contains(name));
                found.anomalous.insert(miner, anomalous);
            }
            for name in names {
                found.failures.entry(miner).or_default().insert(name, None);
            }
        }
        found
    }
}

/// What the events alone fail.
pub(crate) fn event_failures(failed: Vec<Failure>) -> Failures {
    let mut failures = Failures::new();
    for failure in failed {
        failures.entry(failure.miner).or_default().insert(failure.check.name(), Some(failure));
    }
    failures
}
