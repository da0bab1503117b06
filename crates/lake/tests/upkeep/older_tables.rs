//! Tables that lack columns of today's schema, in a lake whose layout says nothing of it.

use std::path::Path;

use lake::Lake;
use tempfile::TempDir;

use crate::common::{copy_tree, finished, shown};

/// All commits of a table, as text.
fn commits(table: &Path) -> String {
    let entries = std::fs::read_dir(table.join("_delta_log")).expect("a log");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let commits = paths.filter(|path| path.extension().is_some_and(|kind| kind == "json"));
    commits.map(|path| std::fs::read_to_string(path).expect("a commit")).collect()
}

#[tokio::test]
async fn a_column_that_a_table_lacks_is_added_though_the_layout_is_todays() {
    let dir = TempDir::new().expect("a directory");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/3"), dir.path());
    std::fs::write(dir.path().join("lake.json"), "{\"layout\":4}\n").expect("written");
    let before = shown(dir.path()).await;
    for (table, column) in [
        ("sp_sector_daily", "total_upgrade_count"),
        ("sector_events", "daily_fee_after"),
        ("progress", "receipts"),
    ] {
        assert!(!commits(&dir.path().join(table)).contains(&format!("\\\"{column}\\\"")), "{column}");
    }
    let mut lake = Lake::open(dir.path()).await.expect("it opens");
    for (table, column) in [
        ("sp_sector_daily", "total_upgrade_count"),
        ("sector_events", "daily_fee_after"),
        ("progress", "receipts"),
    ] {
        assert!(commits(&dir.path().join(table)).contains(&format!("\\\"{column}\\\"")), "{column}");
    }
    assert_eq!(shown(dir.path()).await, before);
    let next = lake.last_closed().expect("closed days").next();
    let mut more = finished(0, vec![], vec![]);
    (more.day, more.source.day) = (next, next);
    lake.close_days(&[more]).await.expect("it goes on");
    assert_eq!(shown(dir.path()).await[..before.len()], before);
}
