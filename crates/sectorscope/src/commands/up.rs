//! `sectorscope up`

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fs, slice};

use anyhow::Context;
use chain::DayRange;
use ingest::Options;
use lake::{DayRows, Reader};
use ledger::columns::column;

use super::ingest::cars;
use super::serve::BoundServer;
use crate::cli::{DataDir, Up};
use crate::human;
use crate::output::{self, Align};

/// The bundled chain: see `samples/README.md`.
const SAMPLE: &[u8] = include_bytes!("../../../../samples/long.car.zst");
const SAMPLE_NAME: &str = "long.car.zst";

/// While another process writes the lake, it is looked at again after this time.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Columns of the table of the newest day, and their headings.
const TABLE_COLUMNS: [(&str, &str); 7] = [
    ("total_num_sector", "onboarded"),
    ("live_sector_count", "live"),
    ("active_sector_rbp", "RBP"),
    ("active_sector_qap", "QAP"),
    ("active_fault_rbp", "faulty"),
    ("total_terminate_rbp", "terminated"),
    ("total_expire_rbp", "expired"),
];

pub(crate) async fn run(arguments: Up) -> anyhow::Result<()> {
    let server = BoundServer::open(&arguments.listen, &arguments.data).await?;
    let directory = arguments.data.lake()?;
    if !has_days(&arguments.data).await? {
        output::print_remark(format_args!(
            "no lake in {} yet: reading the bundled sample chain",
            directory.display()
        ));
        ingest_sample(&arguments.data).await?;
    }
    let reader = Arc::new(Reader::open(&directory).await?);
    print_greeting(&reader, &server).await?;
    server.serve(reader).await
}

async fn has_days(data: &DataDir) -> anyhow::Result<bool> {
    match Reader::open(&data.lake()?).await {
        Ok(reader) => Ok(reader.days().is_some()),
        Err(lake::Error::NoLake { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Ingests the bundled chain. If another process does so at this moment, waits for its days.
async fn ingest_sample(data: &DataDir) -> anyhow::Result<()> {
    let sample = sample(data)?;
    loop {
        match cars(data, slice::from_ref(&sample), Options::default(), false).await {
            Ok(summary) => {
                output::print_line(format_args!("{summary}"));
                return Ok(());
            }
            Err(error) if is_other_writer(&error) => tokio::time::sleep(RETRY_AFTER).await,
            Err(error) => return Err(error),
        }
        if has_days(data).await? {
            return Ok(());
        }
    }
}

fn is_other_writer(error: &anyhow::Error) -> bool {
    use lake::Error::{Locked, OtherWriter};
    // The lake's own while it is opened, and the ingest's later.
    let error = match error.downcast_ref() {
        Some(ingest::Error::Lake(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    matches!(error, Some(Locked { .. } | OtherWriter { .. }))
}

/// Unpacks the bundled chain into the data directory. Each process unpacks into a file of its own and then renames it, so
/// that several may do so at once.
fn sample(data: &DataDir) -> anyhow::Result<PathBuf> {
    let directory = data.samples()?;
    let path = directory.join(SAMPLE_NAME);
    let there = fs::metadata(&path).is_ok_and(|about| about.len() == SAMPLE.len() as u64);
    if !there {
        let write = || {
            fs::create_dir_all(&directory)?;
            let mut partial = output::partial_file(&path)?;
            partial.write_all(SAMPLE)?;
            partial.persist(&path)?;
            Ok::<_, io::Error>(())
        };
        write().with_context(|| format!("cannot unpack the sample chain to {}", path.display()))?;
    }
    Ok(path)
}

/// Says where it serves, what to try, and how the newest day looks.
async fn print_greeting(reader: &Reader, server: &BoundServer) -> anyhow::Result<()> {
    output::print_line(format_args!("serving http://{}", server.address));
    let Some(days) = reader.days() else { return Ok(()) };
    let newest = *days.end();
    let Some(rows) = reader.day(newest).await? else { return Ok(()) };
    let base = format!("http://{}/v2/storage_provider/sector", server.address);
    output::print_line(format_args!("\ntry:"));
    output::print_line(format_args!("  {base}/total"));
    if let Some(miner) = rows.miners().first() {
        output::print_line(format_args!("  {base}/terminate?state_date={newest}&miner_id={miner}"));
    }
    output::print_line(format_args!("  {base}/sector_duration?state_date={}", days.start()));
    output::print_line(format_args!(
        "\n{} closed days, {} to {newest}; the newest:\n",
        DayRange::new(*days.start(), newest).map_or(0, DayRange::len),
        days.start()
    ));
    print_day(&rows)?;
    if let Some(since) = reader.history_since() {
        output::print_line(format_args!("\n{}", human::history_since(since)));
    }
    output::print_line(format_args!("\nstop with Ctrl-C"));
    Ok(())
}

fn print_day(rows: &DayRows) -> anyhow::Result<()> {
    let mut header = vec![("miner", Align::Left)];
    header.extend(TABLE_COLUMNS.iter().map(|(_, heading)| (*heading, Align::Right)));
    let lines = rows.miners().iter().enumerate().map(|(row, miner)| {
        let cells = TABLE_COLUMNS.iter().filter_map(|(name, _)| column(name));
        let mut line = vec![miner.to_string()];
        line.extend(cells.map(|column| human::value(rows.value(row, column), column.unit)));
        line
    });
    output::table(&header, lines)?;
    Ok(())
}
