//! The server's life: data that become newer, and the end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use api::Config;
use chain::{Day, WallClock};
use serde_json::json;

use crate::client::{connect, finish};
use crate::server::{BASE, DAYS, Server, quick, wait};

#[test]
fn health_names_the_latest_closed_day() {
    let answer = Server::new().get("/healthz");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), r#"{"status":"ok","latest_day":"2022-10-03"}"#);
}

#[test]
fn a_day_closed_while_serving_becomes_visible() {
    let server = Server::start(0, quick());
    server.ask("total").refused(200, 30004);
    server.close(0..1);
    server.wait_for("2022-10-01");
    assert_eq!(server.ask("total").data()[0]["stat_date"], "2022-10-01T00:00:00Z");
    server.ask("total?state_date=2022-10-02").refused(200, 30004);
    server.close(1..3);
    server.wait_for("2022-10-03");
    assert_eq!(server.ask("total?state_date=2022-10-02").data().as_array().map(Vec::len), Some(2));
    assert_eq!(server.ask("total?state_date=2022-10-01&miner_id=f0200").data(), json!([]));
}

#[test]
fn a_request_begun_before_the_shutdown_is_answered() {
    let mut server = Server::start(1, quick());
    let address = server.address;
    let mut stream = connect(address);
    stream.write_all(format!("GET {BASE}/total HTTP/1.1\r\n").as_bytes()).expect("half a request");
    // An answer to another connection says that the first one was accepted too; after many of them its half request
    // has been read, however busy the machine is.
    for _ in 0..50 {
        server.ask("total").data();
    }
    server.ask_to_stop();
    wait(|| TcpStream::connect(address).is_err());
    stream.write_all(b"host: x\r\n\r\n").expect("the other half");
    let answer = finish(stream);
    answer.data();
    assert_eq!(answer.header("connection").as_deref(), Some("close"));
    server.ended();
}

#[test]
fn an_idle_connection_does_not_hold_the_shutdown_up() {
    let config = Config { drain_timeout: Duration::from_millis(300), ..quick() };
    let mut server = Server::start(1, config);
    let mut idle = connect(server.address);
    idle.write_all(b"GET / HTTP/1.1\r\n").expect("half a request");
    server.ask("total").data();
    let started = Instant::now();
    server.ask_to_stop();
    server.ended();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    drop(idle);
}

#[test]
fn the_datas_lag_is_told_by_the_servers_clock() {
    let day: Day = DAYS[2].parse().expect("a date");
    let ended = i64::from(day.next().unix_days()) * 86_400;
    let clock = WallClock::stopped_at(ended + 7);
    let server = Server::start(3, Config { clock: clock.clone(), ..quick() });
    assert_eq!(server.get("/v1/status").json()["lag_seconds"], 7);
    assert_eq!(server.figure("sectorscope_lake_lag_seconds"), Some(7.0));
    // A chain that is ahead of the machine's clock.
    clock.set(ended - 1);
    assert_eq!(server.get("/v1/status").json()["lag_seconds"], -1);
}

#[test]
fn readiness_says_why_not() {
    let server = Server::start(0, quick());
    let answer = server.get("/readyz");
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text(),
        r#"{"status":"not ready","message":"No day is closed so far.","latest_day":null}"#
    );
    server.close(0..1);
    wait(|| server.get("/readyz").status == 200);
    assert_eq!(server.get("/readyz").text(), r#"{"status":"ready","latest_day":"2022-10-01"}"#);
}

#[test]
fn while_it_drains_it_is_not_ready() {
    let mut server = Server::start(1, quick());
    let mut stream = connect(server.address);
    stream.write_all(b"GET /readyz HTTP/1.1\r\n").expect("half a request");
    for _ in 0..50 {
        assert_eq!(server.get("/readyz").status, 200);
    }
    server.ask_to_stop();
    let address = server.address;
    wait(|| TcpStream::connect(address).is_err());
    stream.write_all(b"host: x\r\n\r\n").expect("the other half");
    let answer = finish(stream);
    assert_eq!((answer.status, answer.text().contains("shutting down")), (503, true), "{}", answer.text());
    server.ended();
}

#[test]
fn a_connection_that_has_asked_for_nothing_does_not_hold_the_shutdown_up() {
    // Far longer than the server may take to end.
    let config = Config { drain_timeout: Duration::from_secs(600), ..quick() };
    let mut server = Server::start(1, config);
    let idle = connect(server.address);
    server.ask("total").data();
    server.ask_to_stop();
    server.ended();
    drop(idle);
}
