//! Makes a lake of made-up days, through the ordinary writer:
//!
//! ```text
//! cargo run --release --example synthetic -- DIR --days 2300 --miners 6000 [--events-per-day N] [--standing N] [--seed S]
//! ```
//!
//! The same options make the same events. With `--standing`, that many sectors stand in the first state. Days are closed in
//! groups, as an ingest does.

mod made_up;

use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Instant;

use lake::Lake;
use ledger::testing::SyntheticOptions;

/// Events in a group of days that is closed with one commit to each table.
const EVENTS_IN_GROUP: usize = 200_000;
/// Most days in a group.
const DAYS_IN_GROUP: usize = 32;

struct Options {
    directory: PathBuf,
    days: usize,
    made_up: SyntheticOptions,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Options { directory, days, made_up } = options()?;
    let mut lake = Lake::open(&directory).await?;
    if let Some(last) = lake.last_closed() {
        return Err(format!("{}: there are days up to {last}", directory.display()).into());
    }
    let (start, mut done, mut events) = (Instant::now(), 0, 0);
    let mut group = Vec::new();
    let (opening, history) = made_up::opened(made_up);
    let mut opening = Some(opening).filter(|opening| opening.max_events() > 0);
    for finished in history.take(days) {
        events += finished.events.len();
        if let Some(opening) = opening.take() {
            // Too many to be held: they are made while they are written.
            events += usize::try_from(lake.close_opening_day(&finished, opening).await?)?;
            done += 1;
            tell(done, days, events, start)?;
            continue;
        }
        group.push(finished);
        let waiting: usize = group.iter().map(|day| day.events.len()).sum();
        if group.len() < DAYS_IN_GROUP && waiting < EVENTS_IN_GROUP && done + group.len() < days {
            continue;
        }
        lake.close_days(&group).await?;
        done += group.len();
        group.clear();
        tell(done, days, events, start)?;
    }
    if std::io::stderr().is_terminal() {
        eprintln!();
    }
    Ok(())
}

fn tell(done: usize, days: usize, events: usize, start: Instant) -> std::io::Result<()> {
    let line = format!("{done} of {days} days, {events} events, {:.0} s", start.elapsed().as_secs_f64());
    if std::io::stderr().is_terminal() {
        eprint!("\r{line}");
        std::io::stderr().flush()
    } else {
        eprintln!("{line}");
        Ok(())
    }
}

fn options() -> Result<Options, Box<dyn Error>> {
    let made_up = SyntheticOptions { miners: 6_000, events_per_day: 2_000, ..SyntheticOptions::default() };
    let mut options = Options { directory: PathBuf::new(), days: 2_300, made_up };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            options.directory = argument.into();
            continue;
        }
        let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
        match argument.as_str() {
            "--days" => options.days = value.parse()?,
            "--miners" => options.made_up.miners = value.parse()?,
            "--events-per-day" => options.made_up.events_per_day = value.parse()?,
            "--standing" => options.made_up.initial_sectors = value.parse()?,
            "--seed" => options.made_up.seed = value.parse()?,
            other => return Err(format!("{other}: no such option").into()),
        }
    }
    if options.directory.as_os_str().is_empty() {
        return Err(
            "synthetic DIR [--days N] [--miners N] [--events-per-day N] [--standing N] [--seed N]".into()
        );
    }
    Ok(options)
}
