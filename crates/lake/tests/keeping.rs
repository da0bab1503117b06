//! What a lake goes through in years: months brought together, days closed again, copies, older layouts.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chain::{Clock, Day, MAINNET_GENESIS, MinerId, NoProgress};
use common::{closed, copy_tree, day, finished, network, onboard, opened, shown};
use lake::{
    AuditReport, AuditScope, ColumnChange, Error, ExpirationSchedule, Finding, FinishedDay, Lake, LaterDays,
    Provenance, Queries, QueryLimits, Reader, Status, audit, backup, deep_audit, restore,
};
use ledger::columns::{COLUMNS, Endpoint, column};
use ledger::testing::SyntheticOptions;
use ledger::{Content, Event, Kind, ReceiptCounts, Receipts, Value};
use tempfile::TempDir;

/// From 2022-10-01 on: October, November, and two days of December.
const DAYS: usize = 63;

fn days(standing: usize) -> Vec<FinishedDay> {
    network(SyntheticOptions {
        miners: 5,
        events_per_day: 60,
        initial_sectors: standing,
        ..Default::default()
    })
    .take(DAYS)
    .collect()
}

/// What a lake shows and what it finds in itself, read in every way there is.
async fn everything(dir: &Path) -> (Vec<String>, BTreeMap<MinerId, String>, AuditReport) {
    let reader = Reader::open(dir).await.expect("a reader");
    let closed = reader.days().expect("closed days");
    let mut histories = BTreeMap::new();
    let last = reader.day(*closed.end()).await.expect("a readable day").expect("a closed day");
    for miner in last.miners() {
        let rows = reader.miner(*miner, closed.clone()).await.expect("a history");
        let mut text = String::new();
        for endpoint in Endpoint::ALL {
            rows.write_json(*endpoint, &mut text);
        }
        histories.insert(*miner, text);
    }
    let (audited, findings) = audited(dir, true).await;
    assert_eq!(findings, []);
    (shown(dir).await, histories, audited)
}

async fn audited(dir: &Path, deep: bool) -> (AuditReport, Vec<Finding>) {
    let findings = Mutex::new(Vec::new());
    let mut found = |finding| findings.lock().expect("nobody panics").push(finding);
    let scope = AuditScope::default();
    let audited = if deep {
        deep_audit(dir, &scope, &NoProgress, &mut found).await
    } else {
        audit(dir, &scope, &NoProgress, &mut found).await
    };
    let audited = audited.expect("a lake that reads");
    (audited, findings.into_inner().expect("nobody panics"))
}

#[tokio::test]
async fn finished_months_are_brought_together_and_show_the_same() {
    let days = days(0);
    let (dir, mut lake) = closed(&days).await;
    let before = everything(dir.path()).await;
    assert_eq!(before.0.len(), DAYS);
    let compacted = lake.compact(&NoProgress).await.expect("months brought together");
    assert_eq!(compacted.months, 2, "the month of the last day is not finished");
    assert_eq!((compacted.open_days, compacted.years), (2, 0));
    // Four tables with two months and a file of two days each, and three months by miner.
    assert_eq!(compacted.files_now, 4 * 3 + 3);
    assert_eq!(everything(dir.path()).await, before);
    let again = lake.compact(&NoProgress).await.expect("nothing to do");
    assert_eq!((again.months, again.open_days, again.files_now), (0, 0, compacted.files_now));

    // Who reads the version before finds its files until they are swept away.
    let kept = lake.vacuum(Duration::from_hours(1)).await.expect("nothing is old enough");
    assert_eq!(kept.files, 0);
    let swept = lake.vacuum(Duration::ZERO).await.expect("all may go");
    assert_eq!(swept.files, compacted.files_before - 4, "what is left are the days of the last month");
    assert_eq!(everything(dir.path()).await, before);
    drop(lake);
    let mut lake = Lake::open(dir.path()).await.expect("it opens again");
    let next = network(SyntheticOptions { miners: 5, events_per_day: 60, ..Default::default() }).nth(DAYS);
    lake.close_days(&[next.expect("another day")]).await.expect("and goes on");
}

#[tokio::test]
async fn a_reader_of_an_older_version_reads_on_while_months_are_brought_together() {
    let days = days(0);
    let (dir, mut lake) = closed(&days).await;
    let reader = Reader::open(dir.path()).await.expect("a reader");
    lake.compact(&NoProgress).await.expect("months brought together");
    lake.vacuum(Duration::ZERO).await.expect("what they replace is gone");
    for number in [0, 40, 62] {
        let rows =
            reader.day(day(number)).await.expect("it looks for the newer version").expect("a closed day");
        assert!(!rows.miners().is_empty());
    }
}

#[tokio::test]
async fn a_miners_history_is_read_on_while_months_are_brought_together() {
    let days = days(0);
    let (dir, mut lake) = closed(&days).await;
    let expected = everything(dir.path()).await.1;
    let reader = Reader::open(dir.path()).await.expect("a reader");
    let closed = reader.days().expect("closed days");
    lake.compact(&NoProgress).await.expect("months brought together");
    lake.vacuum(Duration::ZERO).await.expect("what they replace is gone");
    for (miner, expected) in expected {
        let rows = reader.miner(miner, closed.clone()).await.expect("it looks for the newer version");
        let mut text = String::new();
        for endpoint in Endpoint::ALL {
            rows.write_json(*endpoint, &mut text);
        }
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn days_closed_again_replace_the_old_ones_and_what_stands_on_them() {
    let days = days(0);
    let (whole, _lake) = closed(&days).await;
    let expected = everything(whole.path()).await;

    // In the first lake an event of day 10 is missing; October is compacted before that is mended.
    let mut wrong = days.clone();
    let lost = wrong[10].events.iter().position(|event| event.kind == Kind::Proven).expect("a proving");
    wrong[10].events.remove(lost);
    let (dir, mut lake) = closed(&wrong).await;
    lake.compact(&NoProgress).await.expect("months brought together");
    assert_ne!(shown(dir.path()).await, expected.0);
    assert!(audited(dir.path(), false).await.0.findings > 0);

    lake.begin_reclose(day(10)).expect("a closed day");
    lake.close_days(&days[10..12]).await.expect("two days");
    assert_ne!(shown(dir.path()).await, expected.0, "nothing is seen before all of it is committed");
    let later = lake.commit_reclose(false).await.expect("the days after them stand on the same states");
    assert_eq!((later.kept, later.dropped), (DAYS as u64 - 12, 0));
    // What was wrong is told: the proving that was missing, and what came of it on every day since.
    let proven = &later.changes[0];
    assert_eq!(proven.day, day(10));
    assert!(matches!(&proven.events[..], [of] if of.kind == "proven" && of.now == of.before + 1));
    let changed: Vec<_> = proven.columns.iter().map(|of| of.column).collect();
    assert!(changed.contains(&"active_sector_count") && changed.contains(&"unproven_sector_count"));
    assert!(!changed.contains(&"total_num_sector"), "{changed:?}");
    let active = proven.columns.iter().find(|of| of.column == "active_sector_count").expect("a change");
    assert!(
        matches!(active, ColumnChange { miners: 1, sums: Some((before, now)), .. } if *now == before + 1)
    );
    assert!(later.changes.iter().any(|change| change.day > day(12)), "{:?}", later.changes);
    assert_eq!(everything(dir.path()).await, expected);
    lake.compact(&NoProgress).await.expect("months brought together");
    assert_eq!(everything(dir.path()).await, expected);
}

#[tokio::test]
async fn a_replacement_that_breaks_off_changes_nothing() {
    let days = days(0);
    let (dir, mut lake) = closed(&days).await;
    let before = everything(dir.path()).await;
    lake.begin_reclose(day(5)).expect("a closed day");
    let mut other = days[5].clone();
    other.events.clear();
    lake.close_days(&[other]).await.expect("a day");
    drop(lake);
    assert_eq!(everything(dir.path()).await, before);
    let lake = Lake::open(dir.path()).await.expect("it opens again");
    assert_eq!(lake.last_closed(), Some(day(DAYS as i32 - 1)));
    assert_eq!(everything(dir.path()).await, before);
}

#[tokio::test]
async fn days_after_another_fork_are_given_up_only_if_that_is_allowed() {
    let days = days(0);
    let (dir, mut lake) = closed(&days[..20]).await;
    let mut fork = days[10..12].to_vec();
    fork[1].source.state_root = "another".to_owned();
    lake.begin_reclose(day(10)).expect("a closed day");
    lake.close_days(&fork).await.expect("two days");
    let refused = lake.commit_reclose(false).await.expect_err("later days stand on another state");
    assert!(matches!(refused, Error::LaterDaysDepend { .. }), "{refused}");
    assert!(refused.to_string().contains("--drop-later"), "{refused}");
    assert_eq!(shown(dir.path()).await.len(), 20, "nothing has changed");

    lake.begin_reclose(day(10)).expect("a closed day");
    lake.close_days(&fork).await.expect("two days");
    let later = lake.commit_reclose(true).await.expect("they may go");
    assert_eq!(later, LaterDays { kept: 0, dropped: 8, changes: Vec::new() });
    assert_eq!((lake.last_closed(), shown(dir.path()).await.len()), (Some(day(11)), 12));
    let refused = lake.begin_reclose(day(14)).expect_err("a day that is not closed");
    assert!(matches!(refused, Error::NotConsecutive { .. }), "{refused}");
}

#[tokio::test]
async fn a_torn_commit_that_published_days_stand_on_takes_them_back() {
    let days = days(0);
    let (dir, lake) = closed(&days[..40]).await;
    drop(lake);
    let before = shown(dir.path()).await;
    // Two commits of 20 days each; of the second one's events nothing came to the disk.
    let log = dir.path().join("sector_events/_delta_log/00000000000000000002.json");
    std::fs::write(&log, b"").expect("torn");
    let mut lake = Lake::open(dir.path()).await.expect("it opens");
    assert_eq!(lake.last_closed(), Some(day(19)));
    assert_eq!(shown(dir.path()).await, before[..20]);
    lake.close_days(&days[20..40]).await.expect("the days again");
    assert_eq!(shown(dir.path()).await, before);
}

#[tokio::test]
async fn a_reader_passes_over_a_torn_checkpoint_and_a_torn_commit() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    for number in 0..34 {
        let events = vec![onboard(1000, number as u64, number as u64)];
        lake.close_days(&[finished(number, events, vec![])]).await.expect("a day");
    }
    drop(lake);
    let before = shown(dir.path()).await;
    let log = dir.path().join("sp_sector_daily/_delta_log");
    let names: Vec<PathBuf> =
        std::fs::read_dir(&log).expect("a log").map(|entry| entry.expect("an entry").path()).collect();
    let checkpoint = names.iter().find(|path| path.to_string_lossy().ends_with(".checkpoint.parquet"));
    std::fs::write(checkpoint.expect("a checkpoint"), b"PAR1").expect("torn");
    assert_eq!(shown(dir.path()).await, before);
    std::fs::write(log.join("00000000000000000035.json"), b"{\"add\":").expect("torn");
    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert!(!reader.refresh().await.expect("nothing newer that is whole"));
    assert_eq!(shown(dir.path()).await, before);
}

#[tokio::test]
async fn a_copy_is_a_lake_and_can_be_put_back_byte_for_byte() {
    let days = days(0);
    let (dir, mut lake) = closed(&days[..40]).await;
    let copies = TempDir::new().expect("a directory");
    let copy = copies.path().join("copy");
    let first =
        backup(dir.path(), &copy, &NoProgress).await.expect("a copy while the lake is open for writing");
    assert_eq!(first.files, first.new_files);
    assert_eq!(shown(&copy).await, shown(dir.path()).await);

    lake.close_days(&days[40..]).await.expect("more days");
    lake.compact(&NoProgress).await.expect("months brought together");
    assert_eq!(shown(&copy).await.len(), 40, "the copy stays what it was");
    let second = backup(dir.path(), &copy, &NoProgress).await.expect("brought up to date");
    assert!(second.new_files < second.files && second.version > first.version, "{second:?}");
    let expected = everything(dir.path()).await;
    assert_eq!(everything(&copy).await, expected);

    let back = copies.path().join("back/lake");
    let restored = restore(&copy, &back, &NoProgress).await.expect("put back");
    assert_eq!((restored.version, restored.bytes), (second.version, second.bytes));
    assert_eq!(everything(&back).await, expected);
    Lake::open(&back).await.expect("and can be written to");

    let refused = restore(&copy, &back, &NoProgress).await.expect_err("there is a lake");
    assert!(refused.to_string().contains("there is a lake already"), "{refused}");
    let refused = restore(dir.path(), &copies.path().join("x"), &NoProgress).await.expect_err("no copy");
    assert!(refused.to_string().contains("no SHA256SUMS"), "{refused}");
    let other = copies.path().join("other");
    std::fs::create_dir(&other).expect("a directory");
    std::fs::write(other.join("letter.txt"), b"dear").expect("a file");
    let refused = backup(dir.path(), &other, &NoProgress).await.expect_err("something else is there");
    assert!(refused.to_string().contains("no backup"), "{refused}");
    let (another, _lake) = closed(&days[..3]).await;
    let refused = backup(another.path(), &copy, &NoProgress).await.expect_err("another lake's copy");
    assert!(refused.to_string().contains("another lake"), "{refused}");
}

#[tokio::test]
async fn a_damaged_copy_is_not_put_back() {
    let (dir, _lake) = closed(&days(0)[..3]).await;
    let copies = TempDir::new().expect("a directory");
    let copy = copies.path().join("copy");
    backup(dir.path(), &copy, &NoProgress).await.expect("a copy");
    let sums = std::fs::read_to_string(copy.join("SHA256SUMS")).expect("sums");
    for line in sums.lines() {
        let path = copy.join(line.split_once("  ").expect("a sum and a path").1);
        let whole = std::fs::read(&path).expect("a file");
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for damaged in [Some(flipped), Some(whole[..whole.len() - 1].to_vec()), None] {
            match damaged {
                Some(bytes) => std::fs::write(&path, bytes).expect("damaged"),
                None => std::fs::remove_file(&path).expect("lost"),
            }
            let back = copies.path().join("back");
            let refused = restore(&copy, &back, &NoProgress).await.expect_err("it is damaged").to_string();
            assert!(refused.contains(path.to_str().expect("a path")), "{refused}");
            assert!(!back.exists(), "nothing is left of the attempt");
            let left = std::fs::read_dir(copies.path()).expect("a directory").count();
            assert_eq!(left, 1, "nothing is left of the attempt");
            std::fs::write(&path, &whole).expect("as it was");
        }
    }
    let escaping = sums.replacen("  lake.json", "  ../lake.json", 1);
    std::fs::write(copy.join("SHA256SUMS"), escaping).expect("written");
    let refused = restore(&copy, &copies.path().join("back"), &NoProgress).await.expect_err("it leads out");
    assert!(matches!(refused, Error::Backup { .. }), "{refused}");
}

/// A lake of an older layout: three days that the bundled sample begins with, closed in two runs.
fn of_layout(number: u64) -> TempDir {
    let dir = TempDir::new().expect("a directory");
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/layouts/{number}"));
    copy_tree(&kept, dir.path());
    dir
}

/// The layout that the first writer brings a lake to.
const NEWEST: u64 = 4;

#[tokio::test]
async fn a_lake_of_the_first_layout_is_read_as_it_is_and_migrated_by_the_first_writer() {
    let dir = of_layout(1);
    let before = shown(dir.path()).await;
    assert_eq!(before.len(), 3);
    assert_eq!(Status::read(dir.path()).await.expect("a status").layout, 1);
    let (audited_before, _) = audited(dir.path(), false).await;
    assert_eq!((audited_before.miner_days, audited_before.by_claim_alone), (15, 15));

    let mut lake = Lake::open(dir.path()).await.expect("migrated");
    let status = Status::read(dir.path()).await.expect("a status");
    assert_eq!((status.layout, status.history_since), (NEWEST, None));
    assert_eq!(shown(dir.path()).await, before);
    let progress = lake.day_sources().await.expect("progress");
    assert_eq!(progress.len(), 3);
    assert!(progress.iter().all(|row| row.closed_at.is_none() && row.history_since.is_none()));
    for deep in [false, true] {
        let (audited, findings) = audited(dir.path(), deep).await;
        assert_eq!((audited.miner_days, findings), (15, vec![]));
    }
    let version = status.version;
    drop(lake);
    lake = Lake::open(dir.path()).await.expect("once is enough");
    assert_eq!(Status::read(dir.path()).await.expect("a status").version, version);

    let next = progress[2].day.next();
    let mut more = finished(0, vec![], vec![]);
    (more.day, more.source.day) = (next, next);
    lake.close_days(&[more]).await.expect("it goes on");
    assert_eq!(shown(dir.path()).await[..3], before);
    let again = lake.begin_reclose(progress[0].day);
    again.expect("a closed day");
    drop(lake);

    std::fs::write(dir.path().join("lake.json"), br#"{"layout":5}"#).expect("written");
    for refused in [Lake::open(dir.path()).await.err(), Reader::open(dir.path()).await.err()] {
        let refused = refused.expect("a newer layout").to_string();
        assert!(refused.contains("layout 5") && refused.contains("newer"), "{refused}");
    }
}

#[tokio::test]
async fn days_of_the_third_layout_were_read_from_receipts_and_had_no_upgrades() {
    let dir = of_layout(3);
    let before = shown(dir.path()).await;
    let (closed, old) = (Reader::open(dir.path()).await.expect("a reader"), calendar(dir.path(), None).await);
    let days = closed.days().expect("closed days");
    assert_eq!(closed.published().receipt_summary(&days).receipts(), Receipts::Read);
    assert!(old.knows_backing && !old.knows_fees && !old.days.is_empty());
    let first = Provenance::read(dir.path(), miners(&closed).await[0], *days.end()).await.expect("a row");
    assert!(first.events.iter().all(|event| !event.uncertain));

    let mut lake = Lake::open(dir.path()).await.expect("migrated");
    assert_eq!(Status::read(dir.path()).await.expect("a status").layout, NEWEST);
    assert_eq!((shown(dir.path()).await, calendar(dir.path(), None).await), (before, old));
    let (found, findings) = audited(dir.path(), true).await;
    assert_eq!((found.miner_days, findings), (15, vec![]));

    // The totals go on from nothing.
    let next = days.end().next();
    let upgraded = Event {
        kind: Kind::Upgrade,
        cause: None,
        qap_before: Some(chain::Bytes(common::SIZE)),
        qap_after: Some(chain::Bytes(10 * common::SIZE)),
        expiration_before: Some(chain::Epoch(1_555_300)),
        status_before: ledger::Status::Active,
        ..onboard(5000, 1, 2)
    };
    let mut more = finished(0, vec![onboard(5000, 1, 1), upgraded], vec![]);
    (more.day, more.source.day) = (next, next);
    more.source.receipts = inferred(3);
    lake.close_days(&[more]).await.expect("it goes on");
    let rows = day_of(dir.path(), next).await;
    let value = |miner: MinerId, name: &str| {
        let at = rows.find(miner).expect("a row");
        rows.value(at, column(name).expect("a column"))
    };
    assert_eq!(value(MinerId(5000), "total_upgrade_count"), Value::Integer(1));
    assert_eq!(value(MinerId(5000), "total_upgrade_qap"), Value::Integer(10 * common::SIZE));
    let old_miner = rows.miners().iter().find(|miner| **miner != MinerId(5000)).expect("another");
    assert_eq!(value(*old_miner, "total_upgrade_qap"), Value::Integer(0));

    // Who asks freely sees zeros, too, and days are told apart by how they are known.
    let limits = QueryLimits { time: Duration::from_secs(60), memory: 256 << 20, disk: 1 << 30 };
    let session = lake::SqlSession::open(dir.path(), limits).await.expect("an asker");
    let zeros = "FROM sp_sector_daily WHERE total_upgrade_count = 0 AND daily_new_upgrade_rbp = 0";
    let answer = session.preview(&format!("SELECT count(*), sum(total_upgrade_qap) {zeros}"), 9).await;
    assert_eq!(answer.expect("an answer").rows, [["20", "0"]]);
    let answer = session.preview("SELECT receipts, count(*) FROM progress GROUP BY 1 ORDER BY 1", 9).await;
    let known = answer.expect("an answer").rows;
    assert_eq!(known, [["inferred", "1"], ["", "3"]]);
    let status = Status::read(dir.path()).await.expect("a status");
    assert_eq!((status.receipts.days_read, status.receipts.days_inferred), (3, 1));
    assert_eq!(status.receipts.counts.messages_inferred, 3);
    assert_eq!(lake.day_sources().await.expect("progress")[3].receipts, inferred(3));
    lake.compact(&NoProgress).await.expect("brought together");
    assert_eq!(lake.day_sources().await.expect("progress")[3].receipts, inferred(3));
}

#[tokio::test]
async fn how_a_days_messages_are_known_is_kept_with_it() {
    let mut days = days(0);
    for (number, day) in days.iter_mut().enumerate() {
        day.source.receipts = match number {
            0..20 => ReceiptCounts { tipsets_read: 5, ..Default::default() },
            20..40 => inferred(number as u64),
            _ => ReceiptCounts { tipsets_read: 1, ..inferred(7) },
        };
    }
    let (dir, mut lake) = closed(&days[..45]).await;
    let reader = Reader::open(dir.path()).await.expect("a reader");
    let check = |published: &lake::PublishedVersion, last: usize| {
        for (number, of) in days[..=last].iter().enumerate() {
            assert_eq!(published.receipts(day(number as i32)), of.source.receipts);
        }
        let word = |from: i32, to: i32| published.receipt_summary(&(day(from)..=day(to))).receipts();
        assert_eq!(
            (word(0, 19), word(20, 39), word(41, 44)),
            (Receipts::Read, Receipts::Inferred, Receipts::Mixed)
        );
        let some = published.receipt_summary(&(day(18)..=day(21)));
        assert_eq!((some.receipts(), some.days_read, some.days_inferred), (Receipts::Mixed, 2, 2));
        assert_eq!((some.counts.tipsets_read, some.counts.messages_inferred), (10, 41));
    };
    check(&reader.published(), 44);
    lake.close_days(&days[45..]).await.expect("more days");
    assert!(reader.refresh().await.expect("a newer version"));
    check(&reader.published(), DAYS - 1);
    lake.compact(&NoProgress).await.expect("months brought together");
    assert!(reader.refresh().await.expect("a newer version"));
    check(&reader.published(), DAYS - 1);
    let provenance = Provenance::read(dir.path(), MinerId(1000), day(33)).await.expect("a row");
    assert_eq!(provenance.receipts, inferred(33));

    // Closed again with receipts, a day says so, and what that changes.
    lake.begin_reclose(day(20)).expect("a closed day");
    let mut again = days[20].clone();
    again.source.receipts = ReceiptCounts { tipsets_read: 2, ..Default::default() };
    lake.close_days(&[again]).await.expect("a day");
    let later = lake.commit_reclose(false).await.expect("closed again");
    let changed: Vec<_> =
        later.changes.iter().map(|of| (of.day, of.receipts.0, of.receipts.1.receipts())).collect();
    assert_eq!(changed, [(day(20), inferred(20), Receipts::Read)]);
    assert!(later.changes[0].columns.is_empty() && later.changes[0].events.is_empty());
}

#[tokio::test]
async fn an_opening_handed_over_beside_its_day_makes_the_same_lake() {
    let options =
        SyntheticOptions { miners: 5, events_per_day: 60, initial_sectors: 9_000, ..Default::default() };
    let held: Vec<_> = network(options).take(3).collect();
    let (whole, lake) = closed(&held).await;
    drop(lake);
    let (opening, mut days) = opened(options);
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    let first = days.next().expect("a day");
    assert!(first.events.iter().all(|event| event.kind != Kind::Opening));
    let count = lake.close_opening_day(&first, opening).await.expect("closed");
    assert_eq!(count, 9_000);
    lake.close_days(&days.take(2).collect::<Vec<_>>()).await.expect("closed");
    assert_eq!(everything(dir.path()).await, everything(whole.path()).await);
    for miner in [1000, 1001, 1004].map(MinerId) {
        let events = async |dir: &Path| Provenance::read(dir, miner, day(0)).await.expect("a row").events;
        assert_eq!(events(dir.path()).await, events(whole.path()).await);
    }
}

/// What is inferred on a day without receipts with so many messages.
fn inferred(messages: u64) -> ReceiptCounts {
    ReceiptCounts {
        tipsets_inferred: messages,
        messages_inferred: messages,
        messages_refuted: 1,
        events_uncertain: 2,
        ..Default::default()
    }
}

async fn day_of(dir: &Path, day: Day) -> std::sync::Arc<lake::DayRows> {
    let reader = Reader::open(dir).await.expect("a reader");
    reader.day(day).await.expect("a readable day").expect("a closed day")
}

async fn miners(reader: &Reader) -> Vec<MinerId> {
    let last = *reader.days().expect("closed days").end();
    reader.day(last).await.expect("a readable day").expect("a closed day").miners().to_vec()
}

#[tokio::test]
async fn a_migration_that_breaks_off_is_gone_on_with() {
    use std::io::{Error, ErrorKind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    for layout in 1..NEWEST {
        for fails in 0.. {
            let dir = of_layout(layout);
            let before = shown(dir.path()).await;
            let steps = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&steps);
            let disk = lake::Disk::with_hook(move |_: lake::DiskStep, _: &Path| {
                if count.fetch_add(1, Ordering::Relaxed) >= fails {
                    return Err(Error::new(ErrorKind::StorageFull, "as if the disk were full"));
                }
                Ok(())
            });
            let failed = Lake::open_with_disk(dir.path(), disk).await.is_err();
            assert_eq!(shown(dir.path()).await, before, "step {fails}");
            drop(Lake::open(dir.path()).await.expect("it goes on"));
            assert_eq!(Status::read(dir.path()).await.expect("a status").layout, NEWEST);
            assert_eq!(shown(dir.path()).await, before, "step {fails}");
            if !failed {
                assert!(fails > 5, "a migration takes some steps");
                break;
            }
        }
    }
}

/// The calendar of expirations at the end of the last closed day.
async fn calendar(lake: &Path, miner: Option<MinerId>) -> ExpirationSchedule {
    let reader = Reader::open(lake).await.expect("a reader");
    let last = *reader.days().expect("closed days").end();
    let limits = QueryLimits { time: Duration::from_secs(60), memory: 256 << 20, disk: 1 << 30 };
    let questions = Queries::new(lake.to_owned(), limits);
    let clock = Clock::new(MAINNET_GENESIS);
    questions.expirations(reader.version(), clock, miner, last).await.expect("a calendar")
}

#[tokio::test]
async fn what_sectors_hold_is_unknown_where_days_of_the_second_layout_did_not_keep_it() {
    let dir = of_layout(2);
    let before = shown(dir.path()).await;
    let old = calendar(dir.path(), None).await;
    assert!(!old.knows_backing && !old.days.is_empty());
    let mut lake = Lake::open(dir.path()).await.expect("migrated");
    assert_eq!(Status::read(dir.path()).await.expect("a status").layout, NEWEST);
    assert_eq!((shown(dir.path()).await, calendar(dir.path(), None).await), (before, old));
    let (audited, findings) = audited(dir.path(), true).await;
    assert_eq!((audited.miner_days, findings), (15, vec![]));

    let next = lake.day_sources().await.expect("progress")[2].day.next();
    let mut more = finished(0, vec![onboard(5000, 1, 1)], vec![]);
    (more.day, more.source.day) = (next, next);
    lake.close_days(&[more]).await.expect("it goes on");
    assert!(!calendar(dir.path(), None).await.knows_backing);
    let of_new = calendar(dir.path(), Some(MinerId(5000))).await;
    assert!(of_new.knows_backing, "all there is of this one is known");
    assert_eq!((of_new.days.len(), of_new.days[0].cc), (1, of_new.days[0].all));
}

#[tokio::test]
async fn the_calendar_of_expirations_is_of_each_sector_as_its_last_event_leaves_it() {
    let days = days(40);
    let (dir, _lake) = closed(&days).await;
    let clock = Clock::new(MAINNET_GENESIS);
    let mut last: BTreeMap<_, &Event> = BTreeMap::new();
    for event in days.iter().flat_map(|day| &day.events) {
        if event.kind != Kind::PrecommitExpired && event.kind != Kind::Precommit {
            last.insert((event.miner, event.sector), event);
        }
    }
    let mut wanted: BTreeMap<Day, [i128; 17]> = BTreeMap::new();
    for event in last.values() {
        let (Some(expiration), Some(backing)) = (event.expiration_after, event.backing_after) else {
            continue;
        };
        let sums = wanted.entry(clock.day_of(expiration)).or_default();
        let held = match backing.content {
            Content::Verified => 3,
            Content::Cc => 6,
            Content::Deals => 9,
            Content::FullQuality => 12,
        };
        for (at, value) in [1, event.sector_size.0, event.qap().0].into_iter().enumerate() {
            sums[at] += value;
            sums[held + at] += value;
        }
        sums[15] += backing.pledge.0;
        sums[16] += backing.daily_fee.map_or(0, |fee| fee.0);
    }
    let told = calendar(dir.path(), None).await;
    assert!(told.knows_backing && told.knows_fees);
    let told: BTreeMap<Day, [i128; 17]> = told
        .days
        .iter()
        .map(|of| {
            let mut sums = [0; 17];
            for (at, sum) in [of.all, of.verified, of.cc, of.deals, of.full_quality].into_iter().enumerate() {
                sums[3 * at..3 * at + 3].copy_from_slice(&[sum.sectors, sum.rbp, sum.qap]);
            }
            (sums[15], sums[16]) = (of.pledge, of.daily_fee);
            (of.day, sums)
        })
        .collect();
    for held in [3, 6, 9, 12, 15, 16] {
        assert!(wanted.values().any(|sums| sums[held] > 0));
    }
    assert_eq!(told, wanted);
}

#[tokio::test]
async fn history_that_begins_in_the_middle_is_said_to() {
    let days = days(40);
    assert!(days[0].events.iter().any(|event| event.kind == Kind::Opening));
    let (dir, mut lake) = closed(&days).await;
    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert_eq!(reader.history_since(), Some(day(0)));
    lake.compact(&NoProgress).await.expect("months brought together");
    assert!(reader.refresh().await.expect("a newer version"));
    assert_eq!(reader.history_since(), Some(day(0)));
    everything(dir.path()).await;
}

#[tokio::test]
async fn every_number_is_what_its_explanation_adds_up_to() {
    for standing in [0, 40] {
        let (dir, mut lake) = closed(&days(standing)).await;
        lake.compact(&NoProgress).await.expect("months brought together");
        let mut contributions = 0;
        for number in [0, 1, 30, 31, 62] {
            let reader = Reader::open(dir.path()).await.expect("a reader");
            let rows = reader.day(day(number)).await.expect("a readable day").expect("a closed day");
            for (at, miner) in rows.miners().iter().enumerate() {
                let provenance = Provenance::read(dir.path(), *miner, day(number)).await.expect("a row");
                for column in COLUMNS {
                    let explanation = provenance.explain(column).expect("an explanation");
                    assert_eq!(explanation.value, rows.value(at, column), "{}", column.name);
                    assert!(explanation.adds_up(), "{} of {miner} on {}", column.name, day(number));
                    contributions += explanation.contributions.len();
                }
            }
        }
        assert!(contributions > 1000, "{contributions}");
    }
    let (dir, _lake) = closed(&days(0)[..2]).await;
    let refused = Provenance::read(dir.path(), MinerId(7), day(1)).await.expect_err("no row");
    assert!(refused.to_string().contains("f07 has no row on 2022-10-02"), "{refused}");
    let refused = Provenance::read(dir.path(), MinerId(1000), day(2)).await.expect_err("not closed");
    assert!(refused.to_string().contains("the closed days are 2022-10-01 to 2022-10-02"), "{refused}");
}

/// One way in which a day could be wrong.
type Mutation = (&'static str, fn(&mut Vec<FinishedDay>) -> Option<()>);

fn change(days: &mut [FinishedDay], of: fn(&Event) -> bool, how: fn(&mut Event)) -> Option<()> {
    let event = days[8..30].iter_mut().flat_map(|day| &mut day.events).find(|event| of(event))?;
    how(event);
    Some(())
}

fn lose(days: &mut [FinishedDay], of: fn(&Event) -> bool) -> Option<()> {
    let events = days[8..30].iter_mut().map(|day| &mut day.events);
    let (events, at) = events
        .map(|events| {
            let at = events.iter().position(of);
            (events, at)
        })
        .find(|(_, at)| at.is_some())?;
    events.remove(at?);
    Some(())
}

fn shift(days: &mut [FinishedDay], of: fn(&Event) -> bool) -> Option<()> {
    let from = (8..30).find(|day| days[*day].events.iter().any(of))?;
    let at = days[from].events.iter().position(of)?;
    let event = days[from].events.remove(at);
    days[from + 1].events.insert(0, event);
    Some(())
}

fn double(days: &mut [FinishedDay], of: fn(&Event) -> bool) -> Option<()> {
    let events = days[8..30].iter_mut().map(|day| &mut day.events).find(|events| events.iter().any(of))?;
    let at = events.iter().position(of)?;
    events.insert(at, events[at].clone());
    Some(())
}

fn is(kind: Kind) -> impl Fn(&Event) -> bool {
    move |event| event.kind == kind
}

#[tokio::test]
async fn no_mutation_of_a_days_events_goes_unnoticed() {
    let mutations: &[Mutation] = &[
        ("an onboarded sector is lost", |days| lose(days, |of| is(Kind::Onboard)(of))),
        ("a proving is lost", |days| lose(days, |of| is(Kind::Proven)(of))),
        ("a fault is lost", |days| lose(days, |of| is(Kind::Fault)(of))),
        ("a recovery is lost", |days| lose(days, |of| is(Kind::Recover)(of))),
        ("a termination is lost", |days| lose(days, |of| is(Kind::Terminate)(of))),
        ("an expiration is lost", |days| lose(days, |of| is(Kind::Expire)(of))),
        ("a snap is lost", |days| lose(days, |of| is(Kind::Snap)(of))),
        ("an extension is lost", |days| lose(days, |of| is(Kind::Extend)(of))),
        ("a pre-commit is lost", |days| lose(days, |of| is(Kind::Precommit)(of))),
        ("an onboarded sector is told twice", |days| double(days, |of| is(Kind::Onboard)(of))),
        ("a fault is told twice", |days| double(days, |of| is(Kind::Fault)(of))),
        ("a pre-commit is told twice", |days| double(days, |of| is(Kind::Precommit)(of))),
        ("an extension is told twice", |days| double(days, |of| is(Kind::Extend)(of))),
        ("a termination is a day late", |days| shift(days, |of| is(Kind::Terminate)(of))),
        ("a recovery is a day late", |days| shift(days, |of| is(Kind::Recover)(of))),
        ("a pre-commit is a day late", |days| shift(days, |of| is(Kind::Precommit)(of))),
        ("a snap is a day late", |days| shift(days, |of| is(Kind::Snap)(of))),
        ("QAP is a byte too much", |days| {
            change(
                days,
                |of| is(Kind::Onboard)(of),
                |event| {
                    event.qap_after = event.qap_after.map(|qap| chain::Bytes(qap.0 + 1));
                },
            )
        }),
        ("a sector is of another size", |days| {
            change(days, |of| is(Kind::Precommit)(of), |event| event.sector_size.0 *= 2)
        }),
        ("an event is another miner's", |days| {
            change(days, |of| is(Kind::Fault)(of), |event| event.miner = MinerId(event.miner.0 + 1))
        }),
        ("a termination is an expiration", |days| {
            change(days, |of| is(Kind::Terminate)(of), |event| event.kind = Kind::Expire)
        }),
        ("a batch is single", |days| {
            change(
                days,
                |of| is(Kind::Precommit)(of) && of.cause == Some(ledger::Cause::Batch),
                |event| event.cause = Some(ledger::Cause::Single),
            )
        }),
        ("an expiration moves", |days| {
            change(
                days,
                |of| is(Kind::Onboard)(of),
                |event| {
                    event.expiration_after = event.expiration_after.map(|epoch| epoch + 1);
                },
            )
        }),
    ];
    let options = SyntheticOptions { miners: 3, events_per_day: 120, ..Default::default() };
    let right: Vec<FinishedDay> = network(options).take(40).collect();
    let mut unnoticed = Vec::new();
    for (name, mutate) in mutations {
        let mut wrong = right.clone();
        assert!(mutate(&mut wrong).is_some(), "{name}: there is such an event");
        assert!(
            wrong.iter().zip(&right).any(|(wrong, right)| wrong.events != right.events),
            "{name}: something changes"
        );
        let (dir, _lake) = closed(&wrong).await;
        if audited(dir.path(), true).await.0.findings == 0 {
            unnoticed.push(*name);
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:?}");
    let (dir, _lake) = closed(&right).await;
    assert_eq!(audited(dir.path(), true).await.1, []);
}

/// What another program, or a failing disk, could do to what is stored: every column of a row, one after the other.
#[tokio::test]
async fn a_stored_number_that_is_not_what_the_events_make_is_found() {
    let right = days(0)[..6].to_vec();
    let (dir, lake) = closed(&right).await;
    drop(lake);
    let mut wrong = right.clone();
    wrong[3].events.retain(|event| event.kind != Kind::Extend);
    let (other, lake) = closed(&wrong).await;
    drop(lake);
    // The rows of the one with the events of the other.
    std::fs::remove_dir_all(dir.path().join("sp_sector_daily")).expect("removed");
    copy_tree(&other.path().join("sp_sector_daily"), &dir.path().join("sp_sector_daily"));
    let (_, findings) = audited(dir.path(), true).await;
    let names: Vec<&str> = findings.iter().map(|finding| finding.name.as_str()).collect();
    assert!(names.contains(&"daily_new_extend_count"), "{names:?}");
    assert!(
        findings
            .iter()
            .any(|finding| finding.day == day(3) && finding.detail.starts_with("stored 0, from the events ")),
        "{findings:?}"
    );
}
