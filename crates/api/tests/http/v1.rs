//! `/v1`, row by row of the contract.

use serde_json::Value;

use crate::client::Answer;
use crate::server::{DAYS, FIRST, SECOND, SECTOR, Server, quick};

/// A problem's type, status and words, checked to be one.
fn problem(answer: &Answer, status: u16, kind: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
    let body: Value = serde_json::from_slice(&answer.body).expect("a body in JSON");
    assert_eq!(body["type"], format!("/docs#{kind}"), "{body}");
    assert_eq!(body["status"], status);
    for member in ["title", "detail", "request_id"] {
        assert!(body[member].is_string(), "{body}");
    }
    body
}

fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["data"].as_array().expect("rows").clone()
}

/// Every path with the least that it needs.
const PATHS: [&str; 11] = [
    "/v1/sectors/daily",
    "/v1/network/daily",
    "/v1/miners",
    "/v1/miners/f01000",
    "/v1/miners/f01000/events",
    "/v1/miners/f01000/sectors/1",
    "/v1/miners/f01000/expirations",
    "/v1/network/expirations",
    "/v1/explain?column=total_num_sector&miner=f01000",
    "/v1/reconciliation",
    "/v1/status",
];

#[test]
fn every_path_answers_in_json_and_says_how_long_it_may_be_kept() {
    let server = Server::new();
    for path in PATHS {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert!(answer.json().is_object(), "{path}");
        let kept = answer.header("cache-control");
        let expected = if path == "/v1/status" { "no-store" } else { "private, no-cache" };
        assert_eq!(kept.as_deref(), Some(expected), "{path}");
        // A trailing slash and runs of slashes are the same path.
        let (plain, query) =
            path.split_once('?').map_or((path, String::new()), |(plain, query)| (plain, format!("?{query}")));
        assert_eq!(server.get(&format!("/{plain}/{query}")).status, 200, "{path}");
    }
}

#[test]
fn rows_of_a_day_are_given_by_columns_and_groups() {
    let server = Server::new();
    let answer = server.get("/v1/sectors/daily?columns=total_num_sector&group=fault");
    let first = &rows(&answer)[0];
    let names: Vec<&str> = first.as_object().expect("a row").keys().map(String::as_str).collect();
    let mut expected = vec!["stat_date", "miner_id", "total_num_sector"];
    expected.extend(ledger::columns::Endpoint::Fault.columns().map(|column| column.name));
    expected.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!(first["stat_date"], DAYS[2]);
    let provider = rows(&server.get("/v1/sectors/daily?group=provider"));
    assert_eq!(provider[0]["live_sector_rbp"], i64::try_from(SECTOR).expect("64 bits"));
    assert!(provider[0].get("total_num_sector").is_none());
    let all = rows(&server.get("/v1/sectors/daily"));
    assert_eq!(all[0].as_object().expect("a row").len(), 2 + ledger::columns::COLUMNS.len());
}

#[test]
fn days_may_be_named_in_three_ways() {
    let server = Server::new();
    let days = |query: &str| {
        let mut days: Vec<String> =
            rows(&server.get(&format!("/v1/network/daily?columns=total_num_sector&{query}")))
                .iter()
                .map(|row| row["stat_date"].as_str().expect("a day").to_owned())
                .collect();
        days.dedup();
        days
    };
    assert_eq!(days(""), DAYS[2..]);
    assert_eq!(days("from=latest"), DAYS[2..]);
    assert_eq!(days("from=-2d"), DAYS[1..]);
    assert_eq!(days("from=2022-10-01"), DAYS);
    assert_eq!(days("to=2022-10-02"), DAYS[1..2]);
    assert_eq!(days("from=-3d&to=-2d"), DAYS[..2]);
    // Before the first closed day there is nothing.
    assert_eq!(days("from=-9999d"), DAYS);
    assert_eq!(days("from=2001-01-01&to=2022-10-01"), DAYS[..1]);
    assert_eq!(days("from=-3d&sort=-stat_date"), [DAYS[2], DAYS[1], DAYS[0]]);
}

#[test]
fn what_is_not_closed_is_never_answered_as_nothing() {
    let server = Server::new();
    for address in [
        "/v1/sectors/daily?to=2022-10-04",
        "/v1/sectors/daily?from=2022-10-04",
        "/v1/network/daily?to=9999-12-31",
        "/v1/miners/f01000/events?day=2022-10-04",
        "/v1/miners/f01000/expirations?day=2022-09-30",
        "/v1/network/expirations?day=2022-10-04",
        "/v1/explain?column=total_num_sector&miner=f01000&day=2022-10-04",
        "/v1/reconciliation?from=2022-10-01&to=2022-10-04",
        "/v1/sectors/daily?from=2001-01-01&to=2002-01-01",
    ] {
        let body = problem(&server.get(address), 404, "day-not-closed");
        assert_eq!(
            (&body["first_day"], &body["latest_day"]),
            (&DAYS[0].into(), &DAYS[2].into()),
            "{address}"
        );
    }
    problem(&server.get("/v1/sectors/daily?from=2022-10-03&to=2022-10-02"), 404, "empty-range");
    let empty = Server::start(0, quick());
    problem(&empty.get("/v1/sectors/daily"), 503, "nothing-closed");
    assert_eq!(empty.get("/v1/status").json()["latest_day"], Value::Null);
}

#[test]
fn a_day_in_a_noted_gap_is_answered_as_a_gap() {
    let server = Server::new();
    // As ingest notes them; the days from the fourth to the sixth.
    let first = chain::Clock::new(chain::MAINNET_GENESIS).first_epoch("2022-10-04".parse().expect("a day"));
    let note = format!(
        r#"[{{"first_epoch":{},"last_epoch":{},"source":"/home/someone/late.car","reason":"begins later"}}]"#,
        first.0,
        first.0 + 3 * 2880 - 1
    );
    std::fs::write(server.lake.path().join("gaps.json"), note).expect("a note");
    let body = problem(&server.get("/v1/sectors/daily?to=2022-10-05"), 404, "gap");
    assert_eq!(body["gaps"][0]["days"]["first"], "2022-10-04");
    assert!(!body.to_string().contains("someone"), "where files lie is nobody's business: {body}");
    problem(&server.get("/v1/sectors/daily?to=2022-10-07"), 404, "day-not-closed");
    let gaps = &server.get("/v1/status").json()["gaps"];
    assert_eq!(gaps[0]["days"]["days"], 3, "{gaps}");
}

#[test]
fn what_a_path_does_not_take_is_refused_by_name() {
    let server = Server::new();
    for (address, name, nearest) in [
        ("/v1/sectors/daily?mnier=f01000", "mnier", Some("miner")),
        ("/v1/sectors/daily?miner_id=f01000", "miner_id", Some("miner")),
        ("/v1/sectors/daily?column=total_num_sector", "column", Some("columns")),
        ("/v1/network/daily?miner=f01000", "miner", None),
        ("/v1/miners?FORMAT=csv", "FORMAT", Some("format")),
        ("/v1/miners/f01000?day=latest", "day", None),
        ("/v1/status?x=1", "x", None),
        ("/v1/status?%zz=1", "%zz", None),
        ("/v1/miners/f01000/events?id=f01", "id", None),
    ] {
        let body = problem(&server.get(address), 400, "unknown-parameter");
        assert_eq!(body["parameter"], name, "{address}");
        if nearest.is_some() {
            assert_eq!(body["nearest"].as_str(), nearest, "{address}");
        }
    }
}

#[test]
fn a_bad_value_is_refused_with_what_was_expected() {
    let server = Server::new();
    let long = format!("miner={}", (0..101).map(|id| format!("f0{id}")).collect::<Vec<_>>().join(","));
    for (path, query, name) in [
        ("sectors/daily", "from=2022-13-01", "from"),
        ("sectors/daily", "from=2022-1-1", "from"),
        ("sectors/daily", "from=", "from"),
        ("sectors/daily", "from=-0d", "from"),
        ("sectors/daily", "from=-10000d", "from"),
        ("sectors/daily", "from=-1", "from"),
        ("sectors/daily", "to=LATEST", "to"),
        ("sectors/daily", "to=%ff", "to"),
        ("sectors/daily", "miner=", "miner"),
        ("sectors/daily", "miner=f01000,", "miner"),
        ("sectors/daily", "miner=f01000,f01000", "miner"),
        ("sectors/daily", "miner=f1abc", "miner"),
        ("sectors/daily", "miner=f01000&miner=f0200", "miner"),
        ("sectors/daily", &long, "miner"),
        ("sectors/daily", "columns=", "columns"),
        ("sectors/daily", "columns=nothing", "columns"),
        ("sectors/daily", "columns=total_num_sector,total_num_sector", "columns"),
        ("sectors/daily", "group=everything", "group"),
        ("sectors/daily", "sort=miner_id", "sort"),
        ("sectors/daily", "sort=--stat_date", "sort"),
        ("sectors/daily", "limit=0", "limit"),
        ("sectors/daily", "limit=10001", "limit"),
        ("sectors/daily", "limit=-1", "limit"),
        ("sectors/daily", "limit=1e3", "limit"),
        ("sectors/daily", "limit=99999999999999999999", "limit"),
        ("sectors/daily", "cursor=x", "cursor"),
        ("sectors/daily", "cursor=2022-10-01", "cursor"),
        ("sectors/daily", "format=xml", "format"),
        ("miners", "prefix=1", "prefix"),
        ("miners", "sort=total_num_sector", "sort"),
        ("miners/x", "", "id"),
        ("miners/f0", "", "id"),
        ("miners/f0%00", "", "id"),
        ("miners/f01234567890123456789", "", "id"),
        ("miners/f01000/sectors/-1", "", "n"),
        ("miners/f01000/sectors/x", "", "n"),
        ("miners/f01000/events", "kind=nothing", "kind"),
        ("miners/f01000/events", "cause=nothing", "cause"),
        ("miners/f01000/expirations", "by=year", "by"),
        ("explain", "miner=f01000", "column"),
        ("explain", "column=total_num_sector", "miner"),
        ("explain", "column=total&miner=f01000", "column"),
        ("reconciliation", "status=maybe", "status"),
    ] {
        let answer = server.get(&format!("/v1/{path}?{query}"));
        let body = problem(&answer, 400, "bad-parameter");
        assert_eq!(body["parameter"], name, "{path}?{query}");
    }
    problem(&server.get("/v1/miners/f01000/events?day=latest&from=latest"), 409, "conflicting-parameters");
    let body = problem(&server.get("/v1/sectors/daily?columns=total_num_sectr"), 400, "bad-parameter");
    assert!(body["detail"].as_str().expect("words").contains("total_num_sector"), "{body}");
}

#[test]
fn what_is_not_there_is_404_with_what_is() {
    let server = Server::new();
    let body = problem(&server.get("/v1/sector/daily"), 404, "unknown-path");
    for path in ["/v1/sectors/daily", "/v1/status", "/docs", "/openapi.json"] {
        assert!(body["paths"].as_array().expect("paths").contains(&path.into()), "{path}: {body}");
    }
    problem(&server.get("/v1"), 404, "unknown-path");
    problem(&server.get("/v1/miners/f07"), 404, "no-such-miner");
    problem(&server.get("/v1/miners/f07/expirations"), 404, "no-such-miner");
    // It comes into being on the second day.
    problem(&server.get(&format!("/v1/miners/{SECOND}/expirations?day={}", DAYS[0])), 404, "no-such-miner");
    problem(&server.get("/v1/explain?column=total_num_sector&miner=f07"), 404, "no-such-miner");
    problem(&server.get("/v1/miners/f01000/sectors/2"), 404, "no-such-sector");
    assert!(rows(&server.get("/v1/miners/f07/events")).is_empty());
    for cursor in ["99.1", "2022-99-99.1"] {
        problem(&server.get(&format!("/v1/sectors/daily?cursor={cursor}")), 404, "stale-cursor");
        problem(&server.get(&format!("/v1/miners?cursor={cursor}")), 404, "stale-cursor");
    }
}

#[test]
fn only_get_and_head_are_answered() {
    let server = Server::new();
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/v1/status", "/v1/miners/f01000"] {
            let answer = server.send(&format!("{method} {path} HTTP/1.1\r\ncontent-length: 0"));
            problem(&answer, 405, "wrong-method");
            assert_eq!(answer.header("allow").as_deref(), Some("GET,HEAD"));
        }
    }
    let head = server.send("HEAD /v1/status HTTP/1.1");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn the_token_is_asked_for_at_every_path_but_the_reference() {
    let config = api::Config { token: Some("sesame".to_owned()), ..quick() };
    let server = Server::start(3, config);
    for path in PATHS {
        let body = problem(&server.get(path), 401, "token");
        assert!(body["detail"].as_str().expect("words").contains("missing"), "{body}");
        let allowed = server.send(&format!("GET {path} HTTP/1.1\r\nauthorization: Bearer sesame"));
        assert_eq!(allowed.status, 200, "{path}");
    }
    for public in ["/", "/openapi.json", "/docs", "/docs/reference"] {
        assert_eq!(server.get(public).status, 200, "{public}");
    }
}

#[test]
fn formats_go_by_name_and_by_header() {
    let server = Server::new();
    let asked = |accept: &str, query: &str| {
        server.send(&format!(
            "GET /v1/sectors/daily?columns=total_sector_rbp{query} HTTP/1.1\r\naccept: {accept}"
        ))
    };
    for (accept, query, given, begins) in [
        ("text/csv", "", "text/csv", "stat_date,miner_id,total_sector_rbp\n2022-10-03,f0200,34359738368\n"),
        ("*/*", "&format=csv", "text/csv", "stat_date,miner_id"),
        (
            "application/x-ndjson",
            "",
            "application/x-ndjson",
            r#"{"stat_date":"2022-10-03","miner_id":"f0200","total_sector_rbp":34359738368}"#,
        ),
        ("text/html, */*;q=0.1", "", "application/json", r#"{"data":[{"stat_date":"2022-10-03""#),
        ("application/vnd.apache.parquet", "", "application/vnd.apache.parquet", "PAR1"),
    ] {
        let answer = asked(accept, query);
        assert_eq!(answer.header("content-type").as_deref(), Some(given));
        assert!(answer.body.starts_with(begins.as_bytes()), "{accept} {query}");
        assert_eq!(answer.header("vary").map(|vary| vary.to_lowercase().contains("accept")), Some(true));
    }
    // Arrow's stream begins with the mark of a message.
    assert!(asked("*/*", "&format=arrow").body.starts_with(&[0xff, 0xff, 0xff, 0xff]));
    let body = problem(&asked("image/png", ""), 406, "not-acceptable");
    assert_eq!(body["formats"].as_array().map(Vec::len), Some(5));
    assert_eq!(asked("image/png", "&format=json").status, 200);
}

#[test]
fn an_answer_that_one_has_is_not_sent_again_until_the_data_change() {
    let server = Server::start(2, quick());
    let address = "/v1/network/daily?columns=total_num_sector";
    let tag = server.get(address).header("etag").expect("a tag");
    let again = |tag: &str| server.send(&format!("GET {address} HTTP/1.1\r\nif-none-match: \"x\", {tag}"));
    assert_eq!((again(&tag).status, again(&tag).body.len()), (304, 0));
    assert_eq!(again(&tag).header("etag").as_ref(), Some(&tag));
    assert_eq!(again("\"other\"").status, 200);
    // Another format is another answer.
    assert_ne!(server.get(&format!("{address}&format=csv")).header("etag"), Some(tag.clone()));
    server.close(2..3);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while again(&tag).status == 304 {
        assert!(std::time::Instant::now() < deadline, "the new day is never seen");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(rows(&again(&tag))[0]["stat_date"], DAYS[2]);
}

#[test]
fn storage_providers_are_told_with_their_lives() {
    let server = Server::new();
    let all = rows(&server.get("/v1/miners"));
    let ids: Vec<&str> = all.iter().filter_map(|row| row["miner_id"].as_str()).collect();
    assert_eq!(ids, [SECOND.to_string(), FIRST.to_string()]);
    assert_eq!((&all[0]["first_day"], &all[1]["first_day"]), (&DAYS[1].into(), &DAYS[0].into()));
    assert_eq!(all[0]["last_active_day"], DAYS[2]);
    assert_eq!(all[0]["sector_size"], i64::try_from(SECTOR).expect("64 bits"));
    assert_eq!(all[0]["fault_rate"], 0);
    assert_eq!(rows(&server.get("/v1/miners?prefix=f01"))[0]["miner_id"], FIRST.to_string());
    let last = rows(&server.get("/v1/miners?sort=-first_day&limit=1"));
    assert_eq!(last[0]["miner_id"], SECOND.to_string());
    assert_eq!(rows(&server.get("/v1/miners/t01000")), [all[1].clone()]);
}

#[test]
fn reconciliation_tells_what_does_not_hold() {
    // The made-up days come without what the chain says, so that the claim is not the ledger's power.
    let server = Server::new();
    let all = rows(&server.get("/v1/reconciliation?from=-3d"));
    assert_eq!(all.len(), 5);
    let failing = rows(&server.get("/v1/reconciliation?from=-3d&status=fails"));
    assert!(!failing.is_empty());
    for row in &failing {
        assert_eq!(row["difference_rbp"], i64::try_from(SECTOR).expect("64 bits"));
        assert!(row["failed"].as_str().expect("names").contains("claim_rbp"), "{row}");
    }
    let holding = rows(&server.get("/v1/reconciliation?from=-3d&status=holds"));
    assert_eq!(holding.len() + failing.len(), all.len());
    let of_one = rows(&server.get("/v1/reconciliation?from=-3d&miner=f0200"));
    assert_eq!(of_one.len(), 2);
}

#[test]
fn units_of_columns_in_openapi_are_those_of_the_registry() {
    let server = Server::new();
    let document = server.get("/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let daily =
        &document["paths"]["/v1/sectors/daily"]["get"]["responses"]["200"]["content"]["application/json"];
    let columns = &daily["schema"]["properties"]["data"]["items"]["properties"];
    for column in ledger::columns::COLUMNS {
        assert_eq!(columns[column.name]["x-unit"], column.unit.name(), "{}", column.name);
    }
}
