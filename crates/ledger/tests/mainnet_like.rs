//! The chain that the bench of reading is run on, made small: what it says that it did is what is derived from it.
#![allow(clippy::unwrap_used)]

#[path = "../examples/mainnet_like/main.rs"]
#[allow(dead_code)]
mod mainnet_like;

use chain::{CarStore, Chain, NoProgress};
use ledger::checks::check_day;
use ledger::{Event, EventReader, Kind};
use mainnet_like::{Options, make};

const SMALL: Options =
    Options { miners: 60, sectors: 60_000, tipsets: 125, messages: 40, accounts: 200, with_receipts: true };

#[test]
fn a_made_chain_does_what_it_says_with_receipts_and_without() {
    let folder = tempfile::tempdir().unwrap();
    for with_receipts in [true, false] {
        let file = folder.path().join("made.forest.car.zst");
        let plain = folder.path().join("made.car");
        let derived = make(&file, &plain, Options { with_receipts, ..SMALL }).unwrap();
        let cars = CarStore::open(&[file], folder.path(), &NoProgress).unwrap();
        let chain = Chain::open(&cars, cars.roots()).unwrap();
        let first = chain.tipsets().first().unwrap().height;
        let events: Vec<Event> = EventReader::resume(&chain, 0, Vec::new())
            .unwrap()
            .flat_map(|tipset| tipset.unwrap().events)
            .collect();
        let count = |kind| events.iter().filter(|event| event.kind == kind).count();
        let found = [
            count(Kind::Precommit),
            count(Kind::Onboard),
            count(Kind::Proven),
            count(Kind::Fault),
            count(Kind::Recover),
            count(Kind::Extend),
            count(Kind::Snap),
            count(Kind::Expire),
            count(Kind::Terminate),
        ];
        let said = [
            derived.precommitted,
            derived.onboarded,
            derived.proven,
            derived.faults,
            derived.recovered,
            derived.extended,
            derived.snapped,
            derived.expired,
            derived.terminated,
        ];
        assert_eq!(found, said);
        assert_eq!(events.len(), said.iter().sum::<usize>(), "and nothing else");
        assert!(said.iter().all(|count| *count > 0), "{derived:?}");
        assert_eq!(check_day(&events, first..chain.tipsets().last().unwrap().height), []);
    }
}
