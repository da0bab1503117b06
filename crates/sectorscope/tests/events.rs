//! What `events` prints, line by line, against chains whose every event is known.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use common::http::Object;
use common::outside::{has_program, shared};
use common::truth::{day_of, is_event, moved, number, text};
use common::{LOGGED, PROGRAM, lines, program, run_in, sample};
use serde_json::Value;

/// The keys of a line, and the columns of CSV.
const KEYS: [&str; 21] = [
    "epoch",
    "miner",
    "sector",
    "kind",
    "cause",
    "sector_size",
    "qap_before",
    "qap_after",
    "activation",
    "expiration_before",
    "expiration_after",
    "content_before",
    "content_after",
    "pledge_before",
    "pledge_after",
    "message",
    "method",
    "message_sectors",
    "daily_fee_before",
    "daily_fee_after",
    "uncertain",
];

fn events(car: &Path, data: &Path, more: &[&str]) -> String {
    let mut arguments = vec!["events", "--car", car.to_str().unwrap()];
    arguments.extend(more);
    run_in(data, &arguments).printed()
}

/// A line of ours for a line of the truth.
fn line_of(event: &Value, sectors_of: &BTreeMap<&str, BTreeSet<i128>>) -> String {
    let (kind, cause) = kind_and_cause(event);
    let qap = text(event, "qap").or(text(event, "rbp")).map(str::to_owned);
    let expiration = number(event, "expiration");
    let content = content(event, "deal_weight", "verified_deal_weight");
    let same = (qap.clone(), expiration, content);
    let old = (
        text(event, "old_qap").map(str::to_owned),
        number(event, "old_expiration"),
        self::content(event, "old_deal_weight", "old_verified_deal_weight"),
    );
    let nothing = (None, None, None);
    let (before, after) = match kind {
        "precommit" | "onboard" => (nothing, same),
        "precommit_expired" | "terminate" | "expire" => (same, nothing),
        "snap" | "extend" | "adjust" => (old, same),
        _ => (same.clone(), same),
    };
    let message = text(event, "msg_cid").filter(|_| text(event, "cause") == Some("message"));
    let values = [
        bare(number(event, "tipset_height")),
        quoted(text(event, "miner")),
        bare(number(event, "sector")),
        quoted(Some(kind)),
        quoted(cause),
        quoted(Some(&number(event, "sector_size").unwrap().to_string())),
        quoted(before.0.as_deref()),
        quoted(after.0.as_deref()),
        bare(number(event, "activation")),
        bare(before.1),
        bare(after.1),
        quoted(before.2),
        quoted(after.2),
        quoted(before.2.map(|_| UNTOLD)),
        quoted(after.2.map(|_| UNTOLD)),
        quoted(message),
        bare(number(event, "method_num").filter(|_| message.is_some())),
        bare(message.map(|message| i128::try_from(sectors_of[message].len()).unwrap())),
        quoted(before.2.map(|_| UNTOLD)),
        quoted(after.2.map(|_| UNTOLD)),
        "false".to_owned(),
    ];
    line(&values)
}

/// What the truth's weights make of a sector; nothing of a pre-commit, which has none.
fn content(event: &Value, deals: &str, verified: &str) -> Option<&'static str> {
    Some(match (number_of(event, deals)? > 0, number_of(event, verified)? > 0) {
        (_, true) => "verified",
        (true, false) => "deals",
        (false, false) => "cc",
    })
}

fn number_of(event: &Value, key: &str) -> Option<i128> {
    text(event, key)?.parse().ok()
}

/// Stands for a pledge and for a daily fee in lines of the truth, which does not have them for events.
const UNTOLD: &str = "untold";

/// The least pledge in attoFIL.
const PLEDGES: &[(&str, i128)] = &[("pledge_before", 1), ("pledge_after", 1)];
/// The least daily fee in attoFIL.
const FEES: &[(&str, i128)] = &[("daily_fee_before", 0), ("daily_fee_after", 0)];

/// A printed line with every amount of these keys, if it is no less than the least, replaced by what stands for it in the
/// truth.
fn without(amounts: &[(&str, i128)], line: &str) -> String {
    let mut line = line.to_owned();
    for (key, least) in amounts {
        let key = format!("\"{key}\":\"");
        let Some(begin) = line.find(&key).map(|at| at + key.len()) else { continue };
        let end = begin + line[begin..].find('"').unwrap();
        assert!(line[begin..end].parse::<i128>().is_ok_and(|amount| amount >= *least), "{line}");
        line.replace_range(begin..end, UNTOLD);
    }
    line
}

fn line(values: &[String; KEYS.len()]) -> String {
    let entries: Vec<String> =
        KEYS.iter().zip(values).map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", entries.join(","))
}

fn quoted(value: Option<&str>) -> String {
    value.map_or("null".to_owned(), |value| format!("\"{value}\""))
}

fn bare(value: Option<i128>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string())
}

/// The truth's names under those of the definitions.
fn kind_and_cause(event: &Value) -> (&str, Option<&str>) {
    let method = number(event, "method_num");
    match text(event, "event").unwrap() {
        "precommit_single" | "precommit_batch" => {
            ("precommit", Some(if method == Some(6) { "single" } else { "batch" }))
        }
        "activated" => ("onboard", Some(if method == Some(36) { "non_interactive" } else { "batch" })),
        "snapped" => ("snap", None),
        "extended" if moved(event) => ("extend", None),
        "extended" => ("adjust", Some("extension")),
        "faulted" => (
            "fault",
            Some(text(event, "reason").unwrap()).map(|why| why.strip_suffix("_post").unwrap_or(why)),
        ),
        "recovered" => ("recover", None),
        "terminated_active" => ("terminate", Some("active")),
        "terminated_passive" => ("terminate", Some("passive")),
        "expired" => ("expire", Some("on_time")),
        other => (other, None),
    }
}

/// The lines of the sectors that stand in the first state, which to a reader is genesis.
fn genesis_lines(sectors: &[Value]) -> Vec<String> {
    let mut standing: Vec<&Value> = sectors
        .iter()
        .filter(|sector| matches!(text(sector, "status"), Some("active" | "faulty" | "unproven")))
        .collect();
    // Miners of the chains all have four digits: their order as texts is their order as numbers.
    standing.sort_by_key(|sector| (text(sector, "miner"), number(sector, "sector")));
    let null = || "null".to_owned();
    let line = |sector: &&Value| {
        line(&[
            "0".to_owned(),
            quoted(text(sector, "miner")),
            bare(number(sector, "sector")),
            quoted(Some("onboard")),
            quoted(Some("genesis")),
            quoted(Some(&number(sector, "sector_size").unwrap().to_string())),
            null(),
            quoted(text(sector, "qap")),
            bare(number(sector, "activation")),
            null(),
            bare(number(sector, "expiration")),
            null(),
            quoted(content(sector, "deal_weight", "verified_deal_weight")),
            null(),
            quoted(text(sector, "initial_pledge")),
            null(),
            null(),
            null(),
            null(),
            quoted(Some(UNTOLD)),
            "false".to_owned(),
        ])
    };
    standing.iter().map(line).collect()
}

fn printed_as_they_happened(name: &str) {
    let Some(car) = shared(&format!("data/{name}.car.zst")) else { return };
    let truth = lines(&car.with_file_name(format!("{name}.events.jsonl")));
    let truth: Vec<&Value> = truth.iter().filter(|event| is_event(event)).collect();
    let mut sectors_of: BTreeMap<&str, BTreeSet<i128>> = BTreeMap::new();
    for event in &truth {
        if let (Some(message), Some(sector)) = (text(event, "msg_cid"), number(event, "sector")) {
            sectors_of.entry(message).or_default().insert(sector);
        }
    }
    let start = car.with_file_name(format!("{name}.sectors-start.jsonl"));
    let mut expected = if start.exists() { genesis_lines(&lines(&start)) } else { Vec::new() };
    expected.extend(truth.iter().map(|event| line_of(event, &sectors_of)));

    let data = tempfile::tempdir().unwrap();
    let printed = events(&car, data.path(), &["--format", "ndjson"]);
    // Where the truth does not say what was in the first state, that is not compared.
    let printed: String =
        printed.split_inclusive('\n').filter(|line| start.exists() || !line.contains("genesis")).collect();
    for (at, (found, expected)) in printed.lines().zip(&expected).enumerate() {
        // Of the sectors in the first state, the truth has the pledge.
        let recorded = expected.contains("genesis");
        let found = without(FEES, found);
        let found = if recorded { found } else { without(PLEDGES, &found) };
        assert_eq!(&found, expected, "{name}: line {at}");
    }
    assert_eq!(printed.lines().count(), expected.len(), "{name}: number of lines");
    assert!(printed.ends_with('\n'), "{name}: the last line ends");
}

#[test]
fn the_events_of_tiny_are_printed_as_they_happened() {
    printed_as_they_happened("tiny");
}

#[test]
fn the_events_of_small_are_printed_as_they_happened() {
    printed_as_they_happened("small");
}

#[test]
fn the_events_of_edge_are_printed_as_they_happened() {
    ["edge-1", "edge-2", "edge-3"].into_iter().for_each(printed_as_they_happened);
}

#[test]
fn the_events_of_long_are_printed_as_they_happened() {
    printed_as_they_happened("long");
}

#[test]
fn miner_and_day_choose_among_the_events() {
    let data = tempfile::tempdir().unwrap();
    let all = events(&sample(), data.path(), &["--format", "ndjson"]);
    let all: Vec<(&str, Value)> =
        all.lines().map(|line| (line, serde_json::from_str(line).unwrap())).collect();
    for (miner, day) in [
        (Some("f0113"), None),
        (Some("t0113"), None),
        (None, Some("2026-07-13")),
        (Some("f0113"), Some("2026-07-13")),
        (None, Some("2026-06-12")),
        (None, Some("2027-01-19")),
        (Some("f01"), None),
        (None, Some("2022-10-01")),
    ] {
        let of_miner = |event: &Value| {
            miner.is_none_or(|miner| event["miner"].as_str() == Some(&miner.replace("t0", "f0")))
        };
        let of_day =
            |event: &Value| day.is_none_or(|day| day_of(event["epoch"].as_i64().unwrap()).to_string() == day);
        let expected: Vec<&str> =
            all.iter().filter(|(_, event)| of_miner(event) && of_day(event)).map(|(line, _)| *line).collect();
        let mut arguments = vec!["--format", "ndjson"];
        arguments.extend(miner.iter().flat_map(|miner| ["--miner", miner]));
        arguments.extend(day.iter().flat_map(|day| ["--day", day]));
        let printed = events(&sample(), data.path(), &arguments);
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected, "{miner:?} {day:?}");
        let some = !matches!((miner, day), (Some("f01"), _) | (_, Some("2022-10-01")));
        assert_eq!(!expected.is_empty(), some, "{miner:?} {day:?}: the test asks for something");
    }
}

#[test]
fn csv_has_the_columns_and_values_of_the_lines_of_json() {
    let data = tempfile::tempdir().unwrap();
    let json = events(&sample(), data.path(), &["--format", "ndjson"]);
    let csv = events(&sample(), data.path(), &["--format", "csv"]);
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), &KEYS[..]);
    let mut records = reader.records();
    for line in json.lines() {
        let object = Object::parse(line);
        assert_eq!(object.keys(), KEYS);
        let expected: Vec<&str> = object
            .0
            .iter()
            .map(|(_, value)| if value == "null" { "" } else { value.trim_matches('"') })
            .collect();
        assert_eq!(records.next().unwrap().unwrap(), expected);
    }
    assert!(records.next().is_none());
}

#[test]
fn without_any_event_csv_still_has_its_header() {
    let data = tempfile::tempdir().unwrap();
    let csv = events(&sample(), data.path(), &["--format", "csv", "--miner", "f01"]);
    assert_eq!(csv, format!("{}\n", KEYS.join(",")));
}

#[test]
fn in_a_pipe_the_table_is_aligned_and_plain() {
    let data = tempfile::tempdir().unwrap();
    let table = events(&sample(), data.path(), &["--day", "2026-07-13"]);
    assert!(!table.contains('\u{1b}'), "no ANSI escapes");
    let count =
        events(&sample(), data.path(), &["--day", "2026-07-13", "--format", "ndjson"]).lines().count();
    assert_eq!(table.lines().count(), count + 1, "a header and a line for each event");
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    let expected = ["day", "epoch", "miner", "sector", "event", "size", "QAP", "expiration", "message"];
    assert_eq!(header, expected);
    assert_eq!(fields(&table), header.len(), "columns stand under each other:\n{table}");
}

/// How many columns stand apart: runs of text between places where two spaces go through all lines.
fn fields(table: &str) -> usize {
    let rows: Vec<Vec<char>> = table.lines().map(|line| line.chars().collect()).collect();
    let width = rows.iter().map(Vec::len).max().unwrap_or_default();
    let blank = |at: usize| rows.iter().all(|row| row.get(at).is_none_or(|char| *char == ' '));
    let gap = |at: usize| blank(at) && blank(at + 1);
    (0..width).filter(|at| !blank(*at) && (*at == 0 || *at == 1 || gap(at - 2))).count()
}

#[test]
fn a_pipe_that_closes_early_ends_it_quietly() {
    let data = tempfile::tempdir().unwrap();
    if !has_program("bash") {
        return;
    }
    for format in ["ndjson", "csv", "table"] {
        let script = r#"set -o pipefail; "$0" events --car "$1" --data "$2" --format "$3" | head -1"#;
        let output = Command::new("bash")
            .args(["-c", script, PROGRAM])
            .arg(sample())
            .arg(data.path())
            .arg(format)
            .env("RUST_LOG", LOGGED)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{format}");
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{format}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let data = tempfile::tempdir().unwrap();
    let mut child = program()
        .args(["events", "--format", "ndjson", "--car"])
        .arg(sample())
        .arg("--data")
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with(r#"{"epoch":"#), "{first}");
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}
