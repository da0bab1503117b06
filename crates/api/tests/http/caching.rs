//! What the contract says of ETag, If-None-Match, Cache-Control and Vary.

use api::Config;
use api::keys::{KeyStore, Terms, digest, new_token};
use ledger::columns::Endpoint;

use crate::client::Answer;
use crate::server::{BASE, DAYS, Server, now, quick, wait};

const FOR_EVER: &str = "public, max-age=31536000, immutable";

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("a tag")
}

fn control(answer: &Answer) -> String {
    answer.header("cache-control").expect("what caches may do")
}

fn conditional(server: &Server, rest: &str, tags: &str) -> Answer {
    server.send(&format!("GET {BASE}/{rest} HTTP/1.1\r\nif-none-match: {tags}"))
}

#[test]
fn a_tag_is_of_endpoint_parameters_and_data_version() {
    let server = Server::start(2, quick());
    let mut seen = std::collections::BTreeSet::new();
    for endpoint in Endpoint::ALL {
        for query in [
            "state_date=2022-10-01",
            "state_date=2022-10-02",
            "state_date=2022-10-02&miner_id=f01000",
            "state_date=2022-10-02&miner_id=f0200",
            "state_date=2022-10-02&miner_id=f09",
        ] {
            let rest = format!("{}?{query}", endpoint.name());
            let first = tag(&server.ask(&rest));
            assert!(
                first.starts_with("W/\"") && first.ends_with('"'),
                "each body has its own request_id: {first}"
            );
            assert_eq!(tag(&server.ask(&rest)), first, "as long as the data are the same");
            assert!(seen.insert(first), "{rest}");
        }
        // The latest day is that day, by whatever name.
        let latest = tag(&server.ask(endpoint.name()));
        assert!(seen.contains(&latest), "{endpoint:?}");
    }
    let before = tag(&server.ask("total"));
    let old = tag(&server.ask("total?state_date=2022-10-01"));
    server.close(2..3);
    server.wait_for("2022-10-03");
    assert_ne!(tag(&server.ask("total")), before);
    assert_eq!(
        tag(&server.ask("total?state_date=2022-10-01")),
        old,
        "another day says nothing new of this one"
    );
}

#[test]
fn if_none_match_is_304_without_a_body() {
    let server = Server::new();
    for rest in [
        "total?state_date=2022-10-01",
        "fault?miner_id=f01000",
        "snap",
        "total?miner_id=f09",
        "total?state_date=1999-01-01",
    ] {
        let full = server.ask(rest);
        let tag = tag(&full);
        let strong = tag.trim_start_matches("W/").to_owned();
        for tags in [
            tag.clone(),
            strong,
            format!("\"other\", {tag}"),
            format!("W/\"a,b\",{tag},\"c\""),
            "*".to_owned(),
        ] {
            let answer = conditional(&server, rest, &tags);
            assert_eq!((answer.status, answer.body.len()), (304, 0), "{rest}: {tags}");
            for name in ["etag", "cache-control", "vary"] {
                assert_eq!(answer.header(name), full.header(name), "{rest}: {name}");
            }
            assert_eq!(answer.header("content-type"), None);
            assert_eq!(answer.header("content-encoding"), None);
        }
        for tags in ["\"other\"", "W/\"\"", "x", ""] {
            let answer = conditional(&server, rest, tags);
            answer.data();
        }
    }
}

#[test]
fn if_none_match_holds_for_compressed_answers_and_head() {
    let server = Server::new();
    let tag = tag(&server.ask("total"));
    for coding in ["gzip", "br", "zstd"] {
        for method in ["GET", "HEAD"] {
            let head = format!("{method} {BASE}/total HTTP/1.1\r\naccept-encoding: {coding}");
            assert_eq!(server.send(&head).header("etag").as_ref(), Some(&tag), "{coding}");
            let answer = server.send(&format!("{head}\r\nif-none-match: {tag}"));
            assert_eq!((answer.status, answer.header("content-encoding")), (304, None), "{coding}");
        }
    }
}

#[test]
fn an_error_has_no_tag_and_is_not_kept() {
    let server = Server::new();
    for rest in ["total?miner_id=x", "total?state_date=2099-01-01", "nowhere"] {
        let answer = conditional(&server, rest, "*");
        assert_ne!(answer.status, 304, "{rest}");
        assert_eq!(answer.header("etag"), None);
        assert_eq!(control(&answer), "no-store");
    }
}

#[test]
fn a_closed_day_older_than_finality_is_immutable_when_a_date_was_asked_for() {
    let server = Server::new();
    for rest in [
        "total?state_date=2022-10-01",
        "total?state_date=2022-10-02&miner_id=f01000",
        "expire?stat_date=2022-10-02",
        "expire?stat_date=2022-10-02&miner_id=f09",
    ] {
        assert_eq!(control(&server.ask(rest)), FOR_EVER, "{rest}");
    }
}

#[test]
fn the_latest_day_is_no_cache() {
    let server = Server::new();
    for rest in [
        "total",
        "total?miner_id=f01000",
        "total?state_date=2022-10-03",
        "total?stat_date=2022-10-03&miner_id=f0200",
    ] {
        assert_eq!(control(&server.ask(rest)), "no-cache", "{rest}");
    }
    // Nor is what is not closed and may be one day.
    assert_eq!(control(&server.ask("total?state_date=2022-09-30")), "no-cache");
}

#[test]
fn with_keys_on_answers_are_private() {
    let server = Server::start(3, Config { token: Some("open-sesame".to_owned()), ..quick() });
    let ask =
        |rest: &str| server.send(&format!("GET {BASE}/{rest} HTTP/1.1\r\nauthorization: Bearer open-sesame"));
    assert_eq!(control(&ask("total?state_date=2022-10-01")), "private");
    assert_eq!(control(&ask("total?state_date=2022-10-03")), "private, no-cache");
    assert_eq!(control(&ask("total")), "private, no-cache");
    let tag = tag(&ask("total"));
    assert_eq!(
        conditional(&server, "total", &tag).status,
        401,
        "who may not see it is not told that it is the same"
    );
}

#[test]
fn answers_vary_by_coding_alone() {
    let server = Server::new();
    for path in [format!("{BASE}/total"), format!("{BASE}/total?miner_id=x"), "/nowhere".to_owned()] {
        assert_eq!(server.get(&path).header("vary").as_deref(), Some("accept-encoding"), "{path}");
    }
}

#[test]
fn no_tag_is_compared_before_the_day_the_provider_and_the_keys_window_are_checked() {
    let server = Server::new();
    let any = |server: &Server, head: &str| server.send(&format!("GET {head}\r\nif-none-match: *")).status;
    for (address, status) in [
        ("/v1/sectors/daily?to=9999-12-31", 404),
        ("/v1/sectors/daily?from=2022-10-03&to=2022-10-02", 404),
        ("/v1/sectors/daily?nothing=1", 400),
        ("/v1/network/daily?to=9999-12-31", 404),
        ("/v1/miners/f07", 404),
        ("/v1/miners/f07/expirations", 404),
        ("/v1/miners/f01000/events?day=9999-12-31", 404),
        ("/v1/miners/f01000/sectors/2", 404),
        ("/v1/network/expirations?day=9999-12-31", 404),
        ("/v1/explain?column=total_num_sector&miner=f07", 404),
        ("/v1/reconciliation?to=9999-12-31", 404),
        ("/v1/nowhere", 404),
        // What is there is the same for whoever has anything of it.
        ("/v1/sectors/daily", 304),
        ("/v1/miners/f01000", 304),
    ] {
        assert_eq!(any(&server, &format!("{address} HTTP/1.1")), status, "{address}");
    }
    // Nor before the days that a key sees.
    let data = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(data.path());
    let token = new_token().expect("randomness");
    let terms = Terms { history_days: std::num::NonZeroU32::new(1), ..Terms::default() };
    let store = KeyStore::open_or_create(&path).expect("a file of keys");
    store.create("narrow", &digest(&token), &terms, now()).expect("a key");
    let guarded = Server::start(3, Config { keys: Some(path), ..quick() });
    let ask = |address: &str| {
        let head = format!("{address} HTTP/1.1\r\nauthorization: Bearer {token}");
        any(&guarded, &head)
    };
    wait(|| ask("/v1/sectors/daily") == 304);
    assert_eq!(ask(&format!("/v1/sectors/daily?from={}", DAYS[0])), 403);
    assert_eq!(any(&guarded, "/v1/sectors/daily HTTP/1.1"), 401);
}
