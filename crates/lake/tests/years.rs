//! A finished year's rows by miner in one file.

mod common;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chain::{Day, MinerId, NoProgress};
use common::{age, closed, copy_tree, day, finished, network, onboard, shown};
use lake::{Disk, DiskStep, FinishedDay, Lake, Reader};
use ledger::columns::Endpoint;
use ledger::testing::SyntheticOptions;
use ledger::{Event, Kind};
use tempfile::TempDir;

/// From 2022-10-01 on: three months of a year and five days of the next.
const DAYS: usize = 97;

fn days() -> Vec<FinishedDay> {
    network(SyntheticOptions { miners: 7, events_per_day: 60, ..Default::default() }).take(DAYS).collect()
}

/// Each miner's rows of these days.
async fn histories(dir: &Path, first: Day, last: Day) -> BTreeMap<MinerId, (Vec<Day>, String)> {
    let reader = Reader::open(dir).await.expect("a reader");
    let newest = *reader.days().expect("closed days").end();
    let newest = reader.day(newest).await.expect("a readable day").expect("a closed day");
    let mut histories = BTreeMap::new();
    for miner in newest.miners() {
        let rows = reader.miner(*miner, first..=last).await.expect("a history");
        let mut text = String::new();
        for endpoint in Endpoint::ALL {
            rows.write_json(*endpoint, &mut text);
        }
        histories.insert(*miner, (rows.days().to_vec(), text));
    }
    histories
}

/// How many files there are by miner.
fn by_miner(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir.join("sp_sector_history")).expect("a directory");
    files.filter(|file| file.as_ref().is_ok_and(|file| file.path().is_file())).count()
}

#[tokio::test]
async fn a_finished_years_rows_by_miner_are_brought_together_and_show_the_same() {
    let days = days();
    let (dir, mut lake) = closed(&days).await;
    let ranges = [(0, 96), (0, 91), (91, 92), (30, 31), (50, 50), (92, 96), (95, 300)];
    let mut before = Vec::new();
    for (first, last) in ranges {
        before.push(histories(dir.path(), day(first), day(last)).await);
    }
    let rows = shown(dir.path()).await;

    let compacted = lake.compact(&NoProgress).await.expect("brought together");
    assert_eq!((compacted.months, compacted.open_days, compacted.years), (3, 5, 1));
    for _ in 0..2 {
        for ((first, last), before) in ranges.iter().zip(&before) {
            let after = histories(dir.path(), day(*first), day(*last)).await;
            assert_eq!(&after, before, "days {first} to {last}");
        }
        assert_eq!(shown(dir.path()).await, rows);
        let again = lake.compact(&NoProgress).await.expect("nothing to do");
        assert_eq!((again.months, again.open_days, again.years), (0, 0, 0));
        lake.vacuum(Duration::ZERO).await.expect("what they replace is gone");
        assert_eq!(by_miner(dir.path()), 2, "the year that is over and the month that is not");
    }
}

#[tokio::test]
async fn a_year_is_over_with_the_first_day_of_the_next_and_not_before() {
    let days = days();
    let (dir, mut lake) = closed(&days[..92]).await;
    let compacted = lake.compact(&NoProgress).await.expect("brought together");
    assert_eq!((compacted.months, compacted.open_days, compacted.years), (2, 31, 0));
    lake.close_days(&days[92..93]).await.expect("New Year's Day");
    let whole = histories(dir.path(), day(0), day(92)).await;
    let compacted = lake.compact(&NoProgress).await.expect("brought together");
    assert_eq!((compacted.months, compacted.open_days, compacted.years), (1, 1, 1));
    assert_eq!(histories(dir.path(), day(0), day(92)).await, whole);
    for (miner, (days, _)) in whole {
        assert!(!days.is_empty() && days.is_sorted(), "{miner}");
    }
}

#[tokio::test]
async fn a_day_of_a_year_that_is_together_can_be_closed_again() {
    let days = days();
    let (whole, _lake) = closed(&days).await;
    let expected = histories(whole.path(), day(0), day(96)).await;
    let mut wrong = days.clone();
    let proven = |event: &Event| event.kind == Kind::Proven;
    let again = days.iter().position(|of| of.events.iter().any(proven)).expect("a proving");
    let lost = wrong[again].events.iter().position(proven).expect("a proving");
    wrong[again].events.remove(lost);
    let (dir, mut lake) = closed(&wrong).await;
    lake.compact(&NoProgress).await.expect("brought together");
    assert_ne!(histories(dir.path(), day(0), day(96)).await, expected);
    lake.begin_reclose(days[again].day).expect("a closed day");
    lake.close_days(&days[again..=again]).await.expect("a day that closes");
    lake.commit_reclose(false).await.expect("the days after it stand on the same states");
    assert_eq!(histories(dir.path(), day(0), day(96)).await, expected);
    let compacted = lake.compact(&NoProgress).await.expect("brought together again");
    assert_eq!((compacted.months, compacted.open_days, compacted.years), (3, 5, 1));
    assert_eq!(histories(dir.path(), day(0), day(96)).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_write_fails_while_a_year_is_brought_together_no_row_changes() {
    // From 28 November on, which is two months of a year, and two days of the next.
    let day_with = |number| finished(number, vec![onboard(1000, number as u64, 1)], vec![]);
    let (base, mut lake) = closed(&(58..92).map(day_with).collect::<Vec<_>>()).await;
    lake.compact(&NoProgress).await.expect("brought together");
    lake.close_days(&[day_with(92), day_with(93)]).await.expect("days of the next year");
    lake.vacuum(Duration::ZERO).await.expect("fewer files to copy");
    drop(lake);
    let whole = histories(base.path(), day(0), day(93)).await;
    let mut fails = 0;
    loop {
        let dir = TempDir::new().expect("a directory");
        copy_tree(base.path(), dir.path());
        let steps = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&steps);
        let disk = Disk::with_hook(move |_: DiskStep, _: &Path| {
            if count.fetch_add(1, Ordering::Relaxed) >= fails {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "as if the disk had died"));
            }
            Ok(())
        });
        let failed = match Lake::open_with_disk(dir.path(), disk).await {
            Ok(mut lake) => lake.compact(&NoProgress).await.is_err(),
            Err(_) => true,
        };
        assert_eq!(histories(dir.path(), day(0), day(93)).await, whole, "step {fails}");
        // What is left of a file is removed when it is no other writer's.
        age(dir.path());
        let mut lake = Lake::open(dir.path()).await.expect("it opens again");
        lake.compact(&NoProgress).await.expect("it goes on");
        lake.vacuum(Duration::ZERO).await.expect("what they replace is gone");
        assert_eq!(by_miner(dir.path()), 2, "step {fails}");
        if !failed && steps.load(Ordering::Relaxed) <= fails {
            break;
        }
        fails += 1;
    }
    assert!(fails > 30, "only {fails} steps were tried");
}
