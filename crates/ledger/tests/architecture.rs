//! The crates depend on each other as the architecture says, and the two that hold the rules stay light.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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

/// The rooms of `crates/api/src`, a floor a line, from the top down. A file imports only from its own room and from floors
/// below it.
const API_FLOORS: [&[&str]; 9] = [
    &["lib", "serve"],
    &["docs"],
    &["v1"],
    &["v2", "gate", "ops"],
    &["state", "errors"],
    &["config"],
    &["rendered", "access", "telemetry"],
    &["http"],
    &["paths"],
];

/// The source files below a folder, by the path of their module: `v1::days`, or `v1` for `v1/mod.rs`.
fn source_files(root: &Path, folder: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            source_files(root, &path, found);
        } else if path.file_name().is_some_and(|name| name != "tests.rs") {
            let module = path.strip_prefix(root).unwrap().with_extension("");
            let names = module.iter().map(|name| name.to_str().unwrap()).filter(|name| *name != "mod");
            found.insert(names.collect::<Vec<_>>().join("::"), path);
        }
    }
}

/// The paths that a text names, outside comments and tests: in `use` declarations, with groups spelled out, and elsewhere
/// those that begin with `crate`.
fn used_paths(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut found = Vec::new();
    for statement in lines.join(" ").split(';') {
        match format!(" {statement}").split_once(" use ") {
            Some((_, tree)) => spell_out("", tree.trim(), &mut found),
            None => found.extend(statement.split("crate::").skip(1).map(|rest| {
                let end = rest.find(|letter: char| !letter.is_alphanumeric() && !"_:".contains(letter));
                format!("crate::{}", rest[..end.unwrap_or(rest.len())].trim_end_matches(':'))
            })),
        }
    }
    found
}

/// Spells a tree of imports out: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spell_out(before: &str, tree: &str, found: &mut Vec<String>) {
    let Some((head, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        found.push(format!("{before}{path}").trim_end_matches("::self").to_owned());
        return;
    };
    let group = group.rsplit_once('}').map_or(group, |(group, _)| group);
    let (mut depth, mut from) = (0, 0);
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = group[from..at].trim();
                from = (at + 1).min(group.len());
                if !part.is_empty() {
                    spell_out(&format!("{before}{}", head.trim()), part, found);
                }
            }
            _ => {}
        }
    }
}

/// The module that an import of another module comes from: the longest beginning of its path that is one.
fn origin(module: &str, import: &str, modules: &BTreeMap<String, PathBuf>) -> Option<String> {
    let mut at: Vec<&str> = module.split("::").collect();
    let mut names = import.split("::").peekable();
    match names.next()? {
        "crate" => at.clear(),
        "self" => {}
        "super" => {
            at.pop();
            while names.next_if_eq(&"super").is_some() {
                at.pop();
            }
        }
        // A child of the module, or of another crate.
        first => at.push(first),
    }
    at.extend(names);
    while !at.is_empty() {
        if let Some(found) = Some(at.join("::")).filter(|path| modules.contains_key(path)) {
            return Some(found).filter(|found| found != module);
        }
        at.pop();
    }
    None
}

#[test]
fn no_import_inside_api_goes_upwards_and_no_files_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/src");
    let mut files = BTreeMap::new();
    source_files(&root, &root, &mut files);
    let floor = |module: &str| {
        let room = module.split("::").next().unwrap();
        let at = API_FLOORS.iter().position(|rooms| rooms.contains(&room));
        (room.to_owned(), at.unwrap_or_else(|| panic!("{module} is on no floor")))
    };
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (module, path) in &files {
        let text = std::fs::read_to_string(path).unwrap();
        for import in used_paths(&text) {
            let Some(to) = origin(module, &import, &files) else { continue };
            let ((from_room, from), (to_room, below)) = (floor(module), floor(&to));
            assert!(from_room == to_room || from < below, "{module} must not import {import}");
            edges.entry(module).or_default().insert(to);
        }
    }
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 150, "imports are found: {edges:?}");
    // Files that import nothing that is left are taken away until none is; what then is left is a circle.
    let mut left: BTreeSet<&str> = edges.keys().copied().collect();
    loop {
        let done: Vec<&str> = left
            .iter()
            .copied()
            .filter(|module| !edges[module].iter().any(|to| left.contains(to.as_str())))
            .collect();
        if done.is_empty() {
            break;
        }
        done.iter().for_each(|module| {
            left.remove(module);
        });
    }
    assert!(left.is_empty(), "these import each other in a circle: {left:?}");
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
