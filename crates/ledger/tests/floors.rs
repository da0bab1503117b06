//! Within a crate no files import each other in a circle, and in those that have floors no import goes upwards.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The folders of `crates/api/src`, a floor a line, from the top down. A file imports only from its own folder and from
/// floors below it.
const API: &[&[&str]] = &[
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

/// The same of `crates/lake/src`.
const LAKE: &[&[&str]] = &[
    &["lib"],
    &["backup"],
    &["writer"],
    &["audit", "query", "reader"],
    &["catalog", "close"],
    &["resume"],
    &["delta"],
    &["records"],
    &["formats", "data_files", "rows"],
    &["schema", "storage"],
    &["error"],
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
    let tests = ["#[cfg(test)]", "#[cfg(all(test"].into_iter().filter_map(|mark| text.find(mark)).min();
    let code = &text[..tests.unwrap_or(text.len())];
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

/// The modules of a crate, and what each imports of the others. At least `fewest` imports must be found.
fn graph(crate_name: &str, fewest: usize) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("src");
    let mut files = BTreeMap::new();
    source_files(&root, &root, &mut files);
    let edges: BTreeMap<String, BTreeSet<String>> = files
        .iter()
        .map(|(module, path)| {
            let text = std::fs::read_to_string(path).unwrap();
            let used = used_paths(&text).into_iter().filter_map(|import| origin(module, &import, &files));
            (module.clone(), used.collect())
        })
        .collect();
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() >= fewest, "imports are found: {edges:?}");
    edges
}

fn assert_floors(edges: &BTreeMap<String, BTreeSet<String>>, floors: &[&[&str]]) {
    let floor = |module: &str| {
        let folder = module.split("::").next().unwrap();
        let at = floors.iter().position(|folders| folders.contains(&folder));
        (folder.to_owned(), at.unwrap_or_else(|| panic!("{module} is on no floor")))
    };
    for (module, imported) in edges {
        for other in imported {
            let ((from_folder, from), (to_folder, to)) = (floor(module), floor(other));
            assert!(from_folder == to_folder || from < to, "{module} must not import {other}");
        }
    }
}

/// Files that import nothing that is left are taken away until none is; what then is left is a circle.
fn assert_no_circle(mut edges: BTreeMap<String, BTreeSet<String>>) {
    loop {
        let done: Vec<String> = edges
            .iter()
            .filter(|(_, imported)| imported.is_empty())
            .map(|(module, _)| module.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        edges.retain(|module, _| !done.contains(module));
        edges.values_mut().for_each(|imported| imported.retain(|module| !done.contains(module)));
    }
    assert!(edges.is_empty(), "these import each other in a circle: {edges:?}");
}

#[test]
fn no_import_inside_api_goes_upwards_and_no_files_import_each_other_in_a_circle() {
    let edges = graph("api", 150);
    assert_floors(&edges, API);
    assert_no_circle(edges);
}

#[test]
fn no_import_inside_lake_goes_upwards_and_no_files_import_each_other_in_a_circle() {
    let edges = graph("lake", 200);
    assert_floors(&edges, LAKE);
    assert_no_circle(edges);
}

#[test]
fn no_files_of_chain_or_ledger_import_each_other_in_a_circle() {
    assert_no_circle(graph("chain", 60));
    assert_no_circle(graph("ledger", 40));
}
