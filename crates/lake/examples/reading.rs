//! How fast a lake is read, such as the one that `synthetic` makes:
//!
//! ```text
//! cargo run --release --example reading -- LAKE
//! ```
//!
//! Opens the lake several times over, and reads days and miners' whole histories picked at random, each for the first
//! time. Prints the median and the longest time of each. Whether files come from the disk is up to the operating system:
//! to have them do, drop its cache first.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use chain::Day;
use lake::Reader;

/// How often each is timed.
const TIMES: u64 = 51;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let lake = std::env::args().nth(1).ok_or("reading LAKE")?;
    let lake = Path::new(&lake);

    let mut opening = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        Reader::open(lake).await?;
        opening.push(start.elapsed());
    }
    tell("opening", opening);

    let reader = Reader::open(lake).await?;
    let days = reader.days().ok_or("the lake is empty")?;
    let (first, last) = (days.start().unix_days(), days.end().unix_days());
    let mut dice = Dice(0x9e37_79b9);
    let mut a_day = Vec::new();
    for _ in 0..TIMES {
        let day = Day::from_unix_days(first + i32::try_from(dice.below((last - first) as u64 + 1))?);
        let start = Instant::now();
        reader.day(day).await?.ok_or("a closed day that is not there")?;
        a_day.push(start.elapsed());
    }
    tell("a day", a_day);

    let miners = reader.day(*days.end()).await?.ok_or("a closed day that is not there")?.miners().to_vec();
    let mut history = Vec::new();
    for _ in 0..TIMES {
        let miner = miners[usize::try_from(dice.below(miners.len() as u64))?];
        let start = Instant::now();
        reader.miner(miner, days.clone()).await?;
        history.push(start.elapsed());
    }
    tell("a miner's whole history", history);
    Ok(())
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let (median, longest) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{what}: {:.1} ms, at most {:.1} ms", milliseconds(median), milliseconds(longest));
}

/// xorshift64*: each run picks the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
