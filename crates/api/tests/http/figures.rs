//! What `/metrics` tells.

use crate::server::{BASE, Server, wait};

#[test]
fn answers_are_counted_by_route_status_and_code() {
    let server = Server::new();
    for _ in 0..3 {
        server.ask("total").data();
    }
    server.ask("total?miner_id=x").refused(200, 30002);
    server.get("/nowhere");
    let count = |endpoint: &str, status: u16, code: u16| {
        let labels = format!("{{endpoint=\"{endpoint}\",status=\"{status}\",code=\"{code}\"}}");
        server.figure(&format!("sectorscope_http_requests_total{labels}"))
    };
    let total = format!("{BASE}/total");
    assert_eq!(count(&total, 200, 0), Some(3.0));
    assert_eq!(count(&total, 200, 30002), Some(1.0));
    assert_eq!(count("none", 404, 404), Some(1.0));
    let times = |what: &str, le: &str| {
        server
            .figure(&format!("sectorscope_http_request_duration_seconds_{what}{{{le}endpoint=\"{total}\"}}"))
    };
    assert_eq!(times("count", ""), Some(4.0));
    assert_eq!(times("bucket", "le=\"+Inf\","), Some(4.0));
    assert!(times("sum", "").is_some_and(|sum| sum > 0.0));
}

#[test]
fn bytes_are_those_that_were_sent() {
    let server = Server::new();
    let bytes = || server.figure("sectorscope_http_response_bytes_total").expect("a figure");
    let (before, own) = (bytes(), server.get("/metrics").body.len() as f64);
    let plain = server.ask("terminate").body.len();
    let zipped = server
        .send(&format!("GET {BASE}/terminate HTTP/1.1\r\naccept-encoding: gzip"))
        .header("content-encoding");
    assert_eq!(zipped.as_deref(), Some("gzip"));
    server.send(&format!("HEAD {BASE}/terminate HTTP/1.1"));
    let grown = bytes() - before - own;
    // The figures' own answers differ by some digits and lines.
    assert!(grown > plain as f64 && grown < 2.0 * plain as f64 + 2.0 * own, "{grown} for {plain} and less");
}

#[test]
fn the_lake_is_told_of() {
    let server = Server::new();
    server.ask("total").data();
    let day = 19_268.0 * 86_400.0;
    assert_eq!(server.figure("sectorscope_lake_latest_day_seconds"), Some(day), "2022-10-03");
    assert_eq!(server.figure("sectorscope_lake_first_day_seconds"), Some(day - 2.0 * 86_400.0));
    let lag = server.figure("sectorscope_lake_lag_days").expect("a lag");
    assert!(lag > 1000.0, "{lag}");
    assert!(server.figure("sectorscope_lake_version").is_some_and(|version| version >= 1.0));
    assert_eq!(server.figure("sectorscope_lake_failing_seconds"), Some(0.0));
    assert_eq!(server.figure("sectorscope_ready"), Some(1.0));
    assert_eq!(server.figure("sectorscope_keys_asked_for"), Some(0.0));
    // The chain's own power is not given to these days, so that no miner's agrees with it.
    wait(|| server.figure("sectorscope_reconciliation_miner_days") == Some(2.0));
    assert_eq!(server.figure("sectorscope_reconciliation_unclosed_miner_days"), Some(2.0));
}

#[test]
fn the_caches_are_told_of() {
    let server = Server::new();
    server.ask("total?state_date=2022-10-01").data();
    // The server itself looks whether the latest day reads.
    wait(|| server.figure("sectorscope_day_cache_misses_total").is_some_and(|misses| misses >= 2.0));
    assert_eq!(server.figure("sectorscope_rendered_cache_misses_total"), Some(1.0));
    assert_eq!(server.figure("sectorscope_rendered_cache_hits_total"), Some(0.0));
    server.ask("total?state_date=2022-10-01").data();
    server.ask("total?state_date=2022-10-01&miner_id=f01000").data();
    assert_eq!(server.figure("sectorscope_rendered_cache_hits_total"), Some(2.0));
    assert_eq!(server.figure("sectorscope_rendered_cache_misses_total"), Some(1.0));
    for held in ["sectorscope_day_cache_bytes", "sectorscope_rendered_cache_bytes"] {
        assert!(server.figure(held).is_some_and(|bytes| bytes > 0.0), "{held}");
    }
}

#[test]
fn denials_are_counted_by_reason() {
    let config = api::Config { token: Some("open-sesame".to_owned()), ..crate::server::quick() };
    let server = Server::start(1, config);
    server.ask("total").refused(401, 10011);
    server.ask("fault").refused(401, 10011);
    let answer = server.send("GET /metrics HTTP/1.1\r\nauthorization: Bearer open-sesame");
    let text = answer.text();
    assert!(text.contains("sectorscope_denied_requests_total{reason=\"token\"} 2\n"), "{text}");
    assert!(!text.contains("sesame"), "{text}");
    let kind = answer.header("content-type").expect("a type");
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(text.ends_with("# EOF\n"), "{text}");
}
