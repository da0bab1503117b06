//! Days of a small made-up network.

#![allow(dead_code)]

use chain::{AttoFil, Bytes, Cid, Clock, Day, Epoch, MinerId, SectorNumber};
use std::path::Path;
use std::sync::Arc;

use lake::{DaySource, FinishedDay, Lake, Reader};
use ledger::columns::Endpoint;
use ledger::testing::{SyntheticHistory, SyntheticOptions};
use ledger::{
    Backing, Cause, ChainPower, Content, Event, Kind, MessageRef, Opening, Power, ReceiptCounts, Status,
};
use tempfile::TempDir;

/// Raw bytes of a sector.
pub(crate) const SIZE: i128 = 32 << 30;

const BACKING: Backing =
    Backing { content: Content::Cc, pledge: AttoFil(200_000_000_000_000_000), daily_fee: None };

/// 2022-10-01 and the days after it.
pub(crate) fn day(number: i32) -> Day {
    Day::from_unix_days(19_266 + number)
}

fn cid(number: u64) -> Cid {
    let mut bytes = vec![0x01, 0x71, 0xa0, 0xe4, 0x02, 0x20];
    bytes.extend(number.to_le_bytes());
    bytes.resize(6 + 32, 0);
    Cid::try_from(bytes.as_slice()).expect("a CID")
}

/// A sector onboarded by a batch message of that number.
pub(crate) fn onboard(miner: u64, sector: u64, message: u64) -> Event {
    Event {
        epoch: Epoch(100),
        miner: MinerId(miner),
        sector: SectorNumber(sector),
        kind: Kind::Onboard,
        cause: Some(Cause::Batch),
        sector_size: Bytes(SIZE),
        qap_before: None,
        qap_after: Some(Bytes(SIZE)),
        activation: Some(Epoch(100)),
        expiration_before: None,
        expiration_after: Some(Epoch(1_555_300)),
        backing_before: None,
        backing_after: Some(BACKING),
        status_before: Status::None,
        status_after: Status::Active,
        message: Some(Arc::new(MessageRef { cid: cid(message), method: 26, sectors: 1 })),
        uncertain: false,
    }
}

/// The same sector falling faulty.
pub(crate) fn fault(miner: u64, sector: u64) -> Event {
    Event {
        kind: Kind::Fault,
        cause: Some(Cause::Missed),
        qap_before: Some(Bytes(SIZE)),
        expiration_before: Some(Epoch(1_555_300)),
        backing_before: Some(BACKING),
        status_before: Status::Active,
        status_after: Status::Faulty,
        message: None,
        uncertain: false,
        ..onboard(miner, sector, 0)
    }
}

/// What the chain says of a miner with that many sectors, all of them active.
pub(crate) fn claim(miner: u64, sectors: i128) -> ChainPower {
    let power = Bytes(sectors * SIZE);
    let power = Power { rbp: power, qap: power };
    ChainPower { claim: power, live: power, ..ChainPower::none(MinerId(miner)) }
}

/// A finished day.
pub(crate) fn finished(number: i32, events: Vec<Event>, powers: Vec<ChainPower>) -> FinishedDay {
    let source = DaySource {
        source: "made up".to_owned(),
        network: "testnet".to_owned(),
        genesis: 1_598_306_400,
        day: day(number),
        first_epoch: Epoch(0),
        last_epoch: Epoch(2879),
        tipset_key: cid(1).to_string(),
        state_root: cid(2).to_string(),
        version: "0.0.0".to_owned(),
        history_since: None,
        closed_at: Some(1_664_668_800),
        receipts: ReceiptCounts::default(),
    };
    FinishedDay { day: day(number), events, powers, source }
}

/// A made-up network whose sectors live valid lives, day by day from 2022-10-01 on. Each day stands on a state of its
/// own.
pub(crate) fn network(options: SyntheticOptions) -> impl Iterator<Item = FinishedDay> {
    let since = (options.initial_sectors > 0).then(|| day(0));
    let clock = Clock::new(1_598_306_400);
    let options = SyntheticOptions { first_day_epoch: clock.first_epoch(day(0)), ..options };
    of_history(SyntheticHistory::new(options), clock, since)
}

/// The same, with the events that the first day opens with apart.
pub(crate) fn opened(options: SyntheticOptions) -> (Opening<'static>, impl Iterator<Item = FinishedDay>) {
    let clock = Clock::new(1_598_306_400);
    let mut history =
        SyntheticHistory::new(SyntheticOptions { first_day_epoch: clock.first_epoch(day(0)), ..options });
    (history.take_opening(), of_history(history, clock, Some(day(0))))
}

fn of_history(
    history: SyntheticHistory,
    clock: Clock,
    since: Option<Day>,
) -> impl Iterator<Item = FinishedDay> {
    history.zip(0..).map(move |(of, number)| {
        let mut finished = finished(number, of.events, of.powers);
        finished.source.first_epoch = clock.first_epoch(day(number));
        finished.source.last_epoch = clock.first_epoch(day(number + 1)) + -1;
        finished.source.state_root = cid(1000 + number as u64).to_string();
        finished.source.history_since = since;
        finished
    })
}

/// Every row of every closed day, as the endpoints show them.
pub(crate) async fn shown(dir: &Path) -> Vec<String> {
    let reader = match Reader::open(dir).await {
        Ok(reader) => reader,
        Err(lake::Error::NoLake { .. }) => return Vec::new(),
        Err(error) => panic!("a lake that does not open: {error}"),
    };
    let mut days = Vec::new();
    let mut at = reader.days().map(|days| *days.start());
    while let Some(rows) = match at {
        Some(day) => reader.day(day).await.expect("a day that is shown is whole"),
        None => None,
    } {
        let mut text = format!("{}\n", rows.day());
        for endpoint in Endpoint::ALL {
            rows.write_json(*endpoint, None, &mut text);
        }
        days.push(text);
        at = at.map(chain::Day::next);
    }
    days
}

/// A lake of these days, twenty closed at a time.
pub(crate) async fn closed(days: &[FinishedDay]) -> (TempDir, Lake) {
    let dir = TempDir::new().expect("a directory");
    let mut lake = Lake::open(dir.path()).await.expect("a lake");
    for days in days.chunks(20) {
        lake.close_days(days).await.expect("days that close");
    }
    (dir, lake)
}

/// Makes all files below a directory as old as what a writer has left that died a day ago.
pub(crate) fn age(dir: &Path) {
    let past = std::time::SystemTime::now() - std::time::Duration::from_hours(24);
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            age(&path);
        } else {
            let file = std::fs::File::options().write(true).open(&path).expect("a file");
            file.set_modified(past).expect("its time set");
        }
    }
}

/// Copies a directory with all that is in it.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("copied");
        }
    }
}
