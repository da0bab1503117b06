//! How long files are kept that a newer version has replaced.

use std::path::Path;
use std::time::Duration;

use lake::Lake;

use crate::common::{age, closed, finished, onboard, shown};
use crate::data_files;

const DAY: Duration = Duration::from_hours(24);

/// Lets the log of each table say that its files were removed so long ago.
fn age_tombstones(lake: &Path, by: Duration) {
    const KEY: &str = "\"deletionTimestamp\":";
    for table in ["sector_events", "sp_sector_daily", "reconciliation", "progress"] {
        for entry in std::fs::read_dir(lake.join(table).join("_delta_log")).expect("a log") {
            let path = entry.expect("an entry").path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let mut parts = text.split(KEY);
            let mut aged = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let digits = part.find(|letter: char| !letter.is_ascii_digit()).expect("an end");
                let removed: u64 = part[..digits].parse().expect("milliseconds");
                aged += &format!("{KEY}{}{}", removed - by.as_millis() as u64, &part[digits..]);
            }
            std::fs::write(&path, aged).expect("written");
        }
    }
}

#[tokio::test]
async fn replaced_files_are_kept_as_long_as_vacuum_is_told_whatever_checkpoints_are_made() {
    let of = |number: i32| finished(number, vec![onboard(1000, number as u64, 1)], vec![]);
    let (dir, mut lake) = closed(&[of(0)]).await;
    let replaced = data_files(dir.path());
    lake.begin_reclose(crate::common::day(0)).expect("a closed day");
    lake.close_days(&[of(0)]).await.expect("a day");
    lake.commit_reclose(false).await.expect("closed again");
    drop(lake);
    age_tombstones(dir.path(), DAY * 8);
    let mut lake = Lake::open(dir.path()).await.expect("it opens again");
    // More commits than there are between two checkpoints.
    for number in 1..=33 {
        lake.close_days(&[of(number)]).await.expect("a day");
    }
    drop(lake);
    age(dir.path());
    let before = shown(dir.path()).await;
    let lake = Lake::open(dir.path()).await.expect("it opens again");
    assert!(replaced.is_subset(&data_files(dir.path())), "a version of eight days ago can still be read");
    assert_eq!(lake.vacuum(DAY * 9).await.expect("nothing is old enough").files, 0);
    assert!(lake.vacuum(DAY * 7).await.expect("they may go").files >= 1);
    assert!(replaced.is_disjoint(&data_files(dir.path())));
    assert_eq!(shown(dir.path()).await, before);
}
