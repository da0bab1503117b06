//! The rules of the definitions, each on a few events.

use std::sync::Arc;

use chain::{Bytes, Cid, Day, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::RecordBatch;
use ledger::columns::{COLUMNS, column};
use ledger::{Cause, Event, Kind, MessageRef, Status, Value};

use crate::close::engine::DayCloseEngine;
use crate::error::{Error, Result};
use crate::records::event_encoder;
use crate::rows::day_rows::DayRows;
use crate::schema::{MAX_DECIMAL, TableName};

const SIZE: i128 = 32 << 30;
const DAY: Day = Day::from_unix_days(19_266);
const YEAR: i64 = 1_051_200;

/// A message of its own number.
fn message(number: u8) -> Option<Arc<MessageRef>> {
    let mut bytes = vec![0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
    bytes.resize(bytes.len() + 32, number);
    let cid = Cid::try_from(bytes.as_slice()).expect("a CID");
    Some(Arc::new(MessageRef { cid, method: 7, sectors: 1 }))
}

/// An active sector of quality 1 to which nothing happens.
fn event(kind: Kind, sector: u64) -> Event {
    Event {
        epoch: Epoch(0),
        miner: MinerId(1000),
        sector: SectorNumber(sector),
        kind,
        cause: None,
        sector_size: Bytes(SIZE),
        qap_before: Some(Bytes(SIZE)),
        qap_after: Some(Bytes(SIZE)),
        activation: Some(Epoch(0)),
        expiration_before: Some(Epoch(YEAR)),
        expiration_after: Some(Epoch(YEAR)),
        backing_before: None,
        backing_after: None,
        status_before: Status::Active,
        status_after: Status::Active,
        message: None,
        uncertain: false,
    }
}

fn onboard(sector: u64, cause: Cause) -> Event {
    Event {
        cause: Some(cause),
        qap_before: None,
        expiration_before: None,
        status_before: Status::None,
        ..event(Kind::Onboard, sector)
    }
}

fn leave(kind: Kind, sector: u64, cause: Cause) -> Event {
    Event {
        cause: Some(cause),
        qap_after: None,
        expiration_after: None,
        status_after: Status::None,
        ..event(kind, sector)
    }
}

fn fault(sector: u64) -> Event {
    Event { status_after: Status::Faulty, ..event(Kind::Fault, sector) }
}

fn recover(sector: u64) -> Event {
    Event { status_before: Status::Faulty, ..event(Kind::Recover, sector) }
}

/// Closes days one after the other and gives each one's rows.
async fn try_close(days: &[&[Event]]) -> Result<Vec<DayRows>> {
    let engine = DayCloseEngine::new().await?;
    let mut previous = RecordBatch::new_empty(TableName::Rows.schema());
    let (mut day, mut closed) = (DAY, Vec::new());
    for source in days {
        let mut closing = engine.start(day, previous)?;
        let rows: Vec<_> = event_encoder::EventOrder::new(day, source)?.apply(source).collect();
        for rows in rows.chunks(event_encoder::BATCH_ROWS) {
            closing.add(&event_encoder::batch(day, rows, |_| ())?).await?;
        }
        previous = closing.finish().await?;
        closed.push(DayRows::new(day, &previous)?);
        day = day.next();
    }
    Ok(closed)
}

async fn close(days: &[&[Event]]) -> Vec<DayRows> {
    try_close(days).await.expect("days that close")
}

/// The value of miner 1000.
fn value(day: &DayRows, name: &str) -> Value {
    let row = day.find(MinerId(1000)).expect("a row");
    day.value(row, column(name).expect("a column"))
}

fn integer(day: &DayRows, name: &str) -> i128 {
    match value(day, name) {
        Value::Integer(value) => value,
        Value::Double(value) => panic!("{name} is {value}"),
    }
}

fn double(day: &DayRows, name: &str) -> f64 {
    match value(day, name) {
        Value::Double(value) => value,
        Value::Integer(value) => panic!("{name} is {value}"),
    }
}

#[tokio::test]
async fn daily_columns_sum_the_days_events_and_totals_every_event_so_far() {
    let first = [onboard(1, Cause::Single), onboard(2, Cause::Batch)];
    let second = [onboard(3, Cause::NonInteractive)];
    let days = close(&[&first, &second, &[]]).await;
    let seen = |name| days.iter().map(|day| integer(day, name)).collect::<Vec<_>>();
    assert_eq!(seen("daily_sector_onboarding_count"), [2, 1, 0]);
    assert_eq!(seen("daily_sector_onboarding_rbp"), [2 * SIZE, SIZE, 0]);
    assert_eq!(seen("total_num_sector"), [2, 3, 3]);
    assert_eq!(seen("total_sealed_sector_count"), [2, 3, 3]);
    assert_eq!(seen("total_sector_rbp"), [2 * SIZE, 3 * SIZE, 3 * SIZE]);
    assert_eq!(seen("provecommit_sector_count"), [1, 1, 1]);
    assert_eq!(seen("provecommit_batch_sector_count"), [1, 2, 2]);
}

#[tokio::test]
async fn opening_sectors_enter_totals_and_the_live_set_and_no_daily_column() {
    let opening = Event { cause: None, kind: Kind::Opening, ..onboard(1, Cause::Other) };
    let faulty = Event { sector: SectorNumber(2), status_after: Status::Faulty, ..opening.clone() };
    let days = close(&[&[opening, faulty]]).await;
    assert_eq!(integer(&days[0], "daily_sector_onboarding_count"), 0);
    assert_eq!(integer(&days[0], "total_num_sector"), 2);
    assert_eq!(integer(&days[0], "provecommit_sector_count"), 2);
    assert_eq!(integer(&days[0], "live_sector_count"), 2);
    assert_eq!(integer(&days[0], "active_sector_count"), 1);
    assert_eq!(integer(&days[0], "active_fault_count"), 1);
}

#[tokio::test]
async fn what_leaves_or_faults_is_valued_before_and_everything_else_after() {
    let (before, after) = (Some(Bytes(3 * SIZE)), Some(Bytes(5 * SIZE)));
    let valued = |kind| Event { qap_before: before, qap_after: after, ..event(kind, 1) };
    let kinds =
        [Kind::Onboard, Kind::Recover, Kind::Snap, Kind::Extend, Kind::Terminate, Kind::Expire, Kind::Fault];
    let days = close(&[&kinds.map(valued)]).await;
    for name in ["sector_onboarding", "new_recover", "new_snap", "new_extend"] {
        assert_eq!(integer(&days[0], &format!("daily_{name}_qap")), 5 * SIZE, "{name}");
    }
    for name in ["new_terminate", "new_expire", "new_fault"] {
        assert_eq!(integer(&days[0], &format!("daily_{name}_qap")), 3 * SIZE, "{name}");
    }
}

#[tokio::test]
async fn active_and_passive_terminations_add_up_to_all_and_expirations_are_apart() {
    let left = [
        leave(Kind::Terminate, 1, Cause::Active),
        leave(Kind::Terminate, 2, Cause::Passive),
        leave(Kind::Terminate, 3, Cause::Passive),
        leave(Kind::Expire, 4, Cause::OnTime),
        leave(Kind::Expire, 5, Cause::Replaced),
    ];
    let days = close(&[&left]).await;
    for span in ["daily_new", "total"] {
        assert_eq!(integer(&days[0], &format!("{span}_terminate_rbp")), 3 * SIZE);
        assert_eq!(integer(&days[0], &format!("{span}_active_terminate_rbp")), SIZE);
        assert_eq!(integer(&days[0], &format!("{span}_passive_terminate_rbp")), 2 * SIZE);
        assert_eq!(integer(&days[0], &format!("{span}_expire_rbp")), 2 * SIZE);
    }
}

#[tokio::test]
async fn batch_averages_divide_sectors_by_distinct_messages_over_all_days() {
    let batch = |sector, number| Event { message: message(number), ..onboard(sector, Cause::Batch) };
    let single = Event { message: message(9), ..onboard(9, Cause::Single) };
    let precommit =
        Event { kind: Kind::Precommit, status_after: Status::None, activation: None, ..batch(7, 7) };
    let first = [batch(1, 1), batch(2, 1), batch(3, 1), batch(4, 2), single];
    let days = close(&[&first, &[batch(5, 3), precommit], &[]]).await;
    assert_eq!(integer(&days[0], "provecommit_batch_messages"), 2);
    assert_eq!(double(&days[0], "avg_provecommit_batch_sector_count"), 2.0);
    assert_eq!(double(&days[0], "avg_precommit_batch_sector_count"), 0.0);
    assert_eq!(double(&days[2], "avg_provecommit_batch_sector_count"), 5.0 / 3.0);
    assert_eq!(double(&days[2], "avg_precommit_batch_sector_count"), 1.0);
    assert_eq!(integer(&days[2], "live_sector_count"), 6, "a pre-commit is no sector");
}

#[tokio::test]
async fn states_are_the_sectors_that_stand_so_at_the_days_end() {
    let unproven = Event { status_after: Status::Unproven, ..onboard(1, Cause::Single) };
    let proven = Event { status_before: Status::Unproven, ..event(Kind::Proven, 1) };
    let gone = Event { status_before: Status::Faulty, ..leave(Kind::Terminate, 1, Cause::Passive) };
    let days = close(&[&[unproven], &[proven], &[fault(1)], &[recover(1), fault(1)], &[], &[gone]]).await;
    let seen = |name| days.iter().map(|day| integer(day, name)).collect::<Vec<_>>();
    assert_eq!(seen("live_sector_count"), [1, 1, 1, 1, 1, 0]);
    assert_eq!(seen("unproven_sector_count"), [1, 0, 0, 0, 0, 0]);
    assert_eq!(seen("active_sector_rbp"), [0, SIZE, 0, 0, 0, 0]);
    assert_eq!(seen("active_fault_qap"), [0, 0, SIZE, SIZE, SIZE, 0]);
    assert_eq!(seen("daily_new_fault_count"), [0, 0, 1, 1, 0, 0]);
    assert_eq!(seen("daily_new_recover_count"), [0, 0, 0, 1, 0, 0]);
    assert_eq!(seen("active_duration_epochs"), [0, YEAR.into(), 0, 0, 0, 0]);
}

#[tokio::test]
async fn live_power_is_onboarded_less_left_and_what_snaps_extensions_and_adjustments_changed() {
    let snap = Event { qap_after: Some(Bytes(10 * SIZE)), ..event(Kind::Snap, 1) };
    let extend = Event {
        qap_before: snap.qap_after,
        qap_after: Some(Bytes(7 * SIZE)),
        expiration_after: Some(Epoch(2 * YEAR)),
        ..event(Kind::Extend, 1)
    };
    let adjust = Event {
        qap_before: extend.qap_after,
        qap_after: Some(Bytes(6 * SIZE)),
        expiration_before: extend.expiration_after,
        expiration_after: extend.expiration_after,
        ..event(Kind::Adjust, 1)
    };
    let first = [onboard(1, Cause::Single), onboard(2, Cause::Single)];
    let second = [snap, extend, adjust, leave(Kind::Expire, 2, Cause::OnTime)];
    let days = close(&[&first, &second]).await;
    let last = &days[1];
    let live = integer(last, "total_sector_qap")
        - integer(last, "total_terminate_qap")
        - integer(last, "total_expire_qap")
        + integer(last, "total_requalified_qap");
    assert_eq!(integer(last, "live_sector_qap"), live);
    assert_eq!(live, 6 * SIZE);
    assert_eq!(integer(last, "active_duration_epochs"), i128::from(2 * YEAR));
}

#[tokio::test]
async fn durations_are_over_the_active_sectors_and_zero_below_one_and_two() {
    let lasting =
        |sector, epochs| Event { expiration_after: Some(Epoch(epochs)), ..onboard(sector, Cause::Single) };
    let gone = Event { expiration_before: Some(Epoch(2880)), ..leave(Kind::Expire, 4, Cause::OnTime) };
    let first = [lasting(4, 2880)];
    let second = [lasting(1, 1_000_000), lasting(2, 1_500_001), lasting(3, 540), gone];
    let last = [1_000_000, 1_500_001, 540]
        .map(|epochs| Event { expiration_before: Some(Epoch(epochs)), ..fault(1) });
    let days = close(&[&first, &second, &last]).await;
    let seen = |day| ["avg", "std"].map(|of| double(day, &format!("{of}_active_sector_duration_days")));
    assert_eq!(seen(&days[0]), [1.0, 0.0]);
    // Python: sum / (n * 2880), math.sqrt((n * squares - sum * sum) / (n * (n - 1))) / 2880
    assert_eq!(seen(&days[1]), [289.4144675925926, 265.09321700726645]);
    assert_eq!(seen(&days[2]), [0.0, 0.0]);
}

#[tokio::test]
async fn the_deviation_of_a_million_long_sectors_loses_no_digit() {
    let long = |sector: u64| Event {
        expiration_after: Some(Epoch(5_400_000 - i64::from(sector == 0))),
        ..onboard(sector, Cause::Single)
    };
    let sectors: Vec<Event> = (0..1_000_000).map(long).collect();
    let started = std::time::Instant::now();
    let days = close(&[&sectors]).await;
    println!("a day of a million events: {:?}", started.elapsed());
    assert_eq!(double(&days[0], "avg_active_sector_duration_days"), 1874.9999999996528);
    // √(1 ÷ 1,000,000) epochs: the two numbers that are subtracted agree in 25 digits.
    assert_eq!(double(&days[0], "std_active_sector_duration_days"), 3.4722222222222224e-07);
}

#[tokio::test]
async fn a_miner_has_a_row_from_its_first_event_on_zeros_included() {
    let other = Event { miner: MinerId(2000), ..onboard(1, Cause::Single) };
    let days = close(&[&[], &[onboard(1, Cause::Single)], &[other], &[]]).await;
    let miners: Vec<_> = days.iter().map(|day| day.miners().to_vec()).collect();
    let both = vec![MinerId(1000), MinerId(2000)];
    assert_eq!(miners, [vec![], vec![MinerId(1000)], both.clone(), both]);
    assert_eq!(integer(&days[3], "daily_sector_onboarding_count"), 0);
    assert_eq!(integer(&days[3], "total_num_sector"), 1);
}

#[tokio::test]
async fn sums_past_64_bits_are_exact() {
    let huge = Bytes((1_i128 << 100) + 1);
    let heavy = |sector| Event { qap_after: Some(huge), ..onboard(sector, Cause::Single) };
    let days = close(&[&[heavy(1), heavy(2)], &[heavy(3)]]).await;
    assert_eq!(integer(&days[1], "total_sector_qap"), 3 * huge.0);
    assert_eq!(integer(&days[1], "active_sector_qap"), 3 * huge.0);
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_and_never_wraps() {
    let widest = |sector| Event { qap_after: Some(Bytes(MAX_DECIMAL)), ..onboard(sector, Cause::Single) };
    let wider = Event { qap_after: Some(Bytes(MAX_DECIMAL + 1)), ..onboard(1, Cause::Single) };
    let miner = Event { miner: MinerId(1 << 63), ..onboard(1, Cause::Single) };
    let sector = onboard(1 << 63, Cause::Single);
    assert_eq!(integer(&close(&[&[widest(1)]]).await[0], "total_sector_qap"), MAX_DECIMAL);
    for days in [[&[widest(1), widest(2)][..], &[]], [&[widest(1)], &[widest(2)]], [&[wider], &[]]] {
        let failed = try_close(&days).await.expect_err("too large");
        assert!(matches!(failed, Error::TooLarge { .. }), "{failed}");
    }
    for event in [miner, sector] {
        let failed = try_close(&[&[event]]).await.expect_err("too large");
        assert!(failed.to_string().contains("64-bit integer"), "{failed}");
    }
}

#[test]
fn the_statement_gives_every_column_of_the_registry_in_its_order() {
    let statement = super::day_close().expect("a statement");
    let outer = statement.rsplit_once("SELECT miner_id,").expect("an outer projection").1;
    let mut at = 0;
    for column in COLUMNS {
        let name = format!(" AS {}", column.name);
        let found = outer[at..].find(&name).unwrap_or_else(|| panic!("{} is out of order", column.name));
        at += found + name.len();
    }
}
