//! A server over a lake of a few hand-made days.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Config;
use chain::{AttoFil, Bytes, Clock, Day, MAINNET_GENESIS, MinerId, SectorNumber, WallClock};
use lake::{DaySource, Disk, FinishedDay, Lake, Reader};
use ledger::{Backing, Cause, Content, Event, Kind, ReceiptCounts, Status};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::client::{self, Answer};

/// Where the ten endpoints stand.
pub(crate) const BASE: &str = "/v2/storage_provider/sector";

/// Raw bytes of a sector of the test's miners.
pub(crate) const SECTOR: i128 = 32 << 30;

/// First and last closed day of [`Server::new`], and the day each of its miners onboards its only sector.
pub(crate) const DAYS: [&str; 3] = ["2022-10-01", "2022-10-02", "2022-10-03"];
/// The miner of the first day.
pub(crate) const FIRST: MinerId = MinerId(1000);
/// The miner of the second day, whose id is the smaller number and the later text.
pub(crate) const SECOND: MinerId = MinerId(200);

const MINERS: [MinerId; 2] = [FIRST, SECOND];

/// A server that runs until it is dropped or stopped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) lake: TempDir,
    runtime: Runtime,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), api::Error>>,
}

impl Server {
    /// Over three closed days.
    pub(crate) fn new() -> Self {
        Self::start(3, quick())
    }

    /// Over the first `days` of [`DAYS`].
    pub(crate) fn start(days: usize, config: Config) -> Self {
        Self::over(async |lake| close(lake, 0..days, MINERS).await, config)
    }

    /// Over a lake that `fill` fills.
    pub(crate) fn over(fill: impl AsyncFnOnce(&Path), config: Config) -> Self {
        let lake = tempfile::tempdir().expect("a directory");
        let runtime = Runtime::new().expect("a runtime");
        let (address, stop, task) = runtime.block_on(async {
            fill(lake.path()).await;
            let reader = Arc::new(Reader::open(lake.path()).await.expect("a lake"));
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
            let address = listener.local_addr().expect("an address");
            let (stop, stopped) = oneshot::channel::<()>();
            let shutdown = async { drop(stopped.await) };
            (address, stop, tokio::spawn(api::serve(listener, reader, config, shutdown)))
        });
        Self { address, lake, runtime, stop: Some(stop), task }
    }

    /// Does something with the lake while the server runs.
    pub(crate) fn change<T>(&self, change: impl Future<Output = T>) -> T {
        self.runtime.block_on(change)
    }

    /// Closes further days of [`DAYS`] while the server runs.
    pub(crate) fn close(&self, days: std::ops::Range<usize>) {
        self.change(close(self.lake.path(), days, MINERS));
    }

    /// Makes another lake, of as many days and versions, with other miners.
    pub(crate) fn make_lake(&self, at: &Path, days: std::ops::Range<usize>, miners: [MinerId; 2]) {
        self.change(close(at, days, miners));
    }

    /// The figure of that name (and labels) in `/metrics`.
    pub(crate) fn figure(&self, name: &str) -> Option<f64> {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.text());
        let line = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        Some(line.parse().expect("a number"))
    }

    /// Waits until the server gives that day as the latest.
    pub(crate) fn wait_for(&self, day: &str) {
        let started = Instant::now();
        while self.get("/healthz").json()["latest_day"] != day {
            assert!(started.elapsed() < Duration::from_secs(20), "waited too long for {day}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// As [`Server::close`], from the first day on that is not closed, writing through `disk`.
    pub(crate) fn go_on(&self, disk: Disk) -> lake::Result<()> {
        self.change(async {
            let mut lake = Lake::open_with_disk(self.lake.path(), disk).await?;
            for day in (0..DAYS.len()).map(|at| finished(at, MINERS)) {
                if lake.last_closed().is_none_or(|last| day.day > last) {
                    lake.close_days(&[day]).await?;
                }
            }
            Ok(())
        })
    }

    /// `GET` of an address.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1"))
    }

    /// `GET` of what follows the endpoints' base.
    pub(crate) fn ask(&self, rest: &str) -> Answer {
        self.get(&format!("{BASE}/{rest}"))
    }

    /// A request by the lines of its head.
    pub(crate) fn send(&self, head: &str) -> Answer {
        client::send(self.address, head)
    }

    /// Asks the server to stop, without waiting.
    pub(crate) fn ask_to_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).expect("a running server");
        }
    }

    /// Waits until the server has ended.
    pub(crate) fn ended(self) {
        let Self { runtime, task, stop, .. } = self;
        drop(stop);
        let wait = async { tokio::time::timeout(Duration::from_secs(20), task).await };
        runtime.block_on(wait).expect("an end in time").expect("no panic").expect("no error");
    }
}

/// A configuration that looks for newer data often, and lets pages of any origin read as a public server does.
pub(crate) fn quick() -> Config {
    Config { refresh_interval: Duration::from_millis(20), allow_origin_when_open: true, ..Config::default() }
}

async fn close(lake: &Path, days: std::ops::Range<usize>, miners: [MinerId; 2]) {
    let finished: Vec<_> = days.map(|at| finished(at, miners)).collect();
    let mut lake = Lake::open(lake).await.expect("a lake");
    for day in &finished {
        // One by one, so that each has files of its own.
        lake.close_days(std::slice::from_ref(day)).await.expect("a closed day");
    }
}

fn finished(at: usize, miners: [MinerId; 2]) -> FinishedDay {
    let day: Day = DAYS[at].parse().expect("a date");
    let event = miners.get(at).map(|&miner| onboarded(day, miner, SectorNumber(1)));
    finished_day(day, event.into_iter().collect())
}

/// A sector that a miner onboards on a day.
pub(crate) fn onboarded(day: Day, miner: MinerId, sector: SectorNumber) -> Event {
    let epoch = Clock::new(MAINNET_GENESIS).first_epoch(day) + 10;
    Event {
        epoch,
        miner,
        sector,
        kind: Kind::Onboard,
        cause: Some(Cause::Single),
        sector_size: Bytes(SECTOR),
        qap_before: None,
        qap_after: Some(Bytes(SECTOR)),
        activation: Some(epoch),
        expiration_before: None,
        expiration_after: Some(epoch + 540 * 2880),
        backing_before: None,
        backing_after: Some(Backing {
            content: Content::Cc,
            pledge: AttoFil(200_000_000_000_000_000),
            daily_fee: None,
        }),
        status_before: Status::None,
        status_after: Status::Active,
        message: None,
        uncertain: false,
    }
}

/// A day that is over.
pub(crate) fn finished_day(day: Day, events: Vec<Event>) -> FinishedDay {
    let clock = Clock::new(MAINNET_GENESIS);
    FinishedDay {
        day,
        events,
        powers: Vec::new(),
        source: DaySource {
            source: "test".to_owned(),
            network: "mainnet".to_owned(),
            genesis: MAINNET_GENESIS,
            day,
            first_epoch: clock.first_epoch(day),
            last_epoch: clock.first_epoch(day.next()) + -1,
            tipset_key: String::new(),
            state_root: String::new(),
            version: "test".to_owned(),
            history_since: None,
            closed_at: None,
            receipts: ReceiptCounts::default(),
        },
    }
}

/// Now, in Unix seconds.
pub(crate) fn now() -> i64 {
    WallClock::default().unix_seconds()
}

/// Waits until something is so.
pub(crate) fn wait(mut until: impl FnMut() -> bool) {
    let started = Instant::now();
    while !until() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}
