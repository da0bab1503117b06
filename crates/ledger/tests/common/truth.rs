//! The truth recorded when a chain was made, and its comparison with what is read from the chain.

use std::collections::BTreeMap;

use chain::{Clock, Day, Epoch, MinerId, SectorNumber};
use ledger::{Cause, Event, Kind, Status};
use serde_json::Value;

use super::{Replay, lines, replay};

/// Chain by chain: each event and each day.
pub fn holds(name: &str) {
    if let Some(replay) = replay(name) {
        equals_the_truth(name, &replay);
    }
}

/// Chains that are parts of one: each event of each, and each day of all.
pub fn holds_in_parts(whole: &str, parts: &[&str]) {
    let replays: Vec<_> = parts.iter().filter_map(|part| Some((part, replay(part)?))).collect();
    let Some((_, Replay { clock, .. })) = replays.first() else { return };
    for (part, replay) in &replays {
        events_equal_the_truth(part, replay);
    }
    let events: Vec<Event> = replays.iter().flat_map(|(_, replay)| replay.events.clone()).collect();
    day_sums_equal_the_truth(whole, &events, *clock);
}

/// Each event and each day of a chain that was replayed.
pub fn equals_the_truth(name: &str, replay: &Replay) {
    events_equal_the_truth(name, replay);
    day_sums_equal_the_truth(name, &replay.events, replay.clock);
    balances_equal_the_truth(name, replay);
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

fn day_sums_equal_the_truth(name: &str, events: &[Event], clock: Clock) {
    type Sums = BTreeMap<(Day, String, String), (i128, i128, i128)>;
    let mut expected = Sums::new();
    for line in lines(&format!("{name}.daily_events.jsonl")) {
        if line["dated_by"] != "tipset" {
            continue;
        }
        for (event, count) in line["counts"].as_object().unwrap() {
            // `extended` also counts extensions that move no date, and the two ways to pre-commit are distinguished
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
    for event in events {
        let kind = match (event.kind, event.cause) {
            (Kind::Onboard, Some(Cause::Genesis)) | (Kind::Precommit | Kind::Extend | Kind::Adjust, _) => {
                continue;
            }
            (Kind::Terminate, Some(cause)) => format!("terminate {cause}"),
            (kind, _) => kind.to_string(),
        };
        let sum = found.entry((clock.day_of(event.epoch), event.miner.to_string(), kind)).or_default();
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

/// An event of the truth under the names of the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    pub height: Epoch,
    pub miner: MinerId,
    pub sector: SectorNumber,
    pub kind: &'static str,
    pub cause: Option<&'static str>,
    pub message: Option<String>,
    pub method: Option<u64>,
    pub qap: Option<i128>,
    pub activation: Option<i64>,
    pub expiration: Option<i64>,
    pub old_expiration: Option<i64>,
}

/// Maps a line of `.events.jsonl`; `None` for what is no event of ours.
pub fn truth(line: &Value) -> Option<Truth> {
    let text = |key: &str| line[key].as_str();
    let number = |key: &str| line[key].as_i64();
    let method = number("method_num");
    let (kind, cause) = match text("event").unwrap() {
        "precommit_single" | "precommit_batch" => {
            ("precommit", Some(if method == Some(6) { "single" } else { "batch" }))
        }
        "precommit_expired" => ("precommit_expired", None),
        "activated" => ("onboard", Some(if method == Some(36) { "non_interactive" } else { "batch" })),
        "proven" => ("proven", None),
        "snapped" => ("snap", None),
        // An extension that changes neither date nor power is no event.
        "extended" if number("expiration") == number("old_expiration") && text("qap") == text("old_qap") => {
            return None;
        }
        "extended" if number("expiration") == number("old_expiration") => ("adjust", Some("extension")),
        "extended" => ("extend", None),
        "faulted" => (
            "fault",
            Some(match text("reason").unwrap() {
                "declared" => "declared",
                "skipped" => "skipped",
                "missed_post" => "missed",
                "disputed" => "disputed",
                other => panic!("{other}"),
            }),
        ),
        "recovered" => ("recover", None),
        "terminated_active" => ("terminate", Some("active")),
        "terminated_passive" => ("terminate", Some("passive")),
        "expired" => ("expire", Some("on_time")),
        "provecommit_single"
        | "provecommit_batch"
        | "recovery_declared"
        | "recovery_failed"
        | "info_removed"
        | "extended_noop"
        | "partitions_compacted" => return None,
        other => panic!("unknown event {other}"),
    };
    let by_message = text("cause") == Some("message");
    Some(Truth {
        height: Epoch(number("tipset_height").unwrap()),
        miner: text("miner").unwrap().parse().unwrap(),
        sector: SectorNumber(line["sector"].as_u64().unwrap()),
        kind,
        cause,
        message: text("msg_cid").filter(|_| by_message).map(str::to_owned),
        method: method.filter(|_| by_message).and_then(|method| u64::try_from(method).ok()),
        // Where no QAP of a pre-commit was recorded, it is the size: there are no deals.
        qap: text("qap").or(text("precommit_qap")).or(text("rbp")).map(|qap| qap.parse().unwrap()),
        activation: number("activation"),
        expiration: number("expiration"),
        old_expiration: number("old_expiration").or(number("expiration")),
    })
}

/// One of our events in the same form.
pub fn ours(event: &Event) -> Truth {
    Truth {
        height: event.epoch,
        miner: event.miner,
        sector: event.sector,
        kind: event.kind.name(),
        cause: event.cause.map(ledger::Cause::name),
        message: event.message.as_ref().map(|message| message.cid.to_string()),
        method: event.message.as_ref().map(|message| message.method),
        qap: Some(event.qap().0),
        activation: event.activation.map(|epoch| epoch.0),
        expiration: event.expiration_after.or(event.expiration_before).map(|epoch| epoch.0),
        old_expiration: event.expiration_before.or(event.expiration_after).map(|epoch| epoch.0),
    }
}
