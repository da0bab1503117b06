//! Actors whose code no publication has, and states written in the form of another version: what the manifest, the
//! network and the state's own form show, on states written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/state.rs"]
mod state;

use chain::state::{ActorCodes, Miner, PowerClaims, StateTree};
use chain::{Bytes, Epoch, Network};
use state::{MINER, SIZE, Sector, State, written};

/// A published code of actors v12, and one of the account actor of v16.
const V12: (&str, &str) = ("storageminer", "bafk2bzacecnh2ouohmonvebq7uughh4h3ppmg4cjsk74dzxlbbtlcij4xbzxq");
const V16: (&str, &str) = ("account", "bafk2bzacedza75txhwk3ztrl2m5uh7efogxbm7pj5rzqkxj2y2r3w5ixorz7i");

/// A miner of that version with a sector, its code named by the state's manifest alone, beside these.
fn unpublished(actors: u8, others: &[(&'static str, &'static str)]) -> State {
    let sector = Sector::empty(8, 1000, 2_000_000);
    State { actors, sectors: vec![sector], unpublished: Some(others.to_vec()), ..State::default() }
}

/// The actors version as which the miner of a state, left at a height, is read, and its sectors with it.
fn read_as(state: &State, network: Option<Network>, left_at: Option<i64>) -> chain::Result<u8> {
    let (blocks, root) = written(state);
    let (tree, codes) = (StateTree::open(&blocks, &root)?, ActorCodes::of(network));
    codes.add_manifest_at(&tree, left_at.map(Epoch))?;
    let miners = Miner::all(&tree, &codes)?;
    let [(id, miner)] = &miners[..] else { panic!("one miner") };
    let mut sectors = Vec::new();
    miner.for_each_sector(&mut |found| {
        sectors.push(found.sector.number.0);
        Ok(())
    })?;
    assert_eq!((*id, sectors), (MINER, vec![8]));
    Ok(miner.layout().version)
}

#[test]
fn a_code_that_only_the_manifest_names_is_of_the_version_that_its_network_runs_then() {
    for network in Network::ALL.iter().copied() {
        for pair in network.upgrades().windows(2) {
            let [upgrade, next] = pair else { panic!("a pair") };
            let version = upgrade.actors_version;
            if version < 8 {
                continue;
            }
            // A height is the last epoch of the old version.
            for height in [upgrade.epoch.0 + 1, next.epoch.0] {
                let read = read_as(&unpublished(version, &[]), Some(network), Some(height));
                assert_eq!(read.unwrap(), version, "{} at {height}", network.name());
            }
        }
    }
}

#[test]
fn past_the_last_upgrade_that_is_known_and_on_unknown_networks_it_is_of_the_newest() {
    for network in Network::ALL.iter().copied() {
        let last = network.upgrades().last().unwrap().epoch.0;
        let newest = unpublished(19, &[]);
        assert_eq!(read_as(&newest, Some(network), Some(last + 1)).unwrap(), 19);
        assert_eq!(read_as(&newest, Some(network), None).unwrap(), 19);
        assert_eq!(read_as(&newest, None, Some(last)).unwrap(), 19);
    }
}

#[test]
fn what_the_manifests_other_codes_are_published_as_says_more_than_network_and_height() {
    for (version, other) in [(12, V12), (16, V16)] {
        let state = unpublished(version, &[other]);
        for (network, height) in [(None, None), (None, Some(5)), (Some(Network::Mainnet), Some(6_100_000))] {
            assert_eq!(read_as(&state, network, height).unwrap(), version);
        }
    }
}

#[test]
fn what_a_code_is_known_as_first_it_stays() {
    let (blocks, root) = written(&unpublished(12, &[]));
    let (tree, codes) = (StateTree::open(&blocks, &root).unwrap(), ActorCodes::of(Some(Network::Mainnet)));
    for height in [Some(Epoch(3_469_381)), Some(Epoch(6_100_000)), None] {
        codes.add_manifest_at(&tree, height).unwrap();
        assert_eq!(Miner::all(&tree, &codes).unwrap()[0].1.layout().version, 12);
    }
}

#[test]
fn a_state_that_is_not_of_the_version_assumed_is_one_error_that_says_what_was_assumed() {
    // Its miners have a field more than those of actors v3.
    let mut state = unpublished(8, &[]);
    state.actors = 3;
    let error = read_as(&state, Some(Network::Mainnet), Some(1_960_321)).unwrap_err().to_string();
    assert!(error.contains("actors version 8, which mainnet runs at that height"), "{error}");
    let error = read_as(&state, None, None).unwrap_err().to_string();
    assert!(error.contains("actors version 19, the newest that is known"), "{error}");
    let error = read_as(&unpublished(3, &[V12]), None, None).unwrap_err().to_string();
    assert!(error.contains("actors version 12, which other codes of the manifest are of"), "{error}");
    // Nothing was assumed of a published one.
    let published = State { unpublished: None, ..unpublished(18, &[]) };
    assert_eq!(read_as(&published, Some(Network::Mainnet), Some(1)).unwrap(), 18);
}

#[test]
fn a_power_state_reads_by_its_number_of_fields_whatever_version_its_code_is_of() {
    let (raw, quality_adjusted) = (Bytes(SIZE * 3), Bytes(SIZE * 21));
    let claims = |actors, fields| {
        let state = State { actors, power: Some((fields, raw.0, quality_adjusted.0)), ..State::default() };
        let (blocks, root) = written(&state);
        let tree = StateTree::open(&blocks, &root)?;
        let mut claims = Vec::new();
        PowerClaims::open(&tree, &ActorCodes::new())?.for_each(&mut |miner, claim| {
            claims.push((miner, claim.raw, claim.quality_adjusted));
            Ok(())
        })?;
        Ok::<_, chain::Error>(claims)
    };
    let whole = [(MINER, raw, quality_adjusted)];
    assert_eq!(claims(1, 16).unwrap(), whole);
    for actors in 2..=19 {
        // Around the upgrade to v15 either; and the version after v19 is written with 15 again.
        assert_eq!(claims(actors, 15).unwrap(), whole, "v{actors}");
        assert_eq!(claims(actors, 17).unwrap(), whole, "v{actors}");
        for fields in [12, 14, 18] {
            let error = claims(actors, fields).unwrap_err().to_string();
            assert!(error.contains(&format!("a power state of {fields} fields")), "v{actors}: {error}");
        }
    }
}
