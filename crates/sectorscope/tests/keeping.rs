//! A lake over time, as its user sees it: forks, gaps, days closed again, numbers proven, copies.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use chain::state::StateTree;
use chain::{CarStore, Chain, Cid, NoProgress};
use common::car::Car;
use common::outside::shared;
use common::{Ran, run, run_in, sample};
use serde_json::Value;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("sectorscope-keeping-").tempdir().unwrap()
}

fn ingest(data: &Path, file: &Path, more: &[&str]) -> Ran {
    run_in(data, &[&["ingest", "car", file.to_str().unwrap()], more].concat())
}

fn json(data: &Path, arguments: &[&str]) -> Value {
    let printed = run_in(data, &[arguments, &["--format", "json"]].concat()).printed();
    serde_json::from_str(&printed).unwrap()
}

/// All rows of all endpoints and days, as CSV.
fn rows(data: &Path) -> String {
    let closed = &json(data, &["status"])["closed"];
    let (first, last) = (closed["first"].as_str().unwrap(), closed["last"].as_str().unwrap());
    let newest: Value = json(data, &["stats", "total"]);
    let miners = newest.as_array().unwrap().iter().map(|row| row["miner_id"].as_str().unwrap().to_owned());
    let mut text = String::new();
    for miner in miners {
        for endpoint in common::endpoints() {
            let of =
                ["stats", &endpoint, "--miner", &miner, "--from", first, "--to", last, "--format", "csv"];
            text += &run_in(data, &of).printed();
        }
    }
    text
}

/// The sample without the blocks of these CIDs.
fn without(cids: &[Cid], folder: &Path, name: &str) -> PathBuf {
    let car = Car::decompressed(&sample());
    let cids: BTreeSet<Vec<u8>> = cids.iter().map(Cid::to_bytes).collect();
    let mut bytes = car.bytes[..car.header].to_vec();
    let mut left_out = 0;
    for section in &car.sections {
        if cids.contains(&car.bytes[section.cid.clone()]) {
            left_out += 1;
        } else {
            bytes.extend_from_slice(&car.bytes[section.start..section.data.end]);
        }
    }
    assert_eq!(left_out, cids.len());
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// What `read` makes of the sample's chain.
fn of_sample<T>(read: impl FnOnce(&CarStore, &Chain<'_>) -> T) -> T {
    let cache = folder();
    let cars = CarStore::open(&[sample()], cache.path(), &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    read(&cars, &chain)
}

/// The states before the sample's tipsets in a range of heights; genesis' own is left there.
fn states(heights: Range<i64>) -> Vec<Cid> {
    of_sample(|_, chain| {
        let before: BTreeSet<Cid> = chain
            .tipsets()
            .iter()
            .filter(|tipset| heights.contains(&tipset.height.0) && tipset.height.0 > 0)
            .map(|tipset| tipset.parent_state_root)
            .collect();
        before.into_iter().collect()
    })
}

#[test]
fn another_fork_is_refused_with_both_keys_and_closed_again_on_demand() {
    let Some(tiny) = shared("data/tiny.car.zst") else { return };
    let (data, whole) = (folder(), folder());
    ingest(data.path(), &tiny, &[]).printed();
    let before = rows(data.path());
    let ours = json(data.path(), &["status"])["sources"][0].clone();
    let refused = ingest(data.path(), &sample(), &[]);
    let error = refused.error();
    assert_eq!(error.matches("bafy2").count(), 2 + error.matches(',').count() - 4, "both keys: {error}");
    assert!(error.contains("2026-06-12") && error.contains("--from 2026-06-12"), "{error}");
    assert_eq!(rows(data.path()), before, "nothing changes");
    assert_eq!(json(data.path(), &["status"])["sources"][0], ours);

    ingest(whole.path(), &sample(), &[]).printed();
    let said = ingest(data.path(), &sample(), &["--from", "2026-06-12"]).printed();
    assert!(said.contains("closed 222 days, 2026-06-12 to 2027-01-19"), "{said}");
    assert_eq!(rows(data.path()), rows(whole.path()));
    let said = ingest(data.path(), &sample(), &["--from", "2026-12-24"]).printed();
    assert!(said.contains("closed 27 days, 2026-12-24 to 2027-01-19"), "{said}");
    assert_eq!(rows(data.path()), rows(whole.path()));
    let refused = ingest(data.path(), &sample(), &["--from", "2027-02-01"]);
    assert!(refused.error().contains("the closed days are 2026-06-12 to 2027-01-19"), "{}", refused.stderr);
    run_in(data.path(), &["reconcile", "--deep"]).printed();
}

#[test]
fn days_closed_again_from_a_shorter_chain_keep_the_days_after_them() {
    let (data, whole) = (folder(), folder());
    ingest(whole.path(), &sample(), &[]).printed();
    ingest(data.path(), &sample(), &[]).printed();
    let said = ingest(data.path(), &sample(), &["--from", "2026-07-10", "--head", "6250000"]).printed();
    assert!(
        said.contains("closed 24 days, 2026-07-10 to 2026-08-02")
            && said.contains("; 170 days after them made anew"),
        "{said}"
    );
    assert_eq!(rows(data.path()), rows(whole.path()));
    run_in(data.path(), &["reconcile", "--deep"]).printed();
}

#[test]
fn a_source_that_begins_too_late_leaves_a_gap_that_status_shows_until_it_is_filled() {
    let (data, files, whole) = (folder(), folder(), folder());
    ingest(whole.path(), &sample(), &[]).printed();
    let said = ingest(data.path(), &sample(), &["--head", "6160000"]).printed();
    assert!(said.contains("closed 21 days, 2026-06-12 to 2026-07-02"), "{said}");
    // The states up to July 20 are missing, so what is readable begins after it.
    let late = without(&states(0..6_208_000), files.path(), "late.car");
    let refused = ingest(data.path(), &late, &[]);
    let error = refused.error();
    assert!(error.contains("a day cannot close over a gap") && error.contains("2026-07-03"), "{error}");
    let status = json(data.path(), &["status"]);
    let gap = &status["gaps"][0];
    assert_eq!(gap["days"]["first"], "2026-07-03", "{status}");
    assert!(gap["last_epoch"].as_i64().unwrap() > 6_200_000, "{gap}");
    assert!(
        gap["source"] == "late.car" && gap["fill_by"].as_str().unwrap().contains("sectorscope ingest car"),
        "{gap}"
    );
    let table = run_in(data.path(), &["status"]).printed();
    assert!(table.contains("missing") && table.contains("epochs 6157680 to"), "{table}");
    assert_eq!(status["closed"]["last"], "2026-07-02");

    ingest(data.path(), &sample(), &["--head", "6180000"]).printed();
    let gap = &json(data.path(), &["status"])["gaps"][0];
    assert_eq!(gap["days"]["first"], "2026-07-10", "filled in part: {gap}");
    ingest(data.path(), &sample(), &[]).printed();
    assert_eq!(json(data.path(), &["status"])["gaps"], serde_json::json!([]));
    assert_eq!(rows(data.path()), rows(whole.path()));
}

#[test]
fn a_hole_in_a_source_stops_closing_before_it_and_is_shown() {
    let (data, files, whole) = (folder(), folder(), folder());
    ingest(whole.path(), &sample(), &[]).printed();
    // A provider's state of August is missing; the state root that leads to it is there.
    let head = of_sample(|cars, chain| {
        let tipset = chain.tipsets().iter().find(|tipset| tipset.height.0 > 6_250_000).unwrap();
        let tree = StateTree::open(cars, &tipset.parent_state_root).unwrap();
        tree.actor(107).unwrap().unwrap().head
    });
    let holed = without(&[head], files.path(), "holed.car");
    let refused = ingest(data.path(), &holed, &[]);
    assert!(refused.error().contains("holed.car"), "{}", refused.stderr);
    let status = json(data.path(), &["status"]);
    let last = status["closed"]["last"].as_str().unwrap().to_owned();
    assert!(("2026-07-01"..="2026-08-04").contains(&last.as_str()), "{last}");
    let gap = &status["gaps"][0];
    assert!(gap["days"]["first"].as_str().unwrap() > last.as_str(), "{gap}");
    assert!(gap["reason"].as_str().unwrap().contains(&head.to_string()), "{gap}");
    let sample = sample();
    ingest(data.path(), &sample, &[]).printed();
    assert_eq!(json(data.path(), &["status"])["gaps"], serde_json::json!([]));
    assert_eq!(rows(data.path()), rows(whole.path()));
}

#[test]
fn states_missing_between_others_stop_closing_before_them() {
    let (data, files, whole) = (folder(), folder(), folder());
    ingest(whole.path(), &sample(), &[]).printed();
    let holed = without(&states(6_250_000..6_260_000), files.path(), "holed.car");
    let refused = ingest(data.path(), &holed, &[]);
    let error = refused.error();
    assert!(error.contains("holed.car") && error.contains("closed up to 2026-08-02"), "{error}");
    let gap = json(data.path(), &["status"])["gaps"][0].clone();
    let days = |gap: &Value| (gap["days"]["first"].clone(), gap["days"]["last"].clone());
    assert_eq!(days(&gap), ("2026-08-03".into(), "2026-08-07".into()), "{gap}");
    assert!(ingest(data.path(), &holed, &[]).error().contains("closed up to 2026-08-02"), "and again");
    assert_eq!(json(data.path(), &["status"])["gaps"], serde_json::json!([gap]));
    ingest(data.path(), &sample(), &[]).printed();
    assert_eq!(json(data.path(), &["status"])["gaps"], serde_json::json!([]));
    assert_eq!(rows(data.path()), rows(whole.path()));
}

/// Every miner-day of every chain closes, by what is stored and by what its events make of it.
fn reconciles(name: &str) {
    let Some(file) = shared(&format!("data/{name}.car.zst")) else { return };
    let data = folder();
    ingest(data.path(), &file, &[]).printed();
    let plain = json(data.path(), &["reconcile"]);
    let deep = json(data.path(), &["reconcile", "--deep"]);
    for of in [&plain, &deep] {
        assert_eq!((&of["closes"], &of["findings"]), (&true.into(), &0.into()), "{name}: {of}");
        assert!(of["miner_days"].as_u64().unwrap() > 0, "{name}: {of}");
    }
    assert_eq!(plain["miner_days"], deep["miner_days"], "{name}");
    let said = run_in(data.path(), &["reconcile"]).printed();
    let miner_days = &plain["miner_days"];
    assert_eq!(said, format!("{miner_days} miner-days of {} days checked: all close\n", plain["days"]));
}

#[test]
fn tiny_reconciles() {
    reconciles("tiny");
}

#[test]
fn small_reconciles() {
    reconciles("small");
}

#[test]
fn edge_reconciles() {
    ["edge-1", "edge-2", "edge-3"].into_iter().for_each(reconciles);
}

#[test]
fn long_reconciles() {
    reconciles("long");
}

#[test]
fn large_reconciles() {
    reconciles("large");
}

#[test]
fn a_number_is_explained_down_to_its_messages() {
    let data = folder();
    ingest(data.path(), &sample(), &[]).printed();
    let of =
        |column: &str| json(data.path(), &["explain", column, "--miner", "f0110", "--date", "2026-07-30"]);
    let columns: Value = serde_json::from_str(&run(["columns", "--format", "json"]).printed()).unwrap();
    for column in columns.as_array().unwrap() {
        let explained = of(column["name"].as_str().unwrap());
        assert_eq!(explained["closes"], true, "{explained}");
    }
    let onboarded = of("daily_sector_onboarding_rbp");
    assert_eq!(onboarded["value"], "343597383680");
    let contributions = onboarded["contributions"].as_array().unwrap();
    assert_eq!(contributions.len(), 5);
    let sample = sample();
    let events = run_in(
        data.path(),
        &[
            "events",
            "--car",
            sample.to_str().unwrap(),
            "--miner",
            "f0110",
            "--day",
            "2026-07-30",
            "--format",
            "csv",
        ],
    );
    let events = events.printed();
    for of in contributions {
        assert_eq!((&of["amount"], &of["kind"]), (&"68719476736".into(), &"onboard".into()));
        assert!(events.contains(of["message"].as_str().unwrap()), "{of}");
    }
    let table =
        run_in(data.path(), &["explain", "total_sector_rbp", "--miner", "f0110", "--date", "2026-07-30"]);
    let table = table.printed();
    assert!(table.contains("by 5 events on 2026-07-30") && table.contains("on 2026-07-29"), "{table}");
    let refused =
        run_in(data.path(), &["explain", "total_sector_rbp", "--miner", "f0110", "--date", "2020-01-01"]);
    assert!(refused.error().contains("the closed days are"), "{}", refused.stderr);
    let refused = run_in(data.path(), &["explain", "total_sector", "--miner", "f0110"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("total_sector_rbp"), "{}", refused.stderr);
}

/// How many data files there are in a lake.
fn data_files(lake: &Path) -> usize {
    let tables = fs::read_dir(lake).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files = tables.flat_map(|table| fs::read_dir(table).unwrap()).map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|kind| kind == "parquet")).count()
}

/// What the log of a table says of a file of it.
fn added(table: &Path, file: &Path) -> Value {
    let mut found = Value::Null;
    change_added(table, file, |added| found = added.clone());
    found
}

/// Changes what the log of a table says of a file of it.
fn change_added(table: &Path, file: &Path, mut change: impl FnMut(&mut Value)) {
    let name = file.file_name().unwrap().to_str().unwrap();
    for entry in fs::read_dir(table.join("_delta_log")).unwrap() {
        let path = entry.unwrap().path();
        let Some(commit) = fs::read_to_string(&path).ok().filter(|commit| commit.contains(name)) else {
            continue;
        };
        let changed = commit.lines().map(|line| {
            let mut action: Value = serde_json::from_str(line).unwrap();
            if action["add"]["path"] == name {
                change(&mut action["add"]);
            }
            format!("{action}\n")
        });
        fs::write(&path, changed.collect::<String>()).unwrap();
    }
}

#[test]
fn what_does_not_close_exits_with_2_and_says_what() {
    let (data, other) = (folder(), folder());
    // The last two days have files of their own.
    for head in ["6154000", "6157000", "6160000"] {
        ingest(data.path(), &sample(), &["--head", head, "--no-compact"]).printed();
    }
    for head in ["6154000", "6157000"] {
        ingest(other.path(), &sample(), &["--head", head, "--no-compact"]).printed();
    }
    // The events of a lake that is a day behind, so that the last day's are missing.
    let (table, behind) = (data.path().join("lake/sector_events"), other.path().join("lake/sector_events"));
    let last = |table: &Path| {
        let mut files: Vec<PathBuf> =
            fs::read_dir(table).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|kind| kind == "parquet"));
        files.sort();
        files.pop().unwrap()
    };
    let (from, to) = (last(&behind), last(&table));
    fs::copy(&from, &to).unwrap();
    // The log says of it what it is, as footers are compared with it.
    let other = added(&behind, &from);
    change_added(&table, &to, |added| {
        added["size"] = other["size"].clone();
        let stats = |add: &Value| -> Value { serde_json::from_str(add["stats"].as_str().unwrap()).unwrap() };
        let (mut ours, theirs) = (stats(added), stats(&other));
        ours["numRecords"] = theirs["numRecords"].clone();
        added["stats"] = ours.to_string().into();
    });
    run_in(data.path(), &["reconcile"]).printed();
    let deep = run_in(data.path(), &["reconcile", "--deep"]);
    assert_eq!(deep.code, Some(2), "{}{}", deep.stdout, deep.stderr);
    assert!(deep.stdout.contains("2026-07-02") && deep.stdout.contains("do not close"), "{}", deep.stdout);
    let deep = run_in(data.path(), &["reconcile", "--deep", "--to", "2026-07-01", "--miner", "f0110"]);
    assert!(deep.printed().ends_with("all close\n"));
    let csv = run_in(data.path(), &["reconcile", "--deep", "--format", "csv"]);
    assert_eq!(csv.code, Some(2));
    assert!(
        csv.stdout.starts_with("stat_date,miner_id,name,detail,anomaly\n2026-07-02,f0"),
        "{}",
        csv.stdout
    );
}

#[test]
fn a_lake_is_copied_put_back_and_kept_tidy() {
    let (data, elsewhere) = (folder(), folder());
    ingest(data.path(), &sample(), &["--no-compact"]).printed();
    let before = rows(data.path());
    let copy = elsewhere.path().join("copy");
    let copy = copy.to_str().unwrap();
    let said = run_in(data.path(), &["backup", copy]).printed();
    assert!(said.contains(": version ") && said.contains("MiB"), "{said}");
    let checked = std::process::Command::new("sha256sum")
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(copy)
        .status();
    assert!(checked.is_ok_and(|status| status.success()), "the sums are what sha256sum checks");
    let said = run_in(data.path(), &["compact"]).printed();
    assert!(said.starts_with("7 months, ") && said.ends_with(" now\n"), "{said}");
    assert_eq!(
        run_in(data.path(), &["compact"]).printed(),
        "nothing to do: every finished month is in one file\n"
    );
    assert_eq!(run_in(data.path(), &["vacuum"]).printed(), "removed 0 files, 0 B\n");
    let there = data_files(&data.path().join("lake"));
    let said = run_in(data.path(), &["vacuum", "--retain-hours", "0"]).printed();
    let removed = there - data_files(&data.path().join("lake"));
    assert!(removed > 0 && said.starts_with(&format!("removed {removed} files, ")), "{said}");
    assert_eq!(rows(data.path()), before);
    let said = run_in(elsewhere.path(), &["restore", copy]).printed();
    assert!(said.contains(", each as it was"), "{said}");
    assert_eq!(rows(elsewhere.path()), before);
    let refused = run_in(elsewhere.path(), &["restore", copy]);
    assert!(refused.error().contains("there is a lake already"), "{}", refused.stderr);
    let nowhere = folder();
    let nothing = nowhere.path().join("copy");
    let to_copy = ["backup", nothing.to_str().unwrap()];
    for command in [&["status"][..], &["reconcile"], &["compact"], &["vacuum"], &to_copy] {
        let refused = run_in(nowhere.path(), command);
        assert!(refused.error().contains("there is no lake here yet"), "{command:?}: {}", refused.stderr);
    }
    assert_eq!(fs::read_dir(nowhere.path()).unwrap().count(), 0, "looking makes nothing");
}

#[test]
fn a_providers_days_are_those_of_each_day() {
    let data = folder();
    ingest(data.path(), &sample(), &[]).printed();
    let of = |more: &[&str]| {
        let asked = [&["stats", "fault", "--miner", "f0116", "--format", "csv"], more].concat();
        run_in(data.path(), &asked).printed()
    };
    let days = of(&["--from", "2026-07-30", "--to", "2026-08-02"]);
    let mut lines = days.lines();
    let header = lines.next().unwrap().to_owned();
    for day in ["2026-07-30", "2026-07-31", "2026-08-01", "2026-08-02"] {
        assert_eq!(of(&["--date", day]), format!("{header}\n{}\n", lines.next().unwrap()));
    }
    assert_eq!(lines.next(), None);
    assert_eq!(of(&["--from", "2026-06-12"]).lines().count(), 223);
}
