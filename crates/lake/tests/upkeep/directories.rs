//! Lakes in directories whose names mean something in a glob, an address or a shell.

use std::path::Path;
use std::time::Duration;

use chain::NoProgress;
use lake::{AuditScope, Lake, QueryLimits, SqlSession, Status, backup, deep_audit, restore};
use tempfile::TempDir;

use crate::common::{copy_tree, finished, onboard, shown};

const NAMES: [&str; 9] = ["a[b]c", "a*b", "a?b", "a%20b", "a b", "a#b", "{a,b}", "überall", "a:b@c&d='e'"];

async fn findings(lake: &Path) -> usize {
    let mut found = 0;
    let audited = deep_audit(lake, &AuditScope::default(), &NoProgress, &mut |_| found += 1).await;
    assert!(audited.expect("a lake that reads").days > 0);
    found
}

async fn count_events(lake: &Path) -> String {
    let limits = QueryLimits { time: Duration::from_secs(60), memory: 64 << 20, disk: 1 << 30 };
    let session = SqlSession::open(lake, limits).await.expect("a session");
    let answer = session.preview("SELECT count(*) FROM sector_events", 9).await.expect("an answer");
    answer.rows[0][0].clone()
}

#[tokio::test]
async fn a_lake_may_be_in_a_directory_of_any_name() {
    for name in NAMES {
        let root = TempDir::new().expect("a directory");
        let dir = root.path().join(name).join("lake");
        let mut lake = Lake::open(&dir).await.expect("a lake");
        lake.close_days(&[finished(0, vec![onboard(1000, 1, 1)], vec![])]).await.expect("a day");
        drop(lake);
        let mut lake = Lake::open(&dir).await.expect("it opens again");
        assert_eq!(lake.first_activations().await.expect("activations"), [], "{name}");
        lake.close_days(&[finished(1, vec![onboard(1000, 2, 2)], vec![])]).await.expect("the next day");
        // Neither has power on the chain, and the events of a made-up day say nothing of it.
        let before = findings(&dir).await;
        lake.compact(&NoProgress).await.expect("compacted");
        assert_eq!(findings(&dir).await, before, "{name}");
        assert_eq!(count_events(&dir).await, "2", "{name}");

        let (copy, back) = (root.path().join(name).join("copy"), root.path().join(name).join("back"));
        backup(&dir, &copy, &NoProgress).await.expect("a copy");
        restore(&copy, &back, &NoProgress).await.expect("put back");
        assert_eq!(shown(&back).await, shown(&dir).await, "{name}");
    }
}

#[tokio::test]
async fn a_lake_of_an_older_layout_is_migrated_in_a_directory_of_any_name() {
    for name in NAMES {
        let root = TempDir::new().expect("a directory");
        let dir = root.path().join(name);
        copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/1"), &dir);
        let before = shown(&dir).await;
        drop(Lake::open(&dir).await.expect("migrated"));
        assert_eq!(Status::read(&dir).await.expect("a status").layout, 4, "{name}");
        assert_eq!((shown(&dir).await, findings(&dir).await), (before, 0), "{name}");
    }
}
