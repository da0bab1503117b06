//! Maps that are hostile, and those that are not.

use cid::Cid;

use super::Hamt;
use super::node::{SLOTS, slot_of};
use crate::block::sha2;
use crate::error::Result;
use crate::testing::{Memory, array, bytes, link, uint};

fn node(slots: &[usize], pointers: &[Vec<u8>]) -> Vec<u8> {
    let bits = slots.iter().fold(0_u32, |bits, slot| bits | 1 << slot);
    array(&[bytes(&bits.to_be_bytes()), array(pointers)])
}

fn entry(key: &[u8], value: u64) -> Vec<u8> {
    array(&[bytes(key), uint(value)])
}

/// Four keys whose place is in that slot of the root.
fn keys_in(slot: usize) -> Vec<Vec<u8>> {
    let keys = (0_u32..).map(|number| number.to_be_bytes().to_vec());
    keys.filter(|key| slot_of(&sha2(key), 0) == slot).take(4).collect()
}

fn keys(store: &Memory, root: &Cid) -> Result<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    Hamt::new(store, root, "test").for_each(&mut |key, _| {
        found.push(key.to_vec());
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn a_key_stands_only_where_its_hash_puts_it() {
    let mut store = Memory::default();
    let slot = slot_of(&sha2(b"key"), 0);
    let bucket = || array(&[entry(b"key", 1)]);
    let right = store.put(node(&[slot], &[bucket()]));
    assert_eq!(keys(&store, &right).unwrap(), [b"key".to_vec()]);
    assert_eq!(Hamt::new(&store, &right, "test").get(b"key").unwrap(), Some(vec![1]));
    let wrong = store.put(node(&[slot ^ 1], &[bucket()]));
    assert!(keys(&store, &wrong).is_err());
    let empty = store.put(node(&[], &[]));
    assert!(keys(&store, &empty).unwrap().is_empty());
    for (old, new) in [(&empty, &wrong), (&wrong, &empty)] {
        let old = Hamt::new(&store, old, "test");
        assert!(Hamt::new(&store, new, "test").diff(&old, &mut |_, _, _| Ok(())).is_err());
    }
}

#[test]
fn two_buckets_differ_in_the_keys_whose_values_do() {
    let mut store = Memory::default();
    let slot = slot_of(&sha2(b"key"), 0);
    let same = keys_in(slot);
    let mut with = |entries: &[(usize, u64)]| {
        let entries: Vec<_> = entries.iter().map(|(key, value)| entry(&same[*key], *value)).collect();
        store.put(node(&[slot], &[array(&entries)]))
    };
    let (old, new) = (with(&[(0, 1), (1, 1), (2, 1)]), with(&[(3, 7), (1, 1), (2, 2)]));
    let mut told = Vec::new();
    let before = Hamt::new(&store, &old, "test");
    Hamt::new(&store, &new, "test")
        .diff(&before, &mut |key, old, new| {
            let at = same.iter().position(|one| one == key).unwrap();
            told.push((at, old.map(<[u8]>::to_vec), new.map(<[u8]>::to_vec)));
            Ok(())
        })
        .unwrap();
    assert_eq!(told, [(0, Some(vec![1]), None), (2, Some(vec![1]), Some(vec![2])), (3, None, Some(vec![7]))]);
}

#[test]
fn a_tree_folded_into_a_few_blocks_is_refused() {
    let mut store = Memory::default();
    let all: Vec<usize> = (0..SLOTS).collect();
    let bucket = array(&[entry(b"key", 1)]);
    for bottom in [node(&[], &[]), node(&all, &vec![bucket; SLOTS]), node(&all, &vec![array(&[]); SLOTS])] {
        let root = (0..20).fold(bottom, |node_below, _| {
            let child = link(&store.put(node_below));
            node(&all, &vec![child; SLOTS])
        });
        let root = store.put(root);
        assert!(keys(&store, &root).is_err());
    }
}

#[test]
fn buckets_hold_one_to_three_keys_each_once() {
    let mut store = Memory::default();
    let slot = slot_of(&sha2(b"key"), 0);
    let same = keys_in(slot);
    let mut with = |keys: &[Vec<u8>]| {
        let entries: Vec<_> = keys.iter().map(|key| entry(key, 1)).collect();
        store.put(node(&[slot], &[array(&entries)]))
    };
    let (good, many) = (with(&same[..3]), with(&same));
    let twice = with(&[same[0].clone(), same[1].clone(), same[0].clone()]);
    assert_eq!(keys(&store, &good).unwrap().len(), 3);
    for root in [many, twice] {
        assert!(keys(&store, &root).is_err());
    }
}
