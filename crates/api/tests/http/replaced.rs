//! Days closed and replaced while they are asked for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use api::Config;
use chain::{Day, MinerId, SectorNumber};
use lake::{FinishedDay, Lake};
use serde_json::Value;

use crate::client::connect;
use crate::server::{BASE, Server, finished_day, onboarded};

/// Miners with a row on each day.
const MINERS: u64 = 300;
/// Connections that ask at once.
const CLIENTS: u64 = 4;
/// Requests of all clients; another number by the variable `SECTORSCOPE_REQUESTS`.
const REQUESTS: u64 = 4_000;
/// Sectors that are to be seen at least: clients go on asking until then, or until something is clearly wrong.
const SEEN: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(120);

fn first_day() -> Day {
    "2022-10-01".parse().expect("a date")
}

/// A day on which each miner onboards that many sectors.
fn with_sectors(day: Day, sectors: u64) -> FinishedDay {
    let events = (0..MINERS).flat_map(|miner| {
        let sector = move |number| onboarded(day, MinerId(1000 + miner), SectorNumber(number));
        (0..sectors).map(sector)
    });
    finished_day(day, events.collect())
}

/// Closes the first two days with one sector each.
async fn begin(lake: &Path) {
    let mut lake = Lake::open(lake).await.expect("a lake");
    let days = [with_sectors(first_day(), 1), finished_day(first_day().next(), Vec::new())];
    lake.close_days(&days).await.expect("closed days");
}

/// Closes the first day again and again, each time with one more sector of every miner, and the day after it follows;
/// now and then brings in a further day, and lets go of replaced files. Gives how often.
async fn replace(lake: &Path, done: &AtomicBool) -> u64 {
    let mut lake = Lake::open(lake).await.expect("a lake");
    let mut sectors = 1;
    while !done.load(Ordering::Relaxed) && sectors < 2_000 {
        sectors += 1;
        lake.close_again(first_day()).expect("a closed day");
        lake.close_days(&[with_sectors(first_day(), sectors)]).await.expect("a day");
        lake.finish_closing_again(false).await.expect("the later days stand on the same state");
        if sectors % 10 == 0 {
            let next = lake.last_closed().expect("a day").next();
            lake.close_days(&[finished_day(next, Vec::new())]).await.expect("a further day");
        }
    }
    sectors
}

/// One connection's asking.
struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    fn new(address: SocketAddr) -> Self {
        Self { stream: BufReader::new(connect(address)) }
    }

    /// The rows of an answer.
    fn ask(&mut self, rest: &str) -> Vec<Value> {
        let request = format!("GET {BASE}/{rest} HTTP/1.1\r\nhost: x\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes()).expect("a request");
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a line of the head");
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        let mut answer: Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(answer["code"], 0, "{answer}");
        match answer["data"].take() {
            Value::Array(rows) => rows,
            other => panic!("no rows: {other}"),
        }
    }
}

/// The one number of sectors that all rows have in that column.
fn only(rows: &[Value], column: &str) -> u64 {
    let numbers = rows.iter().map(|row| row[column].as_u64().expect("a number"));
    let (least, most) = (numbers.clone().min(), numbers.max());
    assert_eq!(least, most, "half a day");
    most.expect("a row")
}

/// Asks for whole days and single rows, plain; none may be older than the newest that was seen before it was asked for.
fn ask_on(address: SocketAddr, seed: u64, requests: u64, newest: &AtomicU64) {
    let (mut client, start) = (Client::new(address), Instant::now());
    for at in 0.. {
        let before = newest.load(Ordering::SeqCst);
        if at >= requests && (before >= SEEN || start.elapsed() > PATIENCE) {
            return;
        }
        let miner = 1000 + (at * 7 + seed) % MINERS;
        let (rows, column, count) = match (at + seed) % 8 {
            0 => (client.ask("total?state_date=2022-10-01"), "daily_sector_onboarding_count", MINERS),
            1 => (client.ask("total?state_date=2022-10-02"), "total_num_sector", MINERS),
            2 => (client.ask(&format!("total?miner_id=f0{miner}")), "total_num_sector", 1),
            3 => {
                let rest = format!("commit_sector_count?state_date=2022-10-02&miner_id=f0{miner}");
                (client.ask(&rest), "total_sealed_sector_count", 1)
            }
            _ => {
                let rest = format!("total?state_date=2022-10-01&miner_id=f0{miner}");
                (client.ask(&rest), "daily_sector_onboarding_count", 1)
            }
        };
        assert_eq!(rows.len() as u64, count, "half a day");
        let seen = only(&rows, column);
        assert!(seen >= before, "{column} was {before} and is {seen}: an older version after a newer one");
        newest.fetch_max(seen, Ordering::SeqCst);
    }
}

#[test]
fn nobody_sees_half_a_day_or_an_older_version_after_a_newer_one() {
    let requests = std::env::var("SECTORSCOPE_REQUESTS").ok().and_then(|number| number.parse().ok());
    let requests: u64 = requests.unwrap_or(REQUESTS);
    // Little room for what is rendered, so that days are rendered, let go, and rendered again.
    let config = Config {
        refresh_interval: Duration::from_millis(5),
        rendered_cache_bytes: 600 << 10,
        ..Config::default()
    };
    let server = Server::over(begin, config);
    let (newest, done) = (AtomicU64::new(1), AtomicBool::new(false));
    let (newest, done, address) = (&newest, &done, server.address);
    let replaced = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..CLIENTS)
            .map(|seed| scope.spawn(move || ask_on(address, seed, requests / CLIENTS, newest)))
            .collect();
        let lake = server.lake.path();
        let writing = scope.spawn(|| {
            let runtime = tokio::runtime::Runtime::new().expect("a runtime");
            runtime.block_on(replace(lake, done))
        });
        let asked: Vec<_> = asking.into_iter().map(|client| client.join()).collect();
        done.store(true, Ordering::Relaxed);
        let replaced = writing.join().expect("the writer goes on");
        for client in asked {
            client.expect("a client sees what it should");
        }
        replaced
    });
    println!("{requests} requests while a day was replaced {replaced} times; {newest:?} sectors seen last");
    assert!(newest.load(Ordering::SeqCst) >= SEEN, "nothing was replaced while it was asked for");
}
