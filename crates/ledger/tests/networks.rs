//! The tables of networks, upgrades and actor codes, against real states and the published code CIDs.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use chain::state::{ActorCodes, ActorKind, Layout, Miner, StateTree};
use chain::{CarStore, Chain, Cid, Epoch, Network, NoProgress, network_of};
use common::{outside, shared};
use serde_json::Value;

#[test]
fn real_genesis_headers_are_of_the_networks_the_table_says() {
    for (name, network) in [
        ("mainnet", Some(Network::Mainnet)),
        ("calibnet", Some(Network::Calibnet)),
        ("butterflynet", Some(Network::Butterflynet)),
        ("interopnet", None),
    ] {
        let Some(path) = shared(&format!("real/{name}-genesis.car.zst")) else { return };
        let cache = tempfile::tempdir().unwrap();
        let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
        let chain = Chain::open(&cars, cars.roots()).unwrap();
        let genesis = &chain.tipsets()[0];
        assert_eq!(genesis.height, Epoch(0));
        assert_eq!(Network::with_genesis(chain.clock().genesis()), network, "{name}");
        assert_eq!(network_of(chain.clock()), network.map_or("unknown", Network::name));
        let Some(network) = network else { continue };
        assert_eq!(network.name(), name);
        assert_eq!(genesis.key.to_string(), network.genesis_cid());
        assert_eq!(
            (chain.network(), Network::with_genesis_cid(&genesis.key.0[0])),
            (Some(network), Some(network))
        );
        let upgrade = network.upgrade_at(genesis.height).unwrap();
        assert_eq!(upgrade.actors_version, miners_version(&cars, &genesis.parent_state_root), "{name}");
    }
}

#[test]
fn the_state_of_calibnets_last_epoch_before_an_upgrade_is_of_the_old_actors() {
    let Some(path) = shared("real/calibnet-chain-16800.car.zst") else { return };
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    assert_eq!(Network::with_genesis(chain.clock().genesis()), Some(Network::Calibnet));
    // The head is made up; the state it names is the one after epoch 16800.
    let version = miners_version(&cars, &chain.tipsets().last().unwrap().parent_state_root);
    assert_eq!(Network::Calibnet.upgrade_at(Epoch(16_800)).unwrap().actors_version, version);
    assert_eq!(Network::Calibnet.upgrade_at(Epoch(16_801)).unwrap().actors_version, version + 1);
}

/// The actors version of a state, by its miners' layout.
fn miners_version(cars: &CarStore, state: &Cid) -> u8 {
    let tree = StateTree::open(cars, state).unwrap();
    let codes = ActorCodes::new();
    codes.add_manifest(&tree).unwrap();
    let miners = Miner::all(&tree, &codes).unwrap();
    let versions: BTreeSet<_> = miners.iter().map(|(_, miner)| miner.layout().version).collect();
    assert_eq!(versions.len(), 1, "one version at a time");
    versions.into_iter().next().unwrap()
}

#[test]
fn mainnet_messages_ran_under_the_network_version_the_table_says() {
    let Some(folder) = shared("real/vectors") else { return };
    let mut seen = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for variant in vector["preconditions"]["variants"].as_array().unwrap() {
            let epoch = Epoch(variant["epoch"].as_i64().unwrap());
            let upgrade = Network::Mainnet.upgrade_at(epoch).unwrap();
            let version = variant["nv"].as_u64().unwrap();
            assert_eq!(u64::from(upgrade.network_version), version, "{}: {epoch}", path.display());
            seen.insert(version);
        }
    }
    assert_eq!(Vec::from_iter(seen), [0, 1, 2, 14, 15, 17, 18]);
}

#[test]
fn every_actors_version_of_every_upgrade_has_a_layout() {
    for network in Network::ALL {
        for upgrade in network.upgrades() {
            assert!(Layout::of(upgrade.actors_version).is_some(), "{}", upgrade.name);
        }
    }
}

#[test]
fn every_published_code_is_known_by_its_actor_and_version() {
    let Some(path) = outside::shared("spec/actor-code-cids.json") else { return };
    let published: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let codes = ActorCodes::new();
    let mut lines = BTreeSet::new();
    for (network, versions) in published.as_object().unwrap() {
        for (version, actors) in versions.as_object().unwrap() {
            let version: u8 = version.strip_prefix('v').unwrap().parse().unwrap();
            for (name, cid) in actors.as_object().unwrap() {
                let cid = cid.as_str().unwrap();
                let kind = match name.as_str() {
                    "storageminer" => ActorKind::Miner,
                    "storagepower" => ActorKind::Power,
                    "storagemarket" => ActorKind::Market,
                    "multisig" => ActorKind::Multisig,
                    _ => ActorKind::Other,
                };
                let (known, layout) = codes.kind_of(&cid.parse().unwrap()).unwrap().unwrap();
                assert_eq!((known, layout.version), (kind, version), "{network} {name} {cid}");
                lines.insert(format!("{name} {version} {cid} {network}"));
            }
        }
    }
    // Of the newest bundle, and of calibnet's release candidate for v12, a list of lines.
    let Some(path) = outside::shared("spec/actor-codes-v19.txt") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [name, version, cid, _] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let (known, layout) = codes.kind_of(&cid.parse().unwrap()).unwrap().unwrap();
        assert_eq!(layout.version.to_string(), version, "{line}");
        assert_eq!(known == ActorKind::Miner, name == "storageminer", "{line}");
        lines.insert(line.to_owned());
    }
    // The other way round: the table holds these, and nothing that is not published.
    let table = include_str!("../../chain/data/actor-codes.txt");
    let held: BTreeSet<_> =
        table.lines().filter(|line| !line.starts_with('#')).flat_map(line_per_network).collect();
    assert_eq!(held, lines);
    for network in ["mainnet", "calibrationnet", "butterflynet"] {
        for version in 8..=19 {
            for name in ["storageminer", "storagepower", "storagemarket", "system"] {
                let start = format!("{name} {version} ");
                let found = lines.iter().filter(|line| line.starts_with(&start) && line.ends_with(network));
                let candidate =
                    usize::from((network, version, name) == ("calibrationnet", 12, "storageminer"));
                assert_eq!(found.count(), 1 + candidate, "{network}: {start}");
            }
        }
    }
}

/// `actor version cid network,network` as one line per network.
fn line_per_network(line: &str) -> Vec<String> {
    let (code, networks) = line.rsplit_once(' ').unwrap();
    networks.split(',').map(|network| format!("{code} {network}")).collect()
}
