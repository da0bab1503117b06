//! Single mainnet messages with the state they touched: what the differ makes of each.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::io::Read;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chain::state::Op;
use chain::{Cars, Cid, Epoch, Executed, Message, NoProgress, Receipt, SectorNumber, Transition};
use ledger::{Differ, Event};
use serde_json::Value;

/// The message of a vector with its outcome, and its events.
fn events_of(vector: &Value) -> (Executed, Vec<Event>) {
    let folder = tempfile::tempdir().unwrap();
    let packed = BASE64_STANDARD.decode(vector["car"].as_str().unwrap()).unwrap();
    let mut car = Vec::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut car).unwrap();
    let path = folder.path().join("vector.car");
    std::fs::write(&path, car).unwrap();
    let cars = Cars::open(&[path], folder.path(), &NoProgress).unwrap();
    let root = |side: &str| -> Cid {
        vector[side]["state_tree"]["root_cid"]["/"].as_str().unwrap().parse().unwrap()
    };
    let bytes = BASE64_STANDARD.decode(vector["apply_messages"][0]["bytes"].as_str().unwrap()).unwrap();
    let receipt = &vector["postconditions"]["receipts"][0];
    let returned = BASE64_STANDARD.decode(receipt["return"].as_str().unwrap_or_default()).unwrap();
    let transition = Transition {
        height: Epoch(vector["preconditions"]["variants"][0]["epoch"].as_i64().unwrap()),
        before: root("preconditions"),
        after: root("postconditions"),
        messages: vec![Executed {
            message: Message::decode(&bytes).unwrap(),
            receipt: Receipt { exit_code: receipt["exit_code"].as_i64().unwrap(), returned },
        }],
    };
    let events = Differ::new().events(&cars, &transition).unwrap();
    (transition.messages[0].clone(), events)
}

/// The sectors that a successful message names, if each of them must change.
fn named(op: &Op) -> Option<Vec<SectorNumber>> {
    match op {
        Op::Precommit(sectors) | Op::Update(sectors) => Some(sectors.clone()),
        Op::Extend(extensions) => {
            Some(extensions.iter().flat_map(|extension| extension.sectors.iter().map(SectorNumber)).collect())
        }
        _ => None,
    }
}

#[test]
fn each_message_does_what_its_parameters_name_and_no_absent_block_is_asked_for() {
    let Some(folder) = common::shared("real/vectors") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 123);
    let mut kinds = BTreeSet::new();
    for path in files {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let vector: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let (executed, events) = events_of(&vector);
        if executed.receipt.exit_code != 0 {
            assert!(events.is_empty(), "{name}: a failed message caused {events:?}");
            continue;
        }
        for event in &events {
            let message = event.message.unwrap();
            assert_eq!(
                (message.cid, message.method),
                (executed.message.cid, executed.message.method),
                "{name}"
            );
            assert_eq!(message.sectors as usize, events.len(), "{name}");
            kinds.insert((executed.message.method, event.kind.name(), event.cause.map(ledger::Cause::name)));
        }
        if let Some(mut sectors) = named(&Op::of(&executed).unwrap()) {
            sectors.sort_unstable();
            assert_eq!(events.iter().map(|event| event.sector).collect::<Vec<_>>(), sectors, "{name}");
        }
    }
    let expected = [
        (6, "precommit", Some("single")),
        (8, "extend", None),
        (9, "terminate", Some("active")),
        (10, "fault", Some("declared")),
        (25, "precommit", Some("batch")),
        (26, "onboard", Some("batch")),
        (27, "snap", None),
    ];
    assert_eq!(kinds, expected.into());
}
