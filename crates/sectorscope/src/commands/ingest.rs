//! `sectorscope ingest`

use std::path::PathBuf;
use std::time::Duration;

use chain::{CarStore, Chain, Day, WalkOptions};
use ingest::{Options, Report};
use lake::{ColumnChange, DayChange, EventChange, Lake, LaterDays};
use serde::Serialize;

use super::{warn_if_ahead, with_file_context};
use crate::cli::{DataDir, Ingest, ReportFormat, Source};
use crate::output::{self, Align};
use crate::progress_bar::ProgressBars;

/// Files that were taken out of the tables stay this long for those who still read an older version.
const RETAINED: Duration = Duration::from_hours(7 * 24);

pub(crate) async fn run(arguments: Ingest) -> anyhow::Result<()> {
    match arguments.source {
        Source::Car { files, head, rounds, from, drop_later, no_compact, format, data } => {
            let (options, way) = (Options { from, drop_later }, rounds.to(head));
            let (report, last_closed) =
                ingest_cars(&data, &files, way, options, !no_compact, &warn_if_ahead).await?;
            match format {
                ReportFormat::Json => output::json(&IngestReport::of(&report))?,
                ReportFormat::Table => {
                    output::print_line(summary(&report, last_closed));
                    if from.is_some() {
                        changes(&report.later.changes)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Ingests snapshot files that came with the program; a sentence that reports it.
pub(crate) async fn cars(
    data: &DataDir,
    files: &[PathBuf],
    options: Options,
    compact: bool,
) -> anyhow::Result<String> {
    let (report, last_closed) =
        ingest_cars(data, files, WalkOptions::default(), options, compact, &|_| {}).await?;
    Ok(summary(&report, last_closed))
}

/// Ingests snapshot files; the report, and the last closed day. The chain is opened before the lake is, so that bad
/// files leave no trace; `opened` is called with it.
async fn ingest_cars(
    data: &DataDir,
    files: &[PathBuf],
    way: WalkOptions,
    options: Options,
    compact: bool,
    opened: &dyn Fn(&Chain<'_>),
) -> anyhow::Result<(Report, Option<Day>)> {
    let bars = ProgressBars::default();
    let cars = CarStore::open(files, &data.cache()?, &bars)?;
    let source = with_file_context(ingest::Source::open(&cars, files, way), files)?;
    if let Some(chain) = source.newest() {
        opened(chain);
    }
    let mut lake = Lake::open(&data.lake()?).await?;
    let report = match ingest::ingest_snapshots(&mut lake, source, options, &bars).await {
        Ok(report) => report,
        Err(error @ (ingest::Error::Chain(_) | ingest::Error::IncompleteSource { .. })) => {
            return with_file_context(Err(error), files);
        }
        Err(error) => return Err(error.into()),
    };
    if compact && report.closed.is_some() {
        lake.compact(&bars).await?;
        lake.vacuum(RETAINED).await?;
    }
    Ok((report, lake.last_closed()))
}

/// The report as programs read it.
#[derive(Serialize)]
struct IngestReport {
    source: String,
    /// First and last day closed; `null` if there was nothing new.
    closed: Option<[String; 2]>,
    events: u64,
    unfinished: String,
    /// Days after those closed again whose rows were recomputed, and those that were dropped.
    later_kept: u64,
    later_dropped: u64,
    /// What closing days again has changed.
    changes: Vec<DayChanges>,
}

#[derive(Serialize)]
struct DayChanges {
    stat_date: String,
    receipts_before: &'static str,
    receipts: &'static str,
    columns: Vec<ColumnChanges>,
    events: Vec<EventChanges>,
}

#[derive(Serialize)]
struct ColumnChanges {
    column: &'static str,
    /// How many storage providers have another value.
    miners: u64,
    /// Sums over all of them, as decimal strings; `null` for means and deviations.
    before: Option<String>,
    now: Option<String>,
}

#[derive(Serialize)]
struct EventChanges {
    kind: String,
    cause: Option<String>,
    before: u64,
    now: u64,
}

impl IngestReport {
    fn of(report: &Report) -> Self {
        let Report { source, closed, events, unfinished, later } = report;
        Self {
            source: source.clone(),
            closed: closed.as_ref().map(|days| [days.first().to_string(), days.last().to_string()]),
            events: *events,
            unfinished: unfinished.to_string(),
            later_kept: later.kept,
            later_dropped: later.dropped,
            changes: later.changes.iter().map(DayChanges::of).collect(),
        }
    }
}

impl DayChanges {
    fn of(change: &DayChange) -> Self {
        let column = |of: &ColumnChange| ColumnChanges {
            column: of.column,
            miners: of.miners,
            before: of.sums.map(|(before, _)| before.to_string()),
            now: of.sums.map(|(_, now)| now.to_string()),
        };
        let events = |of: &EventChange| EventChanges {
            kind: of.kind.clone(),
            cause: of.cause.clone(),
            before: of.before,
            now: of.now,
        };
        Self {
            stat_date: change.day.to_string(),
            receipts_before: change.receipts.0.receipts().name(),
            receipts: change.receipts.1.receipts().name(),
            columns: change.columns.iter().map(column).collect(),
            events: change.events.iter().map(events).collect(),
        }
    }
}

/// Days with changes that are listed; JSON has all.
const MAX_DAYS: usize = 50;

/// What closing days again has changed, day by day.
fn changes(changes: &[DayChange]) -> anyhow::Result<()> {
    if changes.is_empty() {
        output::print_line("nothing has changed on days that were closed before");
        return Ok(());
    }
    let header = [
        ("stat_date", Align::Left),
        ("what", Align::Left),
        ("before", Align::Right),
        ("now", Align::Right),
        ("providers", Align::Right),
    ];
    let mut lines = Vec::new();
    for of_day in changes.iter().take(MAX_DAYS).map(DayChanges::of) {
        let mut line = |what: String, before: String, now: String, miners: String| {
            lines.push(vec![of_day.stat_date.clone(), what, before, now, miners]);
        };
        if of_day.receipts_before != of_day.receipts {
            line(
                "receipts".to_owned(),
                of_day.receipts_before.to_owned(),
                of_day.receipts.to_owned(),
                String::new(),
            );
        }
        for EventChanges { kind, cause, before, now } in &of_day.events {
            let cause = cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
            line(format!("events: {kind}{cause}"), before.to_string(), now.to_string(), String::new());
        }
        for ColumnChanges { column, miners, before, now } in &of_day.columns {
            let sum = |sum: &Option<String>| sum.clone().unwrap_or_default();
            line((*column).to_owned(), sum(before), sum(now), miners.to_string());
        }
    }
    output::table(&header, lines)?;
    if changes.len() > MAX_DAYS {
        output::print_line(format_args!(
            "… and {} days more (--format json has all)",
            changes.len() - MAX_DAYS
        ));
    }
    Ok(())
}

/// The report in a sentence.
fn summary(report: &Report, last_closed: Option<Day>) -> String {
    let Report { source, closed, events, unfinished, later } = report;
    match closed {
        None if last_closed.is_none() => {
            format!(
                "{source}: nothing taken in: it holds no whole finished day ({unfinished} is not finished)"
            )
        }
        None => format!(
            "{source}: nothing new; its finished days are all in the lake ({unfinished} is not finished)"
        ),
        Some(closed) => {
            let days = closed.len();
            let days_of = |count: u64| if count == 1 { "day" } else { "days" };
            let after = match later {
                LaterDays { kept: 0, dropped: 0, .. } => String::new(),
                LaterDays { kept, dropped: 0, .. } => {
                    format!("; {kept} {} after them made anew", days_of(*kept))
                }
                LaterDays { dropped, .. } => format!("; {dropped} {} after them given up", days_of(*dropped)),
            };
            format!(
                "{source}: closed {days} {}, {} to {}, with {events} events ({unfinished} is not finished){after}",
                days_of(days),
                closed.first(),
                closed.last(),
            )
        }
    }
}
