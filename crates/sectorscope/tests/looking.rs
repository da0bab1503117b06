//! What `car info`, `car verify` and `miner` say of snapshot files.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::car::Car;
use common::outside::shared;
use common::{run_in, sample};
use serde_json::Value;

fn json(data: &Path, arguments: &[&str]) -> Value {
    let arguments = [arguments, &["--format", "json"]].concat();
    serde_json::from_str(&run_in(data, &arguments).printed()).unwrap()
}

#[test]
fn car_info_tells_what_a_file_is_and_who_is_in_it() {
    let data = tempfile::tempdir().unwrap();
    let sample = sample();
    let arguments = ["car", "info", sample.to_str().unwrap()];
    let info = json(data.path(), &arguments);
    let file = &info["files"][0];
    assert_eq!((file["form"].as_str(), file["blocks"].as_u64()), (Some("CARv1 in zstd"), Some(66_079)));
    assert_eq!((info["network"].as_str(), info["actors_version"].as_u64()), (Some("mainnet"), Some(18)));
    assert_eq!(
        (info["states"]["first"]["height"].as_i64(), info["head_without_state"].as_i64()),
        (Some(0), None)
    );
    assert_eq!(info["states"]["head"]["day"].as_str(), Some("2027-01-20"));
    let miners = info["miners"].as_array().unwrap();
    assert_eq!(miners.len(), 6);
    for miner in miners {
        let number = |key: &str| miner[key].as_u64().unwrap();
        assert!(
            number("live") <= number("in_state") && number("faulty") + number("unproven") <= number("live")
        );
    }

    // The table says the same, a miner a line.
    let table = run_in(data.path(), &arguments).printed();
    for miner in miners {
        let name = miner["miner"].as_str().unwrap();
        let line =
            table.lines().find(|line| line.trim_start().starts_with(name)).expect("a line for each miner");
        let live = miner["live"].to_string();
        assert!(line.split_whitespace().any(|word| word == live), "{line}");
    }
}

#[test]
fn miner_tells_one_provider_at_the_head_and_at_any_height() {
    let data = tempfile::tempdir().unwrap();
    let sample = sample();
    let car = sample.to_str().unwrap();
    let info = json(data.path(), &["car", "info", car]);
    for miner in info["miners"].as_array().unwrap() {
        let name = miner["miner"].as_str().unwrap();
        let report = json(data.path(), &["miner", name, "--car", car]);
        assert_eq!(report["reconciles"], true, "{name}");
        assert_eq!((&report["claim"]["rbp"], &report["claim"]["qap"]), (&miner["rbp"], &miner["qap"]));
        let sum = |list: &str, key: &str| -> u64 {
            report[list].as_array().unwrap().iter().map(|of| of[key].as_u64().unwrap()).sum()
        };
        let live = miner["live"].as_u64().unwrap();
        assert_eq!((sum("deadlines", "live"), sum("expirations", "sectors")), (live, live), "{name}");
        assert!((1..=48).contains(&report["deadlines"].as_array().unwrap().len()));
    }
    let middle = info["states"]["head"]["height"].as_i64().unwrap() - 300_000;
    let name = info["miners"][0]["miner"].as_str().unwrap();
    let report = json(data.path(), &["miner", name, "--car", car, "--head", &middle.to_string()]);
    let height = report["height"].as_i64().unwrap();
    assert!(height <= middle && height > middle - 10_000 && report["reconciles"] == true, "{height}");

    let error = run_in(data.path(), &["miner", "f099", "--car", car]);
    assert!(error.error().contains("f099 is no storage provider at height"), "{}", error.stderr);
}

#[test]
fn a_bare_state_is_looked_into_by_its_root() {
    let Some(car) = shared("data/real/calibnet-state-16800.car.zst") else { return };
    let data = tempfile::tempdir().unwrap();
    let car = car.to_str().unwrap();
    let info = json(data.path(), &["car", "info", car]);
    assert_eq!(info["committed"]["rbp"], "130773164228608");
    assert_eq!(info["committed"]["qap"], "843256699027456");
    assert_eq!((info["providers"].as_u64(), info["miners"].as_array().unwrap().len()), (Some(161), 39));
    let root = info["state_root"].as_str().unwrap();
    let report = json(data.path(), &["miner", "f01000", "--car", car, "--state-root", root]);
    assert_eq!((report["active"]["sectors"].as_u64(), report["height"].as_i64()), (Some(768), None));
    let verified = run_in(data.path(), &["car", "verify", car, "--state-root", root]).printed();
    assert_eq!(verified, "4030 blocks, every hash good; every link of the state there\n");
    let error = run_in(data.path(), &["miner", "f01000", "--car", car]);
    assert!(error.error().contains(&format!("--state-root {root}")), "{}", error.stderr);
}

#[test]
fn indexed_zstd_and_heads_without_state_are_looked_into_where_they_are() {
    let Some(car) = shared("data/real/mainnet-epochs-0-3.forest.car.zst") else { return };
    let data = tempfile::tempdir().unwrap();
    let car = car.to_str().unwrap();
    let info = json(data.path(), &["car", "info", car]);
    assert_eq!(info["files"][0]["form"], "CARv1 in indexed zstd");
    assert_eq!(
        (info["head_without_state"].as_i64(), info["states"]["head"]["height"].as_i64()),
        (Some(3), Some(1))
    );
    let verified = run_in(data.path(), &["car", "verify", car, "--head", "1"]).printed();
    assert_eq!(verified, "1222 blocks, every hash good; 2 tipsets, every link there\n");
    let events =
        run_in(data.path(), &["events", "--car", car, "--head", "1", "--format", "ndjson"]).printed();
    assert_eq!(events.lines().count(), 3 * 768);
    let error = run_in(data.path(), &["events", "--car", car]);
    assert!(error.error().contains("--head 1"), "{}", error.stderr);
}

#[test]
fn car_verify_lists_what_is_missing_and_fails() {
    let data = tempfile::tempdir().unwrap();
    let car = Car::decompressed(&sample());
    let whole = data.path().join("whole.car");
    std::fs::write(&whole, &car.bytes).unwrap();
    let arguments = |path: &Path| ["car".to_owned(), "verify".to_owned(), path.to_str().unwrap().to_owned()];
    let verify = |path: &Path| {
        let arguments = arguments(path);
        run_in(data.path(), &arguments.each_ref().map(String::as_str))
    };
    let said = verify(&whole).printed();
    assert_eq!(said, "66079 blocks, every hash good; 2248 tipsets, every link there\n");

    // A few blocks in the middle of the file are left out: inner nodes of states or messages.
    let cut = data.path().join("cut.car");
    let (from, to) = (car.sections[30_000].start, car.sections[30_005].start);
    std::fs::write(&cut, [&car.bytes[..from], &car.bytes[to..]].concat()).unwrap();
    let ran = verify(&cut);
    assert_eq!(ran.code, Some(1), "{} {}", ran.stdout, ran.stderr);
    let report = format!("{}{}", ran.stdout, ran.stderr);
    assert!(report.contains("is in none of the files given"), "{report}");

    // A flipped bit is met while the hashes are checked.
    let mut bytes = car.bytes.clone();
    bytes[car.sections[30_000].data.start + 3] ^= 1;
    std::fs::write(&whole, &bytes).unwrap();
    let ran = verify(&whole);
    assert!(ran.error().contains("does not have the hash its CID says"), "{}", ran.stderr);
}

/// The files of a folder of published snapshots, by name; none where these are absent.
fn published(name: &str) -> Vec<String> {
    let Some(folder) = shared(&format!("data/public/{name}")) else { return Vec::new() };
    let path = |file: std::io::Result<std::fs::DirEntry>| file.unwrap().path().to_str().unwrap().to_owned();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(path).collect();
    files.sort();
    files
}

#[test]
fn a_snapshot_without_receipts_is_whole_and_that_is_remarked() {
    let Some(whole) = shared("data/public/small.whole.forest.car.zst") else { return };
    let data = tempfile::tempdir().unwrap();
    let car = whole.to_str().unwrap();
    let remark = "no receipts: 233 tipsets will be read from the states";
    let said = run_in(data.path(), &["car", "verify", car]).printed();
    assert!(
        said.contains("311 tipsets, every link there\n") && said.ends_with(&format!("{remark}\n")),
        "{said}"
    );
    let verified = json(data.path(), &["car", "verify", car]);
    assert_eq!((&verified["remarks"][0], &verified["problems"]), (&remark.into(), &serde_json::json!([])));
    let info = json(data.path(), &["car", "info", car]);
    let stretch = &info["stretches"][0];
    assert_eq!(stretch["without_receipts"], 233);
    assert_eq!(stretch["days"], serde_json::json!(["2020-08-24", "2026-06-21"]));
    assert!(run_in(data.path(), &["car", "info", car]).printed().contains(remark));

    let receipts = shared("data/public/small.whole_receipts_events.forest.car.zst").unwrap();
    let both = ["car", "verify", car, receipts.to_str().unwrap()];
    assert!(run_in(data.path(), &both).printed().ends_with("every link there\n"));
}

#[test]
fn a_missing_diff_is_named_and_both_sides_of_it_are_told() {
    let mut files = published("small.series");
    if files.is_empty() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let missing = files.remove(4);
    let name = Path::new(&missing).file_name().unwrap().to_str().unwrap();
    let with = |words: &[&'static str]| {
        let arguments: Vec<_> = words.iter().copied().chain(files.iter().map(String::as_str)).collect();
        arguments.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let arguments = with(&["car", "info"]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let info = json(data.path(), &arguments);
    let [upper, lower] = &info["stretches"].as_array().unwrap()[..] else { panic!("{info}") };
    assert_eq!((&upper["head"]["height"], &lower["first"]["height"]), (&6_125_977.into(), &0.into()));
    let gap = &upper["missing_below"];
    assert!(gap["reason"].as_str().unwrap().contains(name), "{gap}");
    assert_eq!(gap["first_height"].as_i64(), lower["head"]["height"].as_i64().map(|height| height + 1));
    assert!(lower["missing_below"].is_null() && lower["days"].is_array(), "{lower}");

    let arguments = with(&["car", "verify"]);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ran = run_in(data.path(), &arguments);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains(name) && ran.stderr.lines().count() == 1, "{} {}", ran.stdout, ran.stderr);
}
