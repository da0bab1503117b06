//! The crates depend on each other as the architecture says, and the two that hold the rules stay light.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on, by `docs/ARCHITECTURE.md`.
const ARROWS: [(&str, &[&str]); 6] = [
    ("chain", &[]),
    ("ledger", &["chain"]),
    ("lake", &["chain", "ledger"]),
    ("ingest", &["chain", "ledger", "lake"]),
    ("api", &["chain", "ledger", "lake"]),
    ("sectorscope", &["chain", "ledger", "lake", "ingest", "api"]),
];

/// What `chain` and `ledger` must not pull in, by how names begin.
const HEAVY: [&str; 9] =
    ["datafusion", "arrow", "parquet", "deltalake", "delta", "tokio", "axum", "fil_actor", "object_store"];

/// More packages than this and they no longer compile in seconds.
const MOST_PACKAGES: usize = 80;

/// The platform this runs on: what only others need may never have been fetched.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--offline",
            "--filter-platform",
            &host(),
            "--manifest-path",
        ])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn short(name: &str) -> &str {
    name.strip_prefix("sectorscope-").unwrap_or(name)
}

#[test]
fn no_arrow_between_the_crates_points_back() {
    let metadata = metadata();
    let members: BTreeSet<&str> =
        metadata["workspace_members"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let packages: BTreeMap<&str, &Value> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| members.contains(package["id"].as_str().unwrap()))
        .map(|package| (short(package["name"].as_str().unwrap()), package))
        .collect();
    assert_eq!(packages.keys().copied().collect::<BTreeSet<_>>(), ARROWS.map(|(name, _)| name).into());
    for (name, allowed) in ARROWS {
        for dependency in packages[name]["dependencies"].as_array().unwrap() {
            let to = short(dependency["name"].as_str().unwrap());
            let ours = packages.contains_key(to) && dependency["kind"] != "dev";
            assert!(!ours || allowed.contains(&to), "{name} must not depend on {to}");
        }
    }
}

#[test]
fn chain_and_ledger_pull_in_nothing_heavy() {
    let metadata = metadata();
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let names: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> =
        names.iter().filter(|(_, name)| **name == "sectorscope-ledger").map(|(id, _)| *id).collect();
    while let Some(id) = next.pop() {
        if !reached.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            // A kind of null is a normal dependency; build scripts and tests do not count.
            if dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null()) {
                next.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    let reached: BTreeSet<&str> = reached.iter().map(|id| names[id]).collect();
    assert!(reached.contains("sectorscope-chain"));
    for name in &reached {
        assert!(!HEAVY.iter().any(|heavy| name.starts_with(heavy)), "ledger pulls in {name}");
    }
    assert!(reached.len() <= MOST_PACKAGES, "{} packages: {reached:?}", reached.len());
}

/// The test functions of all crates, by name.
fn tests_below(folder: &std::path::Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            if entry.file_name() != "target" {
                tests_below(&path, found);
            }
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let names = text.lines().filter_map(|line| {
                let line = line.trim_start();
                let line = line.strip_prefix("async ").unwrap_or(line);
                Some(line.strip_prefix("fn ")?.split_once("()")?.0.to_owned())
            });
            found.extend(names);
        }
    }
}

#[test]
fn every_test_that_the_page_on_security_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut tests = BTreeSet::new();
    tests_below(&root.join("crates"), &mut tests);
    // Names of tests are the longest words of the page; commands and columns have fewer parts.
    let named: Vec<_> =
        page.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() >= 3).collect();
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        assert!(tests.contains(name), "SECURITY.md names a test that is not there: {name}");
    }
}
