//! What is left of a lake when writing to it is broken off, and that it goes on from there to the same end.

mod common;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{age, claim, day, fault, finished, onboard, shown};
use lake::{Disk, DiskStep, FinishedDay, Lake};
use tempfile::TempDir;

/// Days that a test closes, in the groups in which it does.
fn groups() -> Vec<Vec<FinishedDay>> {
    vec![
        vec![finished(0, vec![onboard(1000, 1, 1), onboard(70, 1, 2)], vec![claim(1000, 1), claim(70, 1)])],
        vec![
            finished(1, vec![fault(1000, 1), onboard(1000, 2, 3)], vec![claim(1000, 1), claim(70, 1)]),
            finished(2, vec![onboard(1000, 3, 4)], vec![claim(1000, 2), claim(70, 1)]),
        ],
        vec![finished(3, vec![fault(70, 1)], vec![claim(1000, 2)])],
    ]
}

/// Closes what is not closed yet.
async fn go_on(lake: &mut Lake) -> lake::Result<()> {
    for group in groups() {
        let rest: Vec<FinishedDay> =
            group.into_iter().filter(|of| lake.last_closed().is_none_or(|last| of.day > last)).collect();
        lake.close_days(&rest).await?;
    }
    Ok(())
}

async fn undisturbed() -> (TempDir, Vec<String>) {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    go_on(&mut lake).await.expect("days that close");
    drop(lake);
    let rows = shown(dir.path()).await;
    assert_eq!(rows.len(), 4);
    (dir, rows)
}

/// Files of the lake that no version of a table names, and whatever is half made.
fn strays(dir: &Path) -> Vec<String> {
    let mut strays = Vec::new();
    for table in ["sector_events", "reconciliation", "progress", "sp_sector_history", "sp_sector_daily"] {
        let names = |path: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(path).expect("a directory");
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
        };
        let (table, log) = (dir.join(table), dir.join(table).join("_delta_log"));
        let mut commits = String::new();
        for name in names(&log) {
            if name.ends_with(".json") {
                commits.push_str(&std::fs::read_to_string(log.join(name)).expect("a commit"));
            } else if name.ends_with(".partial") {
                strays.push(name);
            }
        }
        strays.extend(names(&table).into_iter().filter(|name| {
            name.ends_with(".partial") || (name.ends_with(".parquet") && !commits.contains(name.as_str()))
        }));
    }
    strays
}

/// Makes step number `fails` of a lake's writing fail, and all after it if the disk has `died`; returns whether the
/// writing came so far.
async fn broken_at(fails: usize, died: bool, whole: &[String]) -> bool {
    let dir = TempDir::new().expect("a directory");
    let steps = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&steps);
    let disk = Disk::with_hook(move |_: DiskStep, _: &Path| {
        let step = count.fetch_add(1, Ordering::Relaxed);
        if step == fails || (died && step > fails) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "as if the disk were full"));
        }
        Ok(())
    });
    let failed = match Lake::open_with_disk(dir.path(), disk).await {
        Ok(mut lake) => go_on(&mut lake).await.is_err(),
        Err(_) => true,
    };
    let reached = steps.load(Ordering::Relaxed) > fails;
    assert!(failed || !died || !reached, "step {fails}: a dead disk went unnoticed");

    let seen = shown(dir.path()).await;
    assert!(whole.starts_with(&seen), "step {fails}: each day is whole or absent");
    age(dir.path());
    let mut lake = Lake::open(dir.path()).await.expect("it opens again");
    assert_eq!(strays(dir.path()), Vec::<String>::new(), "step {fails}");
    assert_eq!(shown(dir.path()).await, seen, "step {fails}: opening changes no day");
    go_on(&mut lake).await.expect("it goes on");
    drop(lake);
    assert_eq!(shown(dir.path()).await, whole, "step {fails}");
    reached
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_write_flush_or_renaming_fails_each_day_is_whole_or_absent() {
    let (_dir, whole) = undisturbed().await;
    for died in [false, true] {
        let mut fails = 0;
        while broken_at(fails, died, &whole).await {
            fails += 1;
        }
        assert!(fails > 60, "only {fails} steps were tried");
    }
}

/// A lake whose last commit to `table` is cut to `length` bytes.
async fn torn(table: &str, length: u64, whole: &[String]) {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    go_on(&mut lake).await.expect("days that close");
    drop(lake);
    let log = dir.path().join(table).join("_delta_log/00000000000000000003.json");
    let file = std::fs::File::options().write(true).open(&log).expect("the last commit");
    file.set_len(length).expect("cut");
    // Readers pass the torn commit over until a writer clears it away.
    let seen = shown(dir.path()).await;
    assert!(whole.starts_with(&seen) && seen.len() >= 3, "{table} cut to {length}");
    let mut lake = Lake::open(dir.path()).await.expect("it opens again");
    assert!(table != "sp_sector_daily" || lake.last_closed() == Some(day(2)), "its last group is gone");
    go_on(&mut lake).await.expect("it goes on");
    assert_eq!(shown(dir.path()).await, whole, "{table} cut to {length}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_last_commit_is_taken_back() {
    let (_dir, whole) = undisturbed().await;
    for length in [0, 1, 100] {
        torn("sp_sector_daily", length, &whole).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_leaves_behind_is_swept_away() {
    let (dir, whole) = undisturbed().await;
    let rows = dir.path().join("sp_sector_daily");
    for name in
        ["2022-10-09-left.parquet", "x.parquet.123.partial", "_delta_log/00000000000000000009.json.1.partial"]
    {
        std::fs::write(rows.join(name), b"half").expect("left behind");
    }
    std::fs::write(rows.join("_delta_log/00000000000000000002.checkpoint.parquet"), b"")
        .expect("left behind");
    std::fs::write(rows.join("_delta_log/_last_checkpoint"), b"{\"version\":2,\"si").expect("left behind");
    // What is young may be another writer's, whose commit is still to come.
    drop(Lake::open(dir.path()).await.expect("it opens"));
    assert_eq!(strays(dir.path()).len(), 3);
    age(dir.path());
    let lake = Lake::open(dir.path()).await.expect("it opens");
    assert_eq!(lake.last_closed(), Some(day(3)));
    assert_eq!(strays(dir.path()), Vec::<String>::new());
    assert!(!rows.join("_delta_log/_last_checkpoint").exists());
    assert_eq!(shown(dir.path()).await, whole);
}
