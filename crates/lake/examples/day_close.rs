//! The day close by itself, to set it beside other engines (`peers/asking`):
//!
//! ```text
//! cargo run --release --example day_close -- statement
//! cargo run --release --example day_close -- run LAKE
//! ```
//!
//! The first prints the statement. The second runs it over the lake's own files of events, day by day, each day's rows
//! feeding the next, on two threads; it prints the seconds that took, and stops if the last day's rows are not those in
//! the lake.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chain::Day;
use lake::{DayClose, DayRows, Reader};
use ledger::columns::COLUMNS;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["statement"] => println!("{}", DayClose::statement()?),
        ["run", lake] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
            // Not on the main thread: it would be a third one.
            let lake = PathBuf::from(lake);
            let done = runtime.spawn(async move { run(&lake).await.map_err(|error| error.to_string()) });
            runtime.block_on(done)??;
        }
        _ => return Err("day_close statement | day_close run LAKE".into()),
    }
    Ok(())
}

async fn run(lake: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let days = files(lake)?;
    let start = Instant::now();
    let mut close = DayClose::new().await?;
    let mut last = None;
    for (day, file) in days {
        last = Some(close.close(day, &file).await?);
    }
    println!("{:.3}", start.elapsed().as_secs_f64());
    let rows = last.ok_or("no events")?;
    let stored = Reader::open(lake).await?.day(rows.day()).await?.ok_or("the last day is not in the lake")?;
    if same(&rows, &stored) { Ok(()) } else { Err("the lake has other rows".into()) }
}

/// The files of events by day, by their names.
fn files(lake: &Path) -> Result<BTreeMap<Day, PathBuf>, Box<dyn Error + Send + Sync>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(lake.join("sector_events"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(day) = name.get(..10).filter(|_| name.ends_with(".parquet")) {
            files.insert(day.parse()?, path);
        }
    }
    Ok(files)
}

fn same(rows: &DayRows, stored: &DayRows) -> bool {
    rows.miners() == stored.miners()
        && (0..rows.miners().len())
            .all(|row| COLUMNS.iter().all(|column| rows.value(row, column) == stored.value(row, column)))
}
