//! Real states of real networks: every miner's sectors against its partitions and its claim.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use chain::state::{Codes, Miner, StateTree};
use chain::{Cars, Chain, NoProgress};
use common::{Balance, shared};
use ledger::{Claims, DeadlinePortrait, Differ, Kind, Portrait, Status};

/// Opens a state and checks every miner's active power against its claim; returns miners with sectors, live,
/// faulty and unproven sectors, and the sum of claims.
fn opened(name: &str) -> Option<(usize, [i128; 3], (i128, i128))> {
    let path = shared(&format!("real/{name}"))?;
    let cache = tempfile::tempdir().unwrap();
    let cars = Cars::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let first = chain.tipsets().last().unwrap();
    let mut differ = Differ::new();
    let events = differ.open(&cars, &first.parent_state_root, first.height).unwrap();
    let mut claims = Claims::default();
    claims.advance(&cars, &first.parent_state_root, differ.codes()).unwrap();
    let mut balances: BTreeMap<_, Balance> = BTreeMap::new();
    let kind = if first.height.0 == 0 { Kind::Onboard } else { Kind::Opening };
    for event in &events {
        assert_eq!(event.kind, kind);
        balances.entry(event.miner).or_default().apply(event);
    }
    let mut sums = [0; 3];
    for (miner, balance) in &balances {
        let (active, claim) = (balance.get(Status::Active), claims.of(*miner));
        assert_eq!((active.rbp, active.qap), (claim.rbp.0, claim.qap.0), "{name}: {miner}");
        sums[0] += balance.live().count;
        sums[1] += balance.get(Status::Faulty).count;
        sums[2] += balance.get(Status::Unproven).count;
    }
    let claimed =
        claims.iter().fold((0, 0), |sum, claim| (sum.0 + claim.power.rbp.0, sum.1 + claim.power.qap.0));
    Some((balances.len(), sums, claimed))
}

#[test]
fn genesis_states_of_four_networks_hold_the_sectors_they_are_known_to_hold() {
    for (name, miners, each) in [
        ("mainnet-genesis", 3, 768),
        ("calibnet-genesis", 3, 768),
        ("interopnet-genesis", 6, 480),
        ("butterflynet-genesis", 3, 480),
    ] {
        let Some((found, [live, faulty, unproven], _)) = opened(&format!("{name}.car.zst")) else { return };
        assert_eq!((found, live, faulty, unproven), (miners, miners as i128 * each, 0, 0), "{name}");
    }
}

#[test]
fn the_state_of_calibnet_at_epoch_16800_opens_with_its_known_totals() {
    let Some((miners, [live, faulty, unproven], claimed)) = opened("calibnet-chain-16800.car.zst") else {
        return;
    };
    assert_eq!(claimed, (130_773_164_228_608, 843_256_699_027_456));
    assert_eq!((miners, faulty, unproven), (39, 529, 199));
    // 4,534 sectors in state, some of them terminated and not yet compacted away.
    assert!(live > 3_000 && live <= 4_534, "{live}");
}

#[test]
fn every_miners_sectors_add_up_to_its_partitions_and_its_claim() {
    for name in ["mainnet-genesis", "interopnet-genesis", "butterflynet-genesis", "calibnet-chain-16800"] {
        let Some(path) = shared(&format!("real/{name}.car.zst")) else { return };
        let cache = tempfile::tempdir().unwrap();
        let cars = Cars::open(&[path], cache.path(), &NoProgress).unwrap();
        let chain = Chain::open(&cars, cars.roots()).unwrap();
        let state = chain.tipsets().last().unwrap().parent_state_root;
        let tree = StateTree::open(&cars, &state).unwrap();
        let codes = Codes::new();
        codes.learn(&tree).unwrap();
        let mut claims = Claims::default();
        claims.advance(&cars, &state, &codes).unwrap();
        for (id, miner) in Miner::all(&tree, &codes).unwrap() {
            let portrait = Portrait::of(&miner).unwrap();
            let sum = |of: fn(&DeadlinePortrait) -> u64| portrait.deadlines.values().map(of).sum::<u64>();
            assert_eq!(sum(|deadline| deadline.live), portrait.live(), "{name}: {id}");
            assert_eq!(sum(|deadline| deadline.faulty), portrait.faulty.sectors, "{name}: {id}");
            assert_eq!(sum(|deadline| deadline.unproven), portrait.unproven.sectors, "{name}: {id}");
            assert_eq!(
                portrait.expirations.values().map(|holding| holding.sectors).sum::<u64>(),
                portrait.live()
            );
            assert_eq!(portrait.active.power, claims.of(id), "{name}: {id}");
        }
    }
}
