//! How fast a day closes: of a million events and 6,000 miners, and of a thousand.
//!
//! `cargo bench --bench closing` closes made-up days through the ordinary writer, with files, flushing and commits.
//! The last line is of the first million alone: time, processor time, and the process's peak memory, in which the events
//! themselves are 200 MB.
#![allow(clippy::unwrap_used)]

#[path = "../examples/made_up/mod.rs"]
mod made_up;

use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;
use lake::{FinishedDay, Lake};
use ledger::testing::SyntheticOptions;
use tempfile::TempDir;
use tokio::runtime::Runtime;

const MINERS: u64 = 6_000;

fn main() {
    one_million();
    divan::main();
}

fn day(events_per_day: usize) -> FinishedDay {
    made_up::days(SyntheticOptions { miners: MINERS, events_per_day, ..SyntheticOptions::default() })
        .next()
        .unwrap()
}

#[divan::bench(args = [1_000, 1_000_000], sample_count = 10, sample_size = 1)]
fn a_day(bencher: Bencher<'_, '_>, events: usize) {
    let (runtime, days) = (Runtime::new().unwrap(), [day(events)]);
    bencher
        .counter(ItemsCount::new(days[0].events.len()))
        .with_inputs(|| {
            let directory = TempDir::new().unwrap();
            let lake = runtime.block_on(Lake::open(directory.path())).unwrap();
            (directory, lake)
        })
        .bench_values(|(directory, mut lake)| {
            runtime.block_on(lake.close_days(&days)).unwrap();
            (directory, lake)
        });
}

/// Closes one day in a process that has done nothing before.
fn one_million() {
    let (runtime, days, directory) = (Runtime::new().unwrap(), [day(1_000_000)], TempDir::new().unwrap());
    let mut lake = runtime.block_on(Lake::open(directory.path())).unwrap();
    let (start, before) = (Instant::now(), processor_seconds());
    runtime.block_on(lake.close_days(&days)).unwrap();
    println!(
        "{} events: {:.2} s, {:.2} s of processor time, {} peak memory",
        days[0].events.len(),
        start.elapsed().as_secs_f64(),
        processor_seconds() - before,
        peak_memory(),
    );
}

/// What the kernel counts in hundredths.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    (ticks(11) + ticks(12)) / 100.0
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}
