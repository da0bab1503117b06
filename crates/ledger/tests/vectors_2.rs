//! Vectors of kinds that the table of `vectors.rs` does not hold: messages without a method, and what a miner did
//! without a message, as if called from inside another actor. Each one's events are compared whole.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/vector.rs"]
mod vector;

use std::sync::Arc;

use chain::Epoch;
use ledger::{Cause, Event, Kind, MessageRef, Status};
use vector::{Vector, int, qap, size_of, tuple};

fn read(name: &str) -> Option<Vector> {
    Some(Vector::read(&common::shared(&format!("real/vectors-2/{name}.json"))?))
}

/// The event of a live sector that stays as it is, but for what the caller changes.
fn standing(vector: &Vector, kind: Kind, cause: Option<Cause>, number: u64, status: Status) -> Event {
    let sector = vector.sides().0.sector(number);
    Event {
        qap_before: Some(sector.qap),
        qap_after: Some(sector.qap),
        activation: Some(sector.activation),
        expiration_before: Some(sector.expiration),
        expiration_after: Some(sector.expiration),
        backing_before: Some(sector.backing),
        backing_after: Some(sector.backing),
        status_before: status,
        status_after: status,
        ..vector.event(kind, cause, number, sector.size)
    }
}

#[test]
fn a_message_without_a_method_is_no_event_and_no_state_is_asked_for_whose_head_is_the_same() {
    let Some(folder) = common::shared("real/vectors-2") else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().contains("-Send-") {
            continue;
        }
        let vector = Vector::read(&path);
        assert_eq!(vector.message().method, 0, "{}", vector.name);
        assert_ne!(vector.before, vector.after, "{}", vector.name);
        assert_eq!(vector.events(), [], "{}", vector.name);
        seen += 1;
    }
    assert_eq!(seen, 5);
}

#[test]
fn an_extension_runs_before_the_tipsets_own_cron_finds_the_proof_missing_also_from_inside() {
    for (name, shown) in [("by-message", true), ("by-no-message", false)] {
        let Some(vector) = read(&format!("crafted-v7-extension-{name}-then-missed")) else { return };
        let seen = vector.events();
        let number = seen.first().unwrap().sector.0;
        let after = vector.sides().1.sector(number);
        let message =
            shown.then(|| Arc::new(MessageRef { cid: vector.message().cid, method: 8, sectors: 1 }));
        let extend = Event {
            qap_after: Some(after.qap),
            expiration_after: Some(after.expiration),
            backing_after: Some(after.backing),
            message,
            ..standing(&vector, Kind::Extend, None, number, Status::Active)
        };
        let fault = Event {
            qap_before: Some(after.qap),
            qap_after: Some(after.qap),
            expiration_before: Some(after.expiration),
            expiration_after: Some(after.expiration),
            backing_before: Some(after.backing),
            backing_after: Some(after.backing),
            status_after: Status::Faulty,
            ..standing(&vector, Kind::Fault, Some(Cause::Missed), number, Status::Active)
        };
        assert!(extend.expiration_after > extend.expiration_before, "{}", vector.name);
        assert_eq!(seen, [extend, fault], "{}", vector.name);
    }
}

#[test]
fn before_actors_v5_a_pre_commit_from_inside_another_actor_is_single() {
    let Some(vector) = read("derived-v1-PreCommitSector-by-no-message") else { return };
    let seen = vector.events();
    let [event] = &seen[..] else { panic!("{seen:#?}") };
    let (before, after) = vector.sides();
    assert_eq!(before.precommit(event.sector.0), None);
    let stored = after.precommit(event.sector.0).unwrap();
    let stored = tuple(&stored);
    let info = tuple(stored[0]);
    let (size, expiration) = (size_of(info[0]), int(info[5]));
    let expected = Event {
        qap_after: Some(qap(size, expiration - vector.epoch.0, vector::big(stored[4]))),
        expiration_after: Some(Epoch(expiration)),
        ..vector.event(Kind::Precommit, Some(Cause::Single), event.sector.0, size)
    };
    assert_eq!(seen, [expected]);
    assert_eq!(int(stored[2]), vector.epoch.0);
}

#[test]
fn a_termination_from_inside_while_no_deadline_ends_asks_nothing_of_the_queue_beyond_the_epoch() {
    const SECTOR: u64 = 3536;
    let Some(vector) = read("derived-v10-TerminateSectors-by-no-message") else { return };
    let seen = vector.events();
    let terminated = Event {
        qap_after: None,
        expiration_after: None,
        backing_after: None,
        status_after: Status::None,
        // It had been declared faulty before.
        ..standing(&vector, Kind::Terminate, Some(Cause::Active), SECTOR, Status::Faulty)
    };
    assert_eq!(seen, [terminated]);
}
