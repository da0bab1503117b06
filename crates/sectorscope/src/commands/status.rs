//! `sectorscope status`

use chain::{Clock, Day, DayRange, UnixTime};
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
    closed: Option<DaySpan>,
    history_since: Option<String>,
    receipts: ReceiptSummary,
    gaps: Vec<GapReport>,
    writer: Option<String>,
    sources: Vec<SourceReport>,
    tables: Vec<TableReport>,
    bytes: u64,
}

/// A range of days as programs read it.
#[derive(Serialize)]
struct DaySpan {
    first: String,
    last: String,
    days: u64,
}

#[derive(Serialize)]
struct GapReport {
    first_epoch: i64,
    last_epoch: i64,
    /// First and last day; absent as long as the lake does not know its network.
    days: Option<DaySpan>,
    source: String,
    reason: String,
    fill_by: String,
}

#[derive(Serialize)]
struct SourceReport {
    source: String,
    network: String,
    closed: DaySpan,
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

impl DaySpan {
    fn of(first: Day, last: Day) -> Self {
        let days = DayRange::new(first, last).map_or(0, DayRange::len);
        Self { first: first.to_string(), last: last.to_string(), days }
    }

    /// `2022-10-01 to 2022-10-31`.
    fn bounds(&self) -> String {
        format!("{} to {}", self.first, self.last)
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
            closed: status.days.as_ref().map(|days| DaySpan::of(*days.start(), *days.end())),
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
            days: clock.map(|clock| DaySpan::of(clock.day_of(first), clock.day_of(last))),
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
            closed: DaySpan::of(*source.days.start(), *source.days.end()),
            first_epoch: source.epochs.start().0,
            last_epoch: source.epochs.end().0,
            tipset_key: source.tipset_key.clone(),
            state_root: source.state_root.clone(),
            version: source.version.clone(),
            receipts: source.receipts,
            closed_at: source.closed_at.map(|at| format!("{:#}", UnixTime(at))),
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
    output::table(&[("", Align::Left), ("", Align::Left)], overview(report))?;
    output::print_line("");
    print_sources(&report.sources)?;
    output::print_line("");
    print_tables(&report.tables)
}

/// What is known of the lake as a whole, and its gaps: lines of a name and a value.
fn overview(report: &StatusReport) -> Vec<Vec<String>> {
    let span = |days: &DaySpan| format!("{} ({} days)", days.bounds(), days.days);
    let line = |name: &str, value: String| vec![name.to_owned(), value];
    let history = match (&report.history_since, &report.closed) {
        (Some(since), _) => format!("since {since}"),
        (None, Some(_)) => "since epoch 0".to_owned(),
        (None, None) => String::new(),
    };
    let mut lines = vec![
        line("lake", report.directory.clone()),
        line("closed", report.closed.as_ref().map_or_else(|| "no day yet".to_owned(), span)),
        line("history", history),
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
    lines
}

fn print_sources(sources: &[SourceReport]) -> anyhow::Result<()> {
    let header = ["source", "network", "days", "epochs", "by", "closed", "receipts", "last tipset"]
        .map(|name| (name, Align::Left));
    let line = |source: &SourceReport| {
        vec![
            source.source.clone(),
            source.network.clone(),
            source.closed.bounds(),
            format!("{} to {}", source.first_epoch, source.last_epoch),
            source.version.clone(),
            source.closed_at.clone().unwrap_or_default(),
            days(&source.receipts),
            source.tipset_key.clone(),
        ]
    };
    output::table(&header, sources.iter().map(line))?;
    Ok(())
}

fn print_tables(tables: &[TableReport]) -> anyhow::Result<()> {
    let header = [
        ("table", Align::Left),
        ("version", Align::Right),
        ("files", Align::Right),
        ("rows", Align::Right),
        ("size", Align::Right),
    ];
    let line = |table: &TableReport| {
        let mut line = vec![table.table.to_owned()];
        line.extend([table.version, table.files, table.rows].map(|number| number.to_string()));
        line.push(human::bytes(table.bytes.into()));
        line
    };
    output::table(&header, tables.iter().map(line))?;
    Ok(())
}
