//! What comes to a terminal: names of others, spelled out, and one line where something goes wrong.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;

use common::{Ran, run, run_in, sample};
use serde_json::Value;
use tempfile::TempDir;

/// Colours, a title for the window, a bell, and a forged line.
const NAME: &str = "e\u{1b}[31m\u{1b}]0;x\u{7}\nprogress  7\u{9b}2J\u{202e}.car.zst";
const SHOWN: &str = "e\\u{1b}[31m\\u{1b}]0;x\\u{7}\\nprogress  7\\u{9b}2J\\u{202e}.car.zst";

fn is_plain(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let found = text.chars().find(|of| (of.is_control() && *of != '\n') || *of == '\u{202e}');
        assert_eq!(found, None, "{text:?}");
    }
}

#[test]
fn names_of_others_do_nothing_to_a_terminal() {
    let folder = TempDir::new().unwrap();
    let (car, data) = (folder.path().join(NAME), folder.path().join("data"));
    fs::copy(sample(), &car).unwrap();
    let car = car.to_str().unwrap();
    let ingested = run_in(&data, &["ingest", "car", car, "-v"]);
    assert_eq!(ingested.code, Some(0), "{}", ingested.stderr);
    is_plain(&ingested);
    assert!(ingested.stdout.contains(SHOWN), "{}", ingested.stdout);

    let status = run_in(&data, &["status"]);
    is_plain(&status);
    let lines = status.stdout.lines().filter(|line| line.contains(SHOWN)).count();
    assert_eq!(lines, 1, "the source has one row: {}", status.stdout);
    assert_eq!(
        status.stdout.lines().filter(|line| line.trim_start().starts_with("progress")).count(),
        1,
        "{}",
        status.stdout
    );
    let exact: Value =
        serde_json::from_str(&run_in(&data, &["status", "--format", "json"]).printed()).unwrap();
    assert_eq!(exact["sources"][0]["source"], NAME);

    let question = "SELECT DISTINCT source FROM progress";
    let asked = run_in(&data, &["sql", question]);
    is_plain(&asked);
    assert!(asked.stdout.contains(SHOWN), "{}", asked.stdout);
    let exact = run_in(&data, &["sql", question, "--format", "json"]).printed();
    assert_eq!(serde_json::from_str::<Value>(&exact).unwrap()[0]["source"], NAME);
    // A plan comes in lines, as ever.
    let plan = run_in(&data, &["sql", &format!("EXPLAIN {question}")]).printed();
    assert!(plan.lines().count() > 6 && !plan.contains("\\n"), "{plan}");

    // In errors, too; of the file, and of the lake.
    let absent = folder.path().join(format!("no{NAME}"));
    for arguments in
        [vec!["car", "info"], vec!["car", "verify"], vec!["events", "--car"], vec!["ingest", "car"]]
    {
        let failed =
            run(arguments.into_iter().map(str::to_owned).chain([absent.to_str().unwrap().to_owned()]));
        is_plain(&failed);
        assert!(failed.error().contains("\\u{1b}"), "{}", failed.stderr);
    }
    let elsewhere = folder.path().join("x\u{1b}[2J");
    let failed = run_in(&elsewhere, &["status"]);
    is_plain(&failed);
    assert!(failed.error().contains("x\\u{1b}[2J"), "{}", failed.stderr);
}

#[test]
fn a_panic_within_a_question_is_an_error_in_one_line() {
    let folder = TempDir::new().unwrap();
    let car = sample();
    run_in(folder.path(), &["ingest", "car", car.to_str().unwrap(), "--no-compact"]).printed();
    let failed = run_in(folder.path(), &["sql", PANICS]);
    assert!(failed.error().contains("panicked"), "{}", failed.stderr);
}

/// The engine adds up how long the answer is, and that passes what it can count.
const PANICS: &str = "SELECT repeat('x', 100000000) FROM generate_series(1, 100)";
