//! The audit of what was found when the days were closed.

use std::path::Path;

use chain::{ProgressSink, ProgressUnit};
use ledger::Anomaly;

use crate::audit::reconciliation_rows::ReconciliationRows;
use crate::audit::report::{AuditReport, AuditScope, Finding, OnFinding};
use crate::catalog::snapshot::Snapshot;
use crate::error::Result;
use crate::schema::TableName;

/// Looks through what was found when the days were closed.
///
/// # Errors
/// If there is no lake, a day of `scope` is not closed, or a table does not read.
pub async fn audit(
    dir: &Path,
    scope: &AuditScope,
    progress: &(dyn ProgressSink + Sync),
    on_finding: &mut OnFinding<'_>,
) -> Result<AuditReport> {
    let snapshot = Snapshot::open(dir).await?;
    let table = snapshot.require(TableName::Reconciliation)?;
    let days = scope.days(table.files().days())?;
    let mut report = AuditReport::default();
    progress.begin("reconciling".to_owned(), days.len(), ProgressUnit::Days);
    for day in days.iter() {
        let rows = table.day(day).await?;
        let reconciled = ReconciliationRows::of(day, &rows)?;
        for row in 0..rows.num_rows() {
            let miner = reconciled.miner(row)?;
            if !scope.has(miner) {
                continue;
            }
            report.miner_days += 1;
            let failed = match reconciled.failed(row) {
                Some(failed) => failed,
                None => {
                    report.by_claim_alone += 1;
                    reconciled.failed_claims(row)
                }
            };
            for name in failed {
                let detail = reconciled.detail(&name, row);
                let finding = Finding { day, miner, name, detail, anomaly: false };
                report.note(&finding);
                on_finding(finding);
            }
            for name in reconciled.anomalies(row) {
                let Some(anomaly) = Anomaly::from_name(&name) else {
                    return Err(reconciled.columns.damaged(format!("there is no anomaly {name}")));
                };
                let finding = reconciled.anomaly(miner, anomaly, row);
                report.note(&finding);
                on_finding(finding);
            }
        }
        report.days += 1;
        progress.at(report.days);
    }
    progress.end();
    Ok(report)
}
