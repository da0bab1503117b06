//! The audit of what was found when the days were closed.

use std::path::Path;

use chain::{Day, ProgressSink, ProgressUnit};
use ledger::Anomaly;
use ledger::fields::ReconciliationRow;

use crate::audit::reconciliation_rows;
use crate::audit::report::{AuditReport, AuditScope, Finding, OnFinding};
use crate::catalog::snapshot::Snapshot;
use crate::error::Result;
use crate::records::{decoder, field_decoder};
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
        for row in &decoder::reconciliation(day, &table.day(day).await?)? {
            if !scope.has(row.miner) {
                continue;
            }
            report.miner_days += 1;
            for finding in findings(day, row, &mut report)? {
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

/// What was found of a storage provider's day.
fn findings(day: Day, row: &ReconciliationRow, report: &mut AuditReport) -> Result<Vec<Finding>> {
    let failed = row.failed.clone().unwrap_or_else(|| {
        report.by_claim_alone += 1;
        reconciliation_rows::failed_claims(row)
    });
    let failing = |name: String| {
        let detail = reconciliation_rows::detail(row, &name);
        Finding { day, miner: row.miner, name, detail, anomaly: false }
    };
    let mut findings: Vec<Finding> = failed.into_iter().map(failing).collect();
    for name in row.anomalies.iter().flatten() {
        let Some(anomaly) = Anomaly::from_name(name) else {
            let problem = format!("there is no anomaly {name}");
            return Err(field_decoder::damaged(TableName::Reconciliation, day, &problem));
        };
        findings.push(reconciliation_rows::anomaly_finding(day, row, anomaly));
    }
    Ok(findings)
}
