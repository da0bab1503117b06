//! Queries beside each other, and beside a writer.

use std::time::Duration;

use chain::{Clock, MAINNET_GENESIS, MinerId};
use lake::{Error, EventFilter, Queries, QueryLimits, Reader, SqlSession};

use crate::common::{closed, day, finished, onboard};

fn limits(seconds: u64, mebibytes: usize) -> QueryLimits {
    QueryLimits { time: Duration::from_secs(seconds), memory: mebibytes << 20, disk: 1 << 30 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_query_outlives_a_large_one_beside_it() {
    let (dir, _lake) = closed(&[finished(0, vec![onboard(1000, 1, 1)], vec![])]).await;
    let small = SqlSession::open(dir.path(), limits(600, 1)).await.expect("a session");
    let large = SqlSession::open(dir.path(), limits(600, 1024)).await.expect("a session");
    // Takes no memory and never ends by itself.
    let endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b";
    let small = tokio::spawn(async move { small.preview(endless, 1).await });
    // 600 MB in one text: more than the small query may hold, and less than the large one may.
    let held = "SELECT length(repeat('x', 600000000 + CAST(max(sector) AS INT))) FROM sector_events";
    let answer = large.preview(held, 1).await.expect("it is within its limits");
    assert_eq!(answer.rows, [["600000001"]]);
    assert!(!small.is_finished(), "{:?}", small.await);
    small.abort();
}

/// As long as a statement may be, in the form that nests deepest.
#[tokio::test(flavor = "multi_thread")]
async fn the_longest_statement_needs_no_more_stack_than_there_is() {
    let (dir, _lake) = closed(&[finished(0, vec![onboard(1000, 1, 1)], vec![])]).await;
    let session = SqlSession::open(dir.path(), limits(20, 256)).await.expect("a session");
    let terms = ((128 << 10) - "SELECT 1".len()) / "+1".len();
    let sum = format!("SELECT 1{}", "+1".repeat(terms));
    // Planning it may take longer than it is given here, but ends, and takes nothing else down with it.
    match session.preview(&sum, 1).await {
        Ok(answer) => assert_eq!(answer.rows, [[(terms + 1).to_string()]]),
        Err(ended) => assert!(matches!(ended, Error::TimeLimit { .. }), "{ended}"),
    }
}

#[tokio::test]
async fn rows_are_of_the_version_that_was_asked_for_though_a_newer_one_is_published() {
    let days: Vec<_> =
        (0..3).map(|number| finished(number, vec![onboard(1000, number as u64, 1)], vec![])).collect();
    let (dir, mut lake) = closed(&days[..2]).await;
    let reader = Reader::open(dir.path()).await.expect("a reader");
    let version = reader.version();
    let queries = Queries::new(dir.path().to_owned(), limits(60, 64));
    let filter = EventFilter {
        miner: MinerId(1000),
        sector: None,
        days: day(0)..=day(2),
        kinds: Vec::new(),
        causes: Vec::new(),
        after: None,
        limit: 100,
    };
    // The writer closes a day, and closes another one again without its event.
    lake.close_days(&days[2..]).await.expect("a day");
    lake.begin_reclose(day(0)).expect("a closed day");
    lake.close_days(&[finished(0, vec![], vec![])]).await.expect("a day");
    lake.commit_reclose(false).await.expect("closed again");

    let events = queries.events(version, &filter).await.expect("events");
    assert_eq!(events.rows.len(), 2, "those of the two days that the reader knows");
    assert!(reader.refresh().await.expect("a newer version"));
    let newer = queries.events(reader.version(), &filter).await.expect("events");
    assert_eq!(newer.rows.len(), 2, "those of the second and the third day");
    let clock = Clock::new(MAINNET_GENESIS);
    let sectors = async |version| {
        let schedule = queries.expirations(version, clock, None, day(1)).await.expect("a schedule");
        schedule.days.iter().map(|day| day.all.sectors).sum::<i128>()
    };
    assert_eq!((sectors(version).await, sectors(reader.version()).await), (2, 1));
}
