//! Paths that are not UTF-8: read where that is possible, and else refused in a sentence.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use common::{Ran, program, run_in, sample};

/// A path below `folder` whose name is no text.
fn bytes(folder: &Path, name: &[u8]) -> PathBuf {
    folder.join(OsStr::from_bytes(name))
}

/// Runs a command whose arguments may be any bytes.
fn ran(arguments: &[&OsStr], data: &Path) -> Ran {
    program().args(arguments).arg("--data").arg(data).output().unwrap().into()
}

#[test]
fn a_snapshot_is_read_whatever_bytes_its_path_has() {
    let folder = tempfile::tempdir().unwrap();
    let car = bytes(folder.path(), b"snap\xff.car.zst");
    std::fs::copy(sample(), &car).unwrap();
    let data = folder.path().join("data");
    let file = car.as_os_str();
    let shown = "snap\u{fffd}.car.zst";
    assert!(ran(&["car".as_ref(), "info".as_ref(), file], &data).printed().contains(shown));
    let events =
        ran(&["events".as_ref(), "--format".as_ref(), "csv".as_ref(), "--car".as_ref(), file], &data);
    let ingested = ran(&["ingest".as_ref(), "car".as_ref(), file], &data).printed();
    assert!(ingested.starts_with(&format!("{shown}: closed 222 days")), "{ingested}");
    let stored = run_in(&data, &["status"]).printed();
    assert!(stored.contains(shown), "{stored}");
    assert_eq!(events.printed().lines().count(), 1 + 7485);
}

#[test]
fn a_data_directory_whose_path_is_no_text_is_refused_and_stays_empty() {
    let folder = tempfile::tempdir().unwrap();
    let data = bytes(folder.path(), b"data\xfe");
    std::fs::create_dir(&data).unwrap();
    let (sample, copy) = (sample(), folder.path().join("copy"));
    let commands: [&[&OsStr]; 9] = [
        &["up".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref()],
        &["status".as_ref()],
        &["stats".as_ref(), "total".as_ref()],
        &["files".as_ref()],
        &["compact".as_ref()],
        &["reconcile".as_ref()],
        &["sql".as_ref(), "SELECT 1".as_ref()],
        &["backup".as_ref(), copy.as_os_str()],
        &["serve".as_ref(), "--listen".as_ref(), "127.0.0.1:0".as_ref()],
    ];
    for command in commands {
        let ran = ran(command, &data);
        let error = ran.error();
        assert!(error.contains("data\u{fffd}/lake is not UTF-8"), "{command:?}: {error}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0);
    // A snapshot is read before the lake is opened, and its cache may be anywhere.
    let ran = ran(&["ingest".as_ref(), "car".as_ref(), sample.as_os_str()], &data);
    assert!(ran.error().contains("is not UTF-8"), "{}", ran.stderr);
    assert!(!data.join("lake").exists());
}

#[test]
fn rows_and_backups_are_written_to_paths_of_any_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let sample = sample();
    ran(&["ingest".as_ref(), "car".as_ref(), sample.as_os_str()], &data).printed();
    let rows = bytes(folder.path(), b"rows\xfd.csv");
    let export: [&OsStr; 6] = [
        "export".as_ref(),
        "rows".as_ref(),
        "--format".as_ref(),
        "csv".as_ref(),
        "--out".as_ref(),
        rows.as_os_str(),
    ];
    assert!(ran(&export, &data).printed().contains("rows\u{fffd}.csv: "));
    assert!(std::fs::read_to_string(&rows).unwrap().starts_with("stat_date,"));
    let copy = bytes(folder.path(), b"copy\xfc");
    ran(&["backup".as_ref(), copy.as_os_str()], &data).printed();
    let restored = folder.path().join("restored");
    ran(&["restore".as_ref(), copy.as_os_str()], &restored).printed();
    let newest = |data| run_in(data, &["stats", "total"]).printed();
    assert_eq!(newest(&restored), newest(&data));
}
