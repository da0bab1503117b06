//! `sectorscope ingest`

use std::path::{Path, PathBuf};

use chain::Cars;
use ingest::Report;
use lake::Lake;

use crate::bars::Bars;
use crate::cli::{DataDir, Ingest, Source};

pub(crate) async fn run(arguments: Ingest) -> anyhow::Result<()> {
    match arguments.source {
        Source::Car { files, data } => {
            let report = cars(&data, &files).await?;
            println!("{}", said(&report));
        }
    }
    Ok(())
}

/// Takes in snapshot files. The files are opened before the lake is, so that bad ones leave no trace.
pub(crate) async fn cars(data: &DataDir, files: &[PathBuf]) -> anyhow::Result<Report> {
    let bars = Bars::default();
    let cars = Cars::open(files, &data.cache()?, &bars)?;
    let mut lake = open(&data.lake()?).await?;
    Ok(ingest::cars(&mut lake, &cars, files, &bars).await?)
}

async fn open(directory: &Path) -> anyhow::Result<Lake> {
    Ok(Lake::open(directory).await?)
}

/// The report in a sentence.
pub(crate) fn said(report: &Report) -> String {
    let Report { source, closed, events, unfinished } = report;
    match closed {
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
