//! What `export` writes, and that it writes it whole or not at all.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::data::data;
use common::{Ran, endpoints, program, run, run_in, sample, signal};
use serde_json::Value;

fn export(arguments: &[&str]) -> Ran {
    run_in(data(), &[&["export"], arguments].concat())
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn rows_are_spelled_as_stats_spells_them() {
    for endpoint in endpoints() {
        let mut expected = String::new();
        for day in ["2026-09-20", "2026-09-21"] {
            let stats = run_in(data(), &["stats", &endpoint, "--date", day, "--format", "csv"]).printed();
            let skipped = if expected.is_empty() { 0 } else { stats.find('\n').unwrap() + 1 };
            expected.push_str(&stats[skipped..]);
        }
        let range = ["--from", "2026-09-20", "--to", "2026-09-21", "--columns", &endpoint];
        assert_eq!(export(&[&["rows", "--format", "csv"], &range[..]].concat()).printed(), expected);
    }
}

#[test]
fn events_are_those_of_the_chain_but_for_those_of_the_unfinished_day() {
    let lines =
        |text: &str| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).unwrap()).collect() };
    let mut exported = lines(&export(&["events", "--format", "ndjson"]).printed());
    let position = |event: &Value| (event["stat_date"].to_string(), event["position"].as_i64());
    exported.sort_by_key(position);
    let data = tempfile::tempdir().unwrap();
    let read = run_in(data.path(), &["events", "--car", sample().to_str().unwrap(), "--format", "ndjson"]);
    let read = lines(&read.printed());
    assert_eq!(exported.len(), 7485);
    for (exported, read) in exported.iter().zip(&read) {
        for (key, value) in read.as_object().unwrap() {
            let key = if key == "miner" { "miner_id" } else { key };
            assert_eq!(&exported[key], value, "{key} of {exported}");
        }
    }
}

#[test]
fn days_miners_and_columns_are_chosen() {
    let few = ["--from", "2026-07-01", "--to", "2026-07-03", "--miner", "f0110", "t0113", "--miner", "f0110"];
    let rows = export(
        &[&["rows", "--format", "csv", "--columns", "total_snap_qap,total_num_sector"], &few[..]].concat(),
    );
    let rows = rows.printed();
    let cells: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cells[0], ["stat_date", "miner_id", "total_snap_qap", "total_num_sector"]);
    let keys: Vec<(&str, &str)> = cells[1..].iter().map(|cells| (cells[0], cells[1])).collect();
    let expected: Vec<(&str, &str)> = ["2026-07-01", "2026-07-02", "2026-07-03"]
        .into_iter()
        .flat_map(|day| [(day, "f0110"), (day, "f0113")])
        .collect();
    assert_eq!(keys, expected, "in order");
    let events =
        export(&[&["events", "--format", "csv", "--columns", "kind,sector"], &few[..]].concat()).printed();
    assert!(events.starts_with("stat_date,miner_id,kind,sector\n"));
    let miners: BTreeSet<&str> = events.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    assert!(miners.is_subset(&BTreeSet::from(["f0110", "f0113"])), "{miners:?}");
    assert_eq!(
        export(&["events", "--format", "csv", "--miner", "f099", "--columns", "kind"]).printed(),
        "stat_date,miner_id,kind\n"
    );
    assert_eq!(export(&["rows", "--format", "ndjson", "--miner", "f018446744073709551615"]).printed(), "");
}

#[test]
fn what_cannot_be_exported_is_refused_with_what_can() {
    let there = tempfile::tempdir().unwrap();
    let file = there.path().join("there.csv");
    std::fs::write(&file, "mine").unwrap();
    let file = file.to_str().unwrap();
    let absent = there.path().join("no/file.csv");
    let closed = "is not closed; the closed days are 2026-06-12 to 2027-01-19";
    for (arguments, expected) in [
        (&["--from", "2026-06-11"][..], closed),
        (&["--to", "2027-01-20"], closed),
        (&["--from", "2027-01-20", "--to", "2027-01-21"], closed),
        (&["--from", "2026-09-21", "--to", "2026-09-20"], "2026-09-21 is after 2026-09-20"),
        (&["--columns", "fault_rbp"], "there is no column fault_rbp; there are the endpoints total, "),
        (&["--out", file], "is there already; replace it with --force"),
        (&["--out", there.path().to_str().unwrap(), "--force"], "is not a file"),
        (&["--out", absent.to_str().unwrap()], "check that its directory is there"),
    ] {
        let ran = export(&[&["rows", "--format", "csv"], arguments].concat());
        assert!(ran.error().contains(expected), "{arguments:?}: {}", ran.stderr);
    }
    let ran = export(&["events", "--format", "csv", "--columns", "total"]);
    assert!(
        ran.error().contains("there is no column total; there are stat_date, position, "),
        "{}",
        ran.stderr
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), "mine");
    assert_eq!(names(there.path()), ["there.csv"]);
    assert_eq!(run(["export", "rows"]).code, Some(2), "a format is asked for");
}

#[test]
fn a_file_is_written_with_the_same_bytes_as_a_pipe_and_replaced_only_by_force() {
    let there = tempfile::tempdir().unwrap();
    for (format, begins) in [("csv", &b"stat_date,"[..]), ("parquet", b"PAR1"), ("arrow", &[0xff; 4])] {
        let file = there.path().join(format);
        let path = file.to_str().unwrap();
        let arguments = ["export", "events", "--format", format];
        let piped = program().args(arguments).arg("--data").arg(data()).output().unwrap().stdout;
        assert!(piped.starts_with(begins), "{format}");
        let said = export(&["events", "--format", format, "--out", path]).printed();
        assert_eq!(said, format!("{path}: 7485 events\n"));
        assert_eq!(std::fs::read(&file).unwrap(), piped, "{format}");
        export(&["events", "--format", format, "--out", path, "--miner", "f099", "--force"]).printed();
        assert!(std::fs::metadata(&file).unwrap().len() < piped.len() as u64);
    }
    assert_eq!(names(there.path()), ["arrow", "csv", "parquet"], "nothing partial");
}

#[cfg(unix)]
#[test]
fn an_interrupted_export_leaves_nothing_half() {
    let there = tempfile::tempdir().unwrap();
    let target = there.path().join("events.ndjson");
    for name in ["INT", "TERM"] {
        let mut child = program()
            .args(["export", "events", "--format", "ndjson", "--out"])
            .arg(&target)
            .arg("--data")
            .arg(data())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        while names(there.path()).is_empty() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it began to write");
            std::thread::sleep(Duration::from_millis(1));
        }
        signal(child.id(), name);
        let ran = Ran::from(child.wait_with_output().unwrap());
        // It may have been quicker than the signal; then the file is whole.
        if ran.code == Some(0) {
            assert_eq!(names(there.path()), ["events.ndjson"]);
            std::fs::remove_file(&target).unwrap();
        } else {
            assert!(ran.error().contains("stopped before the export was whole"), "{}", ran.stderr);
            assert_eq!(names(there.path()), Vec::<String>::new());
        }
    }
}

#[test]
fn whoever_has_read_enough_is_no_error() {
    for format in ["csv", "ndjson", "parquet", "arrow"] {
        let mut child = program()
            .args(["export", "events", "--format", format, "--data"])
            .arg(data())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 4];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        drop(child.stdout.take());
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{format}");
    }
}
