//! What the server does not put up with.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use api::Config;

use crate::client::{connect, finish};
use crate::server::{BASE, Server, quick, wait};

#[test]
fn an_overlong_address_is_414() {
    let server = Server::start(1, quick());
    let message = server.ask(&format!("total?x={}", "x".repeat(9000))).refused(414, 414);
    assert!(message.contains("8192"), "{message}");
    server.ask(&format!("total?x={}", "x".repeat(8000))).data();
}

#[test]
fn an_announced_large_body_is_413_and_a_small_one_is_ignored() {
    let server = Server::start(1, quick());
    let get = format!("GET {BASE}/total HTTP/1.1");
    server.send(&format!("{get}\r\ncontent-length: 1000000000")).refused(413, 413);
    let mut stream = connect(server.address);
    let request = format!("{get}\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
    stream.write_all(request.as_bytes()).expect("a request");
    finish(stream).data();
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let soon = Duration::from_millis(200);
    let config = Config { header_timeout: soon, idle_timeout: soon, ..quick() };
    let server = Server::start(1, config);
    for start in ["", "GET / HTTP/1.1\r\nx: "] {
        let started = Instant::now();
        let mut stream = connect(server.address);
        stream.write_all(start.as_bytes()).expect("a start");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("an end");
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

#[test]
fn an_idle_connection_is_closed_after_its_answer() {
    let config = Config { idle_timeout: Duration::from_millis(200), ..quick() };
    let server = Server::start(1, config);
    let mut stream = connect(server.address);
    let request = format!("GET {BASE}/total HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("a request");
    finish(stream).data();
}

#[test]
fn connections_beyond_the_limit_wait_for_a_place() {
    let config = Config { max_connections: 1, header_timeout: Duration::from_millis(300), ..quick() };
    let server = Server::start(1, config);
    let idle = connect(server.address);
    // The idle one has to go, though it might idle for longer if nobody waited.
    server.ask("total").data();
    drop(idle);
}

#[test]
fn an_idle_connection_outlives_the_time_that_a_request_may_take_to_come() {
    let config = Config { header_timeout: Duration::from_millis(100), ..quick() };
    let server = Server::start(1, config);
    let mut stream = connect(server.address);
    let request = format!("GET {BASE}/total HTTP/1.1\r\nhost: x\r\n");
    stream.write_all(format!("{request}\r\n").as_bytes()).expect("a request");
    std::thread::sleep(Duration::from_millis(500));
    stream.write_all(format!("{request}connection: close\r\n\r\n").as_bytes()).expect("another");
    let answers = finish(stream);
    assert_eq!(answers.text().matches("\"message\":\"success.\"").count(), 2, "{}", answers.text());
}

#[test]
fn a_request_that_comes_byte_by_byte_is_given_up() {
    let config = Config { header_timeout: Duration::from_millis(300), ..quick() };
    let server = Server::start(1, config);
    let mut stream = connect(server.address);
    let refused = (0..1000).find(|_| {
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(b"x").is_err()
    });
    assert!(refused.is_some(), "it is still listened to");
}

#[test]
fn what_is_left_over_after_a_request_is_given_up_as_any_head_is() {
    let config = Config { header_timeout: Duration::from_millis(300), ..quick() };
    let server = Server::start(1, config);
    let mut stream = connect(server.address);
    let whole = format!("GET {BASE}/total HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(format!("{whole}{whole}GET {BASE}/to").as_bytes()).expect("two requests and a part");
    // Else it would idle for a quarter of an hour, and this read fail.
    let answers = finish(stream);
    assert_eq!(answers.text().matches("\"message\":\"success.\"").count(), 2, "{}", answers.text());
}

#[test]
fn an_overlong_head_is_431() {
    let server = Server::start(1, quick());
    let get = format!("GET {BASE}/total HTTP/1.1");
    let many: String = (0..150).map(|at| format!("\r\nx{at}: y")).collect();
    // Even where its sender goes on for long.
    for more in [format!("\r\nx: {}", "x".repeat(40_000)), many, format!("\r\nx: {}", "x".repeat(400_000))] {
        let answer = server.send(&format!("{get}{more}"));
        assert_eq!((answer.status, answer.body.len()), (431, 0), "{answer:?}");
        assert_eq!(answer.header("connection").as_deref(), Some("close"));
    }
    // Each is counted when its connection has ended.
    let name = "sectorscope_http_requests_total{endpoint=\"none\",status=\"431\",code=\"431\"}";
    wait(|| server.figure(name) == Some(3.0));
    server.send(&format!("{get}\r\nx: {}", "x".repeat(20_000))).data();
}

#[test]
fn what_is_no_request_is_400_and_counted() {
    let server = Server::start(1, quick());
    for head in [
        "nonsense",
        "GET",
        "GET / HTTP/9.9",
        "G\u{7}T / HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET / HTTP/1.1\r\nno colon",
        "GET / HTTP/1.1\r\nbad name: x",
        "GET / HTTP/1.1\r\n: x",
        "GET / HTTP/1.1\r\nx: \u{0}",
        "GET / HTTP/1.1\r\ncontent-length: x",
        "GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2",
    ] {
        let answer = server.send(head);
        assert_eq!((answer.status, answer.body.len()), (400, 0), "{head}");
        assert_eq!(answer.header("connection").as_deref(), Some("close"), "{head}");
    }
    // Each is counted when its connection has ended.
    let name = "sectorscope_http_requests_total{endpoint=\"none\",status=\"400\",code=\"400\"}";
    wait(|| server.figure(name) == Some(11.0));
}

#[test]
fn many_slow_connections_do_not_keep_others_out() {
    api::connections_allowed().expect("room for files");
    let config = Config { max_connections: 2000, ..quick() };
    let server = Server::start(1, config);
    let mut slow: Vec<_> = (0..500).map(|_| connect(server.address)).collect();
    for byte in b"GET / HTTP" {
        for stream in &mut slow {
            stream.write_all(&[*byte]).expect("a byte");
        }
        for _ in 0..20 {
            server.ask("total").data();
        }
    }
    wait(|| server.figure("sectorscope_connections_open") == Some(501.0));
    drop(slow);
    wait(|| server.figure("sectorscope_connections_open") == Some(1.0));
}

#[test]
fn a_client_that_vanishes_leaves_nothing_behind() {
    let server = Server::start(1, quick());
    for _ in 0..100 {
        let mut stream = connect(server.address);
        let request = format!("GET {BASE}/total HTTP/1.1\r\nhost: x\r\n\r\n");
        stream.write_all(request.repeat(50).as_bytes()).expect("requests");
    }
    wait(|| server.figure("sectorscope_connections_open") == Some(1.0));
    server.ask("total").data();
}
