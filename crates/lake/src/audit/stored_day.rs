//! What is stored of a day, and where it differs from what its events make.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Day, MinerId};
use datafusion::arrow::array::RecordBatch;
use ledger::checks::{Failure, check_day};
use ledger::columns::COLUMNS;
use ledger::{Anomaly, AnomalyHistory, AnomalySignals, Row, Tally, Value};

use crate::audit::reconciliation_rows::ReconciliationRows;
use crate::audit::report::Finding;
use crate::catalog::snapshot::Snapshot;
use crate::close::failures::{self, CheckInput};
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::records::decoder;
use crate::records::finished_day::FinishedDay;
use crate::rows::day_rows::DayRows;
use crate::schema::{ANOMALIES, TableName};

/// What is stored of a day.
pub(crate) struct StoredDay {
    /// As it was handed over; without powers if it was closed under layout 1, which did not keep them.
    pub(crate) finished: FinishedDay,
    has_powers: bool,
    pub(crate) rows: DayRows,
    reconciliation: RecordBatch,
}

impl StoredDay {
    pub(crate) async fn read(snapshot: &Snapshot, day: Day) -> Result<Self> {
        let rows = async |name| -> Result<RecordBatch> {
            let table: &Table = snapshot.require(name)?;
            table.day(day).await
        };
        let reconciliation = rows(TableName::Reconciliation).await?;
        let powers = match decoder::powers(day, &reconciliation) {
            Ok(powers) => Some(powers),
            Err(Error::NoPartitionPower { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            has_powers: powers.is_some(),
            finished: FinishedDay {
                day,
                events: decoder::events(day, &rows(TableName::Events).await?)?,
                powers: powers.unwrap_or_default(),
                source: decoder::day_source(day, &rows(TableName::Progress).await?)?,
            },
            rows: DayRows::new(day, &rows(TableName::Rows).await?)?,
            reconciliation,
        })
    }

    /// The day's rows, from those of the day before and the events.
    pub(crate) fn compute_rows(&self, before: &BTreeMap<MinerId, Row>) -> Result<BTreeMap<MinerId, Row>> {
        let mut tallies: BTreeMap<MinerId, Tally> =
            before.iter().map(|(miner, row)| (*miner, Tally::after(Some(row)))).collect();
        let too_large = |source| Error::Overflow { day: self.finished.day, source };
        for event in &self.finished.events {
            let tally = tallies.entry(event.miner).or_insert_with(|| Tally::after(None));
            tally.add(event).map_err(too_large)?;
        }
        tallies.into_iter().map(|(miner, tally)| Ok((miner, tally.close().map_err(too_large)?))).collect()
    }

    /// Where stored rows differ from computed ones.
    pub(crate) fn differences(
        &self,
        before: &BTreeMap<MinerId, Row>,
        computed: &BTreeMap<MinerId, Row>,
        miners: &BTreeSet<MinerId>,
        carried: &AnomalyHistory,
    ) -> Result<(Vec<Finding>, AnomalyHistory)> {
        let day = self.finished.day;
        let mut findings = Vec::new();
        let mut note = |miner: MinerId, name: &str, detail: String| {
            findings.push(Finding { day, miner, name: name.to_owned(), detail, anomaly: false });
        };
        for miner in miners {
            let stored = self.rows.find(*miner).and_then(|at| self.rows.row(at));
            match (stored, computed.get(miner)) {
                (Some(stored), Some(computed)) => {
                    for ((column, stored), computed) in
                        COLUMNS.iter().zip(stored.values()).zip(computed.values())
                    {
                        if !same(stored, computed) {
                            note(*miner, column.name, format!("stored {stored}, from the events {computed}"));
                        }
                    }
                }
                (None, Some(_)) => note(*miner, "row", "there is no row, and events make one".to_owned()),
                (Some(_), None) => note(*miner, "row", "there is a row, and no event makes one".to_owned()),
                (None, None) => {}
            }
        }
        let mut anomalies = Vec::new();
        let reconciled = ReconciliationRows::of(day, &self.reconciliation)?;
        let failed = check_day(&self.finished.events, self.finished.epochs());
        let seen = AnomalySignals::of(&self.finished.events);
        let input = CheckInput { finished: &self.finished, seen: &seen, carried };
        let now = if self.has_powers {
            input.findings_of_rows(failed, before, computed)
        } else {
            failures::DayFindings {
                failures: failures::event_failures(failed),
                ..failures::DayFindings::default()
            }
        };
        for row in 0..self.reconciliation.num_rows() {
            let miner = reconciled.miner(row)?;
            if !miners.contains(&miner) {
                continue;
            }
            let kept = reconciled.failed(row);
            let stored: BTreeSet<String> = kept.iter().flatten().cloned().collect();
            let failing: BTreeMap<String, &Option<Failure>> = now
                .failures
                .get(&miner)
                .into_iter()
                .flatten()
                .map(|(name, how)| ((*name).to_owned(), how))
                .collect();
            for name in stored.iter().chain(failing.keys().filter(|name| !stored.contains(*name))) {
                let said = match (stored.contains(name), failing.contains_key(name)) {
                    (true, false) => " (stored as failing; from the events it holds)",
                    (false, true) if kept.is_some() => " (stored as holding; from the events it fails)",
                    _ => "",
                };
                let detail = match failing.get(name) {
                    Some(Some(failure)) => failure.to_string(),
                    _ => reconciled.detail(name, row),
                };
                note(miner, name, format!("{detail}{said}"));
            }
            let stored = reconciled.anomalies(row);
            let now = now.anomalous.get(&miner).map(|of| of.anomaly);
            match (&stored[..], now) {
                ([], None) => {}
                ([stored], Some(now)) if stored == now.name() => {
                    anomalies.push(reconciled.anomaly(miner, now, row));
                }
                (stored, now) => {
                    let (stored, now) = (stored.join(","), now.map_or("none", Anomaly::name));
                    note(miner, ANOMALIES, format!("stored {stored:?}, from the events {now}"));
                }
            }
        }
        findings.extend(anomalies);
        Ok((findings, AnomalyHistory::from(now.anomalous, seen)))
    }
}

/// Doubles are the same to the last bit.
fn same(stored: &Value, computed: &Value) -> bool {
    match (stored, computed) {
        (Value::Integer(stored), Value::Integer(computed)) => stored == computed,
        (Value::Double(stored), Value::Double(computed)) => stored.to_bits() == computed.to_bits(),
        _ => false,
    }
}
