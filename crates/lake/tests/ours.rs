//! What on a disk is a lake's own: what is removed, what is written to, and by whom.

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chain::NoProgress;
use common::{age, claim, copy_tree, day, finished, onboard, shown};
use lake::{Error, FinishedDay, Lake, Reader, Status, backup, restore};
use tempfile::TempDir;

const TABLES: [&str; 4] = ["sector_events", "reconciliation", "progress", "sp_sector_daily"];

/// Some days, on each of which a sector comes.
fn days(count: i32) -> Vec<FinishedDay> {
    let day = |number: i32| {
        let sector = number as u64;
        finished(number, vec![onboard(1000, sector, sector)], vec![claim(1000, i128::from(number) + 1)])
    };
    (0..count).map(day).collect()
}

/// A lake of some days, each closed by itself.
async fn lake_of(count: i32) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    for day in days(count) {
        lake.close_days(&[day]).await.expect("a day");
    }
    dir
}

fn data_files(table: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(table).expect("a table").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|of| of == "parquet")).collect()
}

/// Names below a directory, and what is in the files.
fn all_in(dir: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.push((path.clone(), None));
            all.extend(all_in(&path));
        } else {
            all.push((path.clone(), Some(std::fs::read(&path).expect("a file"))));
        }
    }
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_touches_no_directory_that_holds_something_else() {
    let dir = lake_of(2).await;
    let other = TempDir::new().expect("a directory");
    std::fs::create_dir_all(other.path().join("sub")).expect("a directory");
    let sum = "0123456789abcdef".repeat(4);
    let lists = [
        "disk.iso".to_owned(),
        "sub/photo.jpg".to_owned(),
        "lake.json".to_owned(),
        "sp_sector_daily/x.parquet".to_owned(),
        "../victim".to_owned(),
    ];
    for list in lists {
        std::fs::write(other.path().join("disk.iso"), b"x").expect("written");
        std::fs::write(other.path().join("sub/photo.jpg"), b"x").expect("written");
        std::fs::write(other.path().join("SHA256SUMS"), format!("{sum}  {list}\n")).expect("written");
        let before = all_in(other.path());
        let refused = backup(dir.path(), other.path(), &NoProgress).await.expect_err("it is no backup");
        assert!(refused.to_string().contains("no backup"), "{refused}");
        assert_eq!(all_in(other.path()), before, "{list}");
    }
    std::fs::remove_file(other.path().join("SHA256SUMS")).expect("removed");
    let before = all_in(other.path());
    let refused = backup(dir.path(), other.path(), &NoProgress).await.expect_err("it is no backup");
    assert!(refused.to_string().contains("no backup"), "{refused}");
    assert_eq!(all_in(other.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_brought_up_to_date_loses_data_files_alone() {
    let dir = lake_of(3).await;
    let copies = TempDir::new().expect("a directory");
    let copy = copies.path().join("copy");
    backup(dir.path(), &copy, &NoProgress).await.expect("a copy");
    std::fs::write(copy.join("letter.txt"), b"dear").expect("written");
    std::fs::write(copy.join("progress/own.parquet"), b"x").expect("written");
    let before = data_files(&copy.join("progress"));
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.begin_reclose(day(2)).expect("a closed day");
    lake.close_days(&days(3)[2..]).await.expect("the day again");
    lake.commit_reclose(false).await.expect("it is closed again");
    let second = backup(dir.path(), &copy, &NoProgress).await.expect("brought up to date");
    assert!(second.new_files < second.files);
    let after = data_files(&copy.join("progress"));
    assert_eq!(before.difference(&after).count(), 1, "the file of the day that was closed again");
    assert!(copy.join("letter.txt").is_file() && copy.join("progress/own.parquet").is_file());
    assert_eq!(shown(&copy).await, shown(dir.path()).await);
    let back = copies.path().join("back");
    restore(&copy, &back, &NoProgress).await.expect("put back");
    assert!(!back.join("letter.txt").exists() && !back.join("progress/own.parquet").exists());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_not_written_through_a_link() {
    let dir = lake_of(2).await;
    let copies = TempDir::new().expect("a directory");
    let (copy, outside) = (copies.path().join("copy"), copies.path().join("outside"));
    backup(dir.path(), &copy, &NoProgress).await.expect("a copy");
    std::fs::rename(copy.join("progress"), &outside).expect("moved");
    std::os::unix::fs::symlink(&outside, copy.join("progress")).expect("a link");
    let before = all_in(&outside);
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(&days(3)[2..]).await.expect("another day");
    let refused = backup(dir.path(), &copy, &NoProgress).await.expect_err("a link in it");
    let named =
        matches!(&refused, Error::UnexpectedFileType { path, what: "a link" } if path.ends_with("progress"));
    assert!(named, "{refused}");
    assert_eq!(all_in(&outside), before);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn who_has_lost_the_lock_commits_nothing_more() {
    let dir = lake_of(3).await;
    let before = shown(dir.path()).await;
    let mut first = Lake::open(dir.path()).await.expect("a lake");
    first.begin_reclose(day(1)).expect("a closed day");
    first.close_days(&days(3)[1..]).await.expect("days whose commit is still to come");
    let written: Vec<_> = TABLES.iter().map(|table| data_files(&dir.path().join(table))).collect();

    std::fs::remove_file(dir.path().join("writer.lock")).expect("removed");
    let mut second = Lake::open(dir.path()).await.expect("nobody holds the new lock");
    second.vacuum(Duration::ZERO).await.expect("nothing to remove");
    let kept: Vec<_> = TABLES.iter().map(|table| data_files(&dir.path().join(table))).collect();
    assert_eq!(kept, written, "what is young may still be committed");

    let refused = first.commit_reclose(false).await.expect_err("it is no writer any more");
    let named = matches!(&refused, Error::LockReplaced { path } if path.ends_with("writer.lock"));
    assert!(named, "{refused}");
    let refused = first.close_days(&days(4)[3..]).await.expect_err("nor will it be");
    assert!(matches!(refused, Error::LockReplaced { .. }), "{refused}");
    drop(first);
    assert_eq!(shown(dir.path()).await, before, "nothing has changed");
    assert!(
        Status::read(dir.path()).await.expect("a status").writer.is_some(),
        "the second one still writes"
    );
    second.close_days(&days(4)[3..]).await.expect("the next day");
    drop(second);
    age(dir.path());
    let lake = Lake::open(dir.path()).await.expect("it opens");
    assert_eq!(lake.last_closed(), Some(day(3)));
    let left: usize = TABLES.iter().map(|table| data_files(&dir.path().join(table)).len()).sum();
    assert_eq!(left, 4 * 4, "what never came to be is gone");
    assert_eq!(shown(dir.path()).await[..3], before);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_gone_stops_a_writer_before_it_commits() {
    let dir = lake_of(1).await;
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    let lock = dir.path().join("writer.lock");
    std::fs::remove_file(&lock).expect("removed");
    let refused = lake.close_days(&days(2)[1..]).await.expect_err("the lock is gone").to_string();
    assert!(refused.contains(lock.to_str().expect("text")), "{refused}");
    assert_eq!(shown(dir.path()).await.len(), 1);
}

/// The file that the newest commit of a table puts in.
fn last_file(dir: &Path, table: &str, version: u64) -> PathBuf {
    let commit = dir.join(table).join(format!("_delta_log/{version:020}.json"));
    let commit = std::fs::read_to_string(commit).expect("a commit");
    let begin = commit.find("{\"add\":{\"path\":\"").expect("a file") + 16;
    let name = commit[begin..].split('"').next().expect("a name");
    dir.join(table).join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_commit_that_lacks_a_file_is_taken_back() {
    let whole = lake_of(5).await;
    let expected = shown(whole.path()).await;
    for table in TABLES {
        // The files of the last commit, or of the last two.
        for lost in [&[5][..], &[4, 5]] {
            let dir = TempDir::new().expect("a directory");
            copy_tree(whole.path(), dir.path());
            for version in lost {
                std::fs::remove_file(last_file(dir.path(), table, *version)).expect("lost");
            }
            let left = 5 - lost.len();
            let reader = Reader::open(dir.path()).await.expect("a lake that reads");
            assert_eq!(shown(dir.path()).await, expected[..left], "{table} lacks {lost:?}");
            assert!(!reader.refresh().await.expect("nothing newer that is whole"));
            let mut lake = Lake::open(dir.path()).await.expect("a lake that opens");
            assert_eq!(lake.last_closed(), Some(day(left as i32 - 1)), "{table} lacks {lost:?}");
            for of in &days(5)[left..] {
                lake.close_days(std::slice::from_ref(of)).await.expect("the days again");
            }
            drop(lake);
            assert_eq!(shown(dir.path()).await, expected, "{table} lacks {lost:?}");
            assert!(reader.refresh().await.expect("it reads"), "a server sees the days again");
            assert_eq!(reader.days(), Some(day(0)..=day(4)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn for_a_file_of_older_days_no_later_day_is_given_up() {
    let dir = lake_of(4).await;
    std::fs::remove_file(last_file(dir.path(), "sp_sector_daily", 2)).expect("lost");
    let reader = Reader::open(dir.path()).await.expect("a lake that reads");
    assert_eq!(reader.days(), Some(day(0)..=day(3)));
    assert!(reader.day(day(1)).await.is_err(), "its file is missing");
    let mut text = String::new();
    for number in [0, 2, 3] {
        let rows = reader.day(day(number)).await.expect("a readable day").expect("a closed day");
        text.push_str(&format!("{}\n", rows.day()));
    }
    assert_eq!(text.lines().count(), 3);
    let mut lake = Lake::open(dir.path()).await.expect("it opens");
    assert_eq!(lake.last_closed(), Some(day(3)));
    lake.close_days(&days(5)[4..]).await.expect("it goes on");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_restore_has_left_goes_with_the_next_one() {
    let dir = lake_of(2).await;
    let place = TempDir::new().expect("a directory");
    let (copy, to) = (place.path().join("copy"), place.path().join("lake"));
    backup(dir.path(), &copy, &NoProgress).await.expect("a copy");
    let outside = place.path().join("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("letter.txt"), b"dear").expect("written");
    let new = "0123456789abcdef".repeat(2);
    let named = |name: &str| place.path().join(name);
    let left = named(&format!("lake.{new}.restoring"));
    std::fs::create_dir_all(left.join("progress")).expect("a directory");
    std::fs::write(left.join("progress/half"), b"x").expect("written");
    std::os::unix::fs::symlink(&outside, left.join("away")).expect("a link");
    // Of others, or of none.
    let link = named(&format!("lake.{}.restoring", new.replace('0', "1")));
    std::os::unix::fs::symlink(&outside, &link).expect("a link");
    let others =
        [format!("other.{new}.restoring"), "lake.mine.restoring".to_owned(), format!("lake.{new}.kept")];
    for other in &others {
        std::fs::create_dir(named(other)).expect("a directory");
    }
    let busy = named(&format!("lake.{}.restoring", new.replace('0', "2")));
    std::fs::create_dir(&busy).expect("a directory");
    let _working = Lake::open(&busy).await.expect("it holds the lock");

    restore(&copy, &to, &NoProgress).await.expect("put back");
    assert!(!left.exists(), "what was left is gone");
    assert!(link.is_symlink() && busy.is_dir() && others.iter().all(|other| named(other).is_dir()));
    assert_eq!(std::fs::read(outside.join("letter.txt")).expect("a file"), b"dear");
    assert_eq!(shown(&to).await, shown(dir.path()).await);
}
