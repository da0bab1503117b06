//! Upgrades of sector quality (FIP-0118, actors v19). No chain with them is at hand, so one is made of an extension
//! on real actor state: its message is asked again as an upgrade, its outcome is edited.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::sync::Mutex;

use chain::{
    Block, BlockStore, Bytes, CarStore, Chain, Cid, NoProgress, Reader, Result, SectorNumber, Transition,
};
use common::shared;
use ledger::{Differ, Event, Kind};

/// An extension of `small` (method 32): where it is and the first sector it names.
const HEIGHT: i64 = 6_099_508;
const SECTOR: SectorNumber = SectorNumber(887);
const OLD_EXPIRATION: i64 = 7_272_240;
const NEW_EXPIRATION: i64 = 7_862_640;
const SIZE: Bytes = Bytes(32 << 30);

/// A store that notes which blocks were read, and has some of them edited.
struct Edited<'s> {
    store: &'s CarStore,
    read: Mutex<BTreeMap<Cid, Vec<u8>>>,
    edited: BTreeMap<Cid, Vec<u8>>,
}

impl BlockStore for Edited<'_> {
    fn get(&self, cid: &Cid) -> Result<Option<Block<'_>>> {
        if let Some(bytes) = self.edited.get(cid) {
            return Ok(Some(Block::Borrowed(bytes)));
        }
        let block = self.store.get(cid)?;
        if let Some(bytes) = &block {
            self.read.lock().unwrap().insert(*cid, bytes.to_vec());
        }
        Ok(block)
    }
}

/// Where in a block the fields of the sector's tuple begin, if it is there with that expiration.
fn fields(block: &[u8], expiration: i64) -> Option<Vec<usize>> {
    let [high, low] = u16::try_from(SECTOR.0).unwrap().to_be_bytes();
    // Sixteen or fifteen fields, the first the number, the second the seal proof, the third a link.
    let start = block.windows(6).position(|bytes| {
        matches!(bytes[0], 0x8f | 0x90) && bytes[1..4] == [0x19, high, low] && bytes[5] == 0xd8
    })?;
    let mut reader = Reader::new(&block[start..]);
    let mut at = start + 1;
    let mut places = Vec::new();
    for _ in 0..reader.array().unwrap() {
        places.push(at);
        at += reader.raw().unwrap().len();
    }
    (Reader::new(&block[places[5]..]).int().unwrap() == expiration).then_some(places)
}

/// The parameters of method 32 as those of method 37: without claims, and without the expiration if it is to stay.
fn as_upgrade(params: &[u8], in_place: bool) -> Vec<u8> {
    let mut reader = Reader::new(params);
    reader.array().unwrap();
    let entries = reader.array().unwrap();
    let mut upgrade = vec![0x81, 0x80 | u8::try_from(entries).unwrap()];
    for _ in 0..entries {
        reader.tuple(5).unwrap();
        upgrade.push(0x84);
        for _ in 0..3 {
            upgrade.extend(reader.raw().unwrap());
        }
        reader.skip().unwrap();
        let expiration = reader.raw().unwrap();
        upgrade.extend(if in_place { &[0xf6] } else { expiration });
    }
    upgrade
}

/// The sector's events if the extension was asked as an upgrade, with its outcome edited.
fn upgraded(in_place: bool, edit: impl Fn(&mut [u8], &[usize])) -> Option<Vec<Event>> {
    let path = shared("small.car.zst")?;
    let cache = tempfile::tempdir().unwrap();
    let cars = CarStore::open(&[path], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let index = chain.tipsets().iter().position(|tipset| tipset.height.0 == HEIGHT).unwrap();
    let mut transition = chain.transition(index).unwrap().unwrap();

    let mut store = Edited { store: &cars, read: Mutex::default(), edited: BTreeMap::new() };
    let [extended] = events(&store, &transition).try_into().unwrap();
    assert_eq!((extended.kind, extended.qap_after), (Kind::Extend, Some(SIZE)));

    let mut read = std::mem::take(&mut store.read).into_inner().unwrap();
    read.retain(|_, block| fields(block, NEW_EXPIRATION).is_some());
    assert_eq!(read.len(), 1, "the sector stands in one block of the state after");
    for block in read.values_mut() {
        let places = fields(block, NEW_EXPIRATION).unwrap();
        edit(block, &places);
    }
    store.edited = read;
    let executed = transition.messages.iter_mut().find(|executed| executed.message.method == 32).unwrap();
    executed.message.method = 37;
    executed.message.params = as_upgrade(&executed.message.params, in_place);
    Some(events(&store, &transition))
}

fn events(store: &dyn BlockStore, transition: &Transition) -> Vec<Event> {
    let mut events = Differ::new().events(store, transition).unwrap();
    events.retain(|event| event.sector == SECTOR);
    events
}

/// Sets the flag of full quality.
fn full_quality(block: &mut [u8], places: &[usize]) {
    assert_eq!(block[places[14]], 1, "simple QA power alone");
    block[places[14]] = 3;
}

fn keep_expiration(block: &mut [u8], places: &[usize]) {
    let old = u32::try_from(OLD_EXPIRATION).unwrap().to_be_bytes();
    assert_eq!(block[places[5]], 0x1a, "an integer of four bytes");
    block[places[5] + 1..places[6]].copy_from_slice(&old);
}

#[test]
fn an_upgrade_of_quality_in_place_is_an_upgrade_alone() {
    let events = upgraded(true, |block, places| {
        full_quality(block, places);
        keep_expiration(block, places);
    });
    let Some(events) = events else { return };
    let [event] = events.try_into().unwrap();
    assert_eq!((event.kind, event.cause), (Kind::Upgrade, None));
    assert_eq!((event.qap_before, event.qap_after), (Some(SIZE), Some(Bytes(10 * SIZE.0))));
    assert_eq!(event.expiration_after.unwrap().0, OLD_EXPIRATION);
    assert_eq!(event.message.as_ref().unwrap().method, 37);
}

#[test]
fn an_upgrade_of_quality_that_moves_the_expiration_is_followed_by_an_extension() {
    let Some(events) = upgraded(false, full_quality) else { return };
    let [upgrade, extend] = events.try_into().unwrap();
    assert_eq!((upgrade.kind, extend.kind), (Kind::Upgrade, Kind::Extend));
    assert_eq!((upgrade.qap_before, upgrade.qap_after), (Some(SIZE), Some(Bytes(10 * SIZE.0))));
    assert_eq!((extend.qap_before, extend.qap_after), (upgrade.qap_after, upgrade.qap_after));
    assert_eq!(upgrade.expiration_after.unwrap().0, OLD_EXPIRATION);
    assert_eq!(extend.expiration_after.unwrap().0, NEW_EXPIRATION);
    assert_eq!(upgrade.message, extend.message);
    assert_eq!(upgrade.message.as_ref().unwrap().method, 37);
}

#[test]
fn an_upgrade_that_leaves_a_sector_as_it_is_is_no_event() {
    let Some(events) = upgraded(true, keep_expiration) else { return };
    assert_eq!(events, []);
}
