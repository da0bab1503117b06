//! `sectorscope ingest`

use std::path::PathBuf;

use chain::{Cars, Chain, Day, Epoch};
use ingest::Report;
use lake::Lake;

use super::in_files;
use crate::bars::Bars;
use crate::cli::{DataDir, Ingest, Source};
use crate::output;

pub(crate) async fn run(arguments: Ingest) -> anyhow::Result<()> {
    match arguments.source {
        Source::Car { files, head, data } => {
            output::say(format_args!("{}", cars(&data, &files, head).await?));
        }
    }
    Ok(())
}

/// Takes in snapshot files and says in a sentence what that did. The chain is opened before the lake is, so
/// that bad files leave no trace.
pub(crate) async fn cars(data: &DataDir, files: &[PathBuf], head: Option<Epoch>) -> anyhow::Result<String> {
    let bars = Bars::default();
    let cars = Cars::open(files, &data.cache()?, &bars)?;
    let chain = in_files(Chain::open_at(&cars, cars.roots(), head), files)?;
    let mut lake = Lake::open(&data.lake()?).await?;
    match ingest::cars(&mut lake, &chain, files, &bars).await {
        Ok(report) => Ok(said(&report, lake.last_closed())),
        Err(ingest::Error::Chain(error)) => in_files(Err(error), files),
        Err(error) => Err(error.into()),
    }
}

/// The report in a sentence.
fn said(report: &Report, last_closed: Option<Day>) -> String {
    let Report { source, closed, events, unfinished } = report;
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
            format!(
                "{source}: closed {days} {}, {} to {}, with {events} events ({unfinished} is not finished)",
                if days == 1 { "day" } else { "days" },
                closed.start(),
                closed.end(),
            )
        }
    }
}
