//! The compatibility contract of `/v2`, row by row.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chain::{Day, MinerId, SectorNumber};
use lake::Lake;
use ledger::columns::Endpoint;
use serde_json::{Value, json};

use crate::client::keys;
use crate::server::{BASE, DAYS, FIRST, SECOND, SECTOR, Server, finished_day, onboarded, quick};

fn row(day: &str, miner: MinerId, onboarded: i128) -> Value {
    json!({
        "stat_date": format!("{day}T00:00:00Z"),
        "miner_id": miner.to_string(),
        "daily_sector_onboarding_count": onboarded,
        "daily_sector_onboarding_rbp": onboarded * SECTOR,
        "daily_sector_onboarding_qap": onboarded * SECTOR,
        "total_num_sector": 1,
        "total_sector_rbp": SECTOR,
        "total_sector_qap": SECTOR,
    })
}

#[test]
fn success_is_http_200_with_the_envelope_in_the_contracts_order() {
    let server = Server::new();
    let answer = server.ask("total?state_date=2022-10-01&miner_id=f01000");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type").as_deref(), Some("application/json"));
    let (id, rest) = answer.text().split_once("\",").expect("a request_id");
    assert!(id.starts_with("{\"request_id\":\""), "{id}");
    assert_eq!(
        rest,
        concat!(
            r#""code":0,"message":"success.","data":[{"stat_date":"2022-10-01T00:00:00Z","miner_id":"f01000","#,
            r#""daily_sector_onboarding_count":1,"daily_sector_onboarding_rbp":34359738368,"#,
            r#""daily_sector_onboarding_qap":34359738368,"total_num_sector":1,"total_sector_rbp":34359738368,"#,
            r#""total_sector_qap":34359738368}]}"#
        )
    );
}

#[test]
fn every_endpoint_answers_with_its_columns_in_their_order() {
    let server = Server::new();
    for endpoint in Endpoint::ALL {
        let answer = server.ask(&format!("{}?miner_id=f0200", endpoint.name()));
        assert_eq!(answer.data().as_array().map(Vec::len), Some(1), "{}", answer.text());
        let (_, data) = answer.text().split_once("\"data\":[").expect("data");
        let columns = endpoint.columns().map(|column| column.name);
        let expected: Vec<_> = ["stat_date", "miner_id"].into_iter().chain(columns).collect();
        assert_eq!(keys(data.strip_suffix("]}").expect("an end")), expected);
    }
}

#[test]
fn without_a_date_the_latest_closed_day_is_given() {
    let server = Server::new();
    assert_eq!(server.ask("total?miner_id=f01000").data(), json!([row(DAYS[2], FIRST, 0)]));
}

#[test]
fn without_a_miner_all_are_given_ordered_by_number() {
    let server = Server::new();
    let expected = json!([row(DAYS[1], SECOND, 1), row(DAYS[1], FIRST, 0)]);
    assert_eq!(server.ask("total?state_date=2022-10-02").data(), expected);
}

#[test]
fn stat_date_is_another_spelling_and_t0_another_prefix() {
    let server = Server::new();
    let expected = json!([row(DAYS[1], SECOND, 1)]);
    assert_eq!(server.ask("total?stat_date=2022-10-02&miner_id=t0200").data(), expected);
}

#[test]
fn unknown_parameters_are_ignored() {
    let server = Server::new();
    let answer = server.ask("total?limit=1&state_date=2022-10-01&%zz=%&page&miner=f1&MINER_ID=x&");
    assert_eq!(answer.data(), json!([row(DAYS[0], FIRST, 1)]));
}

#[test]
fn a_bad_parameter_is_30002_naming_it_its_value_and_what_was_expected() {
    let server = Server::new();
    for (query, name, value) in [
        ("state_date=2022-10-1", "state_date", "2022-10-1"),
        ("state_date=20221001", "state_date", "20221001"),
        ("state_date=2022-02-30", "state_date", "2022-02-30"),
        ("state_date=2022-10-01T00:00:00Z", "state_date", "2022-10-01T00:00:00Z"),
        ("state_date=", "state_date", "\"\""),
        ("stat_date=x", "stat_date", "\"x\""),
        ("miner_id=", "miner_id", "\"\""),
        ("miner_id=1000", "miner_id", "1000"),
        ("miner_id=f1qwerty", "miner_id", "f1qwerty"),
        ("miner_id=f018446744073709551616", "miner_id", "f018446744073709551616"),
        ("miner_id=f0%22%0a", "miner_id", "f0\"\n"),
        ("miner_id=%zz", "miner_id", "%zz"),
        ("miner_id=%ff%fe", "miner_id", "%ff%fe"),
        ("miner_id=f01000&miner_id=f01000", "miner_id", "twice"),
        ("state_date=2022-10-01&stat_date=2022-10-01", "stat_date", "two spellings"),
        // Even for a day that is not ready.
        ("state_date=2099-10-01&miner_id=x", "miner_id", "\"x\""),
    ] {
        let message = server.ask(&format!("total?{query}")).refused(200, 30002);
        for part in [name, value, "expected"] {
            assert!(message.contains(part), "{query}: {message}");
        }
    }
}

#[test]
fn a_day_that_is_not_closed_is_30004_naming_the_latest_that_is() {
    let server = Server::new();
    for day in ["2022-10-04", "9999-12-31"] {
        for miner in ["", "&miner_id=f01000", "&miner_id=f09"] {
            let message = server.ask(&format!("fault?state_date={day}{miner}")).refused(200, 30004);
            for part in ["data are not ready yet", day, "2022-10-03"] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}

#[test]
fn a_lake_without_a_closed_day_is_30004_for_every_day() {
    let server = Server::start(0, quick());
    for query in ["", "?state_date=2022-10-01", "?miner_id=f01000"] {
        let message = server.ask(&format!("total{query}")).refused(200, 30004);
        assert!(message.contains("data are not ready yet"), "{message}");
    }
    assert_eq!(server.get("/healthz").text(), r#"{"status":"ok","latest_day":null}"#);
}

#[test]
fn a_day_before_the_first_closed_one_is_empty() {
    let server = Server::new();
    for day in ["2022-09-30", "0000-01-01"] {
        assert_eq!(server.ask(&format!("snap?state_date={day}")).data(), json!([]));
        assert_eq!(server.ask(&format!("snap?state_date={day}&miner_id=f01000")).data(), json!([]));
    }
}

#[test]
fn a_miner_without_a_row_that_day_is_empty() {
    let server = Server::new();
    assert_eq!(server.ask("total?state_date=2022-10-01&miner_id=f0200").data(), json!([]));
    assert_eq!(server.ask("total?miner_id=f018446744073709551615").data(), json!([]));
}

/// Takes a day out of the rows' table, as no writer of ours would.
fn take_out(lake: &Path, day: &str) {
    let table = lake.join("sp_sector_daily");
    let names = |directory: &Path| -> Vec<String> {
        let files =
            fs::read_dir(directory).expect("a directory").map(|file| file.expect("a file").file_name());
        files.filter_map(|name| name.into_string().ok()).collect()
    };
    let file = names(&table).into_iter().find(|name| name.starts_with(day)).expect("the day's file");
    let log = table.join("_delta_log");
    let versions = names(&log).into_iter().filter_map(|name| name.strip_suffix(".json")?.parse::<u64>().ok());
    let last = versions.max().expect("a commit");
    let commit = fs::read_to_string(log.join(format!("{last:020}.json"))).expect("the last commit");
    let information = commit.lines().find(|line| line.contains("commitInfo")).expect("its notes");
    let remove = json!({ "remove": { "path": file, "deletionTimestamp": 0, "dataChange": true } });
    let next = log.join(format!("{:020}.json", last + 1));
    fs::write(next, format!("{information}\n{remove}\n")).expect("a commit");
}

#[test]
fn a_hole_inside_history_is_30004_and_never_empty() {
    let server = Server::new();
    server.ask("total?state_date=2022-10-02").data();
    take_out(server.lake.path(), "2022-10-02");
    let started = Instant::now();
    while server.ask("total?state_date=2022-10-02").json()["code"] == 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "the hole is not seen");
    }
    for miner in ["", "&miner_id=f01000", "&miner_id=f09"] {
        let message = server.ask(&format!("total?state_date=2022-10-02{miner}")).refused(200, 30004);
        assert!(message.contains("2022-10-02") && message.contains("2022-10-03"), "{message}");
    }
    server.ask("total?state_date=2022-10-01").data();
    server.ask("total?state_date=2022-10-03").data();
}

#[test]
fn an_internal_error_is_30003_without_details() {
    let server = Server::new();
    for file in fs::read_dir(server.lake.path().join("sp_sector_daily")).expect("the rows' table") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "parquet") {
            fs::write(path, "no Parquet").expect("a damaged file");
        }
    }
    let answer = server.ask("total?state_date=2022-10-01");
    let message = answer.refused(200, 30003);
    for detail in ["arquet", "sp_sector", "/", "os error"] {
        assert!(!message.contains(detail), "{message}");
    }
}

#[test]
fn an_unknown_path_is_404_with_the_list_of_endpoints() {
    let server = Server::new();
    for path in ["/x", "/v2", BASE, &format!("{BASE}/totals"), &format!("{BASE}/total/x"), "/v3/%ff?a=b"] {
        let answer = server.get(path);
        let body = answer.json();
        assert_eq!((answer.status, &body["code"]), (404, &json!(404)), "{path}");
        assert_eq!(answer.keys(), ["request_id", "code", "message", "endpoints"]);
        let listed = body["endpoints"].as_array().expect("a list");
        for endpoint in Endpoint::ALL {
            assert!(listed.contains(&json!(format!("{BASE}/{}", endpoint.name()))), "{body}");
        }
        for guide in ["/docs", "/openapi.json", "/v1/status"] {
            assert!(listed.contains(&json!(guide)), "{body}");
        }
    }
}

#[test]
fn a_wrong_method_is_405_with_those_allowed() {
    let server = Server::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        for path in [format!("{BASE}/total"), "/healthz".to_owned()] {
            let answer = server.send(&format!("{method} {path} HTTP/1.1"));
            answer.refused(405, 405);
            assert_eq!(answer.header("allow").as_deref(), Some("GET,HEAD"), "{method} {path}");
        }
    }
}

#[test]
fn runs_of_slashes_count_as_one_and_a_last_one_as_none() {
    let server = Server::new();
    for path in [
        "/v2//storage_provider/sector/total",
        "//v2/storage_provider/sector/total",
        "/v2///storage_provider//sector////total//",
        "/v2/storage_provider/sector/total/",
    ] {
        let answer = server.get(&format!("{path}?miner_id=f01000&state_date=2022-10-01"));
        assert_eq!(answer.data(), json!([row(DAYS[0], FIRST, 1)]), "{path}");
    }
    assert_eq!(server.get("/healthz/").status, 200);
}

#[test]
fn request_ids_share_one_uuid_and_count_every_request() {
    let server = Server::new();
    let ids: Vec<(String, u64)> = ["total", "nowhere", "total?miner_id=x", "fault"]
        .into_iter()
        .map(|path| {
            let body = server.ask(path).json();
            let id = body["request_id"].as_str().expect("a request_id");
            let (uuid, number) = id.split_once('#').expect("a number");
            (uuid.to_owned(), number.parse().expect("a number"))
        })
        .collect();
    let uuid = &ids[0].0;
    let groups: Vec<_> = uuid.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{uuid}");
    assert!(ids.iter().all(|(other, _)| other == uuid), "{ids:?}");
    let numbers: Vec<_> = ids.iter().map(|(_, number)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let other = Server::new().ask("total").json();
    assert!(!other["request_id"].as_str().is_some_and(|id| id.starts_with(uuid)), "{other}");
}

#[test]
fn totals_of_a_lake_that_begins_in_mid_history_say_since_when() {
    let first: Day = DAYS[0].parse().expect("a date");
    let fill = async |path: &Path| {
        let mut day = finished_day(first, vec![onboarded(first, FIRST, SectorNumber(1))]);
        day.source.history_since = Some(first);
        Lake::open(path).await.expect("a lake").close_days(&[day]).await.expect("a closed day");
    };
    let since = Server::over(fill, quick()).ask("total").header("x-history-since");
    assert_eq!(since.as_deref(), Some(DAYS[0]));
    assert_eq!(Server::new().ask("total").header("x-history-since"), None);
}
