//! What is stored of a day, and where it differs from what its events make.

use std::collections::{BTreeMap, BTreeSet};

use chain::{Day, MinerId};
use datafusion::arrow::array::RecordBatch;
use ledger::checks::{Failure, check_day};
use ledger::columns::COLUMNS;
use ledger::fields::ReconciliationRow;
use ledger::{Anomaly, AnomalyHistory, AnomalySignals, Row, Tally, Value};

use crate::audit::reconciliation_rows;
use crate::audit::report::Finding;
use crate::catalog::snapshot::Snapshot;
use crate::close::failures::{self, CheckInput, DayFindings};
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
    reconciliation: Vec<ReconciliationRow>,
}

impl StoredDay {
    pub(crate) async fn read(snapshot: &Snapshot, day: Day) -> Result<Self> {
        let rows = async |name| -> Result<RecordBatch> {
            let table: &Table = snapshot.require(name)?;
            table.day(day).await
        };
        let reconciliation = decoder::reconciliation(day, &rows(TableName::Reconciliation).await?)?;
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

    /// Where stored rows and findings differ from those that the events make, and what does not hold of either; and what
    /// the day hands on to the next one.
    pub(crate) fn differences(
        &self,
        before: &BTreeMap<MinerId, Row>,
        computed: &BTreeMap<MinerId, Row>,
        miners: &BTreeSet<MinerId>,
        carried: &AnomalyHistory,
    ) -> (Vec<Finding>, AnomalyHistory) {
        let mut findings = Vec::new();
        for miner in miners {
            self.row_differences(*miner, computed.get(miner), &mut findings);
        }
        let seen = AnomalySignals::of(&self.finished.events);
        let now = self.computed_findings(before, computed, &seen, carried);
        let mut anomalies = Vec::new();
        for row in self.reconciliation.iter().filter(|row| miners.contains(&row.miner)) {
            self.failure_differences(row, now.failures.get(&row.miner), &mut findings);
            let anomaly = now.anomalous.get(&row.miner).map(|of| of.anomaly);
            let stored = row.anomalies.as_deref().unwrap_or_default();
            match (stored, anomaly) {
                ([], None) => {}
                ([stored], Some(now)) if stored == now.name() => {
                    anomalies.push(reconciliation_rows::anomaly_finding(self.finished.day, row, now));
                }
                (stored, now) => {
                    let (stored, now) = (stored.join(","), now.map_or("none", Anomaly::name));
                    let detail = format!("stored {stored:?}, from the events {now}");
                    findings.push(self.finding(row.miner, ANOMALIES, detail));
                }
            }
        }
        findings.extend(anomalies);
        (findings, AnomalyHistory::from(now.anomalous, seen))
    }

    /// Where a storage provider's stored row differs from the computed one.
    fn row_differences(&self, miner: MinerId, computed: Option<&Row>, findings: &mut Vec<Finding>) {
        let stored = self.rows.find(miner).and_then(|at| self.rows.row(at));
        let detail = match (stored, computed) {
            (Some(stored), Some(computed)) => {
                for ((column, stored), computed) in COLUMNS.iter().zip(stored.values()).zip(computed.values())
                {
                    if !same(stored, computed) {
                        let detail = format!("stored {stored}, from the events {computed}");
                        findings.push(self.finding(miner, column.name, detail));
                    }
                }
                return;
            }
            (None, Some(_)) => "there is no row, and events make one",
            (Some(_), None) => "there is a row, and no event makes one",
            (None, None) => return,
        };
        findings.push(self.finding(miner, "row", detail.to_owned()));
    }

    /// What does not hold of the day, by its events and the computed rows.
    fn computed_findings(
        &self,
        before: &BTreeMap<MinerId, Row>,
        computed: &BTreeMap<MinerId, Row>,
        seen: &AnomalySignals,
        carried: &AnomalyHistory,
    ) -> DayFindings {
        let failed = check_day(&self.finished.events, self.finished.epochs());
        if self.has_powers {
            CheckInput { finished: &self.finished, seen, carried }.findings_of_rows(failed, before, computed)
        } else {
            DayFindings { failures: failures::event_failures(failed), ..DayFindings::default() }
        }
    }

    /// What does not hold of a storage provider's day, by its stored row of the reconciliation or by what fails `now`.
    fn failure_differences(
        &self,
        row: &ReconciliationRow,
        now: Option<&BTreeMap<&'static str, Option<Failure>>>,
        findings: &mut Vec<Finding>,
    ) {
        let stored: BTreeSet<&str> = row.failed.iter().flatten().map(String::as_str).collect();
        let failing: BTreeMap<&str, &Option<Failure>> =
            now.into_iter().flatten().map(|(name, how)| (*name, how)).collect();
        let only_failing = failing.keys().filter(|name| !stored.contains(*name));
        for name in stored.iter().chain(only_failing) {
            let said = match (stored.contains(name), failing.contains_key(name)) {
                (true, false) => " (stored as failing; from the events it holds)",
                (false, true) if row.failed.is_some() => " (stored as holding; from the events it fails)",
                _ => "",
            };
            let detail = match failing.get(name) {
                Some(Some(failure)) => failure.to_string(),
                _ => reconciliation_rows::detail(row, name),
            };
            findings.push(self.finding(row.miner, name, format!("{detail}{said}")));
        }
    }

    /// Something of a storage provider's day that does not hold.
    fn finding(&self, miner: MinerId, name: &str, detail: String) -> Finding {
        Finding { day: self.finished.day, miner, name: name.to_owned(), detail, anomaly: false }
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
