//! Answers that are asked for and not taken: what they may hold, and that nobody else waits for them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use api::Config;
use chain::{Day, MinerId, SectorNumber};
use lake::Lake;

use crate::client::{connect, finish};
use crate::server::{BASE, Server, finished_day, onboarded, quick, wait};

/// Storage providers of the lake, and its days: their rows with all columns are more than any system keeps for a client that
/// does not read.
const MINERS: u64 = 2000;
const DAYS: i32 = 5;

/// The largest answer.
const ALL: &str = "/v1/sectors/daily?from=2022-10-01&limit=10000";

async fn fill(lake: &Path) {
    let first: Day = "2022-10-01".parse().expect("a date");
    let day = |at: i32| Day::from_unix_days(first.unix_days() + at);
    let events = (1..=MINERS).map(|miner| onboarded(day(0), MinerId(miner), SectorNumber(1))).collect();
    let mut days = vec![finished_day(day(0), events)];
    days.extend((1..DAYS).map(|at| finished_day(day(at), Vec::new())));
    Lake::open(lake).await.expect("a lake").close_days(&days).await.expect("closed days");
}

fn server(change: impl FnOnce(&mut Config)) -> Server {
    let mut config = quick();
    change(&mut config);
    Server::over(fill, config)
}

/// Asks for something on a connection of its own, and reads nothing.
fn asked(server: &Server, target: &str, more: &str) -> TcpStream {
    let mut stream = connect(server.address);
    let head = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    stream
}

fn unsent(server: &Server) -> f64 {
    server.figure("sectorscope_unsent_bytes").expect("a figure")
}

#[test]
fn answers_that_nobody_takes_hold_no_more_than_the_bound_and_others_are_served() {
    const BOUND: usize = 8 << 20;
    let server = server(|config| config.response_memory_bytes = BOUND);
    for format in ["json", "csv", "ndjson", "parquet", "arrow"] {
        for coding in ["identity", "zstd"] {
            let more = format!("accept-encoding: {coding}\r\n");
            let held: Vec<_> =
                (0..6).map(|_| asked(&server, &format!("{ALL}&format={format}"), &more)).collect();
            for _ in 0..3 {
                assert!(unsent(&server) <= BOUND as f64);
                server.ask("total").data();
                server.ask("total?miner_id=f07").data();
                assert_eq!(server.get("/v1/network/daily?columns=total_num_sector").status, 200);
                assert_eq!(server.get("/v1/miners/f07").status, 200);
            }
            drop(held);
            wait(|| unsent(&server) == 0.0);
        }
    }
}

#[test]
fn one_address_has_its_part_and_leaves_others_theirs() {
    // Its quarter is less than one of these answers.
    let server = server(|config| {
        config.response_memory_bytes = 8 << 20;
        config.behind_proxy = true;
    });
    let from = |address: &str| format!("x-forwarded-for: {address}\r\n");
    let held: Vec<_> = (0..4).map(|_| asked(&server, ALL, &from("192.0.2.1"))).collect();
    wait(|| unsent(&server) > 0.0);
    // Another one gets its whole answer meanwhile.
    let whole = finish(asked(&server, ALL, &from("192.0.2.2")));
    assert_eq!(whole.status, 200);
    assert_eq!(whole.json()["data"].as_array().map(Vec::len), Some(10_000));
    // The first one's get room one after another, and who found none in time is told so.
    let answers: Vec<u16> = held.into_iter().map(|stream| finish(stream).status).collect();
    assert!(
        answers.contains(&200) && answers.iter().all(|status| [200, 503].contains(status)),
        "{answers:?}"
    );
    wait(|| unsent(&server) == 0.0);
}

#[test]
fn requests_of_one_address_that_wait_leave_others_their_turn() {
    // One of these answers is more than the address's part, so all but one of its requests wait for room.
    let server = server(|config| {
        config.response_memory_bytes = 8 << 20;
        config.max_requests = 8;
        config.behind_proxy = true;
    });
    let from = |address: &str| format!("x-forwarded-for: {address}\r\n");
    let held: Vec<_> = (0..12).map(|_| asked(&server, ALL, &from("192.0.2.1"))).collect();
    wait(|| unsent(&server) > 0.0);
    let target = "/v2/storage_provider/sector/total?miner_id=f07";
    for _ in 0..8 {
        assert_eq!(finish(asked(&server, target, &from("192.0.2.2"))).status, 200);
    }
    // None of the others has been given up by then, which would have let these in.
    let metrics = server.get("/metrics");
    let given_up = metrics.text().lines().filter(|line| line.contains("\"503\"")).collect::<Vec<_>>();
    assert!(metrics.status == 200 && given_up.is_empty(), "{given_up:?}");
    drop(held);
}

#[test]
fn who_takes_nothing_is_given_up_and_gives_its_room_back() {
    let server = server(|config| {
        config.response_memory_bytes = 4 << 20;
        // Long enough for a reader on a busy machine, and half of what others wait for room.
        config.write_timeout = Duration::from_secs(5);
    });
    let held = asked(&server, ALL, "");
    wait(|| unsent(&server) > 0.0);
    let answer = server.get(ALL);
    assert_eq!(answer.status, 200);
    wait(|| unsent(&server) == 0.0);
    drop(held);
}

#[test]
fn who_reads_slowly_gets_the_whole_answer() {
    let server = server(|_| {});
    for (format, codings) in
        [("json", &["identity", "gzip", "br", "zstd"][..]), ("csv", &["zstd"]), ("ndjson", &["identity"])]
    {
        for coding in codings {
            let target = format!("{ALL}&format={format}");
            let whole = server.get(&target);
            let mut stream = asked(&server, &target, &format!("accept-encoding: {coding}\r\n"));
            // A while of reading little, then the rest.
            let mut bytes = Vec::new();
            for _ in 0..20 {
                let mut some = [0; 4096];
                let read = stream.read(&mut some).expect("bytes");
                bytes.extend_from_slice(&some[..read]);
                std::thread::sleep(Duration::from_millis(5));
            }
            stream.read_to_end(&mut bytes).expect("the rest");
            let answer = crate::client::answer(bytes);
            assert_eq!(answer.status, 200);
            assert!(crate::transport::decoded(&answer) == whole.body, "{format} in {coding}");
        }
    }
}

#[test]
fn a_head_of_what_comes_piece_by_piece_has_no_body_and_holds_nothing() {
    let server = server(|_| {});
    for _ in 0..3 {
        let head = server.send(&format!("HEAD {ALL} HTTP/1.1"));
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert!(head.header("link").is_none() && head.header("etag").is_some());
    }
    wait(|| unsent(&server) == 0.0);
}

#[test]
fn rendered_days_that_are_being_sent_are_bounded_too() {
    // Room for less than a day of one endpoint: whoever asks for another waits until what is sent is taken.
    let server = server(|config| {
        config.rendered_cache_bytes = 1;
        config.response_memory_bytes = 1;
    });
    for day in 1..=DAYS {
        for endpoint in ["total", "fault", "terminate"] {
            let answer = server.ask(&format!("{endpoint}?state_date=2022-10-{day:02}"));
            assert_eq!(answer.data().as_array().map(Vec::len), Some(MINERS as usize));
        }
    }
}

#[test]
fn an_address_has_so_many_connections_and_is_told_of_more() {
    let server = server(|config| {
        config.max_connections_per_address = NonZeroUsize::new(5);
        config.count_loopback = true;
    });
    let held: Vec<_> = (0..5).map(|_| connect(server.address)).collect();
    let mut refused = String::new();
    connect(server.address).read_to_string(&mut refused).expect("an end");
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("too many connections"), "{refused}");
    drop(held);
    wait(|| {
        let mut stream = connect(server.address);
        let head = format!("GET {BASE}/total?miner_id=f07 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let mut text = String::new();
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.read_to_string(&mut text));
        sent.is_ok() && text.starts_with("HTTP/1.1 200 ")
    });
    assert!(server.figure("sectorscope_refused_connections_total").is_some_and(|refused| refused >= 1.0));
}

#[test]
fn a_proxy_on_this_machine_stands_for_many() {
    for (behind_proxy, count_loopback) in [(true, true), (false, false)] {
        let server = server(|config| {
            config.max_connections_per_address = NonZeroUsize::new(5);
            (config.behind_proxy, config.count_loopback) = (behind_proxy, count_loopback);
        });
        let held: Vec<_> = (0..20).map(|_| connect(server.address)).collect();
        server.ask("total").data();
        drop(held);
    }
}
