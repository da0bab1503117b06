//! `docs/API.md` and `/v1`, over the bundled sample.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;

use common::http::{Answer, get, get_with};
use common::outside::shared;
use common::server::up;
use common::{lines, repository, run_in, sample};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What differs from one server to the next, or from one making of the lake to the next.
const VOLATILE: [&str; 5] = ["request_id", "lag_seconds", "closed_at", "version", "next"];

fn ask(address: &str) -> Answer {
    get(up().address, address)
}

/// A JSON answer of `/v1`.
fn json_of(address: &str) -> Value {
    let answer = ask(address);
    assert_eq!(answer.status, 200, "{address}: {}", answer.body);
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{address}: {error}"))
}

fn rows(address: &str) -> Vec<Value> {
    json_of(address)["data"].as_array().unwrap().clone()
}

fn without_volatile(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            members.values_mut().for_each(|member| *member = without_volatile(member.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_volatile(item.take())),
        _ => {}
    }
    value
}

/// JSON as the page shows it: a member a line, and a row a line.
fn shown(body: &str) -> String {
    let members = common::http::Object::parse(body).0;
    let member = |(name, raw): &(String, String)| {
        let rows = raw.starts_with("[{").then(|| serde_json::from_str::<Vec<Box<RawValue>>>(raw).unwrap());
        match rows {
            Some(rows) => {
                let rows: Vec<String> = rows.iter().map(|row| format!("    {}", row.get())).collect();
                format!("  \"{name}\": [\n{}\n  ]", rows.join(",\n"))
            }
            None => format!("  \"{name}\": {raw}"),
        }
    };
    let members: Vec<String> = members.iter().map(member).collect();
    format!("{{\n{}\n}}", members.join(",\n"))
}

#[test]
fn the_answers_of_the_page_are_what_a_server_over_the_sample_gives() {
    let path = repository().join("docs/API.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let bless = std::env::var_os("SECTORSCOPE_BLESS").is_some();
    let mut blessed = page.clone();
    let mut paths = Vec::new();
    for part in page.split("```http\nGET ").skip(1) {
        let (address, rest) = part.split_once('\n').unwrap();
        let (_, rest) = rest.split_once("```json\n").unwrap();
        let (answer, _) = rest.split_once("\n```").unwrap();
        paths.push(address.split('?').next().unwrap().to_owned());
        let given = ask(address);
        assert_eq!(given.status, 200, "{address}: {}", given.body);
        if bless {
            let old = format!("GET {address}\n```\n```json\n{answer}\n```");
            let new = format!("GET {address}\n```\n```json\n{}\n```", shown(&given.body));
            blessed = blessed.replace(&old, &new);
            continue;
        }
        let [given, on_page] =
            [given.body.as_str(), answer].map(|text| without_volatile(serde_json::from_str(text).unwrap()));
        assert_eq!(
            given, on_page,
            "GET {address}: run this test with SECTORSCOPE_BLESS=1 to write the page anew"
        );
    }
    if bless {
        std::fs::write(path, blessed).unwrap();
    }
    // Each path that gives JSON rows or objects has its example.
    let document = json_of("/openapi.json");
    let documented = document["paths"].as_object().unwrap().keys();
    let pages = ["/", "/docs", "/docs/reference", "/openapi.json"];
    for template in documented.filter(|path| !pages.contains(&path.as_str())) {
        let fits = |path: &&String| {
            let (path, template): (Vec<_>, Vec<_>) =
                (path.split('/').collect(), template.split('/').collect());
            path.len() == template.len()
                && path.iter().zip(&template).all(|(part, of)| part == of || of.starts_with('{'))
        };
        assert!(paths.iter().any(|path| fits(&path)), "docs/API.md has no {template}");
    }
}

#[test]
fn the_calendar_of_expirations_is_that_of_the_chains_own_state() {
    // Heights at which tipsets stand, to look at the state before the first of a day.
    let Some(path) = shared("data/long.tipsets.jsonl") else { return };
    let heights: Vec<i64> = lines(&path).iter().map(|tipset| tipset["height"].as_i64().unwrap()).collect();
    let clock = chain::Clock::new(chain::MAINNET_GENESIS);
    let miners = rows("/v1/miners");
    assert_eq!(miners.len(), 6);
    let days: Vec<chain::Day> = up().each_day().collect();
    let data = tempfile::tempdir().unwrap();
    let mut pledged = false;
    // The first days, the middle, and the latest, which is months away from what it is made of.
    for day in [days[1], days[40], days[120], days[days.len() - 1]] {
        let end = clock.first_epoch(day.next());
        let Some(height) = heights.iter().find(|height| **height >= end.0) else { continue };
        for miner in &miners {
            let id = miner["miner_id"].as_str().unwrap();
            if miner["first_day"].as_str() > Some(day.to_string().as_str()) {
                assert_eq!(ask(&format!("/v1/miners/{id}/expirations?day={day}")).status, 404);
                continue;
            }
            let looked = run_in(
                data.path(),
                &[
                    "miner",
                    id,
                    "--car",
                    sample().to_str().unwrap(),
                    "--head",
                    &height.to_string(),
                    "--format",
                    "json",
                ],
            );
            let looked: Value = serde_json::from_str(&looked.printed()).unwrap();
            let text = |of: &Value| of.as_str().map_or_else(|| of.to_string(), str::to_owned);
            let of_state: Vec<Vec<String>> = looked["expirations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|of| {
                    let sums = [of, &of["verified"], &of["cc"], &of["deals"]].into_iter();
                    let sums = sums.flat_map(|sum| ["sectors", "rbp", "qap"].map(|name| text(&sum[name])));
                    let full = ["sectors", "rbp", "qap"].map(|name| text(&of["full_quality"][name]));
                    let amounts = |name: &str| text(&of[name]);
                    std::iter::once(text(&of["period"]))
                        .chain(sums)
                        .chain([amounts("initial_pledge")])
                        .chain(full)
                        .chain([amounts("daily_fee")])
                        .collect()
                })
                .collect();
            pledged |= of_state.iter().any(|of| of[PLEDGE] != "0" && of.last().is_some_and(|fee| fee != "0"));
            let served = ask(&format!("/v1/miners/{id}/expirations?day={day}&format=csv"));
            let of_ledger: Vec<Vec<String>> = served
                .body
                .lines()
                .skip(1)
                .map(|line| line.split(',').map(str::to_owned).collect())
                .collect();
            assert_eq!(of_ledger, of_state, "{id} at the end of {day}, before height {height}");
        }
    }
    assert!(pledged, "something is pledged, and pays a fee");
}

/// The truth's live sectors at the end of a day: expiration, raw bytes, QAP, and where the sums of what it holds begin.
fn living(upto: chain::Day) -> Option<BTreeMap<(String, i64), (i64, i64, i64, usize)>> {
    let clock = chain::Clock::new(chain::MAINNET_GENESIS);
    let mut living = BTreeMap::new();
    for event in lines(&shared("data/long.events.jsonl")?) {
        if clock.day_of(chain::Epoch(event["tipset_height"].as_i64()?)) > upto {
            break;
        }
        let key = (event["miner"].as_str()?.to_owned(), event["sector"].as_i64().unwrap_or(-1));
        let number = |name: &str| event[name].as_str().unwrap().parse::<i64>().unwrap();
        match event["event"].as_str()? {
            "activated" | "snapped" | "extended" => {
                let weighs = |name: &str| event[name].as_str() != Some("0");
                let held = match (weighs("verified_deal_weight"), weighs("deal_weight")) {
                    (true, _) => VERIFIED,
                    (false, true) => DEALS,
                    (false, false) => CC,
                };
                let of = (event["expiration"].as_i64()?, number("rbp"), number("qap"), held);
                living.insert(key, of);
            }
            "terminated_active" | "terminated_passive" | "expired" => {
                living.remove(&key);
            }
            _ => {}
        }
    }
    Some(living)
}

/// Where sums of sectors of each content begin, three of each.
const VERIFIED: usize = 3;
const CC: usize = 6;
const DEALS: usize = 9;
/// Where the pledge is.
const PLEDGE: usize = 13;

#[test]
fn sectors_are_told_apart_by_the_deals_that_weigh_in_them() {
    let clock = chain::Clock::new(chain::MAINNET_GENESIS);
    let mut seen = [0; 12];
    for day in up().each_day().skip(10).step_by(60) {
        let Some(living) = living(day) else { return };
        let mut wanted: BTreeMap<String, [i64; 12]> = BTreeMap::new();
        for (expiration, rbp, qap, held) in living.values() {
            let sums = wanted.entry(clock.day_of(chain::Epoch(*expiration)).to_string()).or_default();
            for (at, value) in [1, *rbp, *qap].into_iter().enumerate() {
                sums[at] += value;
                sums[held + at] += value;
                seen[held + at] += value;
            }
        }
        let served: BTreeMap<String, [i64; 12]> = rows(&format!("/v1/network/expirations?by=day&day={day}"))
            .iter()
            .map(|row| {
                let mut sums = [0; 12];
                for (of, name) in ["", "verified_", "cc_", "deal_"].iter().enumerate() {
                    for (at, measure) in ["sectors", "rbp", "qap"].iter().enumerate() {
                        sums[3 * of + at] = row[format!("{name}{measure}")].as_i64().unwrap();
                    }
                }
                (row["period"].as_str().unwrap().to_owned(), sums)
            })
            .collect();
        assert_eq!(served, wanted, "{day}");
    }
    assert!([VERIFIED, CC, DEALS].iter().all(|held| seen[*held] > 0), "each sort: {seen:?}");
}

#[test]
fn every_page_together_is_the_whole_in_its_order() {
    let range = "from=2026-06-12&to=2026-06-30";
    let base = format!("/v1/sectors/daily?{range}&columns=total_num_sector,total_sector_qap");
    let events = format!("/v1/miners/f0107/events?{range}");
    for (base, keys) in [
        (base.clone(), vec!["stat_date", "miner_id"]),
        (format!("{base}&sort=-stat_date"), vec!["stat_date", "miner_id"]),
        (format!("{base}&sort=-total_sector_qap"), vec!["stat_date", "miner_id"]),
        (format!("{base}&miner=f0107,f0113"), vec!["stat_date", "miner_id"]),
        (format!("{base}&miner=f0107,f0113&sort=total_num_sector"), vec!["stat_date", "miner_id"]),
        (format!("/v1/network/daily?{range}&columns=live_sector_count"), vec!["stat_date"]),
        (format!("/v1/reconciliation?{range}"), vec!["stat_date", "miner_id"]),
        ("/v1/miners?sort=-active_sector_qap".to_owned(), vec!["miner_id"]),
        (events, vec!["stat_date", "position"]),
    ] {
        let separator = if base.contains('?') { '&' } else { '?' };
        let whole = rows(&format!("{base}{separator}limit=10000"));
        assert!(whole.len() > 3, "{base}: {}", whole.len());
        let size = whole.len().div_ceil(4);
        let (mut paged, mut next) = (Vec::new(), Some(format!("{base}{separator}limit={size}")));
        let mut pages = 0;
        while let Some(address) = next.take() {
            let answer = ask(&address);
            assert_eq!(answer.status, 200, "{address}: {}", answer.body);
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            paged.extend(body["data"].as_array().unwrap().clone());
            let link = answer.head.lines().find_map(|line| line.strip_prefix("link: <"));
            next = link.and_then(|link| link.strip_suffix(">; rel=\"next\"")).map(str::to_owned);
            assert_eq!(next.is_some(), body["meta"]["next"].is_string(), "{address}");
            pages += 1;
        }
        let key = |row: &Value| keys.iter().map(|key| row[key].to_string()).collect::<Vec<_>>();
        assert_eq!(
            paged.iter().map(key).collect::<Vec<_>>(),
            whole.iter().map(key).collect::<Vec<_>>(),
            "{base}"
        );
        assert!(paged == whole && pages == whole.len().div_ceil(size), "{base}");
    }
}

#[test]
fn the_network_is_the_sum_of_its_storage_providers() {
    let days = "from=2026-08-01&to=2026-08-10";
    let network = rows(&format!("/v1/network/daily?{days}"));
    let all = rows(&format!("/v1/sectors/daily?{days}"));
    assert_eq!((network.len(), all.len()), (10, 60));
    for day in &network {
        let of_day: Vec<&Value> = all.iter().filter(|row| row["stat_date"] == day["stat_date"]).collect();
        assert_eq!(day["miners"], of_day.len());
        for (name, value) in day.as_object().unwrap() {
            let Some(with) = day.get(format!("{name}_miners")) else { continue };
            let counted = of_day.iter().filter(|row| row[name].as_f64() != Some(0.0)).count();
            assert_eq!(*with, counted, "{name}");
            if let Some(value) =
                value.as_i64().filter(|_| !name.starts_with("avg_") && !name.starts_with("std_"))
            {
                assert_eq!(
                    value,
                    of_day.iter().map(|row| row[name].as_i64().unwrap()).sum::<i64>(),
                    "{name}"
                );
            }
        }
        let mean = day["active_duration_epochs"].as_f64().unwrap()
            / (day["active_sector_count"].as_f64().unwrap() * 2880.0);
        assert!((day["avg_active_sector_duration_days"].as_f64().unwrap() - mean).abs() < 1e-9);
    }
}

#[test]
fn a_number_is_walked_back_to_its_events_and_messages() {
    let explained = json_of("/v1/explain?column=total_terminate_rbp&miner=f0113&day=2026-07-11");
    let explanation = &explained["explanation"];
    assert_eq!(explanation["closes"], true);
    let contributions = explanation["contributions"].as_array().unwrap();
    assert!(!contributions.is_empty());
    let sum: i64 = contributions.iter().map(|of| of["amount"].as_i64().unwrap()).sum();
    let before = explanation["previous"]["value"].as_i64().unwrap();
    assert_eq!(explanation["value"].as_i64().unwrap(), before + sum);
    assert_eq!(explanation["contributions_sum"], sum);
    let events = rows("/v1/miners/f0113/events?day=2026-07-11&kind=terminate");
    let key = |of: &Value| json!([of["epoch"], of["sector"], of["message"]]);
    assert_eq!(events.iter().map(key).collect::<Vec<_>>(), contributions.iter().map(key).collect::<Vec<_>>());
    // And each of these sectors' lives ends with it.
    for event in &events {
        let life = rows(&format!("/v1/miners/f0113/sectors/{}", event["sector"]));
        assert_eq!(life.last(), Some(event));
        assert!(["precommit", "onboard"].contains(&life[0]["kind"].as_str().unwrap()));
    }
    // Fewer listed, all counted.
    let few = json_of("/v1/explain?column=total_terminate_rbp&miner=f0113&day=2026-07-11&limit=1");
    assert_eq!(few["explanation"]["contributions"].as_array().unwrap().len(), 1);
    assert_eq!(few["explanation"]["contributions_total"], contributions.len());
    assert_eq!(few["explanation"]["contributions_sum"], sum);
}

#[test]
fn every_format_holds_the_same_rows() {
    let base = "/v1/sectors/daily?miner=f0107,f0113&from=-3d&columns=total_sector_qap,std_active_sector_duration_days";
    let whole = rows(base);
    assert_eq!(whole.len(), 6);
    let ndjson = get_with(up().address, base, "accept: application/x-ndjson\r\n");
    let lines: Vec<Value> = ndjson.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, whole);
    let csv = ask(&format!("{base}&format=csv"));
    assert!(csv.head.contains("content-type: text/csv"), "{}", csv.head);
    // As they are written: numbers are the same to the last digit.
    let mut csv = csv.body.lines();
    let names: Vec<&str> = csv.next().unwrap().split(',').collect();
    for (line, row) in csv.zip(ndjson.body.lines().map(common::http::Object::parse)) {
        let served: Vec<&str> = names.iter().map(|name| row.get(name).trim_matches('"')).collect();
        assert_eq!(line.split(',').collect::<Vec<_>>(), served);
    }
}
