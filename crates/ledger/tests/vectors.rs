//! Single mainnet messages with the state they touched: the differ's events are exactly what each message did.
//!
//! What a message did is worked out here a second time and apart from the code under test: sectors, places and dates
//! from the message's parameters, weights and standing from the states, QAP by the definition's formula in another form.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/vector.rs"]
mod vector;

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Amt, Epoch, Reader, SectorSet};
use ledger::{Cause, Event, Kind, MessageRef, Status};
use vector::{Side, Vector, int, link, qap, set, size_of, tuple, uint};

const CREATE_MINER: u64 = 2;
const SUBMIT_WINDOWED_POST: u64 = 5;
const PRE_COMMIT: u64 = 6;
const PROVE_COMMIT: u64 = 7;
const EXTEND: u64 = 8;
const TERMINATE: u64 = 9;
const DECLARE_FAULTS: u64 = 10;
const DECLARE_RECOVERIES: u64 = 11;
const DISPUTE: u64 = 24;
const PRE_COMMIT_BATCH: u64 = 25;
const PROVE_COMMIT_AGGREGATE: u64 = 26;
const PROVE_REPLICA_UPDATES: u64 = 27;

/// What the vectors of one method and actors version do.
struct Row {
    actors: u8,
    method: u64,
    /// How many of them failed; they do nothing.
    failed: usize,
    /// How many sectors each of the successful ones changes, in order of the files' names.
    changed: &'static [usize],
    does: Does,
}

enum Does {
    /// To each sector it changes.
    Event(Kind, Option<Cause>),
    /// No event, because …
    Nothing(&'static str),
}

const fn row(actors: u8, method: u64, failed: usize, changed: &'static [usize], does: Does) -> Row {
    Row { actors, method, failed, changed, does }
}

const PRECOMMITS: Does = Does::Event(Kind::Precommit, Some(Cause::Single));
const PRECOMMITS_BATCH: Does = Does::Event(Kind::Precommit, Some(Cause::Batch));
const ONBOARDS: Does = Does::Event(Kind::Onboard, Some(Cause::Batch));
const SNAPS: Does = Does::Event(Kind::Snap, None);
const EXTENDS: Does = Does::Event(Kind::Extend, None);
const TERMINATES: Does = Does::Event(Kind::Terminate, Some(Cause::Active));
const FAULTS: Does = Does::Event(Kind::Fault, Some(Cause::Declared));
const CREATES: Does = Does::Nothing("a new miner has no sectors");
const PROVES: Does = Does::Nothing("the proof is only queued; the power actor's cron activates the sector");
const POSTS: Does = Does::Nothing("it skips none, and in its partitions none is unproven or recovering");
const DECLARES: Does = Does::Nothing("declaring a recovery is not yet a recovery");
const DISPUTES: Does = Does::Nothing("none succeeded");

/// Every vector. The files called v6 hold messages to actors v6 and v7; here they stand under what they were sent to.
const TABLE: &[Row] = &[
    row(1, CREATE_MINER, 1, &[0, 0], CREATES),
    row(1, SUBMIT_WINDOWED_POST, 1, &[0, 0], POSTS),
    row(1, PRE_COMMIT, 1, &[1, 1], PRECOMMITS),
    row(1, PROVE_COMMIT, 1, &[0, 0], PROVES),
    // The first names two sectors that were faulty already.
    row(1, DECLARE_FAULTS, 1, &[0, 116], FAULTS),
    row(1, DECLARE_RECOVERIES, 1, &[0, 0], DECLARES),
    row(6, CREATE_MINER, 0, &[0], CREATES),
    row(6, PRE_COMMIT, 1, &[1], PRECOMMITS),
    row(6, PROVE_COMMIT, 1, &[], PROVES),
    // The first names a partition and none of its sectors: that works off the miner's queue of early terminations.
    row(6, TERMINATE, 0, &[0, 1], TERMINATES),
    row(6, DECLARE_RECOVERIES, 0, &[0, 0], DECLARES),
    row(6, DISPUTE, 1, &[], DISPUTES),
    row(6, PRE_COMMIT_BATCH, 1, &[1], PRECOMMITS_BATCH),
    row(6, PROVE_COMMIT_AGGREGATE, 1, &[10], ONBOARDS),
    row(7, CREATE_MINER, 0, &[0, 0, 0], CREATES),
    row(7, SUBMIT_WINDOWED_POST, 2, &[0, 0, 0, 0], POSTS),
    row(7, PRE_COMMIT, 1, &[1, 1, 1], PRECOMMITS),
    row(7, PROVE_COMMIT, 1, &[0, 0, 0, 0], PROVES),
    row(7, EXTEND, 2, &[1, 1, 1, 1], EXTENDS),
    row(7, TERMINATE, 2, &[1, 5], TERMINATES),
    row(7, DECLARE_RECOVERIES, 2, &[0, 0], DECLARES),
    row(7, PRE_COMMIT_BATCH, 1, &[8, 5, 11], PRECOMMITS_BATCH),
    row(7, PROVE_COMMIT_AGGREGATE, 1, &[7, 5, 9], ONBOARDS),
    row(7, PROVE_REPLICA_UPDATES, 0, &[1, 1, 1, 1], SNAPS),
    row(9, CREATE_MINER, 0, &[0, 0], CREATES),
    row(9, SUBMIT_WINDOWED_POST, 1, &[0, 0], POSTS),
    row(9, PRE_COMMIT, 1, &[1, 1], PRECOMMITS),
    row(9, PROVE_COMMIT, 1, &[0, 0], PROVES),
    row(9, EXTEND, 0, &[3000, 3000], EXTENDS),
    row(9, TERMINATE, 0, &[1], TERMINATES),
    row(9, DECLARE_RECOVERIES, 0, &[0, 0], DECLARES),
    row(9, PRE_COMMIT_BATCH, 0, &[7, 2], PRECOMMITS_BATCH),
    row(9, PROVE_COMMIT_AGGREGATE, 0, &[7, 128], ONBOARDS),
    row(9, PROVE_REPLICA_UPDATES, 0, &[1, 1], SNAPS),
    row(10, CREATE_MINER, 0, &[0, 0], CREATES),
    row(10, SUBMIT_WINDOWED_POST, 1, &[0, 0], POSTS),
    row(10, PRE_COMMIT, 1, &[1, 1], PRECOMMITS),
    row(10, PROVE_COMMIT, 1, &[0, 0], PROVES),
    row(10, EXTEND, 0, &[1, 1], EXTENDS),
    // The first names no sectors, as in v6.
    row(10, TERMINATE, 1, &[0, 131], TERMINATES),
    row(10, DECLARE_RECOVERIES, 0, &[0, 0], DECLARES),
    row(10, DISPUTE, 1, &[], DISPUTES),
    row(10, PRE_COMMIT_BATCH, 0, &[1, 2], PRECOMMITS_BATCH),
    row(10, PROVE_COMMIT_AGGREGATE, 0, &[32, 48], ONBOARDS),
    row(10, PROVE_REPLICA_UPDATES, 1, &[1, 1], SNAPS),
];

#[test]
fn each_message_does_to_each_sector_what_the_table_says_and_a_failed_one_does_nothing() {
    let Some(folder) = common::shared("real/vectors") else { return };
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 123);
    let mut found: BTreeMap<(u8, u64), (usize, Vec<usize>)> = BTreeMap::new();
    for path in files {
        let vector = Vector::read(&path);
        let at = (vector.actors, vector.message().method);
        let row = TABLE.iter().find(|row| (row.actors, row.method) == at);
        let row = row.unwrap_or_else(|| panic!("{}: not in the table", vector.name));
        let mut events = vector.events();
        events.sort_by_key(|event| event.sector);
        let seen = found.entry(at).or_default();
        if vector.executed[0].failed() {
            assert_eq!(events, [], "{}: a failed message", vector.name);
            seen.0 += 1;
            continue;
        }
        seen.1.push(events.len());
        match row.does {
            Does::Event(kind, cause) => assert_eq!(events, vector.expected(kind, cause), "{}", vector.name),
            Does::Nothing(why) => {
                assert_eq!(events, [], "{}: {why}", vector.name);
                assert!(vector.is_without_events(), "{}: not so: {why}", vector.name);
            }
        }
    }
    let table = TABLE.iter().map(|row| ((row.actors, row.method), (row.failed, row.changed.to_vec())));
    assert_eq!(found, table.collect());
}

#[test]
fn each_message_left_out_does_the_same_as_a_call_from_inside_another_actor() {
    let Some(folder) = common::shared("real/vectors") else { return };
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let mut vector = Vector::read(&file.unwrap().path());
        let at = (vector.actors, vector.message().method);
        let Some(row) = TABLE.iter().find(|row| (row.actors, row.method) == at) else { continue };
        let expected = match row.does {
            Does::Event(kind, cause) if !vector.executed[0].failed() => vector.expected(kind, cause),
            _ => Vec::new(),
        };
        // No method shows: up to actors v4 there is but one, and from v5 on it counts as a batch.
        let cause = |event: &Event| match event.cause {
            Some(Cause::Single) if vector.actors >= 5 => Some(Cause::Batch),
            cause => cause,
        };
        let unseen = |event: Event| Event { cause: cause(&event), message: None, ..event };
        let expected: Vec<_> = expected.into_iter().map(unseen).collect();
        vector.executed.clear();
        let mut events = vector.events();
        events.sort_by_key(|event| event.sector);
        assert_eq!(events, expected, "{}", vector.name);
        seen += events.len();
    }
    assert!(seen > 6000, "{seen} events");
}

impl Vector {
    /// What it did, by its parameters and the states, in order of sector.
    fn expected(&self, kind: Kind, cause: Option<Cause>) -> Vec<Event> {
        let (before, after) = self.sides();
        let params = tuple(&self.message().params);
        let new = |sector: u64, size: i128| self.event(kind, cause, sector, size);
        let mut events: Vec<Event> = match self.message().method {
            PRE_COMMIT => vec![self.precommitted(&params, &after, &new)],
            PRE_COMMIT_BATCH => {
                tuple(params[0]).iter().map(|info| self.precommitted(&tuple(info), &after, &new)).collect()
            }
            PROVE_COMMIT_AGGREGATE => {
                set(params[0]).iter().map(|sector| self.onboarded(sector, &before, &after, &new)).collect()
            }
            PROVE_REPLICA_UPDATES => {
                let done = set(self.returned());
                let updates = tuple(params[0]);
                let updates = updates.iter().map(|update| tuple(update));
                updates
                    .filter(|update| done.contains(uint(update[0])))
                    .map(|update| {
                        let sector = uint(update[0]);
                        let after = after.sector(sector);
                        assert_eq!(after.sealed, link(update[3]), "{}: the data it says", self.name);
                        let event = before.changed(sector, uint(update[1]), uint(update[2]), &new);
                        Event { qap_after: Some(after.qap), backing_after: Some(after.backing), ..event }
                    })
                    .collect()
            }
            _ => {
                let places: Vec<_> = tuple(params[0]).iter().map(|place| tuple(place)).collect();
                let each = |place: &Vec<&[u8]>| {
                    let (deadline, partition) = (uint(place[0]), uint(place[1]));
                    let faulty = before.standing(deadline, partition).faults;
                    let named = set(place[2]);
                    let named = if self.message().method == DECLARE_FAULTS {
                        named.difference(&faulty)
                    } else {
                        named
                    };
                    let event = |sector| {
                        let event = before.changed(sector, deadline, partition, &new);
                        match self.message().method {
                            EXTEND => Event {
                                qap_after: Some(after.sector(sector).qap),
                                expiration_after: Some(Epoch(int(place[3]))),
                                backing_after: Some(after.sector(sector).backing),
                                ..event
                            },
                            TERMINATE => {
                                assert!(after.standing(deadline, partition).terminated.contains(sector));
                                let gone = (None, None, Status::None);
                                let (qap_after, expiration_after, status_after) = gone;
                                Event {
                                    qap_after,
                                    expiration_after,
                                    backing_after: None,
                                    status_after,
                                    ..event
                                }
                            }
                            DECLARE_FAULTS => Event { status_after: Status::Faulty, ..event },
                            other => panic!("method {other} names no places"),
                        }
                    };
                    named.iter().map(event).collect::<Vec<_>>()
                };
                places.iter().flat_map(each).collect()
            }
        };
        events.sort_by_key(|event| event.sector);
        let message = Arc::new(MessageRef {
            cid: self.message().cid,
            method: self.message().method,
            sectors: u32::try_from(events.len()).unwrap(),
        });
        events.into_iter().map(|event| Event { message: Some(Arc::clone(&message)), ..event }).collect()
    }

    /// A pre-commit `[seal proof, number, sealed CID, seal randomness epoch, deals, expiration, …]`.
    fn precommitted(&self, info: &[&[u8]], after: &Side<'_>, new: &dyn Fn(u64, i128) -> Event) -> Event {
        let (sector, size, expiration) = (uint(info[1]), size_of(info[0]), int(info[5]));
        let stored = after.precommit(sector).unwrap();
        let stored = tuple(&stored);
        assert_eq!(int(stored[2]), self.epoch.0, "{}: the epoch of the pre-commit", self.name);
        let verified = match self.actors {
            ..=8 => vector::big(stored[4]),
            _ => tuple(info[4]).iter().map(|deal| after.verified_weight(uint(deal))).sum(),
        };
        Event {
            qap_after: Some(qap(size, expiration - self.epoch.0, verified)),
            expiration_after: Some(Epoch(expiration)),
            ..new(sector, size)
        }
    }

    /// A sector proven in an aggregate: it stands until the pre-commit's expiration, unproven from now on.
    fn onboarded(
        &self,
        sector: u64,
        before: &Side<'_>,
        after: &Side<'_>,
        new: &dyn Fn(u64, i128) -> Event,
    ) -> Event {
        let precommit = before.precommit(sector).unwrap();
        let info = tuple(&precommit)[0].to_vec();
        assert_eq!(after.precommit(sector), None, "{}: the pre-commit is used up", self.name);
        Event {
            qap_after: Some(after.sector(sector).qap),
            activation: Some(self.epoch),
            expiration_after: Some(Epoch(int(tuple(&info)[5]))),
            backing_after: Some(after.sector(sector).backing),
            status_after: Status::Unproven,
            ..new(sector, size_of(tuple(&info)[0]))
        }
    }

    /// Whether what the table says of a method without events is so in this vector.
    fn is_without_events(&self) -> bool {
        if self.message().method == CREATE_MINER {
            let returned = tuple(self.returned());
            let miner = chain::Address::from_bytes(Reader::new(returned[0]).bytes().unwrap()).unwrap();
            let after = self.side(&self.after, miner.as_id().unwrap());
            return Amt::open(after.store, &after.link(8), "sectors").unwrap().count() == 0;
        }
        let (before, after) = self.sides();
        let params = tuple(&self.message().params);
        match self.message().method {
            SUBMIT_WINDOWED_POST => tuple(params[1]).iter().map(|place| tuple(place)).all(|place| {
                let standing = before.standing(uint(params[0]), uint(place[0]));
                [set(place[1]), standing.unproven, standing.recoveries].iter().all(SectorSet::is_empty)
            }),
            PROVE_COMMIT => {
                let precommits = [&before, &after].map(|side| side.precommit(uint(params[0])));
                precommits[0].is_some() && precommits[0] == precommits[1] && before.link(8) == after.link(8)
            }
            DECLARE_RECOVERIES => tuple(params[0]).iter().map(|place| tuple(place)).all(|place| {
                let of = |side: &Side<'_>| side.standing(uint(place[0]), uint(place[1]));
                let (before, after, named) = (of(&before), of(&after), set(place[2]));
                before.faults == after.faults && named.difference(&after.recoveries).is_empty()
            }),
            _ => false,
        }
    }
}

impl Side<'_> {
    /// An event on a live sector that changes nothing of it.
    fn changed(&self, number: u64, deadline: u64, partition: u64, new: &dyn Fn(u64, i128) -> Event) -> Event {
        let (sector, standing) = (self.sector(number), self.standing(deadline, partition));
        assert!(!standing.terminated.contains(number));
        let status = match number {
            number if standing.faults.contains(number) => Status::Faulty,
            number if standing.unproven.contains(number) => Status::Unproven,
            _ => Status::Active,
        };
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
            ..new(number, sector.size)
        }
    }
}
