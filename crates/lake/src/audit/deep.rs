//! The audit that recomputes every day from its stored events.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chain::{DayRange, MinerId, ProgressSink, ProgressUnit};
use ledger::checks::{Check, Continuity};
use ledger::{AnomalyHistory, Cause, Row};

use crate::audit::events_by_miner;
use crate::audit::report::{AuditReport, AuditScope, Finding, OnFinding};
use crate::audit::stored_day::StoredDay;
use crate::catalog::history_start::history_start;
use crate::catalog::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::schema::TableName;

/// Recomputes every day from its stored events, by other means than the day close, and compares what is stored with
/// it: rows, reconciliation, and each sector's story from event to event. `scope`'s first day is that of the lake, since
/// days depend on those before them.
///
/// # Errors
/// As [`audit`](crate::audit()); or if a number of the events does not fit.
pub async fn deep_audit(
    dir: &Path,
    scope: &AuditScope,
    progress: &(dyn ProgressSink + Sync),
    on_finding: &mut OnFinding<'_>,
) -> Result<AuditReport> {
    let snapshot = Snapshot::open(dir).await?;
    let closed = snapshot.require(TableName::Rows)?.files().days();
    let days = scope.days(closed)?;
    let since = history_start(&snapshot).await?;
    let mut report = AuditReport::default();
    let first = closed.ok_or(Error::NothingClosed)?.first();
    let upto = DayRange::from(first).including(days.last());
    progress.begin("reckoning days anew".to_owned(), upto.len(), ProgressUnit::Days);
    let (mut before, mut carried): (BTreeMap<MinerId, Row>, _) = (BTreeMap::new(), AnomalyHistory::default());
    // A state of epoch 0 that has sectors may have pre-commits, too, of which there are no events.
    let mut whole = since.is_none();
    for day in upto.iter() {
        let of_day = StoredDay::read(&snapshot, day).await?;
        whole &= !of_day.finished.events.iter().any(|event| event.cause == Some(Cause::Genesis));
        let computed = of_day.compute_rows(&before)?;
        if days.contains(day) {
            let miners: BTreeSet<MinerId> = computed
                .keys()
                .chain(of_day.rows.miners())
                .copied()
                .filter(|miner| scope.has(*miner))
                .collect();
            report.miner_days += miners.len() as u64;
            report.events += of_day.finished.events.len() as u64;
            report.days += 1;
            let findings;
            (findings, carried) = of_day.differences(&before, &computed, &miners, &carried);
            for finding in findings {
                report.note(&finding);
                on_finding(finding);
            }
        } else {
            (_, carried) = of_day.differences(&before, &computed, &BTreeSet::new(), &carried);
        }
        before = computed;
        progress.at(report.days);
    }
    progress.end();
    check_continuity(&snapshot, whole, scope, days, &mut |finding| {
        report.note(&finding);
        on_finding(finding);
    })
    .await?;
    Ok(report)
}

/// Follows every sector's story across days, a miner at a time. `whole`: no pre-commit was there before the events.
async fn check_continuity(
    snapshot: &Snapshot,
    whole: bool,
    scope: &AuditScope,
    days: DayRange,
    on_finding: &mut OnFinding<'_>,
) -> Result<()> {
    let table = snapshot.require(TableName::Events)?;
    let mut following: Option<(MinerId, Continuity)> = None;
    events_by_miner::each(table, days.last(), &mut |day, event| {
        if following.as_ref().is_none_or(|(miner, _)| *miner != event.miner) {
            following = Some((event.miner, Continuity::new(whole)));
        }
        if let Some((_, continuity)) = &mut following
            && let Some(detail) = continuity.check(&event)
            && scope.has(event.miner)
            && days.contains(day)
        {
            let name = Check::Continuity.name().to_owned();
            on_finding(Finding { day, miner: event.miner, name, detail, anomaly: false });
        }
    })
    .await
}
