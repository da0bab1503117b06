//! Auditing a lake: what was found not to hold when days were closed, and, deeper, whether what is stored comes out of
//! the stored events.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use chain::{Day, MinerId, ProgressSink, ProgressUnit};
use datafusion::arrow::array::{Array, RecordBatch};
use ledger::checks::{Check, Continuity, Failure, check_day};
use ledger::columns::{COLUMNS, column};
use ledger::identities::{IDENTITIES, Identity};
use ledger::{Anomaly, AnomalyHistory, AnomalySignals, Cause, Row, Tally, Value};

use crate::day::DayRows;
use crate::failures::{self, Held};
use crate::reader::since;
use crate::schema::{ANOMALIES, FAILED, MINER_ID, TableName};
use crate::snapshot::Snapshot;
use crate::stored_day::{self, Columns};
use crate::table::Table;
use crate::writer::FinishedDay;
use crate::{Error, Result, by_miner, closed};

/// What to audit.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The first day; the first closed one if absent.
    pub from: Option<Day>,
    /// The last day; the last closed one if absent.
    pub to: Option<Day>,
    /// Only these miners; all if empty.
    pub miners: BTreeSet<MinerId>,
}

impl Scope {
    /// The days meant, of the closed ones.
    fn days(&self, closed: Option<RangeInclusive<Day>>) -> Result<RangeInclusive<Day>> {
        closed::between(closed, self.from, self.to)
    }

    fn has(&self, miner: MinerId) -> bool {
        self.miners.is_empty() || self.miners.contains(&miner)
    }
}

/// Something of a miner's day that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The day.
    pub day: Day,
    /// The miner.
    pub miner: MinerId,
    /// What does not hold: an identity, a check, or a column that does not come out of the events.
    pub name: String,
    /// What that means, with the figures where they are at hand.
    pub detail: String,
    /// Whether it is one of the chain's own anomalies, and nothing of the ledger's.
    pub anomaly: bool,
}

/// What was audited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Days.
    pub days: u64,
    /// Miners' days.
    pub miner_days: u64,
    /// Of these, those closed under layout 1, when only the claim was held against the ledger.
    pub by_claim_alone: u64,
    /// Events that were read: by a deep audit only.
    pub events: u64,
    /// What does not hold, but for the chain's own anomalies.
    pub findings: u64,
    /// Miners' days on which the chain itself does not close.
    pub anomalies: u64,
}

impl Audited {
    fn note(&mut self, finding: &Finding) {
        if finding.anomaly {
            self.anomalies += 1;
        } else {
            self.findings += 1;
        }
    }
}

/// Told of each finding.
pub type Found<'f> = dyn FnMut(Finding) + Send + 'f;

/// Looks through what was found when the days were closed.
///
/// # Errors
/// If there is no lake, a day of `scope` is not closed, or a table does not read.
pub async fn audit(
    dir: &Path,
    scope: &Scope,
    progress: &(dyn ProgressSink + Sync),
    found: &mut Found<'_>,
) -> Result<Audited> {
    let snapshot = Snapshot::open(dir).await?;
    let table = snapshot.need(TableName::Reconciliation)?;
    let days = scope.days(table.files().days())?;
    let mut audited = Audited::default();
    progress.begin("reconciling".to_owned(), count(&days), ProgressUnit::Days);
    for day in each(days) {
        let rows = table.day(day).await?;
        let reconciled = Reconciled::of(day, &rows)?;
        for row in 0..rows.num_rows() {
            let miner = reconciled.miner(row)?;
            if !scope.has(miner) {
                continue;
            }
            audited.miner_days += 1;
            let failed = match reconciled.failed(row) {
                Some(failed) => failed,
                None => {
                    audited.by_claim_alone += 1;
                    reconciled.failed_claims(row)
                }
            };
            for name in failed {
                let detail = reconciled.detail(&name, row);
                let finding = Finding { day, miner, name, detail, anomaly: false };
                audited.note(&finding);
                found(finding);
            }
            for name in reconciled.anomalies(row) {
                let Some(anomaly) = Anomaly::from_name(&name) else {
                    return Err(reconciled.columns.damaged(format!("there is no anomaly {name}")));
                };
                let finding = reconciled.anomaly(miner, anomaly, row);
                audited.note(&finding);
                found(finding);
            }
        }
        audited.days += 1;
        progress.at(audited.days);
    }
    progress.end();
    Ok(audited)
}

/// Reckons every day anew from its stored events, by other means than the day close, and holds what is stored against
/// it: rows, reconciliation, and each sector's story from event to event. `scope`'s first day is that of the lake, since
/// days stand on those before them.
///
/// # Errors
/// As [`audit`]; or if a number of the events does not fit.
pub async fn audit_deeply(
    dir: &Path,
    scope: &Scope,
    progress: &(dyn ProgressSink + Sync),
    found: &mut Found<'_>,
) -> Result<Audited> {
    let snapshot = Snapshot::open(dir).await?;
    let closed = snapshot.need(TableName::Rows)?.files().days();
    let days = scope.days(closed.clone())?;
    let since = since(&snapshot).await?;
    let mut audited = Audited::default();
    let upto = *closed.ok_or(Error::NothingClosed)?.start()..=*days.end();
    progress.begin("reckoning days anew".to_owned(), count(&upto), ProgressUnit::Days);
    let (mut before, mut carried): (BTreeMap<MinerId, Row>, _) = (BTreeMap::new(), AnomalyHistory::default());
    // A state of epoch 0 that has sectors may have pre-commits, too, of which there are no events.
    let mut whole = since.is_none();
    for day in each(upto) {
        let of_day = StoredDay::read(&snapshot, day).await?;
        whole &= !of_day.finished.events.iter().any(|event| event.cause == Some(Cause::Genesis));
        let reckoned = of_day.reckon(&before)?;
        if days.contains(&day) {
            let miners: BTreeSet<MinerId> = reckoned
                .keys()
                .chain(of_day.rows.miners())
                .copied()
                .filter(|miner| scope.has(*miner))
                .collect();
            audited.miner_days += miners.len() as u64;
            audited.events += of_day.finished.events.len() as u64;
            audited.days += 1;
            let findings;
            (findings, carried) = of_day.differences(&before, &reckoned, &miners, &carried)?;
            for finding in findings {
                audited.note(&finding);
                found(finding);
            }
        } else {
            (_, carried) = of_day.differences(&before, &reckoned, &BTreeSet::new(), &carried)?;
        }
        before = reckoned;
        progress.at(audited.days);
    }
    progress.end();
    follow_sectors(&snapshot, whole, scope, &days, &mut |finding| {
        audited.note(&finding);
        found(finding);
    })
    .await?;
    Ok(audited)
}

/// What is stored of a day.
struct StoredDay {
    /// As it was handed over; without powers if it was closed under layout 1, which did not keep them.
    finished: FinishedDay,
    has_powers: bool,
    rows: DayRows,
    reconciliation: RecordBatch,
}

impl StoredDay {
    async fn read(snapshot: &Snapshot, day: Day) -> Result<Self> {
        let rows = async |name| -> Result<RecordBatch> {
            let table: &Table = snapshot.need(name)?;
            table.day(day).await
        };
        let reconciliation = rows(TableName::Reconciliation).await?;
        let powers = match stored_day::powers(day, &reconciliation) {
            Ok(powers) => Some(powers),
            Err(Error::ClaimsAlone { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            has_powers: powers.is_some(),
            finished: FinishedDay {
                day,
                events: stored_day::events(day, &rows(TableName::Events).await?)?,
                powers: powers.unwrap_or_default(),
                progress: stored_day::progress(day, &rows(TableName::Progress).await?)?,
            },
            rows: DayRows::new(day, &rows(TableName::Rows).await?)?,
            reconciliation,
        })
    }

    /// The day's rows, from those of the day before and the events.
    fn reckon(&self, before: &BTreeMap<MinerId, Row>) -> Result<BTreeMap<MinerId, Row>> {
        let mut tallies: BTreeMap<MinerId, Tally> =
            before.iter().map(|(miner, row)| (*miner, Tally::after(Some(row)))).collect();
        let too_large = |source| Error::Reckoning { day: self.finished.day, source };
        for event in &self.finished.events {
            let tally = tallies.entry(event.miner).or_insert_with(|| Tally::after(None));
            tally.add(event).map_err(too_large)?;
        }
        tallies.into_iter().map(|(miner, tally)| Ok((miner, tally.close().map_err(too_large)?))).collect()
    }

    /// Where what is stored is not what was reckoned.
    fn differences(
        &self,
        before: &BTreeMap<MinerId, Row>,
        reckoned: &BTreeMap<MinerId, Row>,
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
            match (stored, reckoned.get(miner)) {
                (Some(stored), Some(reckoned)) => {
                    for ((column, stored), reckoned) in
                        COLUMNS.iter().zip(stored.values()).zip(reckoned.values())
                    {
                        if !same(stored, reckoned) {
                            note(*miner, column.name, format!("stored {stored}, from the events {reckoned}"));
                        }
                    }
                }
                (None, Some(_)) => note(*miner, "row", "there is no row, and events make one".to_owned()),
                (Some(_), None) => note(*miner, "row", "there is a row, and no event makes one".to_owned()),
                (None, None) => {}
            }
        }
        let mut anomalies = Vec::new();
        let reconciled = Reconciled::of(day, &self.reconciliation)?;
        let failed = check_day(&self.finished.events, self.finished.epochs());
        let seen = AnomalySignals::of(&self.finished.events);
        let held = Held { finished: &self.finished, seen: &seen, carried };
        let now = if self.has_powers {
            held.against_rows(failed, before, reckoned)
        } else {
            failures::Found { failures: failures::of_events(failed), ..failures::Found::default() }
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

/// Follows every sector's story across days, a miner at a time. `whole`: no pre-commit was there before the events.
async fn follow_sectors(
    snapshot: &Snapshot,
    whole: bool,
    scope: &Scope,
    days: &RangeInclusive<Day>,
    found: &mut Found<'_>,
) -> Result<()> {
    let table = snapshot.need(TableName::Events)?;
    let mut following: Option<(MinerId, Continuity)> = None;
    by_miner::each(table, *days.end(), &mut |day, event| {
        if following.as_ref().is_none_or(|(miner, _)| *miner != event.miner) {
            following = Some((event.miner, Continuity::new(whole)));
        }
        if let Some((_, continuity)) = &mut following
            && let Some(detail) = continuity.check(&event)
            && scope.has(event.miner)
            && days.contains(&day)
        {
            let name = Check::Continuity.name().to_owned();
            found(Finding { day, miner: event.miner, name, detail, anomaly: false });
        }
    })
    .await
}

/// Doubles are the same to the last bit.
fn same(stored: &Value, reckoned: &Value) -> bool {
    match (stored, reckoned) {
        (Value::Integer(stored), Value::Integer(reckoned)) => stored == reckoned,
        (Value::Double(stored), Value::Double(reckoned)) => stored.to_bits() == reckoned.to_bits(),
        _ => false,
    }
}

/// A day's rows of `reconciliation`.
struct Reconciled<'r> {
    columns: Columns<'r>,
    rows: &'r RecordBatch,
}

impl<'r> Reconciled<'r> {
    fn of(day: Day, rows: &'r RecordBatch) -> Result<Self> {
        Ok(Self { columns: Columns { table: TableName::Reconciliation, day, rows }, rows })
    }

    fn miner(&self, row: usize) -> Result<MinerId> {
        let id = u64::try_from(self.columns.integers(MINER_ID)?.value(row));
        id.map(MinerId).map_err(|_| self.columns.damaged(format!("{MINER_ID} is negative")))
    }

    /// The names of what failed; `None` where that was not kept.
    fn failed(&self, row: usize) -> Option<Vec<String>> {
        let names = self.columns.texts(FAILED).ok()?;
        let of = |names: &str| names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.is_valid(row).then(|| of(names.value(row)))
    }

    /// The names of the chain's own anomalies; none of a day closed under a layout before 4.
    fn anomalies(&self, row: usize) -> Vec<String> {
        let Ok(names) = self.columns.texts(ANOMALIES) else { return Vec::new() };
        let of = |names: &str| names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.is_valid(row) { of(names.value(row)) } else { Vec::new() }
    }

    /// The chain's anomaly of a miner's day, with its figures.
    fn anomaly(&self, miner: MinerId, anomaly: Anomaly, row: usize) -> Finding {
        let figure = |name: &str| self.figure(name, row).unwrap_or_default();
        let (rbp, qap) = (figure("difference_rbp"), figure("difference_qap"));
        let detail = format!("{} Active power less claim: {rbp} raw, {qap} quality-adjusted.", anomaly.doc());
        Finding { day: self.columns.day, miner, name: anomaly.name().to_owned(), detail, anomaly: true }
    }

    /// The claims that are not the ledger's, where that is all that is kept.
    fn failed_claims(&self, row: usize) -> Vec<String> {
        let differs =
            |power: &&&str| self.figure(&format!("difference_{power}"), row).is_none_or(|of| of != 0);
        ["rbp", "qap"].iter().filter(differs).map(|power| format!("claim_{power}")).collect()
    }

    fn figure(&self, name: &str, row: usize) -> Option<i128> {
        let column = self.columns.wides(name).ok()?;
        (row < self.rows.num_rows() && column.is_valid(row)).then(|| column.value(row))
    }

    /// What a name stands for, with its figures where the table has them.
    fn detail(&self, name: &str, row: usize) -> String {
        let Some(identity) = IDENTITIES.iter().find(|identity| identity.name == name) else {
            let statistic =
                column(name).map(|column| format!("it does not come out of the row: {}", column.definition));
            return statistic.unwrap_or_else(|| {
                "events of the day; `sectorscope reconcile --deep` says which".to_owned()
            });
        };
        match self.sides(identity, row) {
            Some((ledger, chain)) => {
                let difference = ledger.saturating_sub(chain);
                format!("{identity}: ledger {ledger}, chain {chain}, difference {difference}")
            }
            None => identity.to_string(),
        }
    }

    /// Ledger and chain, of an identity that holds them against each other.
    fn sides(&self, identity: &Identity, row: usize) -> Option<(i128, i128)> {
        let (of, power) = identity.name.rsplit_once('_')?;
        let (ledger, chain) = match of {
            "claim" => ("ledger_active", "claim"),
            "partitions_live" => ("ledger_live", "chain_live"),
            "partitions_faulty" => ("ledger_faulty", "chain_faulty"),
            "partitions_unproven" => ("ledger_unproven", "chain_unproven"),
            _ => return None,
        };
        let figure = |side: &str| self.figure(&format!("{side}_{power}"), row);
        figure(ledger).zip(figure(chain))
    }
}

fn each(days: RangeInclusive<Day>) -> impl Iterator<Item = Day> {
    (days.start().unix_days()..=days.end().unix_days()).map(Day::from_unix_days)
}

fn count(days: &RangeInclusive<Day>) -> u64 {
    each(days.clone()).count() as u64
}
