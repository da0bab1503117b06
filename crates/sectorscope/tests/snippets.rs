//! The specification's own request snippets, run against the server as a client's program would be.
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

use common::endpoints;
use common::http::{Object, data};
use common::outside::{Kind, has_program, python, shared, skip};
use common::server::up;

/// The base address in the specification; nothing else in a snippet needs to change.
const BASE: &str = "https://api.spacescope.io";
/// Day and miner in the specification's snippets, long before the sample's first day.
const DATE: &str = "2022-10-01";
const MINER: &str = "f0110804";

/// One endpoint's section of the specification.
struct Section {
    endpoint: String,
    python: String,
    node: String,
    curl: String,
    /// The row of the example answer.
    example: Object,
}

/// The specification's sections; `None` where it is absent.
fn specification() -> Option<Vec<Section>> {
    let text = std::fs::read_to_string(shared("spec/sectors.md")?).unwrap();
    let sections: Vec<Section> = text.split("\n### ").skip(1).map(section).collect();
    let names: Vec<&str> = sections.iter().map(|section| section.endpoint.as_str()).collect();
    assert_eq!(names, endpoints(), "the specification's endpoints are the program's");
    Some(sections)
}

fn section(text: &str) -> Section {
    let fences: Vec<(&str, &str)> = text
        .split("```")
        .skip(1)
        .step_by(2)
        .map(|fence| fence.split_once('\n').expect("a language and code"))
        .collect();
    let fence = |language: &str, with: &str| {
        let found = fences.iter().find(|(name, code)| *name == language && code.contains(with));
        found.unwrap_or_else(|| panic!("no {language} with {with} in {text}")).1.to_owned()
    };
    let url = fence("js", "GET: /storage_provider/sector/");
    let rows = Object::parse_all(&data(&fence("Json", "request_id")));
    Section {
        endpoint: url.trim().rsplit('/').next().unwrap().to_owned(),
        python: fence("python", "requests"),
        node: fence("js", "require('request')"),
        curl: fence("curl", "curl"),
        example: rows.into_iter().next().expect("an example row"),
    }
}

/// Days and miners of the sample to ask for, another for each endpoint: where a lot happened, the first and last day.
const OF_THE_SAMPLE: [(&str, &str); 10] = [
    ("2026-06-12", "f0107"),
    ("2026-06-13", "f0110"),
    ("2026-07-13", "f0113"),
    ("2026-08-24", "f0116"),
    ("2026-09-20", "f0119"),
    ("2026-10-31", "f0122"),
    ("2026-11-01", "f0107"),
    ("2026-12-08", "f0110"),
    ("2026-12-31", "f0113"),
    ("2027-01-19", "f0116"),
];

/// Runs each snippet as it stands but for the address, and with day and miner of the sample.
fn answers(snippet: impl Fn(&Section) -> &str, run: impl Fn(&str) -> Output) {
    let Some(sections) = specification() else { return };
    let server = up();
    for (section, (date, miner)) in sections.iter().zip(OF_THE_SAMPLE) {
        let endpoint = &section.endpoint;
        let code = snippet(section);
        assert_eq!(code.matches(BASE).count(), 1, "{code}");
        let here = code.replace(BASE, &format!("http://{}", server.address));
        assert_eq!(data(&printed(run(&here))), "[]", "{endpoint} before the first day");

        assert!(code.contains(&format!("?state_date={DATE}&miner_id={MINER}")), "{code}");
        let printed = printed(run(&here.replace(DATE, date).replace(MINER, miner)));
        let rows = Object::parse_all(&data(&printed));
        let [row] = rows.as_slice() else { panic!("{endpoint}: one row expected: {printed}") };
        alike(row, &section.example, endpoint);
        assert_eq!(row.get("stat_date"), format!(r#""{date}T00:00:00Z""#), "{endpoint}");
        assert_eq!(row.get("miner_id"), format!(r#""{miner}""#), "{endpoint}");
    }
}

fn printed(output: Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "a snippet failed: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// Keys and their order are the example's, and so is the way values are written.
fn alike(row: &Object, example: &Object, endpoint: &str) {
    assert_eq!(row.keys(), example.keys(), "{endpoint}: keys and their order");
    for ((key, value), (_, shown)) in row.0.iter().zip(&example.0) {
        let statistic = key.starts_with("avg_") || key.starts_with("std_");
        if shown.starts_with('"') {
            assert!(value.starts_with('"'), "{endpoint}: {key} is {value}");
        } else if statistic {
            let number: f64 = value.parse().unwrap_or_else(|_| panic!("{endpoint}: {key} is {value}"));
            assert!(number.is_finite() && !value.contains(['e', 'E']) && !value.ends_with(".0"), "{value}");
        } else {
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            assert!(digits, "{endpoint}: {key} is {value}, not a bare integer");
        }
    }
}

/// A command that speaks to loopback directly, whatever proxies are set.
fn direct(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.env("no_proxy", "127.0.0.1").env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
    command
}

/// Whether a package can be loaded by that command; the test is skipped where it cannot.
fn loads(command: &mut Command, package: &str) -> bool {
    let loads = command.output().is_ok_and(|output| output.status.success());
    if !loads {
        skip(Kind::Programs, format_args!("{package} is not installed; checks/tools.sh installs it"));
    }
    loads
}

#[test]
fn the_python_snippets_run_with_only_the_address_changed() {
    let python = |code: &str| {
        let mut command = direct(python());
        command.args(["-c", code]);
        command
    };
    if loads(&mut python("import requests"), "Python's requests") {
        answers(|section| &section.python, |code| python(code).output().unwrap());
    }
}

#[test]
fn the_curl_snippets_run_with_only_the_address_changed() {
    if has_program("curl") && has_program("bash") {
        // curl shows its progress on stderr, the body on stdout.
        answers(|section| &section.curl, |code| direct("bash").args(["-c", code]).output().unwrap());
    }
}

#[test]
fn the_node_snippets_run_with_only_the_address_changed() {
    let node = |code: &str| {
        let mut command = direct("node");
        command.args(["-e", code]);
        command
    };
    if loads(&mut node("require('request')"), "Node's request") {
        answers(|section| &section.node, |code| node(code).output().unwrap());
    }
}

#[test]
fn without_day_and_miner_each_endpoint_gives_every_miner_of_the_newest_day() {
    let Some(sections) = specification() else { return };
    let server = up();
    for section in &sections {
        let endpoint = &section.endpoint;
        let rows = Object::parse_all(&server.ask(endpoint).data());
        let miners: Vec<&str> = rows.iter().map(|row| row.get("miner_id")).collect();
        let expected = [r#""f0107""#, r#""f0110""#, r#""f0113""#, r#""f0116""#, r#""f0119""#, r#""f0122""#];
        assert_eq!(miners, expected, "{endpoint}");
        for row in &rows {
            alike(row, &section.example, endpoint);
            assert_eq!(row.get("stat_date"), format!(r#""{}T00:00:00Z""#, server.days.end()), "{endpoint}");
        }
    }
}
