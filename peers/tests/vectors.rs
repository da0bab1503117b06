//! Single mainnet messages of actors v9 and v10: whatever we say has changed, the peers read it as we do on both
//! sides.
//!
//! Of these states only what the messages touched is there, so nothing is walked: each change that we find is
//! looked up by the peers before and after.

mod common;

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chain::state::{ActorCodes, ActorKind, PowerClaims, StateTree};
use chain::{BlockStore, CarStore, Cid, MinerId, NoProgress};
use peers::checks::{compare_queue, compare_sets, miner_of, peer_of};
use peers::store::Seen;
use serde_json::Value;

#[derive(Debug, Default)]
struct Found {
    messages: usize,
    sectors: usize,
    precommits: usize,
    partitions: usize,
    queues: usize,
    claims: usize,
}

fn compare_vector(vector: &Value, found: &mut Found) {
    let folder = tempfile::tempdir().unwrap();
    let packed = BASE64_STANDARD.decode(vector["car"].as_str().unwrap()).unwrap();
    let mut car = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut car).unwrap();
    let path = folder.path().join("vector.car");
    std::fs::write(&path, car).unwrap();
    let cars = CarStore::open(&[path], folder.path(), &NoProgress).unwrap();
    let tree = |side: &str| {
        let root: Cid = vector[side]["state_tree"]["root_cid"]["/"].as_str().unwrap().parse().unwrap();
        StateTree::open(&cars, &root).unwrap()
    };
    let (before, after) = (tree("preconditions"), tree("postconditions"));
    found.messages += 1;
    let mut changed = Vec::new();
    after
        .diff(&before, &mut |id, old, new| {
            changed.extend(old.zip(new).map(|(old, new)| (id, old, new)));
            Ok(())
        })
        .unwrap();
    let codes = ActorCodes::new();
    for (id, old, new) in changed {
        match codes.kind_of(&new.code).unwrap().map(|(kind, _)| kind) {
            Some(ActorKind::Miner) => compare_change(&cars, &before, &after, &codes, MinerId(id), found),
            Some(ActorKind::Power) => {
                let mut claims = BTreeMap::new();
                let (old_claims, new_claims) =
                    (PowerClaims::open(&before, &codes).unwrap(), PowerClaims::open(&after, &codes).unwrap());
                new_claims
                    .diff(&old_claims, &mut |miner, claim| {
                        claims.insert(miner, claim);
                        Ok(())
                    })
                    .unwrap();
                assert_eq!(old.code, new.code);
                let (_, peer) = peer_of(&codes, &new).unwrap();
                for (miner, claim) in claims {
                    assert_eq!(peer.claim(Seen(&cars), &new.head, miner).unwrap(), claim, "{miner}");
                    found.claims += 1;
                }
            }
            _ => {}
        }
    }
}

fn compare_change(
    cars: &CarStore,
    before: &StateTree<'_>,
    after: &StateTree<'_>,
    codes: &ActorCodes,
    id: MinerId,
    found: &mut Found,
) {
    let store = Seen(cars);
    let (old, old_head, peer) = miner_of(before, codes, id).unwrap();
    let (new, new_head, _) = miner_of(after, codes, id).unwrap();
    new.diff_sectors(&old, &mut |number, old, new| {
        for (head, ours) in [(&old_head, old), (&new_head, new)] {
            let theirs = peer.sector(store, head, number).unwrap();
            assert_eq!(ours.map(|found| (found.sector, found.sealed_cid.to_vec())), theirs, "{id} {number}");
        }
        found.sectors += 1;
        Ok(())
    })
    .unwrap();
    new.diff_precommits(&old, &mut |number, old, new| {
        for (head, ours) in [(&old_head, old), (&new_head, new)] {
            assert_eq!(ours, peer.precommit(store, head, number).unwrap(), "{id} {number}");
        }
        found.precommits += 1;
        Ok(())
    })
    .unwrap();
    for partition in new.changed_partitions(&old).unwrap() {
        for (head, ours, miner) in [(&old_head, &partition.before, &old), (&new_head, &partition.after, &new)]
        {
            let at = format!("{id}, deadline {}, partition {}", partition.deadline, partition.index);
            let theirs = peer.partition(store, head, partition.deadline, partition.index).unwrap();
            assert_eq!(ours.is_some(), theirs.is_some(), "{at}");
            if let Some((ours, theirs)) = ours.as_ref().zip(theirs) {
                compare_sets(&at, ours, &theirs);
                // The queue is there only where the message touched all of it.
                if cars.get(&theirs.queue).unwrap().is_some()
                    && let Ok(queue) = peer.queue(store, &theirs.queue)
                {
                    compare_queue(&at, miner, ours, &queue).unwrap();
                    found.queues += 1;
                }
            }
            found.partitions += 1;
        }
    }
}

#[test]
fn what_real_messages_changed_reads_as_the_peers_read_it() {
    for version in [9, 10] {
        let Some(folder) = common::shared("real/vectors") else { return };
        let mut found = Found::default();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with(&format!("actors-v{version}-")) {
                compare_vector(&serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap(), &mut found);
            }
        }
        println!("v{version}: {found:?}");
        let Found { messages, sectors, precommits, partitions, .. } = found;
        assert!(messages > 15 && sectors > 10 && precommits > 5 && partitions > 5, "v{version}: {found:?}");
    }
}
