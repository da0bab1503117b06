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

/// The folders of `lake`, from the ground up: a file imports only from its own floor's folder and from floors below.
const LAKE_FLOORS: [&[&str]; 10] = [
    &["error"],
    &["schema", "storage"],
    &["formats", "data_files", "rows"],
    &["records"],
    &["delta"],
    &["resume"],
    &["catalog", "close"],
    &["audit", "query", "reader"],
    &["writer"],
    &["backup"],
];

/// The source files below a folder by their module's path, such as `delta::table`, but for the crate's root and tests.
fn modules_below(folder: &std::path::Path, path: &str, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
        if entry.file_type().unwrap().is_dir() {
            modules_below(&entry.path(), &within(&name), found);
            continue;
        }
        let module = match name.strip_suffix(".rs").unwrap() {
            "lib" | "tests" => continue,
            "mod" => path.to_owned(),
            name => within(name),
        };
        found.insert(module, std::fs::read_to_string(entry.path()).unwrap());
    }
}

/// The paths below `crate::` that a file names outside its comments and tests.
fn named_paths(text: &str) -> Vec<String> {
    let code: Vec<&str> = text
        .lines()
        .take_while(|line| {
            !line.trim_start().starts_with("#[cfg(test)]") && !line.starts_with("#[cfg(all(test")
        })
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    let mut paths = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
        let (path, rest) = rest.split_at(rest.find(|c| !is_path(c)).unwrap_or(rest.len()));
        match rest.strip_prefix('{').filter(|_| path.ends_with("::")) {
            Some(items) => {
                let items = items.split_once('}').unwrap().0;
                paths.extend(items.split(',').map(|item| format!("{path}{}", item.trim())));
            }
            None => paths.push(path.to_owned()),
        }
    }
    paths
}

/// The modules that each module imports.
fn imports(modules: &BTreeMap<String, String>) -> BTreeMap<&str, BTreeSet<&str>> {
    let module_of = |path: &str| {
        let mut path = path;
        while !modules.contains_key(path) {
            path = path.rsplit_once("::")?.0;
        }
        modules.get_key_value(path).map(|(module, _)| module.as_str())
    };
    let of = |(module, text): (&'_ String, &String)| {
        let named = named_paths(text);
        let imported = named.iter().filter_map(|path| module_of(path)).filter(|other| *other != module);
        imported.collect::<BTreeSet<_>>()
    };
    modules.iter().map(|(module, text)| (module.as_str(), of((module, text)))).collect()
}

#[test]
fn no_import_within_the_lake_goes_upwards_or_in_a_circle() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../lake/src");
    let mut modules = BTreeMap::new();
    modules_below(&source, "", &mut modules);
    let floor = |module: &str| {
        let folder = module.split("::").next().unwrap();
        let floor = LAKE_FLOORS.iter().position(|folders| folders.contains(&folder));
        (floor.unwrap_or_else(|| panic!("lake has a folder without a floor: {folder}")), folder.to_owned())
    };
    let mut imports = imports(&modules);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 200, "{imports:?}");
    for (module, imported) in &imports {
        for other in imported {
            let ((from, folder), (to, other_folder)) = (floor(module), floor(other));
            assert!(to < from || folder == other_folder, "{module} must not import {other}");
        }
    }
    // What imports nothing that is left is taken away, until nothing is left but circles.
    loop {
        let free: Vec<&str> =
            imports.iter().filter(|(_, imported)| imported.is_empty()).map(|(module, _)| *module).collect();
        if free.is_empty() {
            break;
        }
        imports.retain(|module, _| !free.contains(module));
        imports.values_mut().for_each(|imported| imported.retain(|module| !free.contains(module)));
    }
    assert!(imports.is_empty(), "these files import each other in a circle: {imports:?}");
}
