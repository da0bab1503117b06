//! What `sql` answers, and what it does not let itself be asked.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use common::data::{data, files};
use common::{Ran, program, run_in};
use serde_json::{Value, json};

fn ask(statement: &str, more: &[&str]) -> Ran {
    run_in(data(), &[&["sql", statement], more].concat())
}

fn csv(statement: &str) -> String {
    ask(statement, &["--format", "csv"]).printed()
}

#[test]
fn the_tables_add_up_to_what_the_endpoints_show() {
    let counted = csv("SELECT count(*) AS events, count(DISTINCT message) > 100 AS many FROM sector_events");
    assert_eq!(counted, "events,many\n7485,true\n");
    assert_eq!(csv("SELECT count(DISTINCT stat_date) AS days FROM sp_sector_daily"), "days\n222\n");
    let day = "stat_date = (SELECT max(stat_date) FROM progress)";
    let total =
        csv(&format!("SELECT miner_id, total_sector_qap FROM sp_sector_daily WHERE {day} ORDER BY 1"));
    let stats = run_in(data(), &["stats", "total", "--format", "csv"]).printed();
    let expected: Vec<String> = stats
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect::<Vec<_>>())
        .map(|cells| format!("{},{}", cells[1].trim_start_matches("f0"), cells[7]))
        .collect();
    assert_eq!(total.lines().skip(1).collect::<Vec<_>>(), expected);
    let differing =
        "SELECT count(*) AS n FROM reconciliation WHERE difference_rbp <> 0 OR difference_qap <> 0";
    assert_eq!(csv(differing), "n\n0\n");
}

#[test]
fn days_are_chosen_by_date_alone_and_an_empty_answer_has_its_header() {
    let onboarded = |of: &str| csv(&format!("SELECT count(*) AS n FROM sector_events WHERE {of}"));
    let day = onboarded("stat_date = '2026-07-13' AND kind = 'onboard'");
    assert_eq!(day, onboarded("stat_date >= '2026-07-13' AND stat_date < '2026-07-14' AND kind = 'onboard'"));
    assert_ne!(day, "n\n0\n");
    assert_eq!(onboarded("stat_date < '2026-06-12' OR stat_date > '2027-01-19'"), "n\n0\n");
    let plan = csv("EXPLAIN SELECT * FROM progress WHERE stat_date = '2026-09-20'");
    assert_eq!(plan.matches(".parquet").count(), 1, "{plan}");
    assert_eq!(csv("SELECT stat_date FROM progress WHERE false"), "stat_date\n");
    assert_eq!(ask("SELECT 1 AS a WHERE false", &["--format", "json"]).printed(), "[]\n");
    assert_eq!(ask("SELECT 1 AS a WHERE false", &["--format", "ndjson"]).printed(), "");
}

#[test]
fn every_format_tells_the_same_and_wide_integers_stay_exact() {
    // More than 2^64 and than 2^53: what many readers of JSON would round.
    let wide = "SELECT 12345678901234567890123456789012345678::DECIMAL(38, 0) AS wide";
    let wide =
        wide.replace("12345678901234567890123456789012345678", "'12345678901234567890123456789012345678'");
    assert_eq!(csv(&wide), "wide\n12345678901234567890123456789012345678\n");
    let object = json!({"wide": "12345678901234567890123456789012345678"});
    let line = ask(&wide, &["--format", "ndjson"]).printed();
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), object);
    let sum = "SELECT sum(qap_after) * 100000000 AS wide FROM sector_events WHERE kind = 'onboard'";
    let lines = csv(sum);
    let sum_in_json: Value = serde_json::from_str(&ask(sum, &["--format", "json"]).printed()).unwrap();
    let digits = sum_in_json[0]["wide"].as_str().unwrap();
    assert_eq!(lines, format!("wide\n{digits}\n"));
    assert!(digits.parse::<i128>().unwrap() > 1 << 64, "{digits}");

    let mixed = "SELECT 9223372036854775807 AS whole, 0.1::DOUBLE + 2.9 AS part, 'a\"b' AS text, \
                 NULL AS absent, DATE '2026-09-20' AS day, [1.5, NULL] AS list, f0(107) AS miner";
    let row = json!([{
        "whole": 9_223_372_036_854_775_807_i64, "part": 3, "text": "a\"b", "absent": null,
        "day": "2026-09-20", "list": [1.5, null], "miner": "f0107",
    }]);
    let text = ask(mixed, &["--format", "json"]).printed();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), row);
    assert!(text.contains(r#""part":3,"#), "doubles as in /v2: {text}");
    let header = "whole,part,text,absent,day,list,miner";
    assert_eq!(
        csv(mixed),
        format!("{header}\n9223372036854775807,3,\"a\"\"b\",,2026-09-20,\"[1.5, ]\",f0107\n")
    );
    assert_eq!(ask("SELECT 1 AS one, 'a' AS letter", &[]).printed(), " one  letter\n   1  a\n");
}

#[test]
fn arrow_is_a_stream_and_a_statement_may_come_from_stdin() {
    let mut child = program()
        .args(["sql", "-", "--format", "arrow", "--data"])
        .arg(data())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT * FROM progress\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    // A stream begins with the mark of a message and ends with an empty one.
    assert!(output.stdout.starts_with(&[0xff; 4]));
    assert!(output.stdout.ends_with(&[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
}

#[test]
fn a_table_shows_so_many_rows_and_says_that_there_are_more() {
    let ran = ask("SELECT value FROM generate_series(1, 1000000)", &["--rows", "3"]);
    assert_eq!(ran.stdout, " value\n     1\n     2\n     3\n");
    assert_eq!(ran.stderr, "only the first 3 rows: more with --rows N, all with --format csv\n");
    assert_eq!(ran.code, Some(0));
    assert_eq!(ask("SELECT 1 AS a", &["--rows", "1"]).printed(), " a\n 1\n");
}

#[test]
fn a_mistake_is_named_with_what_could_have_been_meant() {
    for (statement, expected) in [
        ("SELECT foo FROM progress", "No field named foo. Valid fields are progress.stat_date"),
        ("SELECT miner FROM reconciliation", "No field named miner."),
        ("SELECT miner_idd FROM reconciliation", "Did you mean 'reconciliation.miner_id'?"),
        ("SELECT * FROM events", "table 'events' not found; there are sector_events, "),
        ("SELEC 1", "Expected: an SQL statement, found: SELEC at Line: 1, Column: 1"),
        ("", "No SQL statements were provided"),
        ("SELECT 1; SELECT 2", "single SQL statement"),
        ("SELECT 1 / 0", "Divide by zero"),
        ("SELECT uper(source) FROM progress", "Did you mean 'upper'?"),
    ] {
        let ran = ask(statement, &[]);
        assert!(ran.error().contains(expected), "{statement}: {}", ran.stderr);
    }
    let nowhere = tempfile::tempdir().unwrap();
    let ran = run_in(nowhere.path(), &["sql", "SELECT 1"]);
    assert!(ran.error().contains("there is no lake here yet"), "{}", ran.stderr);
}

/// Statements that write, reach outside the lake or change how it is asked, each with what is said.
fn attempts(secret: &str, target: &str) -> Vec<(String, &'static str)> {
    const READING: &str = "only reading is allowed: SELECT";
    const NO_TABLE: &str = "not found; there are sector_events";
    let attempts = [
        ("CREATE TABLE mine AS SELECT * FROM progress", READING),
        ("CREATE TABLE mine (a INT)", READING),
        ("CREATE OR REPLACE TABLE progress AS SELECT 1", READING),
        ("CREATE VIEW mine AS SELECT * FROM progress", READING),
        ("CREATE DATABASE mine", READING),
        ("CREATE SCHEMA mine", READING),
        ("CREATE INDEX i ON progress (stat_date)", READING),
        ("CREATE FUNCTION mine(INT) RETURNS INT RETURN $1", READING),
        ("CREATE EXTERNAL TABLE mine STORED AS CSV LOCATION '{secret}'", READING),
        ("CREATE EXTERNAL TABLE mine STORED AS PARQUET LOCATION '{target}'", READING),
        ("DROP TABLE sector_events", READING),
        ("DROP TABLE IF EXISTS mine", READING),
        ("DROP VIEW progress", READING),
        ("DROP SCHEMA lake CASCADE", READING),
        ("DROP FUNCTION f0", READING),
        ("INSERT INTO progress SELECT * FROM progress", READING),
        ("INSERT OVERWRITE progress SELECT * FROM progress", READING),
        ("DELETE FROM progress", READING),
        ("UPDATE progress SET source = 'mine'", READING),
        ("TRUNCATE TABLE progress", READING),
        ("WITH a AS (SELECT 1) INSERT INTO progress SELECT * FROM progress", "not implemented"),
        ("COPY progress TO '{target}'", READING),
        ("COPY (SELECT * FROM progress) TO '{target}' STORED AS PARQUET", READING),
        ("EXPLAIN COPY progress TO '{target}'", READING),
        ("EXPLAIN ANALYZE COPY progress TO '{target}'", READING),
        ("EXPLAIN ANALYZE INSERT INTO progress SELECT * FROM progress", READING),
        ("SET datafusion.execution.batch_size = 1", READING),
        ("SET datafusion.catalog.location = '/'", READING),
        ("SET datafusion.runtime.memory_limit = '100G'", READING),
        ("RESET datafusion.execution.batch_size", READING),
        ("BEGIN", "Unsupported"),
        ("COMMIT", READING),
        ("PREPARE mine AS SELECT 1", READING),
        ("EXECUTE mine", READING),
        ("DEALLOCATE mine", READING),
        ("ALTER TABLE progress RENAME TO mine", "Unsupported"),
        ("GRANT ALL ON progress TO mine", "Unsupported"),
        ("ATTACH DATABASE '{secret}' AS mine", "Unsupported"),
        ("LOAD '{secret}'", "Unsupported"),
        ("SELECT * FROM '{secret}'", NO_TABLE),
        ("SELECT * FROM \"{secret}\"", NO_TABLE),
        ("SELECT * FROM 'file://{secret}'", NO_TABLE),
        ("SELECT * FROM `{secret}`", NO_TABLE),
        ("SELECT * FROM 'lake://tables/progress/'", NO_TABLE),
        ("SELECT * FROM 's3://bucket/key.parquet'", NO_TABLE),
        ("DESCRIBE '{secret}'", NO_TABLE),
        ("SELECT * FROM read_csv('{secret}')", "table function 'read_csv' not found"),
        ("SELECT * FROM read_parquet('{secret}')", "table function 'read_parquet' not found"),
        ("SELECT * FROM parquet_metadata('{secret}')", "table function 'parquet_metadata' not found"),
        ("SELECT * FROM glob('{secret}')", "table function 'glob' not found"),
        ("SELECT pg_read_file('{secret}')", "Invalid function 'pg_read_file'"),
        ("SELECT load_extension('{secret}')", "Invalid function 'load_extension'"),
        ("SELECT 1; DROP TABLE sector_events", "single SQL statement"),
        ("SELECT 1 -- \n; DELETE FROM progress", "single SQL statement"),
    ];
    let fill = |text: &str| text.replace("{secret}", secret).replace("{target}", target);
    attempts.iter().map(|(statement, expected)| (fill(statement), *expected)).collect()
}

#[test]
fn nothing_but_reading_the_lake_can_be_asked() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.csv");
    std::fs::write(&secret, "a,b\n1,hidden\n").unwrap();
    let target = outside.path().join("out.parquet");
    let before = files(&data().join("lake"));
    for (statement, expected) in attempts(secret.to_str().unwrap(), target.to_str().unwrap()) {
        let ran = ask(&statement, &["--format", "csv"]);
        assert!(ran.error().contains(expected), "{statement}: {}", ran.stderr);
        assert!(!ran.stderr.contains("hidden"), "{statement}: {}", ran.stderr);
    }
    assert_eq!(files(outside.path()).len(), 1, "nothing was written beside the lake");
    assert_eq!(files(&data().join("lake")), before, "the lake is as it was, byte for byte");
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema <> 'information_schema' ORDER BY 1";
    assert_eq!(
        csv(tables),
        "table_name\nprogress\nreconciliation\nsector_events\nsp_sector_daily\nsp_sector_history\n"
    );
}

/// Asks with a directory for temporary files of its own, which must be empty afterwards.
fn ask_spilling(statement: &str, more: &[&str]) -> (Ran, Duration) {
    let temporary = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let output = program()
        .args(["sql", statement, "--format", "csv"])
        .args(more)
        .arg("--data")
        .arg(data())
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let took = started.elapsed();
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{statement}: temporary files stay");
    (output.into(), took)
}

#[test]
fn a_question_ends_at_its_time() {
    for statement in [
        "SELECT count(*) FROM sector_events a, sector_events b, sector_events c WHERE a.epoch + b.epoch < c.epoch",
        "SELECT sum(value) FROM generate_series(1, 1000000000000)",
        "SELECT value FROM generate_series(1, 1000000000000)",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        "SELECT a.message, b.sector FROM sector_events a, sector_events b ORDER BY b.message, a.qap_after",
    ] {
        let (ran, took) = ask_spilling(statement, &["--time", "1"]);
        let expected = "took longer than 1 s; ask for less, or allow it more with --time SECONDS";
        assert!(ran.error().contains(expected), "{statement}: {}", ran.stderr);
        assert!(took < Duration::from_secs(15), "{statement}: {took:?}");
    }
}

#[test]
fn a_question_ends_at_its_memory_and_its_temporary_files() {
    let grouped = "SELECT a.message, b.message, count(*) FROM sector_events a, sector_events b GROUP BY 1, 2";
    let sorted =
        "SELECT a.message, b.sector FROM sector_events a, sector_events b ORDER BY a.message, b.qap_after";
    let held = "SELECT length(repeat('x', 2000000000)) + length(repeat('y', 2000000000))";
    for (statement, limit, expected) in [
        (grouped, ["--memory", "1"], "allow it more with --memory MIB or --spill MIB"),
        (sorted, ["--spill", "1"], "allow it more with --memory MIB or --spill MIB"),
        (held, ["--memory", "64"], "allow it more with --memory MIB"),
    ] {
        let (ran, _) = ask_spilling(
            statement,
            &[&limit[..], &["--memory", "16"][..usize::from(limit[0] == "--spill") * 2]].concat(),
        );
        assert!(ran.error().contains(expected), "{statement}: {}", ran.stderr);
    }
    let long = format!("SELECT {}", "1+".repeat(70_000));
    let mut child = start(&["sql", "-"]);
    child.stdin.take().unwrap().write_all(long.as_bytes()).unwrap();
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert!(ran.error().contains("the statement is longer than 131072 bytes"), "{}", ran.stderr);
}

fn start(arguments: &[&str]) -> Child {
    let mut command = program();
    command.args(arguments).arg("--data").arg(data());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn an_interrupted_question_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let endless =
        "SELECT a.message FROM sector_events a, sector_events b, sector_events c ORDER BY c.message";
    for signal in ["INT", "TERM"] {
        let child = program()
            .args(["sql", endless, "--data"])
            .arg(data())
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It is at work once its directory is there.
        while std::fs::read_dir(temporary.path()).unwrap().count() == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        common::signal(child.id(), signal);
        let ran = Ran::from(child.wait_with_output().unwrap());
        assert!(ran.error().contains("stopped before the answer was whole"), "{signal}: {}", ran.stderr);
        assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "{signal}");
    }
}

#[test]
fn whoever_has_read_enough_is_no_error() {
    let mut child = start(&["sql", "SELECT value FROM generate_series(1, 100000000)", "--format", "ndjson"]);
    let mut first = [0; 12];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"{\"value\":1}\n");
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn files_are_those_of_the_published_version() {
    let listed = run_in(data(), &["files", "--format", "json"]).printed();
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed["first_day"], &listed["last_day"]), (&json!("2026-06-12"), &json!("2027-01-19")));
    let mut rows: BTreeMap<String, u64> = BTreeMap::new();
    for file in listed["files"].as_array().unwrap() {
        let path = PathBuf::from(file["path"].as_str().unwrap());
        assert!(path.is_absolute());
        assert_eq!(path.metadata().unwrap().len(), file["size"].as_u64().unwrap());
        *rows.entry(file["table"].as_str().unwrap().to_owned()).or_default() +=
            file["rows"].as_u64().unwrap();
    }
    for (table, rows) in rows {
        assert_eq!(
            csv(&format!("SELECT count(*) + 0 * max(length(stat_date::VARCHAR)) AS n FROM {table}")),
            format!("n\n{rows}\n"),
            "{table}"
        );
    }
    let some = run_in(
        data(),
        &["files", "--format", "json", "--table", "progress", "--from", "2026-09-20", "--to", "2026-09-21"],
    );
    let some: Value = serde_json::from_str(&some.printed()).unwrap();
    let days = |file: &Value| {
        (
            file["table"].clone(),
            file["first_day"].as_str().unwrap() <= "2026-09-21",
            file["last_day"].as_str().unwrap() >= "2026-09-20",
        )
    };
    let some = some["files"].as_array().unwrap();
    assert!(
        !some.is_empty() && some.iter().all(|file| days(file) == (json!("progress"), true, true)),
        "{some:?}"
    );
    for (arguments, expected) in [
        (["--table", "nope"], "there is no table nope; there are sector_events"),
        (["--from", "2026-06-11"], "2026-06-11 is not closed; the closed days are 2026-06-12 to 2027-01-19"),
    ] {
        let ran = run_in(data(), &[&["files"], &arguments[..]].concat());
        assert!(ran.error().contains(expected), "{}", ran.stderr);
    }
    // Whoever asks for days gets the same answer about which there are.
    let backwards = ["--from", "2026-09-21", "--to", "2026-09-20"];
    for command in
        [&["files"][..], &["reconcile"], &["reconcile", "--deep"], &["stats", "total", "--miner", "f01000"]]
    {
        let ran = run_in(data(), &[command, &backwards].concat());
        assert!(ran.error().contains("2026-09-21") && ran.error().contains("2026-09-20"), "{}", ran.stderr);
    }
    assert!(run_in(data(), &["files"]).printed().contains("closed days 2026-06-12 to 2027-01-19"));
    assert!(
        Path::new(listed["files"][0]["path"].as_str().unwrap()).starts_with(data().canonicalize().unwrap())
    );
}
