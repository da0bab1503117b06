//! `sectorscope reconcile`

use std::process::ExitCode;

use lake::{AuditReport, AuditScope, Finding};
use serde::Serialize;

use crate::EXIT_MISMATCH;
use crate::cli::{FindingFormat, Reconcile};
use crate::output::{self, Align};
use crate::progress_bar::ProgressBars;

/// Findings that are printed; the rest is counted. Whoever has more has one cause to look for, not a million.
const MAX_LISTED: usize = 10_000;

pub(crate) async fn run(arguments: Reconcile) -> anyhow::Result<ExitCode> {
    let directory = arguments.data.lake()?;
    let scope = AuditScope {
        from: arguments.from,
        to: arguments.to,
        miners: arguments.miners.iter().copied().collect(),
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut anomalies: Vec<Finding> = Vec::new();
    let mut keep = |finding: Finding| {
        let kept = if finding.anomaly { &mut anomalies } else { &mut findings };
        if kept.len() < MAX_LISTED {
            kept.push(finding);
        }
    };
    let bars = ProgressBars::default();
    let audited = if arguments.deep {
        lake::deep_audit(&directory, &scope, &bars, &mut keep).await?
    } else {
        lake::audit(&directory, &scope, &bars, &mut keep).await?
    };
    match arguments.format {
        FindingFormat::Table => table(&audited, &findings, &anomalies)?,
        FindingFormat::Json => output::json(&ReconciliationReport::of(&audited, &findings, &anomalies))?,
        FindingFormat::Csv => csv(findings.iter().chain(&anomalies))?,
    }
    Ok(if audited.findings == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISMATCH) })
}

#[derive(Serialize)]
struct ReconciliationReport {
    closes: bool,
    days: u64,
    miner_days: u64,
    events: u64,
    by_claim_alone: u64,
    findings: u64,
    listed: Vec<ListedFinding>,
    /// Where the chain itself does not close: none of the ledger's doing.
    anomalies: u64,
    anomalies_listed: Vec<ListedFinding>,
}

#[derive(Serialize)]
struct ListedFinding {
    stat_date: String,
    miner_id: String,
    name: String,
    detail: String,
}

impl ListedFinding {
    fn of(finding: &Finding) -> Self {
        Self {
            stat_date: finding.day.to_string(),
            miner_id: finding.miner.to_string(),
            name: finding.name.clone(),
            detail: finding.detail.clone(),
        }
    }
}

impl ReconciliationReport {
    fn of(audited: &AuditReport, findings: &[Finding], of_chain: &[Finding]) -> Self {
        let AuditReport { days, miner_days, by_claim_alone, events, findings: count, anomalies } = *audited;
        Self {
            closes: count == 0,
            days,
            miner_days,
            events,
            by_claim_alone,
            findings: count,
            listed: findings.iter().map(ListedFinding::of).collect(),
            anomalies,
            anomalies_listed: of_chain.iter().map(ListedFinding::of).collect(),
        }
    }
}

fn table(audited: &AuditReport, findings: &[Finding], of_chain: &[Finding]) -> anyhow::Result<()> {
    let AuditReport { days, miner_days, by_claim_alone, events, findings: count, anomalies } = *audited;
    for (findings, what) in [(findings, "does not close"), (of_chain, "anomaly of the chain")] {
        if findings.is_empty() {
            continue;
        }
        let header =
            [("stat_date", Align::Left), ("miner_id", Align::Left), (what, Align::Left), ("", Align::Left)];
        let lines = findings.iter().map(ListedFinding::of);
        output::table(&header, lines.map(|of| vec![of.stat_date, of.miner_id, of.name, of.detail]))?;
        output::print_line("");
    }
    let mut said = format!("{miner_days} miner-days of {days} days checked");
    if events > 0 {
        said += &format!(", {events} events read");
    }
    if by_claim_alone > 0 {
        said += &format!(", {by_claim_alone} of the miner-days by the claim alone (closed under layout 1)");
    }
    said += &match count {
        0 => ": all close".to_owned(),
        1 => ": 1 thing does not close".to_owned(),
        _ => format!(": {count} things do not close"),
    };
    if anomalies > 0 {
        said += &format!("; on {anomalies} of the miner-days the chain itself does not, as named above");
    }
    if count > findings.len() as u64 {
        said += &format!(", the first {} of them listed", findings.len());
    }
    output::print_line(said);
    Ok(())
}

fn csv<'f>(findings: impl Iterator<Item = &'f Finding>) -> anyhow::Result<()> {
    let mut out = csv::Writer::from_writer(output::out());
    out.write_record(["stat_date", "miner_id", "name", "detail", "anomaly"])?;
    for finding in findings {
        let ListedFinding { stat_date, miner_id, name, detail } = ListedFinding::of(finding);
        out.write_record([stat_date, miner_id, name, detail, finding.anomaly.to_string()])?;
    }
    out.flush()?;
    Ok(())
}
