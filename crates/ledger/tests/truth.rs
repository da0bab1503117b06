//! Events and balances of real actor state, against the truth recorded when it was made.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use chain::Day;
use common::{Replay, Truth, lines, ours, replay, truth};
use ledger::{Cause, Kind, Status};

/// Chain by chain: each event and each day.
fn holds(name: &str) {
    let Some(replay) = replay(name) else { return };
    events_equal_the_truth(name, &replay);
    day_sums_equal_the_truth(name, &replay);
    balances_equal_the_truth(name, &replay);
}

fn events_equal_the_truth(name: &str, replay: &Replay) {
    let expected: Vec<Truth> = lines(&format!("{name}.events.jsonl")).iter().filter_map(truth).collect();
    let found: Vec<Truth> =
        replay.events.iter().filter(|event| event.cause != Some(Cause::Genesis)).map(ours).collect();
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_eq!(found, expected, "{name}: event {at}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: number of events");
}

fn day_sums_equal_the_truth(name: &str, replay: &Replay) {
    type Sums = BTreeMap<(Day, String, String), (i128, i128, i128)>;
    let mut expected = Sums::new();
    for line in lines(&format!("{name}.daily_events.jsonl")) {
        if line["dated_by"] != "tipset" {
            continue;
        }
        for (event, count) in line["counts"].as_object().unwrap() {
            // `extended` also counts extensions that move no date, and the two ways to pre-commit are told apart
            // by number there: what compares is compared.
            let kind = match event.as_str() {
                "activated" => "onboard",
                "proven" => "proven",
                "snapped" => "snap",
                "faulted" => "fault",
                "recovered" => "recover",
                "expired" => "expire",
                "precommit_expired" => "precommit_expired",
                "terminated_active" => "terminate active",
                "terminated_passive" => "terminate passive",
                _ => continue,
            };
            let sum = |measure: &str| line[measure][event].as_str().map_or(0, |sum| sum.parse().unwrap());
            let key = (
                line["utc_date"].as_str().unwrap().parse().unwrap(),
                line["miner"].as_str().unwrap().to_owned(),
                kind.to_owned(),
            );
            expected.insert(key, (i128::from(count.as_i64().unwrap()), sum("rbp"), sum("qap")));
        }
    }
    let mut found = Sums::new();
    for event in &replay.events {
        let kind = match (event.kind, event.cause) {
            (Kind::Onboard, Some(Cause::Genesis)) | (Kind::Precommit | Kind::Extend | Kind::Adjust, _) => {
                continue;
            }
            (Kind::Terminate, Some(cause)) => format!("terminate {cause}"),
            (kind, _) => kind.to_string(),
        };
        let sum = found.entry((replay.clock.day_of(event.epoch), event.miner.to_string(), kind)).or_default();
        sum.0 += 1;
        sum.1 += event.sector_size.0;
        sum.2 += if event.kind == Kind::PrecommitExpired { 0 } else { event.qap().0 };
    }
    for (key, expected) in &expected {
        assert_eq!(found.get(key), Some(expected), "{name}: {key:?}");
    }
    assert_eq!(found.len(), expected.len(), "{name}: number of day sums");
}

fn balances_equal_the_truth(name: &str, replay: &Replay) {
    let mut days = 0;
    for line in lines(&format!("{name}.daily.jsonl")) {
        let day: Day = line["utc_date"].as_str().unwrap().parse().unwrap();
        // The truth also describes the unfinished last day.
        let Some(found) = replay.days.get(&day) else {
            continue;
        };
        days += 1;
        for row in line["miners"].as_array().unwrap() {
            let miner = row["miner"].as_str().unwrap().parse().unwrap();
            let (balance, claim) =
                found.get(&miner).map(|(balance, power)| (balance.clone(), power.claim)).unwrap_or_default();
            let (live, active) = (balance.live(), balance.get(Status::Active));
            let integer = |key: &str| {
                row[key]
                    .as_str()
                    .map_or_else(|| i128::from(row[key].as_i64().unwrap()), |text| text.parse().unwrap())
            };
            let at = format!("{name}: {miner} on {day}");
            assert_eq!(live.count, integer("live"), "{at}: live");
            assert_eq!(active.count, integer("active"), "{at}: active");
            assert_eq!(balance.get(Status::Faulty).count, integer("faulty"), "{at}: faulty");
            assert_eq!(balance.get(Status::Unproven).count, integer("unproven"), "{at}: unproven");
            assert_eq!((live.rbp, live.qap), (integer("live_rbp"), integer("live_qap")), "{at}: live power");
            assert_eq!(
                (active.rbp, active.qap),
                (integer("active_rbp"), integer("active_qap")),
                "{at}: active power"
            );
            assert_eq!(active.duration, integer("lifetime_epochs_sum"), "{at}: sum of lifetimes");
            assert_eq!(active.duration_squared, integer("lifetime_epochs_sumsq"), "{at}: sum of squares");
            let (n, days) = (active.count as f64, chain::EPOCHS_PER_DAY as f64);
            let spread = active.count * active.duration_squared - active.duration * active.duration;
            let mean = if active.count > 0 { active.duration as f64 / (n * days) } else { 0.0 };
            let deviation =
                if active.count > 1 { (spread as f64 / (n * (n - 1.0))).sqrt() / days } else { 0.0 };
            // The sums behind them are exact (above); the truth added up doubles.
            let close = |ours: f64, key: &str| {
                let theirs = row[key].as_f64().unwrap_or(0.0);
                assert!((ours - theirs).abs() <= theirs.abs() * 1e-9, "{at}: {key}: {ours} and {theirs}");
            };
            close(mean, "lifetime_days_mean");
            close(deviation, "lifetime_days_std_sample");
            let power = |key: &str| row["claim"][key].as_str().map_or(0, |text| text.parse().unwrap());
            assert_eq!((claim.rbp.0, claim.qap.0), (power("raw"), power("qa")), "{at}: claim");
        }
    }
    assert!(
        days + 1 >= lines(&format!("{name}.daily.jsonl")).len() && days > 0,
        "{name}: {days} days compared"
    );
}

#[test]
fn tiny_is_read_as_it_happened() {
    holds("tiny");
}

#[test]
fn small_is_read_as_it_happened() {
    holds("small");
}

#[test]
fn edge_is_read_as_it_happened() {
    holds("edge");
}

#[test]
fn long_is_read_as_it_happened() {
    holds("long");
}

#[test]
fn large_is_read_as_it_happened() {
    holds("large");
}
