//! `sectorscope up`

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
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
        let sample = sample(&arguments.data)?;
        let summary = cars(&arguments.data, &[sample], Options::default(), false).await?;
        output::print_line(format_args!("{summary}"));
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

/// Unpacks the bundled chain into the data directory.
fn sample(data: &DataDir) -> anyhow::Result<PathBuf> {
    let directory = data.samples()?;
    let path = directory.join(SAMPLE_NAME);
    let there = fs::metadata(&path).is_ok_and(|about| about.len() == SAMPLE.len() as u64);
    if !there {
        let write = || {
            fs::create_dir_all(&directory)?;
            let partial = path.with_extension("partial");
            fs::write(&partial, SAMPLE)?;
            fs::rename(&partial, &path)
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
        i64::from(newest.unix_days()) - i64::from(days.start().unix_days()) + 1,
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
