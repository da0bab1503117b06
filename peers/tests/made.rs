//! States that the peers made, of every actors version: what we read of them is what they read.

use std::collections::BTreeMap;

use chain::state::{ActorCodes, Sector, SectorRef, StateTree};
use chain::{MinerId, SectorNumber};
use peers::Random;
use peers::actors::{ALL, Actors, MinerSeen};
use peers::checks::{Compared, compare_state, miner_of, peer_of};
use peers::store::{Memory, Seen};
use peers::trees::{Kind, MARKET, POWER, plant};

/// Sectors of the largest made miner, before some are left out.
const SECTORS: u64 = 900;
const MINERS: [u64; 3] = [1000, 1001, 70_000];

#[test]
fn every_version_from_8_on_has_a_peer_and_is_read_by_its_own_layout() {
    assert_eq!(ALL.map(Actors::version), [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    for actors in ALL {
        let store = Memory::default();
        let head = actors.make_empty_miner(&store).unwrap();
        let root = plant(&store, actors.version(), &[(1000, Kind::Miner, head)]).unwrap();
        let tree = StateTree::open(&store, &root).unwrap();
        let codes = ActorCodes::new();
        codes.add_manifest(&tree).unwrap();
        let (_, peer) = peer_of(&codes, &tree.actor(1000).unwrap().unwrap()).unwrap();
        assert_eq!(peer.version(), actors.version());
    }
}

#[test]
fn made_states_of_every_version_read_as_the_peers_read_them() {
    for actors in ALL {
        let version = actors.version();
        for seed in 0..3 {
            let mut random = Random::new(u64::from(version) << 8 | seed);
            let store = Memory::default();
            let miners: Vec<_> = (0..)
                .zip(MINERS)
                .map(|(at, id)| {
                    (id, Kind::Miner, actors.make_miner(&store, &mut random, SECTORS >> (2 * at)).unwrap())
                })
                .collect();
            let claimed: Vec<_> = (0..400).map(|miner| MinerId(miner * miner)).collect();
            let mut all = miners.clone();
            all.push((POWER, Kind::Power, actors.make_power(&store, &mut random, &claimed).unwrap()));
            all.push((MARKET, Kind::Market, actors.make_market(&store, &mut random, 300).unwrap()));
            let root = plant(&store, version, &all).unwrap();
            let compared = compare_state(&StateTree::open(&store, &root).unwrap()).unwrap();
            assert_eq!((compared.miners, compared.claims, compared.proposals), (3, 400, 300), "v{version}");
            let Compared { sectors, precommits, partitions, expirations, .. } = compared;
            assert!(
                sectors > 700 && precommits > 200 && partitions > 30 && expirations > 100,
                "{compared:?}"
            );
        }
    }
}

/// The result of a comparison of sectors: number, before and after.
type Changes = BTreeMap<SectorNumber, (Option<(Sector, Vec<u8>)>, Option<(Sector, Vec<u8>)>)>;

/// The difference of what the peers read on both sides.
fn expected(before: MinerSeen, after: MinerSeen) -> Changes {
    let mut changes = Changes::new();
    for (sector, sealed) in before.sectors {
        changes.entry(sector.number).or_default().0 = Some((sector, sealed));
    }
    for (sector, sealed) in after.sectors {
        changes.entry(sector.number).or_default().1 = Some((sector, sealed));
    }
    changes.retain(|_, (before, after)| before != after);
    changes
}

#[test]
fn made_changes_of_sectors_are_the_differences_of_what_the_peers_read() {
    for actors in ALL {
        let mut random = Random::new(u64::from(actors.version()));
        let store = Memory::default();
        let before = actors.make_miner(&store, &mut random, SECTORS).unwrap();
        let after = actors.change_miner(&store, &mut random, &before).unwrap();
        let root =
            plant(&store, actors.version(), &[(1, Kind::Miner, before), (2, Kind::Miner, after)]).unwrap();
        let tree = StateTree::open(&store, &root).unwrap();
        let codes = ActorCodes::new();
        codes.add_manifest(&tree).unwrap();
        let (old, ..) = miner_of(&tree, &codes, MinerId(1)).unwrap();
        let (new, ..) = miner_of(&tree, &codes, MinerId(2)).unwrap();
        let owned = |found: SectorRef<'_>| (found.sector, found.sealed_cid.to_vec());
        let mut found = Changes::new();
        new.diff_sectors(&old, &mut |number, before, after| {
            // A sector rewritten in a longer form with the same content is reported, too, and is no change.
            if before != after {
                found.insert(number, (before.map(owned), after.map(owned)));
            }
            Ok(())
        })
        .unwrap();
        let seen = |head| actors.miner(Seen(&store), head).unwrap();
        let expected = expected(seen(&before), seen(&after));
        let count =
            |is: fn(&(Option<_>, Option<_>)) -> bool| expected.values().filter(|both| is(both)).count();
        assert_eq!(count(|(before, _)| before.is_none()), 3);
        assert!(count(|(_, after)| after.is_none()) > 5);
        assert!(count(|(before, after)| before.is_some() && after.is_some()) > 5);
        assert_eq!(found, expected, "v{}", actors.version());
    }
}
