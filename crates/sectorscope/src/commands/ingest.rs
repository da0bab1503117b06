//! `sectorscope ingest`

use std::path::PathBuf;
use std::time::Duration;

use chain::{Cars, Day, Epoch};
use ingest::{Options, Report};
use lake::{Lake, Later};

use super::in_files;
use crate::bars::Bars;
use crate::cli::{DataDir, Ingest, Source};
use crate::output;

/// Files that were taken out of the tables stay this long for those who still read an older version.
const RETAINED: Duration = Duration::from_hours(7 * 24);

pub(crate) async fn run(arguments: Ingest) -> anyhow::Result<()> {
    match arguments.source {
        Source::Car { files, head, from, drop_later, no_compact, data } => {
            let options = Options { from, drop_later };
            output::say(format_args!("{}", cars(&data, &files, head, options, !no_compact).await?));
        }
    }
    Ok(())
}

/// Takes in snapshot files and says in a sentence what that did. The chain is opened before the lake is, so
/// that bad files leave no trace.
pub(crate) async fn cars(
    data: &DataDir,
    files: &[PathBuf],
    head: Option<Epoch>,
    options: Options,
    compact: bool,
) -> anyhow::Result<String> {
    let bars = Bars::default();
    let cars = Cars::open(files, &data.cache()?, &bars)?;
    let source = in_files(ingest::Source::open(&cars, files, head), files)?;
    let mut lake = Lake::open(&data.lake()?).await?;
    let report = match ingest::cars(&mut lake, source, options, &bars).await {
        Ok(report) => report,
        Err(error @ (ingest::Error::Chain(_) | ingest::Error::Hole { .. })) => {
            return in_files(Err(error), files);
        }
        Err(error) => return Err(error.into()),
    };
    if compact && report.closed.is_some() {
        lake.compact(&bars).await?;
        lake.vacuum(RETAINED).await?;
    }
    Ok(said(&report, lake.last_closed()))
}

/// The report in a sentence.
fn said(report: &Report, last_closed: Option<Day>) -> String {
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
            let days = i64::from(closed.end().unix_days()) - i64::from(closed.start().unix_days()) + 1;
            let days_of = |count: u64| if count == 1 { "day" } else { "days" };
            let after = match later {
                Later { kept: 0, dropped: 0 } => String::new(),
                Later { kept, dropped: 0 } => format!("; {kept} {} after them made anew", days_of(*kept)),
                Later { dropped, .. } => format!("; {dropped} {} after them given up", days_of(*dropped)),
            };
            format!(
                "{source}: closed {days} {}, {} to {}, with {events} events ({unfinished} is not finished){after}",
                days_of(days.unsigned_abs()),
                closed.start(),
                closed.end(),
            )
        }
    }
}
