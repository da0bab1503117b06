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

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use chain::Day;
use lake::{DayClose, DayRows, Manifest, Reader};
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
    let days = files(lake).await?;
    let start = Instant::now();
    let mut close = DayClose::new().await?;
    let mut last = None;
    for (at, (day, file)) in days.iter().enumerate() {
        let next = days.get(at + 1).map(|(_, file)| file.as_path());
        last = Some(close.close(*day, file, next).await?);
    }
    println!("{:.3}", start.elapsed().as_secs_f64());
    let rows = last.ok_or("no events")?;
    let stored = Reader::open(lake).await?.day(rows.day()).await?.ok_or("the last day is not in the lake")?;
    if same(&rows, &stored) { Ok(()) } else { Err("the lake has other rows".into()) }
}

/// The files of events, day by day.
async fn files(lake: &Path) -> Result<Vec<(Day, PathBuf)>, Box<dyn Error + Send + Sync>> {
    let manifest = Manifest::open(lake).await?;
    let of_events = manifest.tables().find(|(name, _)| *name == "sector_events");
    let (_, files) = of_events.ok_or("the lake has no events")?;
    if files.iter().any(|file| file.first_day != file.last_day) {
        return Err("the lake's months are compacted; each day is to be in a file of its own".into());
    }
    Ok(files.iter().map(|file| (file.first_day, file.path.clone())).collect())
}

fn same(rows: &DayRows, stored: &DayRows) -> bool {
    rows.miners() == stored.miners()
        && (0..rows.miners().len())
            .all(|row| COLUMNS.iter().all(|column| rows.value(row, column) == stored.value(row, column)))
}
