//! Real and made chains of actors v8 to v18: what we read of their states is what the peers read.

mod common;

use chain::state::{ActorCodes, StateTree};
use chain::{CarStore, Chain, NoProgress};
use peers::checks::{Compared, compare_state, peer_of};

/// Compares up to `states` states of a chain, evenly spread, the last among them; returns the version of its
/// miners and how much was compared.
fn compare_chain(name: &str, states: usize) -> Option<(u8, Compared)> {
    let path = common::shared(name)?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let tipsets = chain.tipsets();
    let (mut version, mut compared) = (0, Compared::default());
    let step = tipsets.len().div_ceil(states);
    for tipset in tipsets.iter().rev().step_by(step) {
        let tree = StateTree::open(&cars, &tipset.parent_state_root).unwrap();
        let codes = ActorCodes::new();
        codes.add_manifest(&tree).unwrap();
        let power = tree.actor(peers::trees::POWER).unwrap().unwrap();
        version = peer_of(&codes, &power).unwrap().1.version();
        compared.add(&compare_state(&tree).unwrap());
    }
    Some((version, compared))
}

#[test]
fn the_state_of_calibnet_at_epoch_16800_reads_as_the_peers_read_it() {
    let Some((version, compared)) = compare_chain("real/calibnet-chain-16800.car.zst", 1) else { return };
    assert_eq!(version, 8);
    assert_eq!((compared.miners, compared.sectors, compared.precommits), (161, 4534, 275));
    assert!(compared.claims > 0 && compared.proposals > 0 && compared.partitions > 0, "{compared:?}");
}

#[test]
fn the_genesis_of_butterflynet_reads_as_the_peers_read_it() {
    let Some((version, compared)) = compare_chain("real/butterflynet-genesis.car.zst", 1) else { return };
    assert_eq!((version, compared.miners, compared.sectors), (17, 3, 3 * 480));
}

#[test]
fn the_chains_with_known_truth_read_as_the_peers_read_them() {
    for (name, states, sectors) in [
        ("tiny", 99, 1),
        ("small", 60, 100_000),
        ("edge-1", 999, 1_000),
        ("edge-2", 999, 1_000),
        ("edge-3", 999, 1_000),
        ("long", 60, 50_000),
    ] {
        let Some((version, compared)) = compare_chain(&format!("{name}.car.zst"), states) else { return };
        assert_eq!(version, 18, "{name}");
        println!("{name}: {compared:?}");
        assert!(compared.sectors >= sectors && compared.partitions > 0, "{name}: {compared:?}");
    }
}

#[test]
fn the_large_chain_reads_as_the_peers_read_it() {
    let Some((version, compared)) = compare_chain("large.car.zst", 1) else { return };
    assert_eq!((version, compared.miners), (18, 4));
    assert!(compared.sectors > 1_290_000, "{compared:?}");
}
