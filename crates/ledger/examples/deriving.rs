//! How fast events are derived from a snapshot, whose first state is taken as known:
//!
//! ```sh
//! cargo run --release -p sectorscope-ledger --example deriving -- FILE… [--threads N] [--rounds N] [--cache DIR] [--only-open]
//! ```
//!
//! Each round opens the files anew, so that nothing is in the cache of frames, and prints its tipsets per second, of
//! wall-clock time and of processor time; the last line says how many events of each kind there are. `--cache` keeps what
//! opening makes (the index of a plain CAR) from round to round, and `--only-open` derives nothing.
#![allow(missing_docs)]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chain::{CarStore, Chain, NoProgress};
use ledger::EventReader;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut files, mut threads, mut rounds, mut kept) = (Vec::new(), 0, 3, None);
    let mut only_open = false;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        match argument.as_str() {
            "--threads" => threads = value()?.parse()?,
            "--rounds" => rounds = value()?.parse()?,
            "--only-open" => only_open = true,
            "--cache" => kept = Some(PathBuf::from(value()?)),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut kinds = BTreeMap::new();
    for _ in 0..rounds {
        let (begin, used) = (Instant::now(), processor_time());
        let cache = tempfile::tempdir()?;
        let cars = CarStore::open(&files, kept.as_deref().unwrap_or(cache.path()), &NoProgress)?;
        if only_open {
            println!("opened in {:.4} s", begin.elapsed().as_secs_f64());
            continue;
        }
        let chain = Chain::open(&cars, cars.roots())?;
        let opened = begin.elapsed();
        let (begin, used_before) = (Instant::now(), processor_time());
        let tipsets;
        (tipsets, kinds) = pool.install(|| derive(&chain))?;
        let (took, used_by) = (begin.elapsed(), processor_time().saturating_sub(used_before));
        println!(
            "{} threads: {tipsets} tipsets in {:.2} s: {:.1} a second; {:.2} s of processor time: {:.1} a second and \
             core (opened in {:.2} s, of processor time {:.2} s)",
            pool.current_num_threads(),
            took.as_secs_f64(),
            f64::from(tipsets) / took.as_secs_f64(),
            used_by.as_secs_f64(),
            f64::from(tipsets) / used_by.as_secs_f64(),
            opened.as_secs_f64(),
            used_before.saturating_sub(used).as_secs_f64(),
        );
    }
    println!("{kinds:?}");
    Ok(())
}

type Kinds = BTreeMap<String, usize>;

fn derive(chain: &Chain<'_>) -> chain::Result<(u32, Kinds)> {
    let (mut tipsets, mut kinds) = (0, Kinds::new());
    for tipset in EventReader::resume(chain, 0, Vec::new())? {
        tipsets += 1;
        for event in tipset?.events {
            *kinds.entry(format!("{:?}", event.kind)).or_default() += 1;
        }
    }
    Ok((tipsets, kinds))
}

/// What all threads of this process have used, where the system says so.
fn processor_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name, in parentheses, may hold spaces; user and system time are the 12th and 13th after it.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
