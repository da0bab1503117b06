//! What the chain says of each miner's power: the same however it is read, and the same as its sectors add up to.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use chain::state::{ActorCodes, Miner, StateTree};
use chain::{CarStore, Chain, Cid, MinerId, NoProgress};
use common::{portrayed, shared};
use ledger::{ChainPower, ChainPowers};

const CHAINS: [&str; 7] = ["tiny", "edge-1", "edge-2", "edge-3", "small", "long", "large"];

fn with_chain(name: &str, with: impl FnOnce(&Chain<'_>)) {
    let Some(path) = shared(&format!("{name}.car.zst")) else { return };
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    with(&Chain::open(&cars, cars.roots()).unwrap());
}

fn afresh(chain: &Chain<'_>, state: &Cid) -> Vec<ChainPower> {
    let mut powers = ChainPowers::default();
    powers.advance(chain.store(), state, &ActorCodes::new()).unwrap();
    powers.iter().collect()
}

#[test]
fn live_faulty_and_unproven_power_are_as_the_partitions_state_them_and_active_power_is_the_claim() {
    for name in CHAINS {
        with_chain(name, |chain| {
            let head = chain.tipsets().last().unwrap();
            let tree = StateTree::open(chain.store(), &head.parent_state_root).unwrap();
            let codes = ActorCodes::new();
            codes.add_manifest(&tree).unwrap();
            let miners = Miner::all(&tree, &codes).unwrap();
            let portraits: BTreeMap<MinerId, ChainPower> = miners
                .iter()
                .map(|(id, miner)| (*id, portrayed(*id, &ledger::MinerSummary::of(miner).unwrap())))
                .collect();
            let mut powers = ChainPowers::default();
            powers.advance(chain.store(), &head.parent_state_root, &codes).unwrap();
            assert!(powers.iter().count() > 0, "{name}");
            for (id, portrait) in portraits {
                assert_eq!(powers.of(id), portrait, "{name}: {id}");
            }
        });
    }
}

#[test]
fn following_the_powers_day_by_day_equals_reading_them_afresh() {
    for name in CHAINS {
        with_chain(name, |chain| {
            let (mut followed, codes) = (ChainPowers::default(), ActorCodes::new());
            let (mut days, mut faulty, mut unproven) = (0, 0, 0);
            for pair in chain.tipsets().windows(2) {
                let [day, next] = [0, 1].map(|at| chain.clock().day_of(pair[at].height));
                if day == next {
                    continue;
                }
                let state = &pair[1].parent_state_root;
                followed.advance(chain.store(), state, &codes).unwrap();
                let followed: Vec<_> = followed.iter().collect();
                assert_eq!(followed, afresh(chain, state), "{name} on {day}");
                faulty += followed.iter().filter(|power| power.faulty.rbp.0 > 0).count();
                unproven += followed.iter().filter(|power| power.unproven.rbp.0 > 0).count();
                days += 1;
            }
            assert!(days > 0, "{name}");
            if matches!(name, "small" | "long") {
                assert!(faulty > 0 && unproven > 0, "{name}: {faulty} {unproven}");
            }
        });
    }
}

#[test]
fn a_state_that_does_not_read_leaves_the_powers_as_they_were() {
    with_chain("tiny", |chain| {
        let (first, last) = (chain.tipsets().first().unwrap(), chain.tipsets().last().unwrap());
        let (mut powers, codes) = (ChainPowers::default(), ActorCodes::new());
        powers.advance(chain.store(), &first.parent_state_root, &codes).unwrap();
        let before: Vec<_> = powers.iter().collect();
        let absent = chain::dag_cbor_cid(b"no state");
        assert!(powers.advance(chain.store(), &absent, &codes).is_err());
        assert_eq!(powers.iter().collect::<Vec<_>>(), before);
        powers.advance(chain.store(), &last.parent_state_root, &codes).unwrap();
        assert_eq!(powers.iter().collect::<Vec<_>>(), afresh(chain, &last.parent_state_root));
    });
}
