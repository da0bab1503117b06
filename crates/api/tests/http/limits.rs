//! What the server does not put up with.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use api::Config;

use crate::client::{connect, finish};
use crate::server::{BASE, Server, quick};

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
    let config = Config { header_timeout: Duration::from_millis(200), ..quick() };
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
    let config = Config { header_timeout: Duration::from_millis(200), ..quick() };
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
    // The idle one is closed by its timeout, and this one gets its place.
    server.ask("total").data();
    drop(idle);
}
