//! What HTTP itself offers: HEAD, CORS, compression, connections.

use std::io::{Read as _, Write as _};

use api::Config;

use crate::client::{Answer, connect, finish};
use crate::server::{BASE, Server, quick};

#[test]
fn head_answers_as_get_does_without_the_body() {
    let server = Server::new();
    for path in [format!("{BASE}/total"), "/healthz".to_owned(), "/nowhere".to_owned()] {
        let get = server.get(&path);
        let head = server.send(&format!("HEAD {path} HTTP/1.1"));
        assert_eq!(head.status, get.status);
        assert!(head.body.is_empty(), "{head:?}");
        for name in ["content-type", "content-length", "vary"] {
            assert_eq!(head.header(name), get.header(name), "{name}");
        }
    }
    let head = server.send(&format!("HEAD {BASE}/total HTTP/1.1\r\naccept-encoding: gzip"));
    assert_eq!(head.header("content-encoding").as_deref(), Some("gzip"));
    assert!(head.header("content-length").is_some(), "{head:?}");
    assert!(head.body.is_empty());
}

#[test]
fn any_page_may_read_the_answers() {
    let server = Server::new();
    for path in [format!("{BASE}/total"), "/nowhere".to_owned(), format!("{BASE}/total?miner_id=x")] {
        let answer = server.send(&format!("GET {path} HTTP/1.1\r\norigin: https://example.org"));
        assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
    }
}

#[test]
fn a_page_may_send_its_token() {
    let server = Server::new();
    let answer = server.send(&format!(
        "OPTIONS {BASE}/total HTTP/1.1\r\norigin: https://example.org\r\n\
         access-control-request-method: GET\r\naccess-control-request-headers: authorization"
    ));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin").as_deref(), Some("*"));
    assert_eq!(answer.header("access-control-allow-methods").as_deref(), Some("GET,HEAD"));
    assert_eq!(answer.header("access-control-allow-headers").as_deref(), Some("authorization"));
}

#[test]
fn without_keys_no_page_may_read_unless_it_was_asked_for() {
    let ask =
        |server: &Server, head: &str| server.send(&format!("{head} HTTP/1.1\r\norigin: https://example.org"));
    let said = |answer: &Answer| {
        let headers = answer.headers.iter().map(|(name, _)| name.as_str());
        headers.filter(|name| name.starts_with("access-control-")).count()
    };
    let heads = [
        format!("GET {BASE}/total"),
        "GET /metrics".into(),
        "GET /nowhere".into(),
        format!("OPTIONS {BASE}/total"),
    ];
    let local = Server::start(1, Config { allow_origin_when_open: false, ..quick() });
    for head in &heads {
        assert_eq!(said(&ask(&local, head)), 0, "{head}");
    }
    assert_eq!(said(&local.send("nonsense")), 0, "what is no request, too");
    // With keys it takes one to read anything.
    let token = Some("sesame".to_owned());
    let guarded = Server::start(1, Config { allow_origin_when_open: false, token, ..quick() });
    for head in &heads {
        assert_eq!(ask(&guarded, head).header("access-control-allow-origin").as_deref(), Some("*"), "{head}");
    }
    let allowed_origin = Some("https://example.org".parse().expect("an origin"));
    let of_one = Server::start(1, Config { allowed_origin, ..quick() });
    for head in &heads {
        let answer = ask(&of_one, head);
        assert_eq!(
            answer.header("access-control-allow-origin").as_deref(),
            Some("https://example.org"),
            "{head}"
        );
    }
}

#[test]
fn answers_are_compressed_when_asked() {
    let server = Server::new();
    let plain = server.ask("terminate");
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding")));
    let data = plain.json()["data"].clone();

    let get = format!("GET {BASE}/terminate HTTP/1.1");
    let zstd = server.send(&format!("{get}\r\naccept-encoding: zstd"));
    assert_eq!(zstd.header("content-encoding").as_deref(), Some("zstd"));
    let body = zstd::decode_all(zstd.body.as_slice()).expect("zstd");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(body["data"], data);

    let gzip = server.send(&format!("{get}\r\naccept-encoding: gzip, deflate"));
    assert_eq!(gzip.header("content-encoding").as_deref(), Some("gzip"));
    assert!(gzip.body.starts_with(&[0x1f, 0x8b]), "{gzip:?}");
    assert!(gzip.body.len() < plain.body.len());
}

/// What a decoder that stops at the end of the first stream makes of an answer's body.
pub(crate) fn decoded(answer: &Answer) -> Vec<u8> {
    let body = answer.body.as_slice();
    let mut plain = Vec::new();
    let read = match answer.header("content-encoding").as_deref() {
        Some("gzip") => flate2::read::GzDecoder::new(body).read_to_end(&mut plain),
        Some("br") => brotli::Decompressor::new(body, 4096).read_to_end(&mut plain),
        Some("zstd") => {
            let decoder = zstd::stream::read::Decoder::new(body).expect("a decoder");
            decoder.single_frame().read_to_end(&mut plain)
        }
        None => {
            plain.extend_from_slice(body);
            Ok(body.len())
        }
        other => panic!("in no coding, but {other:?}"),
    };
    read.expect("a whole stream");
    plain
}

#[test]
fn every_answer_is_the_same_in_each_coding() {
    let server = Server::new();
    let rest = |text: &str| text.split_once("\",").expect("an id").1.to_owned();
    for path in [
        format!("{BASE}/total"),
        format!("{BASE}/total?miner_id=f0200"),
        format!("{BASE}/commit_sector_size?state_date=2022-10-02"),
        format!("{BASE}/total?miner_id=f09"),
        format!("{BASE}/total?miner_id=x"),
        format!("{BASE}/total?state_date=2099-01-01"),
        "/nowhere".to_owned(),
    ] {
        let plain = server.get(&path);
        for coding in ["gzip", "br", "zstd"] {
            let answer = server.send(&format!("GET {path} HTTP/1.1\r\naccept-encoding: {coding}"));
            assert_eq!(answer.header("content-encoding").as_deref(), Some(coding), "{path}");
            let text = String::from_utf8(decoded(&answer)).expect("text");
            assert_eq!(rest(&text), rest(plain.text()), "{path} in {coding}");
        }
    }
}

#[test]
fn of_several_codings_the_most_gladly_taken_is_given() {
    let server = Server::new();
    for (accepted, given) in [
        ("gzip, deflate", Some("gzip")),
        ("gzip, deflate, br", Some("br")),
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip;q=1.0, br;q=0.5", Some("gzip")),
        ("zstd;q=0, br;q=0.001", Some("br")),
        ("identity, gzip;q=0", None),
        ("deflate", None),
        ("*;q=0", None),
        ("identity;q=0", None),
    ] {
        let answer = server.send(&format!("GET {BASE}/total HTTP/1.1\r\naccept-encoding: {accepted}"));
        assert_eq!(answer.header("content-encoding").as_deref(), given, "{accepted}");
    }
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let server = Server::new();
    let mut stream = connect(server.address);
    let head = format!("GET {BASE}/total HTTP/1.1\r\nhost: x\r\n");
    let both = format!("{head}\r\n{head}connection: close\r\n\r\n");
    stream.write_all(both.as_bytes()).expect("two requests");
    let answer = finish(stream);
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert!(text.contains("#1\"") && text.contains("#2\"") && text.contains("HTTP/1.1 200 OK"), "{text}");
}
