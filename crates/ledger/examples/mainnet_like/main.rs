//! Makes a chain as large as mainnet, of actors v18, as a snapshot in indexed zstd:
//!
//! ```sh
//! cargo run --release -p sectorscope-ledger --example mainnet_like -- FILE.forest.car.zst
//! ```
//!
//! 4,000 miners have 20 million sectors between them, dealt out to 48 deadlines each; of 120 tipsets each runs 300
//! messages and the crons of some 67 deadlines. `--miners`, `--sectors`, `--tipsets`, `--messages` and `--accounts` make
//! it larger or smaller, `--without-receipts` leaves out what public snapshots have not, and `--plain FILE.car`
//! keeps the same chain as it is written first, a plain CAR of 4 GB. The same options make the same chain.
//!
//! Blocks go to disk as they are made; what is held is what changes, and eight bytes a block to know it by.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

mod arrays;
#[path = "../../tests/common/blocks.rs"]
mod blocks;
mod car;
mod encode;
#[path = "../../tests/common/forest.rs"]
#[allow(dead_code)]
mod forest;
mod maps;
mod messages;
mod miner;
mod network;
mod pack;
mod partition;
mod recorded;
mod sectors;
mod tipsets;
mod traffic;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use car::Car;
use network::Network;
use recorded::Recorded;

/// How large it is.
#[derive(Clone, Copy)]
pub struct Options {
    pub miners: u64,
    pub sectors: u64,
    pub tipsets: u64,
    pub messages: usize,
    pub accounts: usize,
    pub with_receipts: bool,
}

const MAINNET: Options = Options {
    miners: 4_000,
    sectors: 20_000_000,
    tipsets: 120,
    messages: 300,
    accounts: 200_000,
    with_receipts: true,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut options, mut file, mut plain) = (MAINNET, None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value"));
        match argument.as_str() {
            "--miners" => options.miners = value()?.parse()?,
            "--sectors" => options.sectors = value()?.parse()?,
            "--tipsets" => options.tipsets = value()?.parse()?,
            "--messages" => options.messages = value()?.parse()?,
            "--accounts" => options.accounts = value()?.parse()?,
            "--without-receipts" => options.with_receipts = false,
            "--plain" => plain = Some(PathBuf::from(value()?)),
            _ => file = Some(PathBuf::from(argument)),
        }
    }
    let file = file.ok_or("give the file to write, such as mainnet-like.forest.car.zst")?;
    // Each miner has a worker's account.
    options.accounts = options.accounts.max(options.miners as usize + 1);
    let folder = tempfile::tempdir_in(file.parent().filter(|of| of.exists()).unwrap_or(".".as_ref()))?;
    let kept = plain.unwrap_or_else(|| folder.path().join("plain.car"));

    let recorded = make(&file, &kept, options)?;
    println!("{recorded:?}");
    Ok(())
}

/// Makes a chain, first at `plain` and then packed at `file`; returns what it did.
pub fn make(file: &Path, plain: &Path, options: Options) -> io::Result<Recorded> {
    let begin = Instant::now();
    let mut car = Car::create(plain, tipsets::BLOCKS)?;
    let (head, recorded) = Network::run(&mut car, options)?;
    println!("{} blocks made in {:.0?}", car.blocks, begin.elapsed());
    car.finish(&head)?;
    let begin = Instant::now();
    let cache = tempfile::tempdir_in(plain.parent().unwrap_or(".".as_ref()))?;
    pack::pack(plain, cache.path(), file, options.with_receipts)?;
    println!("{} bytes packed in {:.0?}", std::fs::metadata(file)?.len(), begin.elapsed());
    Ok(recorded)
}
