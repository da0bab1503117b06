//! Where the chain itself does not close: each anomaly is distinguished from what the ledger cannot explain.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use chain::{Bytes, Cid, Epoch, MinerId, SectorNumber};
use ledger::identities::MinerDay;
use ledger::{
    Anomaly, AnomalyHistory, AnomalySignals, Cause, ChainPower, Event, Kind, MessageRef, MinerAnomaly, Power,
    Row, Status,
};

const SIZE: i128 = 32 << 30;
const MINER: MinerId = MinerId(1000);

/// Power of sectors by the tenths of their quality.
fn power(sectors: i128, tenths: i128) -> Power {
    Power { rbp: Bytes(sectors * SIZE), qap: Bytes(tenths * SIZE) }
}

fn event(
    kind: Kind,
    cause: impl Into<Option<Cause>>,
    sector: u64,
    was: (Status, i128),
    is: (Status, i128),
) -> Event {
    let qap = |(status, quality): (Status, i128)| (status != Status::None).then_some(Bytes(quality * SIZE));
    let until = |(status, _): (Status, i128)| (status != Status::None).then_some(Epoch(1_000_000));
    let message = matches!(kind, Kind::Snap | Kind::Fault).then(|| {
        Arc::new(MessageRef {
            cid: Cid::default(),
            method: if kind == Kind::Snap { 35 } else { 24 },
            sectors: 1,
        })
    });
    Event {
        epoch: Epoch(100),
        miner: MINER,
        sector: SectorNumber(sector),
        kind,
        cause: cause.into(),
        sector_size: Bytes(SIZE),
        qap_before: qap(was),
        qap_after: qap(is),
        activation: Some(Epoch(0)),
        expiration_before: until(was),
        expiration_after: until(is),
        backing_before: None,
        backing_after: None,
        status_before: was.0,
        status_after: is.0,
        message,
        uncertain: false,
    }
}

fn opening(sector: u64) -> Event {
    event(Kind::Opening, None, sector, (Status::None, 0), (Status::Active, 1))
}

fn snap(sector: u64) -> Event {
    event(Kind::Snap, None, sector, (Status::Active, 1), (Status::Active, 10))
}

fn disputed(sector: u64, quality: i128) -> Event {
    event(Kind::Fault, Cause::Disputed, sector, (Status::Active, quality), (Status::Faulty, quality))
}

fn recovered(sector: u64, quality: i128) -> Event {
    event(Kind::Recover, None, sector, (Status::Faulty, quality), (Status::Active, quality))
}

/// A miner's ledger, day by day.
#[derive(Default)]
struct Days {
    row: Option<Row>,
    carried: AnomalyHistory,
}

impl Days {
    /// Closes a day; the anomaly that explains it, and the identities that then still do not hold.
    fn close(&mut self, events: &[Event], chain: ChainPower) -> (Option<MinerAnomaly>, Vec<&'static str>) {
        let (seen, row) = (AnomalySignals::of(events), Row::of(self.row.as_ref(), events).unwrap());
        let opening = seen.openings.contains(&MINER);
        let day = MinerDay { previous: self.row.as_ref(), row: &row, power: chain, opening };
        let mut broken: Vec<_> = day.violations().map(|(identity, _)| identity.name).collect();
        let derived = if broken.is_empty() { None } else { self.carried.explain(&day, &seen, events) };
        broken.retain(|name| derived.is_none_or(|derived| !derived.anomaly.explains().contains(name)));
        self.carried =
            AnomalyHistory::from(derived.map(|derived| (MINER, derived)).into_iter().collect(), seen);
        self.row = Some(row);
        (derived, broken)
    }
}

fn chain(claim: Power, live: Power, faulty: Power) -> ChainPower {
    ChainPower { miner: MINER, claim, live, faulty, unproven: Power::default() }
}

fn off(anomaly: Anomaly, off: Power) -> Option<MinerAnomaly> {
    Some(MinerAnomaly { anomaly, off })
}

#[test]
fn what_a_snap_added_stays_in_the_claim_when_a_proof_from_before_it_is_disputed() {
    for same_day in [true, false] {
        let mut days = Days::default();
        let whole = chain(power(2, 2), power(2, 2), Power::default());
        assert_eq!(days.close(&[opening(1), opening(2)], whole), (None, vec![]));
        let mut events = vec![snap(1)];
        if !same_day {
            let snapped = chain(power(2, 11), power(2, 11), Power::default());
            assert_eq!(days.close(&events, snapped), (None, vec![]));
            events.clear();
        }
        events.push(disputed(1, 10));
        // Faults are recorded with the power that the proof's snapshot has: one size of ten.
        let stays = power(0, 9);
        let faulty = chain(power(1, 10), power(2, 11), power(1, 1));
        let derived = off(Anomaly::DisputedBeforeSnap, stays);
        assert_eq!(days.close(&events, faulty), (derived, vec![]));
        // It recovers, and its partition's faulty power goes below nothing.
        let minus = Power { rbp: Bytes(0), qap: Bytes(-9 * SIZE) };
        let recovered = [recovered(1, 10)];
        assert_eq!(days.close(&recovered, chain(power(2, 20), power(2, 11), minus)), (derived, vec![]));
        assert_eq!(days.close(&[], chain(power(2, 20), power(2, 11), minus)), (derived, vec![]));
        // A missed proof puts it right, and the same figures afterwards are not explained by it.
        assert_eq!(days.close(&[], chain(power(2, 11), power(2, 11), Power::default())), (None, vec![]));
        let again = days.close(&[], chain(power(2, 20), power(2, 11), minus));
        assert_eq!(again, (None, vec!["claim_qap", "partitions_faulty_qap"]));
    }
}

#[test]
fn a_claim_that_is_too_high_without_a_dispute_after_a_snap_is_not_explained() {
    let faulty = chain(power(1, 10), power(2, 11), power(1, 1));
    let unexplained = (None, vec!["claim_qap", "partitions_faulty_qap"]);
    for events in [
        // Snapped, but found faulty by cron; disputed before it was snapped.
        vec![snap(1), event(Kind::Fault, Cause::Missed, 1, (Status::Active, 10), (Status::Faulty, 10))],
        vec![disputed(1, 1), event(Kind::Snap, None, 1, (Status::Faulty, 1), (Status::Faulty, 10))],
    ] {
        let mut days = Days::default();
        days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), Power::default()));
        assert_eq!(days.close(&events, faulty), unexplained, "{events:?}");
    }
    // More than the snap added.
    let mut days = Days::default();
    days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), Power::default()));
    let too_much = chain(power(1, 11), power(2, 11), power(1, 0));
    assert_eq!(days.close(&[snap(1), disputed(1, 10)], too_much), unexplained);
}

#[test]
fn a_claim_that_a_failed_cron_took_away_is_told_as_long_as_it_is_away() {
    let mut days = Days::default();
    let (whole, none) = (power(3, 3), Power::default());
    days.close(&[opening(1), opening(2), opening(3)], chain(whole, whole, none));
    let derived = off(Anomaly::DroppedByFailedCron, whole);
    assert_eq!(days.close(&[], chain(none, whole, none)), (derived, vec![]));
    // What becomes active afterwards is claimed, the rest is not.
    let proven = event(Kind::Onboard, Cause::NonInteractive, 4, (Status::None, 0), (Status::Active, 1));
    assert_eq!(days.close(&[proven], chain(power(1, 1), power(4, 4), none)), (derived, vec![]));
    assert_eq!(days.close(&[], chain(power(4, 4), power(4, 4), none)), (None, vec![]));
}

#[test]
fn a_claim_taken_away_in_the_middle_of_a_day_is_what_became_active_since() {
    let none = Power::default();
    let mut days = Days::default();
    days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), none));
    let proven =
        |sector| event(Kind::Onboard, Cause::NonInteractive, sector, (Status::None, 0), (Status::Active, 1));
    let events = [proven(3), proven(4)];
    let derived = off(Anomaly::DroppedByFailedCron, power(3, 3));
    assert_eq!(days.close(&events, chain(power(1, 1), power(4, 4), none)), (derived, vec![]));
    // Half of it is no claim that any moment could have left.
    let mut days = Days::default();
    days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), none));
    let (derived, broken) = days.close(&[], chain(power(1, 1), power(2, 2), none));
    assert_eq!((derived, broken), (None, vec!["claim_rbp", "claim_qap", "chain_rbp", "chain_qap"]));
    // Nor is a claim that is gone explained where the partitions are not the ledger's either.
    let mut days = Days::default();
    days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), none));
    assert_eq!(days.close(&[], chain(none, power(1, 1), none)).0, None);
}

#[test]
fn a_sector_of_actors_v1_that_was_replaced_and_then_faulty_leaves_the_claim_twice() {
    let none = Power::default();
    let mut days = Days::default();
    days.close(&[opening(1), opening(2)], chain(power(2, 2), power(2, 2), none));
    let fault = event(Kind::Fault, Cause::Declared, 1, (Status::Active, 1), (Status::Faulty, 1));
    assert_eq!(days.close(&[fault], chain(power(1, 1), power(2, 2), power(1, 1))), (None, vec![]));
    let gone = event(Kind::Expire, Cause::Replaced, 1, (Status::Faulty, 1), (Status::None, 0));
    // Of the sector that is left nothing is claimed, and the one that is gone stays faulty by its partition.
    let twice = chain(none, power(1, 1), power(1, 1));
    let derived = off(Anomaly::LeftTwice, power(1, 1));
    assert_eq!(days.close(&[gone], twice), (derived, vec![]));
    assert_eq!(days.close(&[], twice), (derived, vec![]));
    // The migration to actors v2 puts it right.
    assert_eq!(days.close(&[], chain(power(1, 1), power(1, 1), none)), (None, vec![]));
    let broken = vec!["claim_rbp", "claim_qap", "partitions_faulty_rbp", "partitions_faulty_qap"];
    assert_eq!(days.close(&[], twice), (None, broken));
}

#[test]
fn anomalies_explain_identities_that_there_are() {
    for anomaly in Anomaly::ALL {
        for name in anomaly.explains() {
            assert!(ledger::identities::IDENTITIES.iter().any(|identity| identity.name == *name), "{name}");
        }
        assert!(!anomaly.doc().is_empty());
    }
}
