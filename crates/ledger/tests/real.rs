//! Real states of real networks: every miner's sectors against its partitions and its claim.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use chain::state::{ActorCodes, Miner, PowerClaims as ChainClaims, StateTree};
use chain::{CarStore, Chain, Cid, Epoch, MinerId, NoProgress};
use common::{Balance, portrayed, shared};
use ledger::{ChainPowers, DeadlineSummary, Differ, Event, Kind, MinerSummary, Status};

/// Every real file, with the height up to which its states are there, where that is not its head's; `None` for the bare
/// state.
const FILES: [(&str, Option<Option<Epoch>>); 9] = [
    ("mainnet-genesis.car.zst", Some(None)),
    ("calibnet-genesis.car.zst", Some(None)),
    ("interopnet-genesis.car.zst", Some(None)),
    ("butterflynet-genesis.car.zst", Some(None)),
    ("carv2.car.zst", Some(None)),
    ("calibnet-chain-16800.car.zst", Some(None)),
    ("mainnet-epochs-0-39.car", Some(Some(Epoch(1)))),
    ("mainnet-epochs-0-3.forest.car.zst", Some(Some(Epoch(1)))),
    ("calibnet-state-16800.car.zst", None),
];

/// Opens a file and hands over its newest state, and the height of the tipset after it, if it has tipsets.
fn with_state<T>(name: &str, with: impl FnOnce(&CarStore, &Cid, Option<Epoch>) -> T) -> Option<T> {
    let path = shared(&format!("real/{name}"))?;
    let (_, highest) = FILES.iter().find(|(file, _)| *file == name).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    Some(match highest {
        Some(highest) => {
            let chain = Chain::open_at(&cars, cars.roots(), *highest).unwrap();
            let head = chain.tipsets().last().unwrap();
            with(&cars, &head.parent_state_root, Some(head.height))
        }
        None => with(&cars, &cars.roots().next().unwrap(), None),
    })
}

/// Opens a state and checks every miner's active power against its claim; returns miners with sectors, live,
/// faulty and unproven sectors, and the sum of claims.
fn opened(name: &str) -> Option<(usize, [i128; 3], (i128, i128))> {
    with_state(name, |cars, state, height| {
        let mut differ = Differ::new();
        let events = differ.open(cars, state, height.unwrap_or(Epoch(16_801))).unwrap();
        let mut powers = ChainPowers::default();
        powers.advance(cars, state, differ.codes()).unwrap();
        let kind = if height == Some(Epoch(0)) { Kind::Onboard } else { Kind::Opening };
        assert!(events.iter().all(|event| event.kind == kind));
        let balances = balances(&events);
        let mut sums = [0; 3];
        for (miner, balance) in &balances {
            let (active, claim) = (balance.get(Status::Active), powers.of(*miner).claim);
            assert_eq!((active.rbp, active.qap), (claim.rbp.0, claim.qap.0), "{name}: {miner}");
            sums[0] += balance.live().count;
            sums[1] += balance.get(Status::Faulty).count;
            sums[2] += balance.get(Status::Unproven).count;
        }
        let claimed =
            powers.iter().fold((0, 0), |sum, power| (sum.0 + power.claim.rbp.0, sum.1 + power.claim.qap.0));
        (balances.len(), sums, claimed)
    })
}

fn balances(events: &[Event]) -> BTreeMap<MinerId, Balance> {
    let mut balances: BTreeMap<_, Balance> = BTreeMap::new();
    for event in events {
        balances.entry(event.miner).or_default().apply(event);
    }
    balances
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
    for name in ["calibnet-chain-16800.car.zst", "calibnet-state-16800.car.zst"] {
        let Some((miners, [live, faulty, unproven], claimed)) = opened(name) else { return };
        assert_eq!(claimed, (130_773_164_228_608, 843_256_699_027_456));
        assert_eq!((miners, faulty, unproven), (39, 529, 199));
        // 4,534 sectors in state, some of them terminated and not yet compacted away.
        assert!(live > 3_000 && live <= 4_534, "{live}");
    }
    with_state("calibnet-state-16800.car.zst", |cars, state, _| {
        let tree = StateTree::open(cars, state).unwrap();
        let (mut sectors, mut precommits) = (0, 0);
        let miners = Miner::all(&tree, &ActorCodes::new()).unwrap();
        for (_, miner) in &miners {
            sectors += MinerSummary::of(miner).unwrap().in_state;
            miner
                .for_each_precommit(&mut |_| {
                    precommits += 1;
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!((miners.len(), sectors, precommits), (161, 4_534, 275));
    });
}

#[test]
fn every_real_file_opens_and_its_miners_add_up_to_partitions_claims_and_network_totals() {
    for (name, _) in FILES {
        let found = with_state(name, |cars, state, _| {
            let tree = StateTree::open(cars, state).unwrap();
            let codes = ActorCodes::new();
            codes.add_manifest(&tree).unwrap();
            let mut powers = ChainPowers::default();
            powers.advance(cars, state, &codes).unwrap();
            for (id, miner) in Miner::all(&tree, &codes).unwrap() {
                let portrait = MinerSummary::of(&miner).unwrap();
                let sum = |of: fn(&DeadlineSummary) -> u64| portrait.deadlines.values().map(of).sum::<u64>();
                assert_eq!(sum(|deadline| deadline.live), portrait.live(), "{name}: {id}");
                assert_eq!(sum(|deadline| deadline.faulty), portrait.faulty.sectors, "{name}: {id}");
                assert_eq!(sum(|deadline| deadline.unproven), portrait.unproven.sectors, "{name}: {id}");
                assert_eq!(
                    portrait
                        .expirations
                        .values()
                        .flat_map(|of| of.values())
                        .map(|holding| holding.sectors)
                        .sum::<u64>(),
                    portrait.live()
                );
                assert_eq!(portrayed(id, &portrait), powers.of(id), "{name}: {id}");
            }
            let total = ChainClaims::open(&tree, &codes).unwrap().committed();
            let sum = powers
                .iter()
                .fold((0, 0), |sum, power| (sum.0 + power.claim.rbp.0, sum.1 + power.claim.qap.0));
            assert_eq!(sum, (total.raw.0, total.quality_adjusted.0), "{name}");
        });
        if found.is_none() {
            return;
        }
    }
}

#[test]
fn a_head_without_state_is_an_error_that_names_the_newest_state_there_is() {
    let Some(path) = shared("real/mainnet-epochs-0-39.car") else { return };
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    match Chain::open(&cars, cars.roots()).map(|chain| chain.tipsets().len()) {
        Err(chain::Error::HeadWithoutState { height: Epoch(39), newest: Some(Epoch(1)) }) => {}
        other => panic!("{other:?}"),
    }
    let chain = Chain::open_at(&cars, cars.roots(), Some(Epoch(1))).unwrap();
    assert_eq!(chain.tipsets().iter().map(|tipset| tipset.height.0).collect::<Vec<_>>(), [0, 1]);
    assert!(chain.transition(0).unwrap().is_some());
}

#[test]
fn a_bare_state_is_told_from_a_chain() {
    let Some(path) = shared("real/calibnet-state-16800.car.zst") else { return };
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let error = Chain::open(&cars, cars.roots()).map(|chain| chain.tipsets().len()).unwrap_err();
    let root = cars.roots().next().unwrap();
    assert!(matches!(&error, chain::Error::BareState(state) if **state == root), "{error}");
    assert!(error.to_string().contains(&format!("--state-root {root}")), "{error}");
}
