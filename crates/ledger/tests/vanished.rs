//! Sectors that are onboarded, terminated and compacted away within one tipset, so that no state shows them: on states of
//! all actors versions, written by hand.
#![allow(clippy::unwrap_used)]

#[path = "common/one_sector.rs"]
mod one_sector;
#[path = "common/state.rs"]
mod state;

use chain::{Bytes, Epoch};
use ledger::{Differ, Event, Kind, Status};
use one_sector::{DAY, LATER, NOW, NUMBER, deal, empty, one, pieces, places, qap};
use state::{Precommit, SIZE, Sector, Sent, State, bytes, events, int, link, list, sealed_cid, set, uint};

/// A miner with another sector, in a tipset that leaves no trace of those that come and go.
fn still(actors: u8) -> State {
    one(actors, Sector { number: 1, ..empty() })
}

fn vanished(before: &State, sent: &[Sent]) -> Vec<Event> {
    let queue = vec![(LATER as u64, vec![1], vec![])];
    let after = State { precommits: vec![], deals: vec![], queue, ..before.clone() };
    let found = events(&mut Differ::new(), before, &after, NOW, sent);
    for event in &found {
        assert_eq!((event.sector.0, event.activation), (NUMBER, Some(Epoch(NOW))));
    }
    found
}

#[test]
fn onboarded_without_a_pre_commit_terminated_and_compacted_away_are_all_events() {
    for (actors, quality) in [(14, 1), (18, 1), (19, 10)] {
        let sector =
            list(&[uint(NUMBER), uint(1000), link(&sealed_cid(1)), uint(NUMBER), int(NOW - 9), int(LATER)]);
        let params = [list(&[sector]), bytes(&[]), uint(18), uint(1), uint(3), vec![0xf4]];
        let sent = [(36, list(&params), vec![]), (9, places(&[NUMBER]), vec![])];
        let found = vanished(&still(actors), &sent);
        let names: Vec<_> =
            found.iter().map(|event| (event.kind, event.status_before, event.status_after)).collect();
        let (onboard, terminate) = (Kind::Onboard, Kind::Terminate);
        let (none, unproven) = (Status::None, Status::Unproven);
        assert_eq!(names, [(onboard, none, unproven), (terminate, unproven, none)], "v{actors}");
        for event in &found {
            assert_eq!((event.qap(), event.sector_size), (Bytes(quality * SIZE), Bytes(SIZE)), "v{actors}");
        }
        assert_eq!(found[0].expiration_after, Some(Epoch(LATER)));
        // Without the termination nothing shows that it came.
        assert_eq!(vanished(&still(actors), &sent[..1]), []);
    }
}

#[test]
fn onboarded_from_a_pre_commit_terminated_and_compacted_away_are_all_events() {
    let duration = i128::from(LATER - NOW);
    let weight = SIZE / 2 * duration;
    let half_verified = qap(NOW, LATER, weight);
    let precommit = |deals: Vec<u64>, verified_weight| Precommit {
        number: NUMBER,
        epoch: NOW - 200,
        expiration: LATER,
        deals,
        verified_weight,
        ..Precommit::default()
    };
    let aggregate = (26, list(&[set(&[NUMBER]), bytes(&[])]), vec![]);
    let activation = list(&[uint(NUMBER), pieces(&[(SIZE / 2, true)])]);
    let with_pieces = (34, list(&[list(&[activation]), list(&[]), bytes(&[])]), vec![]);
    let deals = vec![deal(5, SIZE / 2, true, 200 * DAY)];
    for (actors, precommit, onboard, expected) in [
        (5, precommit(vec![], weight), &aggregate, half_verified),
        (8, precommit(vec![], weight), &aggregate, half_verified),
        (9, precommit(vec![5], 0), &aggregate, half_verified),
        (13, precommit(vec![], 0), &with_pieces, half_verified),
        (18, precommit(vec![], 0), &with_pieces, half_verified),
        (19, precommit(vec![], 0), &with_pieces, Bytes(10 * SIZE)),
    ] {
        let before = State { precommits: vec![precommit], deals: deals.clone(), ..still(actors) };
        let sent = [onboard.clone(), (9, places(&[NUMBER]), vec![])];
        let found = vanished(&before, &sent);
        let names: Vec<_> = found.iter().map(|event| event.kind).collect();
        assert_eq!(names, [Kind::Onboard, Kind::Terminate], "v{actors}");
        assert!(found.iter().all(|event| event.qap() == expected), "v{actors}: {found:?}");
    }
}
