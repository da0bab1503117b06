//! `sectorscope status`

use chain::{Clock, Day};
use lake::{Gap, ReceiptSummary, SourceStatus, TableStatus};
use ledger::Receipts;
use serde::Serialize;

use crate::cli::{ReportFormat, Status};
use crate::human;
use crate::output::{self, Align};

pub(crate) async fn run(arguments: Status) -> anyhow::Result<()> {
    let status = lake::Status::read(&arguments.data.lake()?).await?;
    let report = StatusReport::of(&status);
    match arguments.format {
        ReportFormat::Json => output::json(&report),
        ReportFormat::Table => table(&report),
    }
}

/// The status as programs read it.
#[derive(Serialize)]
struct StatusReport {
    directory: String,
    version: u64,
    layout: u64,
    program: &'static str,
    closed: Option<DayRange>,
    history_since: Option<String>,
    receipts: ReceiptSummary,
    gaps: Vec<GapReport>,
    writer: Option<String>,
    sources: Vec<SourceReport>,
    tables: Vec<TableReport>,
    bytes: u64,
}

#[derive(Serialize)]
struct DayRange {
    first: String,
    last: String,
    days: i64,
}

#[derive(Serialize)]
struct GapReport {
    first_epoch: i64,
    last_epoch: i64,
    /// First and last day; absent as long as the lake does not know its network.
    days: Option<DayRange>,
    source: String,
    reason: String,
    fill_by: String,
}

#[derive(Serialize)]
struct SourceReport {
    source: String,
    network: String,
    closed: DayRange,
    first_epoch: i64,
    last_epoch: i64,
    tipset_key: String,
    state_root: String,
    version: String,
    receipts: ReceiptSummary,
    closed_at: Option<String>,
}

#[derive(Serialize)]
struct TableReport {
    table: &'static str,
    version: u64,
    files: u64,
    rows: u64,
    bytes: u64,
}

impl DayRange {
    fn of(first: Day, last: Day) -> Self {
        let days = i64::from(last.unix_days()) - i64::from(first.unix_days()) + 1;
        Self { first: first.to_string(), last: last.to_string(), days }
    }
}

impl StatusReport {
    fn of(status: &lake::Status) -> Self {
        let clock = status.sources.last().map(|source| source.genesis).map(Clock::new);
        Self {
            directory: status.directory.display().to_string(),
            version: status.version,
            layout: status.layout,
            program: env!("CARGO_PKG_VERSION"),
            closed: status.days.as_ref().map(|days| DayRange::of(*days.start(), *days.end())),
            history_since: status.history_since.map(|since| since.to_string()),
            receipts: status.receipts,
            gaps: status.gaps.iter().map(|gap| GapReport::of(gap, clock)).collect(),
            writer: status.writer.clone(),
            sources: status.sources.iter().map(SourceReport::of).collect(),
            tables: status.tables.iter().map(TableReport::of).collect(),
            bytes: status.bytes,
        }
    }
}

impl GapReport {
    fn of(gap: &Gap, clock: Option<Clock>) -> Self {
        let (first, last) = (gap.first_epoch, gap.last_epoch);
        Self {
            first_epoch: first.0,
            last_epoch: last.0,
            days: clock.map(|clock| DayRange::of(clock.day_of(first), clock.day_of(last))),
            source: gap.source.clone(),
            reason: gap.reason.clone(),
            fill_by: format!(
                "take in a snapshot that has the states of epochs {first} to {last}: sectorscope ingest car FILE"
            ),
        }
    }
}

impl SourceReport {
    fn of(source: &SourceStatus) -> Self {
        Self {
            source: source.source.clone(),
            network: source.network.clone(),
            closed: DayRange::of(*source.days.start(), *source.days.end()),
            first_epoch: source.epochs.start().0,
            last_epoch: source.epochs.end().0,
            tipset_key: source.tipset_key.clone(),
            state_root: source.state_root.clone(),
            version: source.version.clone(),
            receipts: source.receipts,
            closed_at: source.closed_at.map(human::timestamp),
        }
    }
}

impl TableReport {
    fn of(table: &TableStatus) -> Self {
        let TableStatus { name, version, files, rows, bytes } = *table;
        Self { table: name, version, files, rows, bytes }
    }
}

/// How many days' receipts were read: `read`, `inferred`, or `read on 3 days, inferred on 2, mixed on 1`.
fn days(of: &ReceiptSummary) -> String {
    let kinds = [("read", of.days_read), ("inferred", of.days_inferred), ("mixed", of.days_mixed)];
    let some: Vec<_> = kinds.iter().filter(|(_, days)| *days > 0).collect();
    match some[..] {
        [] | [_] => of.receipts().to_string(),
        _ => {
            let parts: Vec<_> = some.iter().map(|(kind, days)| format!("{kind} on {days}")).collect();
            format!("{} days", parts.join(", "))
        }
    }
}

/// The same, with what was inferred.
fn receipts(of: &ReceiptSummary) -> String {
    let counts = of.counts;
    match of.receipts() {
        Receipts::Read => days(of),
        _ => format!(
            "{}; {} messages inferred, {} of them as failed, {} events uncertain",
            days(of),
            counts.messages_inferred,
            counts.messages_refuted,
            counts.events_uncertain
        ),
    }
}

fn table(report: &StatusReport) -> anyhow::Result<()> {
    let span = |days: &DayRange| format!("{} to {} ({} days)", days.first, days.last, days.days);
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let mut lines = vec![
        line("lake", report.directory.clone()),
        line("closed", report.closed.as_ref().map_or_else(|| "no day yet".to_owned(), span)),
        line(
            "history",
            match (&report.history_since, &report.closed) {
                (Some(since), _) => format!("since {since}"),
                (None, Some(_)) => "since epoch 0".to_owned(),
                (None, None) => String::new(),
            },
        ),
        line("receipts", report.closed.as_ref().map_or_else(String::new, |_| receipts(&report.receipts))),
        line("version", format!("{}, layout {}", report.version, report.layout)),
        line("size", human::bytes(report.bytes.into())),
        line("writer", report.writer.clone().unwrap_or_else(|| "none".to_owned())),
        line("gaps", if report.gaps.is_empty() { "none".to_owned() } else { report.gaps.len().to_string() }),
    ];
    for gap in &report.gaps {
        let days = gap.days.as_ref().map(|days| format!(", {}", span(days))).unwrap_or_default();
        let (first, last) = (gap.first_epoch, gap.last_epoch);
        lines.push(line("  missing", format!("epochs {first} to {last}{days}")));
        lines.push(line("  shown by", format!("{}: {}", gap.source, gap.reason)));
        lines.push(line("  to fill", gap.fill_by.clone()));
    }
    output::table(&[("", Align::Left), ("", Align::Left)], lines)?;
    output::print_line("");
    let header = [
        ("source", Align::Left),
        ("network", Align::Left),
        ("days", Align::Left),
        ("epochs", Align::Left),
        ("by", Align::Left),
        ("closed", Align::Left),
        ("receipts", Align::Left),
        ("last tipset", Align::Left),
    ];
    output::table(
        &header,
        report.sources.iter().map(|source| {
            vec![
                source.source.clone(),
                source.network.clone(),
                format!("{} to {}", source.closed.first, source.closed.last),
                format!("{} to {}", source.first_epoch, source.last_epoch),
                source.version.clone(),
                source.closed_at.clone().unwrap_or_default(),
                days(&source.receipts),
                source.tipset_key.clone(),
            ]
        }),
    )?;
    output::print_line("");
    let header = [
        ("table", Align::Left),
        ("version", Align::Right),
        ("files", Align::Right),
        ("rows", Align::Right),
        ("size", Align::Right),
    ];
    output::table(
        &header,
        report.tables.iter().map(|table| {
            vec![
                table.table.to_owned(),
                table.version.to_string(),
                table.files.to_string(),
                table.rows.to_string(),
                human::bytes(table.bytes.into()),
            ]
        }),
    )?;
    Ok(())
}
