//! What reading honest chains costs, beside what it may.
#![allow(clippy::unwrap_used)]

mod common;

use chain::state::{Miner, StateTree};
use chain::{CarStore, Chain, NoProgress};
use ledger::{ChainPowers, EventReader, MinerSummary};

/// Reads a file as all commands together do: the chain with its powers, and everything of its newest state.
fn read(cars: &CarStore) -> chain::Result<()> {
    let chain = Chain::open(cars, cars.roots())?;
    let (opening, mut reading) = EventReader::open(&chain, 0)?;
    for batch in opening {
        batch?;
    }
    let mut powers = ChainPowers::default();
    for tipset in chain.tipsets() {
        powers.advance(cars, &tipset.parent_state_root, reading.codes())?;
        if let Some(read) = reading.next() {
            read?;
        }
    }
    let newest = StateTree::open(cars, &chain.tipsets().last().unwrap().parent_state_root)?;
    for (_, miner) in Miner::all(&newest, reading.codes())? {
        MinerSummary::of(&miner)?;
    }
    Ok(())
}

#[test]
fn honest_chains_spend_a_small_part_of_their_budget() {
    const CHAINS: [&str; 14] = [
        "tiny.car.zst",
        "small.car.zst",
        "edge-1.car.zst",
        "edge-2.car.zst",
        "edge-3.car.zst",
        "long.car.zst",
        "large.car.zst",
        "public/small.lotus.car.zst",
        "public/small.whole.forest.car.zst",
        "public/long.lotus.car.zst",
        "public/calibnet-16800.merge.forest.car.zst",
        "public/mainnet-epoch-1.forest.car.zst",
        "real/calibnet-chain-16800.car.zst",
        "real/mainnet-epochs-0-39.car",
    ];
    for name in CHAINS {
        let Some(path) = common::shared(name) else { continue };
        let bytes = std::fs::metadata(&path).unwrap().len();
        let folder = tempfile::tempdir().unwrap();
        let cars = CarStore::open(&[path], folder.path(), &NoProgress).unwrap();
        let read = read(&cars);
        let budget = cars.budget();
        eprintln!(
            "{name}: {bytes} bytes, {} units, {} a byte, {:?}",
            budget.spent(),
            budget.spent() / bytes,
            read.err().map(|e| e.to_string())
        );
        assert!(budget.spent() < budget.limit() / 10, "{name}: {} of {}", budget.spent(), budget.limit());
    }
}
