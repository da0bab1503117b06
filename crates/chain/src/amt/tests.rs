//! Arrays that are hostile, and those that are not.

use cid::Cid;

use super::{Amt, AmtCursor};
use crate::error::{Error, Result};
use crate::testing::{Memory, array, bytes, link, uint};

fn leaf(values: &[u64]) -> Vec<u8> {
    let bitmap = u8::try_from((1_u32 << values.len()) - 1).unwrap();
    array(&[
        bytes(&[bitmap]),
        array(&[]),
        array(&values.iter().map(|value| uint(*value)).collect::<Vec<_>>()),
    ])
}

fn root(height: u64, count: u64, node: Vec<u8>) -> Vec<u8> {
    array(&[uint(height), uint(count), node])
}

/// A tree in which every node links its one child eight times.
fn folded(store: &mut Memory, height: u64, count: u64, leaf: Vec<u8>) -> Cid {
    let node = (0..height).fold(leaf, |node, _| {
        let child = link(&store.put(node));
        array(&[bytes(&[0xff]), array(&vec![child; 8]), array(&[])])
    });
    store.put(root(height, count, node))
}

fn values(store: &Memory, root: &Cid) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    Amt::open(store, root, "test")?.for_each(&mut |_, value| {
        found.push(value.uint()?);
        Ok(())
    })?;
    Ok(found)
}

#[test]
fn a_tree_folded_into_a_few_blocks_ends_with_the_count_of_its_root() {
    let mut store = Memory::default();
    let honest = folded(&mut store, 1, 16, leaf(&[7, 8]));
    assert_eq!(values(&store, &honest).unwrap(), [7, 8].repeat(8));
    for leaf in [leaf(&[7, 8]), leaf(&[])] {
        let hostile = folded(&mut store, 20, 100, leaf);
        let error = values(&store, &hostile).unwrap_err().to_string();
        assert!(error.contains("more than its root counts"), "{error}");
    }
    let claiming = folded(&mut store, 20, u64::MAX, leaf(&[7, 8]));
    assert!(values(&store, &claiming).is_err());
}

#[test]
fn a_walk_up_to_an_index_asks_for_no_block_beyond_it() {
    let mut store = Memory::default();
    let (near, absent) = (store.put(leaf(&[1, 5])), Memory::default().put(leaf(&[2])));
    let links = array(&[link(&near), link(&absent)]);
    // Slots 0 and 2 of the root: indexes 0 to 7, and 16 to 23.
    let node = array(&[bytes(&[0b101]), links, array(&[])]);
    let root = store.put(root(1, 3, node));
    let seen = |last| {
        let mut seen = Vec::new();
        Amt::open(&store, &root, "test")?.for_each_up_to(last, &mut |index, value| {
            seen.push((index, value.uint()?));
            Ok(())
        })?;
        Ok::<_, Error>(seen)
    };
    assert_eq!(seen(0).unwrap(), [(0, 1)]);
    assert_eq!(seen(15).unwrap(), [(0, 1), (1, 5)]);
    assert!(matches!(seen(16), Err(Error::MissingBlock(..))));
}

#[test]
fn values_are_visited_some_at_a_time_and_each_once() {
    let mut store = Memory::default();
    let one = link(&store.put(leaf(&[1, 2, 3])));
    let none = link(&store.put(leaf(&[])));
    let last = link(&store.put(leaf(&[4])));
    // Indices 0 to 2, 24 and none in between.
    let node = array(&[bytes(&[0b1011]), array(&[one, none, last]), array(&[])]);
    let root = store.put(root(1, 4, node));
    let amt = Amt::open(&store, &root, "test").unwrap();
    for most in 1..6 {
        let (mut place, mut found, mut turns) = (AmtCursor::START, Vec::new(), 0);
        while !place.is_end() {
            amt.for_each_from(&mut place, most, &mut |index, value| {
                found.push((index, value.uint()?));
                Ok(())
            })
            .unwrap();
            turns += 1;
        }
        assert_eq!(found, [(0, 1), (1, 2), (2, 3), (24, 4)]);
        assert_eq!(turns, 4_u64.div_ceil(most), "{most} at a time");
    }
    // A folded tree ends with the count of its root, whatever is taken at once.
    let hostile = folded(&mut store, 20, 100, leaf(&[7, 8]));
    let (mut place, amt) = (AmtCursor::START, Amt::open(&store, &hostile, "test").unwrap());
    let mut step = || amt.for_each_from(&mut place, 16, &mut |_, value| value.uint().map(|_| ()));
    assert!((0..8).map(|_| step()).any(|step| step.is_err()));
    let empty = folded(&mut store, 20, 100, leaf(&[]));
    let amt = Amt::open(&store, &empty, "test").unwrap();
    assert!(amt.for_each_from(&mut AmtCursor::START.clone(), 16, &mut |_, _| Ok(())).is_err());
}

#[test]
fn comparing_folded_trees_ends_though_no_value_differs() {
    let mut store = Memory::default();
    // The same value, written in one byte and in nine.
    let long = array(&[bytes(&[1]), array(&[]), vec![0x9b, 0, 0, 0, 0, 0, 0, 0, 1, 7]]);
    let [a, b] = [leaf(&[7]), long].map(|leaf| folded(&mut store, 20, 100, leaf));
    let (a, b) = (Amt::open(&store, &a, "test").unwrap(), Amt::open(&store, &b, "test").unwrap());
    assert!(b.diff(&a, &mut |_, _, _| panic!("nothing differs")).is_err());
}

#[test]
fn what_differs_is_told_whatever_the_widths() {
    let mut store = Memory::default();
    let old = store.put(root(0, 3, leaf(&[1, 2, 3])));
    let new = store.put(array(&[uint(4), uint(0), uint(2), {
        let node = [bytes(&[0b1010, 0]), array(&[]), array(&[uint(2), uint(9)])];
        array(&node)
    }]));
    let (old, new) = (Amt::open(&store, &old, "test").unwrap(), Amt::open(&store, &new, "test").unwrap());
    let mut changes = Vec::new();
    new.diff(&old, &mut |index, before, after| {
        changes.push((index, before.map(<[u8]>::to_vec), after.map(<[u8]>::to_vec)));
        Ok(())
    })
    .unwrap();
    changes.sort();
    let expected = [(0, Some(vec![1]), None), (2, Some(vec![3]), None), (3, None, Some(vec![9]))];
    assert_eq!(changes, expected);
}

#[test]
fn slots_and_indexes_beyond_what_there_can_be_are_refused() {
    let mut store = Memory::default();
    let node = |bitmap: &[u8], links: &[Vec<u8>], values: &[Vec<u8>]| {
        array(&[bytes(bitmap), array(links), array(values)])
    };
    // A width of one has two slots.
    let wide = store.put(array(&[uint(1), uint(0), uint(3), node(&[7], &[], &vec![uint(1); 3])]));
    assert!(values(&store, &wide).is_err());
    // Height 21 of width 3: bit 63 and two more.
    let below = (0..21).fold(leaf(&[7]), |below, _| {
        let child = link(&store.put(below));
        node(&[1], &[child], &[])
    });
    let low = store.put(root(21, 1, below.clone()));
    assert_eq!(values(&store, &low).unwrap(), [7]);
    let mut high = below;
    // The bitmap's byte, in the root node, from slot 0 to slot 2.
    assert_eq!(high[2], 1);
    high[2] = 4;
    let high = store.put(root(21, 1, high));
    assert!(values(&store, &high).is_err());
}
