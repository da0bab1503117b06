//! Backups whose copy was damaged.

use chain::NoProgress;
use lake::{backup, restore};
use tempfile::TempDir;

use crate::common::{closed, finished, onboard, shown};
use crate::data_files;

#[tokio::test]
async fn a_damaged_file_of_a_copy_is_written_anew_by_the_next_backup() {
    let days = [finished(0, vec![onboard(1000, 1, 1)], vec![]), finished(1, vec![], vec![])];
    let (dir, _lake) = closed(&days).await;
    let copies = TempDir::new().expect("a directory");
    let copy = copies.path().join("copy");
    backup(dir.path(), &copy, &NoProgress).await.expect("a copy");
    // The note of the layout is copied each time.
    let unchanged = backup(dir.path(), &copy, &NoProgress).await.expect("the same again");
    assert_eq!(unchanged.new_files, 1);

    let damaged = data_files(&copy).pop_first().expect("a data file");
    let mut bytes = std::fs::read(&damaged).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&damaged, bytes).expect("damaged");
    let mended = backup(dir.path(), &copy, &NoProgress).await.expect("brought up to date");
    assert_eq!(mended.new_files, 2, "the damaged file is written anew, and no other");

    let back = copies.path().join("back");
    restore(&copy, &back, &NoProgress).await.expect("a copy that is whole");
    assert_eq!(shown(&back).await, shown(dir.path()).await);
}
