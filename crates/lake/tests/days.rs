//! What a user of the lake sees: days closed, read back, closed again after a crash, and as JSON.

mod common;
#[path = "../../ledger/tests/common/outside.rs"]
mod outside;

use chain::{Epoch, MinerId, SectorNumber};
use common::{SIZE, claim, day, fault, finished, onboard, shown};
use lake::{Error, FinishedDay, Lake, Reader};
use ledger::columns::{COLUMNS, Endpoint, column};
use ledger::{Event, Kind, Status, Value};
use tempfile::TempDir;

async fn closed(days: &[FinishedDay]) -> (TempDir, Reader) {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(days).await.expect("days that close");
    let reader = Reader::open(dir.path()).await.expect("a reader");
    (dir, reader)
}

async fn value(reader: &Reader, number: i32, miner: u64, name: &str) -> Value {
    let rows = reader.day(day(number)).await.expect("a readable day").expect("a closed day");
    let row = rows.find(MinerId(miner)).expect("a row");
    rows.value(row, column(name).expect("a column"))
}

/// Runs what a crash in the middle of publishing leaves: the last commit of `sp_sector_daily` never happened.
fn unpublish(dir: &TempDir) {
    let log = dir.path().join("sp_sector_daily/_delta_log");
    let commits = std::fs::read_dir(&log).expect("a log").map(|entry| entry.expect("an entry").path());
    let last = commits.filter(|path| path.extension().is_some_and(|kind| kind == "json")).max();
    std::fs::remove_file(last.expect("a commit")).expect("removed");
}

#[tokio::test]
async fn closed_days_are_read_back_value_for_value() {
    let days = [
        finished(0, vec![onboard(1000, 1, 1), onboard(1000, 2, 1), onboard(70, 1, 2)], vec![]),
        finished(1, vec![fault(1000, 1)], vec![]),
        finished(2, vec![], vec![]),
    ];
    let (_dir, reader) = closed(&days).await;
    assert_eq!(reader.days(), Some(day(0)..=day(2)));
    assert!(reader.day(day(3)).await.expect("no error").is_none());
    let rows = reader.day(day(2)).await.expect("a readable day").expect("a closed day");
    assert_eq!((rows.day(), rows.miners()), (day(2), &[MinerId(70), MinerId(1000)][..]));
    assert_eq!(rows.find(MinerId(71)), None);
    assert_eq!(value(&reader, 0, 1000, "daily_sector_onboarding_rbp").await, Value::Integer(2 * SIZE));
    assert_eq!(value(&reader, 1, 1000, "active_fault_rbp").await, Value::Integer(SIZE));
    assert_eq!(value(&reader, 2, 1000, "daily_new_fault_rbp").await, Value::Integer(0));
    assert_eq!(value(&reader, 2, 1000, "total_num_sector").await, Value::Integer(2));
    assert_eq!(value(&reader, 2, 1000, "avg_provecommit_batch_sector_count").await, Value::Double(2.0));
    assert_eq!(value(&reader, 2, 1000, "avg_active_sector_duration_days").await, Value::Double(540.0));
}

#[tokio::test]
async fn values_above_64_bits_come_back_exact() {
    let huge = (1_i128 << 90) + 1;
    let heavy = Event { qap_after: Some(chain::Bytes(huge)), ..onboard(1000, 1, 1) };
    let (_dir, reader) = closed(&[finished(0, vec![heavy], vec![])]).await;
    assert_eq!(value(&reader, 0, 1000, "total_sector_qap").await, Value::Integer(huge));
    let rows = reader.day(day(0)).await.expect("a readable day").expect("a closed day");
    let mut json = String::new();
    rows.write_json(Endpoint::Total, Some(MinerId(1000)), &mut json);
    assert!(json.ends_with(&format!(r#""total_sector_qap":{huge}}}]"#)), "{json}");
}

#[tokio::test]
async fn a_lake_opened_again_goes_on_where_it_stopped() {
    let dir = TempDir::new().expect("a directory");
    for number in 0..3 {
        let mut lake = Lake::open(dir.path()).await.expect("a lake");
        assert_eq!(lake.last_closed(), (number > 0).then(|| day(number - 1)));
        let events = vec![onboard(1000, number as u64, 1)];
        lake.close_days(&[finished(number, events, vec![])]).await.expect("a day that closes");
    }
    let lake = Lake::open(dir.path()).await.expect("a lake");
    let progress = lake.day_sources().await.expect("progress");
    assert_eq!(progress.iter().map(|row| row.day).collect::<Vec<_>>(), [day(0), day(1), day(2)]);
    assert_eq!(progress[2], finished(2, vec![], vec![]).source);
    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert_eq!(value(&reader, 2, 1000, "total_num_sector").await, Value::Integer(3));
}

#[tokio::test]
async fn activations_first_seen_are_told_for_sectors_that_were_snapped_or_opened() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    assert_eq!(lake.first_activations().await.expect("none yet"), []);
    let opening = Event { kind: Kind::Opening, cause: None, message: None, ..onboard(70, 5, 0) };
    let snapped = Event {
        kind: Kind::Snap,
        cause: None,
        qap_before: Some(chain::Bytes(SIZE)),
        status_before: Status::Active,
        activation: Some(Epoch(77)),
        ..onboard(1000, 1, 2)
    };
    let days = [
        finished(0, vec![opening, onboard(1000, 1, 1), onboard(1000, 2, 1)], vec![]),
        finished(1, vec![snapped, fault(1000, 2)], vec![]),
    ];
    lake.close_days(&days).await.expect("days that close");
    let mut found = lake.first_activations().await.expect("those of two sectors");
    found.sort_unstable();
    let expected = [(70, 5, 100), (1000, 1, 77)]
        .map(|(miner, sector, epoch)| (MinerId(miner), SectorNumber(sector), Epoch(epoch)));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn days_that_do_not_follow_the_last_closed_one_are_refused() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    let of = |number| finished(number, vec![], vec![]);
    lake.close_days(&[of(0)]).await.expect("any day may be first");
    for days in [vec![of(0)], vec![of(2)], vec![of(1), of(3)], vec![of(1), of(1)]] {
        let failed = lake.close_days(&days).await.expect_err("a gap or a repetition");
        assert!(matches!(failed, Error::NotConsecutive { .. }), "{failed}");
    }
    assert_eq!(lake.last_closed(), Some(day(0)), "all or none");
}

#[tokio::test]
async fn a_day_left_over_by_a_crash_is_not_shown_and_is_replaced() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(&[finished(0, vec![onboard(1000, 1, 1)], vec![])]).await.expect("a day");
    let left_over = |number| finished(number, vec![fault(1000, 1)], vec![]);
    lake.close_days(&[left_over(1), left_over(2)]).await.expect("two days");
    drop(lake);
    unpublish(&dir);

    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert_eq!(reader.days(), Some(day(0)..=day(0)));
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    assert_eq!(lake.last_closed(), Some(day(0)));
    assert_eq!(lake.day_sources().await.expect("progress").len(), 1);
    lake.close_days(&[finished(1, vec![onboard(1000, 2, 2)], vec![])]).await.expect("the day again");
    assert!(reader.refresh().await.expect("a newer version"));
    assert!(!reader.refresh().await.expect("no newer version"));
    assert_eq!(value(&reader, 1, 1000, "total_num_sector").await, Value::Integer(2));
    assert_eq!(value(&reader, 1, 1000, "active_fault_count").await, Value::Integer(0));
    for table in ["sector_events", "reconciliation", "progress", "sp_sector_daily"] {
        assert_eq!(stored_days(&dir, table).await, ["2022-10-01", "2022-10-02"], "{table}");
    }
}

/// The days of the files in a table's newest version, by their statistics, as any other program would read them.
async fn stored_days(dir: &TempDir, table: &str) -> Vec<String> {
    let directory = dir.path().join(table).canonicalize().expect("a directory");
    let url = url::Url::from_directory_path(directory).expect("an address");
    let table = deltalake::open_table(url).await.expect("a table");
    let files = table.snapshot().expect("a version").log_data();
    let mut days: Vec<String> = files
        .iter()
        .map(|file| {
            let stats: serde_json::Value =
                serde_json::from_str(&file.stats().expect("statistics")).expect("JSON");
            assert_eq!(stats["minValues"]["stat_date"], stats["maxValues"]["stat_date"]);
            stats["minValues"]["stat_date"].as_str().expect("a date").to_owned()
        })
        .collect();
    days.sort();
    days
}

#[tokio::test]
async fn the_publishing_commit_names_the_versions_it_stands_on() {
    let (dir, reader) = closed(&[finished(0, vec![], vec![]), finished(1, vec![], vec![])]).await;
    assert_eq!(reader.version(), 1);
    let log = dir.path().join("sp_sector_daily/_delta_log/00000000000000000001.json");
    let log = std::fs::read_to_string(log).expect("one commit for both days");
    let actions: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let stands_on = &actions[0]["commitInfo"]["standsOn"];
    for table in ["sector_events", "reconciliation", "progress"] {
        assert_eq!(stands_on[table], 1, "{table}");
    }
    assert_eq!(
        actions.iter().filter(|action| action.get("add").is_some()).count(),
        1,
        "days of few rows share files"
    );
    let txn = actions.iter().find_map(|action| action.get("txn")).expect("a txn");
    assert_eq!((&txn["appId"], &txn["version"]), (&"sectorscope".into(), &19_267.into()));
}

/// Two months, most of whose days are quiet, the first ones before there is a miner.
fn mostly_quiet() -> Vec<FinishedDay> {
    let day = |number: i32| {
        let events = match number {
            3 => vec![onboard(1000, 1, 1), onboard(1001, 2, 1)],
            20 => vec![fault(1000, 1), onboard(1001, 20, 2)],
            21 => vec![onboard(1001, 21, 2)],
            45 => (0..5000).map(|sector| onboard(1002, sector, 3)).collect(),
            _ => vec![],
        };
        finished(number, events, vec![claim(1000, i128::from(number))])
    };
    (0..62).map(day).collect()
}

#[tokio::test]
async fn days_closed_together_are_those_closed_one_by_one_and_share_files() {
    let days = mostly_quiet();
    let (together, mut lake) = common::closed(&days).await;
    let files = |dir: &TempDir, table: &str| {
        let entries = std::fs::read_dir(dir.path().join(table)).expect("a table");
        entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count()
    };
    // Twenty at a time, cut where the month ends; the large one has files of its own.
    for table in ["sp_sector_daily", "sector_events", "reconciliation", "progress"] {
        assert_eq!(files(&together, table), 8, "{table}");
    }
    let one_by_one = TempDir::new().expect("a directory");
    for day in &days {
        let mut lake = Lake::open(one_by_one.path()).await.expect("a lake");
        lake.close_days(std::slice::from_ref(day)).await.expect("a day that closes");
    }
    assert_eq!(files(&one_by_one, "sp_sector_daily"), 62);
    let same = async || {
        assert_eq!(shown(together.path()).await, shown(one_by_one.path()).await);
        for table in ["sector_events", "reconciliation", "progress"] {
            let rows = async |dir| {
                let mut rows = query(dir, table, "SELECT * FROM t").await;
                rows.sort();
                rows
            };
            assert_eq!(rows(&together).await, rows(&one_by_one).await, "{table}");
        }
    };
    same().await;
    lake.compact(&chain::NoProgress).await.expect("months brought together");
    same().await;
    // A day within a file of several is closed again, and those after it stay.
    lake.begin_reclose(day(21)).expect("a closed day");
    lake.close_days(&days[21..=21]).await.expect("a day that closes");
    lake.commit_reclose(false).await.expect("the days after it are the same");
    same().await;
}

#[tokio::test]
async fn a_quiet_day_before_the_first_miner_is_a_closed_day_without_rows() {
    let (_dir, reader) = closed(&[finished(0, vec![], vec![])]).await;
    assert_eq!(reader.days(), Some(day(0)..=day(0)));
    let rows = reader.day(day(0)).await.expect("a readable day").expect("a closed day");
    let mut json = String::new();
    rows.write_json(Endpoint::Total, None, &mut json);
    assert_eq!(json, "[]");
}

#[tokio::test]
async fn a_readers_day_is_the_same_until_it_looks_for_a_newer_version() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert_eq!((reader.days(), reader.version()), (None, 0));
    lake.close_days(&[finished(0, vec![], vec![])]).await.expect("a day");
    assert_eq!(reader.days(), None);
    assert!(reader.refresh().await.expect("a newer version"));
    assert_eq!((reader.days(), reader.version()), (Some(day(0)..=day(0)), 1));
}

#[tokio::test]
async fn many_commits_pass_a_checkpoint_and_stay_readable() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    for number in 0..40 {
        let events = vec![onboard(1000, number as u64, number as u64)];
        lake.close_days(&[finished(number, events, vec![])]).await.expect("a day");
    }
    drop(lake);
    let log = dir.path().join("sp_sector_daily/_delta_log/_last_checkpoint");
    assert!(log.is_file(), "a checkpoint");
    let reader = Reader::open(dir.path()).await.expect("a reader");
    assert_eq!(reader.days(), Some(day(0)..=day(39)));
    assert_eq!(value(&reader, 39, 1000, "total_num_sector").await, Value::Integer(40));
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(&[finished(40, vec![], vec![])]).await.expect("a day");
}

#[tokio::test]
async fn a_directory_without_a_lake_says_how_to_make_one() {
    let dir = TempDir::new().expect("a directory");
    for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let failed = Reader::open(&path).await.err().expect("no lake");
        assert!(matches!(failed, Error::NoLake { .. }), "{failed}");
        assert!(failed.to_string().contains("sectorscope up"), "{failed}");
    }
}

#[tokio::test]
async fn a_second_writer_is_told_who_the_first_is() {
    let dir = TempDir::new().expect("a directory");
    let mut first = Lake::open(dir.path()).await.expect("a lake");
    let refused = Lake::open(dir.path()).await.err().expect("one writer at a time");
    let said = refused.to_string();
    assert!(
        matches!(refused, Error::Locked { .. }) && said.contains(&std::process::id().to_string()),
        "{said}"
    );
    first.close_days(&[finished(0, vec![], vec![])]).await.expect("a day");
    drop(first);
    Lake::open(dir.path()).await.expect("the lock ends with its holder");
}

/// Somebody who heeds no lock: another program that writes Delta tables.
#[tokio::test]
async fn a_commit_of_another_program_is_not_overwritten() {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(&[finished(0, vec![], vec![])]).await.expect("a day");
    let log = dir.path().join("sp_sector_daily/_delta_log");
    let ours = std::fs::read(log.join("00000000000000000001.json")).expect("our commit");
    std::fs::write(log.join("00000000000000000002.json"), ours).expect("theirs");
    let failed = lake.close_days(&[finished(1, vec![], vec![])]).await.expect_err("a conflict");
    assert!(matches!(failed, Error::OtherWriter { .. }), "{failed}");
}

#[tokio::test]
async fn rows_are_written_as_compact_json_in_the_endpoints_order() {
    let events = vec![onboard(1000, 1, 1), onboard(70, 1, 2)];
    let (_dir, reader) = closed(&[finished(0, events, vec![])]).await;
    let rows = reader.day(day(0)).await.expect("a readable day").expect("a closed day");
    let json = |endpoint, miner: Option<u64>| {
        let mut out = String::new();
        rows.write_json(endpoint, miner.map(MinerId), &mut out);
        out
    };
    let row = |miner: &str| {
        format!(
            r#"{{"stat_date":"2022-10-01T00:00:00Z","miner_id":"{miner}","avg_active_sector_duration_days":540,"std_active_sector_duration_days":0}}"#
        )
    };
    let duration = Endpoint::SectorDuration;
    assert_eq!(json(duration, None), format!("[{},{}]", row("f070"), row("f01000")));
    assert_eq!(json(duration, Some(1000)), format!("[{}]", row("f01000")));
    assert_eq!(json(duration, Some(71)), "[]");
    for endpoint in Endpoint::ALL {
        let parsed: serde_json::Value = serde_json::from_str(&json(*endpoint, None)).expect("JSON");
        assert_eq!(parsed[1].as_object().map(|row| row.len()), Some(2 + endpoint.columns().count()));
    }
}

#[tokio::test]
async fn keys_are_those_of_the_specifications_examples_in_their_order() {
    let Some(path) = outside::shared("spec/sectors.md") else { return };
    let spec = std::fs::read_to_string(path).expect("the specification");
    let (_dir, reader) = closed(&[finished(0, vec![onboard(1000, 1, 1)], vec![])]).await;
    let rows = reader.day(day(0)).await.expect("a readable day").expect("a closed day");
    let keys = |json: &str| -> Vec<String> {
        let keys = json.split('"').skip(1).step_by(2);
        keys.filter(|key| key.contains('_') && !key.contains('-')).map(str::to_owned).collect()
    };
    let examples: Vec<&str> = spec.split(r#""data": ["#).skip(1).collect();
    assert_eq!(examples.len(), Endpoint::ALL.len());
    for (endpoint, example) in Endpoint::ALL.iter().zip(examples) {
        let mut json = String::new();
        rows.write_json(*endpoint, None, &mut json);
        let example = example.split_once('}').expect("a row").0;
        assert_eq!(keys(&json), keys(example), "{}", endpoint.name());
    }
}

#[tokio::test]
async fn the_ledger_is_set_beside_the_claims_of_every_miner_that_has_either() {
    let events = vec![onboard(1000, 1, 1), onboard(1000, 2, 1), onboard(70, 1, 2)];
    let claims = vec![claim(1000, 2), claim(5, 3)];
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    lake.close_days(&[finished(0, events, claims)]).await.expect("a day");
    let read = query(&dir, "reconciliation", "SELECT miner_id, ledger_active_rbp, claim_rbp, difference_rbp, difference_qap FROM t ORDER BY miner_id").await;
    let cells = |row: [i128; 5]| row.map(|cell| cell.to_string()).to_vec();
    let expected = [
        cells([5, 0, 3 * SIZE, -3 * SIZE, -3 * SIZE]),
        cells([70, SIZE, 0, SIZE, SIZE]),
        cells([1000, 2 * SIZE, 2 * SIZE, 0, 0]),
    ];
    assert_eq!(read, expected);
    let doubled = vec![claim(1000, 1), claim(1000, 2)];
    let failed = lake.close_days(&[finished(1, vec![], doubled)]).await.expect_err("two claims");
    assert!(matches!(failed, Error::Inconsistent { .. }), "{failed}");
}

#[tokio::test]
async fn events_lie_by_sector_and_remember_the_order_of_execution() {
    let events = vec![onboard(1000, 7, 1), onboard(70, 1, 2), onboard(1000, 2, 1), fault(1000, 7)];
    let (dir, _) = closed(&[finished(0, events, vec![])]).await;
    let read = |order: &'static str| query(&dir, "sector_events", order);
    let stored = read("SELECT miner_id, sector, kind, position, method FROM t").await;
    let expected = [
        ["70", "1", "onboard", "1", "26"],
        ["1000", "2", "onboard", "2", "26"],
        ["1000", "7", "onboard", "0", "26"],
        ["1000", "7", "fault", "3", ""],
    ];
    assert_eq!(stored, expected);
}

/// Asks a table of what Delta's own library says are its files, as another program would.
async fn query(dir: &TempDir, table: &str, sql: &str) -> Vec<Vec<String>> {
    use std::sync::Arc;

    use datafusion::arrow::array::Array;
    use datafusion::arrow::util::display::array_value_to_string;
    use datafusion::prelude::ParquetReadOptions;

    let directory = dir.path().join(table).canonicalize().expect("a directory");
    let url = url::Url::from_directory_path(directory).expect("an address");
    let table = deltalake::open_table(url).await.expect("a table");
    let context = datafusion::prelude::SessionContext::new();
    let files: Vec<String> = table.get_file_uris().expect("its files").collect();
    let rows = context.read_parquet(files, ParquetReadOptions::default()).await.expect("Parquet");
    context.register_table("t", rows.into_view()).expect("registered");
    let batches = context.sql(sql).await.expect("a plan").collect().await.expect("rows");
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cell = |column: &Arc<dyn Array>| array_value_to_string(column, row).expect("a cell");
            rows.push(batch.columns().iter().map(cell).collect());
        }
    }
    rows
}

#[test]
fn the_registrys_columns_are_all_served_or_kept() {
    let served: usize = Endpoint::ALL.iter().map(|endpoint| endpoint.columns().count()).sum();
    let kept = COLUMNS.iter().filter(|column| column.endpoint.is_none()).count();
    assert_eq!(served + kept, COLUMNS.len());
}
