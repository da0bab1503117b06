//! What keys of narrow windows see: every operation there is, with every parameter at and beyond the edges, beside what a key
//! without a window gets for the same days.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU32;
use std::path::Path;

use api::Config;
use api::keys::{KeyStore, Terms, digest, new_token};
use chain::{Clock, Day, MAINNET_GENESIS, MinerId, SectorNumber};
use lake::Lake;
use ledger::{Cause, Event, Kind, Status};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Answer;
use crate::server::{FIRST, SECOND, Server, finished_day, now, onboarded, quick, wait};

/// The closed days.
const CLOSED: i32 = 10;
/// One whose only sector is gone after the third day.
const GONE: MinerId = MinerId(3000);
/// The windows of the narrow keys: the first two hide days, the others hide none.
const WINDOWS: [i32; 4] = [1, 3, CLOSED, 2 * CLOSED];

fn opened() -> Day {
    "2022-10-01".parse().expect("a date")
}

fn day(at: i32) -> Day {
    Day::from_unix_days(opened().unix_days() + at)
}

fn latest() -> Day {
    day(CLOSED - 1)
}

/// A sector that leaves on the day after it came.
fn terminated(of: Event, day: Day) -> Event {
    let epoch = Clock::new(MAINNET_GENESIS).first_epoch(day) + 20;
    Event {
        epoch,
        kind: Kind::Terminate,
        cause: Some(Cause::Active),
        qap_before: of.qap_after,
        qap_after: None,
        expiration_before: of.expiration_after,
        expiration_after: None,
        backing_before: of.backing_after,
        backing_after: None,
        status_before: Status::Active,
        status_after: Status::None,
        ..of
    }
}

/// The first provider onboards a sector each day; the second one from the sixth day on; the third is gone by the third.
async fn fill(lake: &Path) {
    let days: Vec<_> = (0..CLOSED)
        .map(|at| {
            let of = |miner, number: i32| onboarded(day(at), miner, SectorNumber(number as u64 + 1));
            let mut events = vec![of(FIRST, at)];
            match at {
                0 => events.push(of(GONE, 0)),
                2 => events.push(terminated(onboarded(day(0), GONE, SectorNumber(1)), day(2))),
                5.. => events.push(of(SECOND, at)),
                _ => {}
            }
            finished_day(day(at), events)
        })
        .collect();
    Lake::open(lake).await.expect("a lake").close_days(&days).await.expect("closed days");
    // A gap that was filled long ago and is still noted, and one to come.
    let clock = Clock::new(MAINNET_GENESIS);
    let gap = |at: i32| {
        let (first, last) = (clock.first_epoch(day(at)).0, clock.first_epoch(day(at + 1)).0 - 1);
        json!({ "first_epoch": first, "last_epoch": last, "source": "/x", "reason": format!("gap {at}") })
    };
    std::fs::write(lake.join("gaps.json"), json!([gap(1), gap(CLOSED + 3)]).to_string()).expect("a note");
}

/// A server with keys of all windows, and one that sees all.
struct Seen {
    server: Server,
    _data: TempDir,
    full: String,
    narrow: Vec<Narrow>,
}

/// A key that sees the latest days.
struct Narrow {
    token: String,
    days: i32,
}

impl Narrow {
    fn first(&self) -> Day {
        day((CLOSED - self.days).max(0))
    }

    fn hides(&self) -> bool {
        self.first() > opened()
    }
}

impl Seen {
    fn new() -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let path = KeyStore::path(data.path());
        let store = KeyStore::open_or_create(&path).expect("a file of keys");
        let key = |name: &str, days: Option<i32>| {
            let token = new_token().expect("randomness");
            let history_days = days.and_then(|days| NonZeroU32::new(days as u32));
            let terms = Terms { history_days, ..Terms::default() };
            store.create(name, &digest(&token), &terms, now()).expect("a key");
            token
        };
        let full = key("full", None);
        let narrow = WINDOWS.map(|days| Narrow { token: key(&format!("of-{days}"), Some(days)), days });
        let server = Server::over(fill, Config { keys: Some(path), key_rate: None, ..quick() });
        let seen = Self { server, _data: data, full, narrow: narrow.into() };
        wait(|| seen.get("/v1/status", &seen.full, "").status == 200);
        seen
    }

    fn get(&self, address: &str, token: &str, more: &str) -> Answer {
        self.server.send(&format!("GET {address} HTTP/1.1\r\nauthorization: Bearer {token}{more}"))
    }
}

/// An operation of the document that the server makes of its table.
struct Operation {
    name: String,
    path: String,
    parameters: Vec<Value>,
}

fn operations(server: &Server) -> Vec<Operation> {
    let document = server.get("/openapi.json").json();
    let paths = document["paths"].as_object().expect("paths");
    let of_data = paths.iter().filter(|(path, _)| path.starts_with("/v"));
    let operation = |(path, item): (&String, &Value)| {
        let get = &item["get"];
        Operation {
            name: get["operationId"].as_str().expect("a name").to_owned(),
            path: path.clone(),
            parameters: get["parameters"].as_array().expect("parameters").clone(),
        }
    };
    of_data.map(operation).collect()
}

/// Days as a request may name them, at and beyond the edges of a window of so many days.
fn edges(of: &Narrow) -> Vec<String> {
    let near = [day(-1), day(0), day(1), latest().previous(), latest(), latest().next()];
    let own = [of.first().previous(), of.first(), of.first().next()];
    let days: BTreeSet<Day> = near.into_iter().chain(own).collect();
    let relative = [1, of.days, of.days + 1, 9999].map(|days| format!("-{days}d"));
    days.iter().map(Day::to_string).chain(relative).chain(["latest".to_owned()]).collect()
}

/// The day that a request means by that.
fn meant(text: &str) -> Option<Day> {
    if text == "latest" {
        return Some(latest());
    }
    let back = text.strip_prefix('-').and_then(|rest| rest.strip_suffix('d'));
    match back {
        Some(days) => Some(Day::from_unix_days(latest().unix_days() - days.parse::<i32>().ok()? + 1)),
        None => text.parse().ok(),
    }
}

fn cursors(of: &Narrow, version: u64) -> Vec<String> {
    let days = edges(of).into_iter().filter(|text| text.parse::<Day>().is_ok());
    let at = days.flat_map(|day| [0, 1, FIRST.0, 999_999].map(|number| format!("{day}.{number}")));
    at.chain([0, 1, 3].map(|rows| format!("{version}.{rows}"))).collect()
}

/// Parameters and their values.
type Query = Vec<(String, String)>;

impl Operation {
    fn takes(&self, name: &str) -> bool {
        self.parameters.iter().any(|of| of["name"] == name && of["in"] == "query")
    }

    /// The path's addresses without a query, one for each storage provider where it names one.
    fn addresses(&self) -> Vec<String> {
        let of = |miner: MinerId| self.path.replace("{id}", &miner.to_string()).replace("{n}", "1");
        let all: BTreeSet<String> = [FIRST, SECOND, GONE].map(of).into();
        all.into_iter().collect()
    }

    /// What must be said.
    fn required(&self) -> Query {
        let required = self.parameters.iter().filter(|of| of["in"] == "query" && of["required"] == true);
        let value = |of: &Value| match of["name"].as_str() {
            Some("miner") => FIRST.to_string(),
            Some("column") => "total_num_sector".to_owned(),
            other => panic!("{other:?} has no value here"),
        };
        required.map(|of| (of["name"].as_str().expect("a name").to_owned(), value(of))).collect()
    }

    /// Each of the days' parameters by itself and with the other of its range, at all edges.
    fn days(&self, of: &Narrow) -> Vec<Query> {
        let edges = edges(of);
        let pair = |name: &str, text: &String| (name.to_owned(), text.clone());
        let mut all: Vec<Query> = vec![Vec::new()];
        for name in ["day", "state_date", "stat_date"].into_iter().filter(|name| self.takes(name)) {
            all.extend(edges.iter().map(|text| vec![pair(name, text)]));
        }
        if self.takes("from") {
            for from in &edges {
                all.push(vec![pair("from", from)]);
                all.push(vec![pair("to", from)]);
                // Where nothing is hidden one end tells as much as both.
                if of.hides() {
                    all.extend(edges.iter().map(|to| vec![pair("from", from), pair("to", to)]));
                }
            }
        }
        all
    }

    /// The days with which everything else is tried: none, the whole window, and one more.
    fn some_days(&self, of: &Narrow) -> Vec<Query> {
        let mut all: Vec<Query> = vec![Vec::new()];
        if self.takes("from") {
            for from in [of.first(), of.first().previous()] {
                all.push(vec![("from".to_owned(), from.to_string())]);
            }
        }
        all
    }

    /// Each value of the parameters that are neither days nor places.
    fn others(&self) -> Vec<Query> {
        let mut all: Vec<Query> = Vec::new();
        for of in self.parameters.iter().filter(|of| of["in"] == "query" && of["required"] != true) {
            let name = of["name"].as_str().expect("a name");
            let values: Vec<String> = match name {
                "day" | "from" | "to" | "state_date" | "stat_date" | "cursor" => continue,
                "miner" | "miner_id" => vec![FIRST.to_string(), GONE.to_string(), "f09".to_owned()],
                "limit" => vec!["1".to_owned(), "2".to_owned(), "10000".to_owned()],
                "prefix" => vec!["f01".to_owned(), "f0".to_owned()],
                _ => {
                    let schema = if of["schema"]["items"].is_object() {
                        &of["schema"]["items"]
                    } else {
                        &of["schema"]
                    };
                    let names = schema["enum"].as_array().unwrap_or_else(|| panic!("{name} has no names"));
                    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                    let wanted =
                        |of: &&&str| names.len() < 20 || of.contains("day") || of.contains("total_num");
                    names.iter().filter(wanted).map(|of| (*of).to_owned()).collect()
                }
            };
            all.extend(values.into_iter().map(|value| vec![(name.to_owned(), value)]));
        }
        all
    }

    /// All that a key is tried with.
    fn cases(&self, of: &Narrow, version: u64) -> Vec<(String, Query)> {
        let mut queries = self.days(of);
        for days in self.some_days(of) {
            queries.extend(self.others().into_iter().map(|other| [days.clone(), other].concat()));
            if self.takes("cursor") {
                for cursor in cursors(of, version) {
                    let cursor = vec![("cursor".to_owned(), cursor)];
                    queries.push([days.clone(), cursor.clone()].concat());
                    for other in
                        [("limit", "1"), ("format", "csv"), ("sort", "-stat_date"), ("sort", "-first_day")]
                    {
                        let fits = self.parameters.iter().find(|of| of["name"] == other.0);
                        let names = |of: &Value| {
                            of["schema"]["enum"].as_array().map(|all| all.contains(&other.1.into()))
                        };
                        if fits.is_some_and(|of| names(of) != Some(false)) {
                            let other = vec![(other.0.to_owned(), other.1.to_owned())];
                            queries.push([days.clone(), cursor.clone(), other].concat());
                        }
                    }
                }
            }
        }
        let required = self.required();
        let addresses = self.addresses();
        let whole = |query: &Query| [required.clone(), query.clone()].concat();
        addresses.iter().flat_map(|of| queries.iter().map(|query| (of.clone(), whole(query)))).collect()
    }
}

fn address(path: &str, query: &Query) -> String {
    let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// All that looks like a day in an answer that is text: its body, and the address of the next page.
fn days_in(answer: &Answer) -> Vec<Day> {
    let link = answer.header("link").unwrap_or_default();
    let text = [String::from_utf8_lossy(&answer.body).into_owned(), link].concat();
    let looks = |window: &[u8]| {
        window
            .iter()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { *byte == b'-' } else { byte.is_ascii_digit() })
    };
    let found = text.as_bytes().windows(10).filter(|window| looks(window));
    found.filter_map(|window| std::str::from_utf8(window).ok()?.parse().ok()).collect()
}

/// The least height that an answer names as one at which something was.
fn least_epoch(value: &Value) -> Option<i64> {
    match value {
        Value::Object(members) => {
            let own = ["epoch", "first_epoch"].iter().filter_map(|name| members.get(*name)?.as_i64());
            own.chain(members.values().filter_map(least_epoch)).min()
        }
        Value::Array(items) => items.iter().filter_map(least_epoch).min(),
        _ => None,
    }
}

/// What a key without a window gets, cut to a window that begins on that day, by what the paths say of themselves.
fn cut(operation: &str, mut full: Value, first: Day) -> Value {
    let before =
        |value: &Value| value.as_str().and_then(|text| text.parse().ok()).is_some_and(|day: Day| day < first);
    match operation {
        "miners" | "miner" => {
            for row in full["data"].as_array_mut().expect("rows") {
                if before(&row["first_day"]) {
                    row["first_day"] = first.to_string().into();
                }
                if before(&row["last_active_day"]) {
                    row["last_active_day"] = Value::Null;
                }
            }
        }
        "sector" => {
            full["data"].as_array_mut().expect("rows").retain(|row| !before(&row["stat_date"]));
        }
        "explain" => without_previous(&mut full["explanation"], first),
        "status" => {
            let days = json!({ "first": first.to_string(), "last": latest().to_string(),
                "days": latest().unix_days() - first.unix_days() + 1 });
            full["closed"] = days.clone();
            if before(&full["final_day"]) {
                full["final_day"] = Value::Null;
            }
            full["receipts"]["days_read"] = days["days"].clone();
            full["gaps"].as_array_mut().expect("gaps").retain(|gap| !before(&gap["days"]["last"]));
            full["sources"][0]["closed"] = days.clone();
            full["sources"][0]["receipts"]["days_read"] = days["days"].clone();
            full["sources"][0]["first_epoch"] = Clock::new(MAINNET_GENESIS).first_epoch(first).0.into();
        }
        _ => {}
    }
    full
}

fn without_previous(part: &mut Value, first: Day) {
    let of = part["previous"]["stat_date"].as_str().and_then(|text| text.parse().ok());
    if of.is_some_and(|day: Day| day < first) {
        part["previous"] = Value::Null;
    }
    for part in part["parts"].as_array_mut().expect("parts") {
        without_previous(part, first);
    }
}

/// What differs from one answer to the next.
fn plain(answer: &Answer) -> Value {
    let mut value: Value = serde_json::from_slice(&answer.body).expect("JSON");
    if let Value::Object(members) = &mut value {
        members.remove("request_id");
        members.remove("lag_seconds");
        // It is the chain's, and no day of the lake.
        members.remove("genesis");
    }
    value
}

/// Whether the request reaches before that day.
fn reaches_before(query: &Query, first: Day) -> bool {
    let days = query.iter().filter_map(|(name, value)| match name.as_str() {
        "cursor" => value.split('.').next()?.parse().ok(),
        "from" | "to" | "day" | "state_date" | "stat_date" => meant(value),
        _ => None,
    });
    days.min().is_some_and(|least| least < first)
}

/// Whether rows are put in order by days that a narrow key may see otherwise.
fn by_hidden_days(query: &Query) -> bool {
    query.iter().any(|(name, value)| {
        name == "sort" && ["first_day", "last_active_day"].contains(&value.trim_start_matches('-'))
    })
}

/// ColumnType what a narrow key gets against what one without a window gets.
fn judge(operation: &Operation, query: &Query, of: &Narrow, narrow: &Answer, full: &Answer) {
    let (case, first) = (format!("{}{query:?} by a key of {} days", operation.path, of.days), of.first());
    let text = || String::from_utf8_lossy(&narrow.body).into_owned();
    // What it said itself it knows.
    let mut said: Vec<Day> = query.iter().filter_map(|(_, value)| meant(value)).collect();
    if operation.name == "sector" && narrow.status == 403 {
        // The day before the window stands for all before it, whatever there was.
        said.push(first.previous());
    }
    if narrow.header("content-type").is_some_and(|of| of.contains("json") || of.contains("csv")) {
        let genesis = Clock::new(MAINNET_GENESIS).day_of(chain::Epoch(0));
        let told =
            days_in(narrow).into_iter().find(|day| *day < first && *day != genesis && !said.contains(day));
        // A lake's first day may be told where nothing is hidden.
        assert!(told.is_none() || !of.hides(), "{case}: {told:?} is told in {}", text());
    }
    if narrow.status == 200 {
        assert_eq!(full.status, 200, "{case}: more than there is: {}", text());
        let kind = narrow.header("content-type").expect("a type");
        if kind == "application/json" {
            let (mut got, mut expected) = (plain(narrow), cut(&operation.name, plain(full), first));
            if of.hides() {
                let least = Clock::new(MAINNET_GENESIS).first_epoch(first).0;
                assert!(least_epoch(&got).is_none_or(|epoch| epoch >= least), "{case}: {}", text());
            }
            if of.hides() && operation.name == "miners" && by_hidden_days(query) {
                // Their order tells of no hidden day either, so pages are others.
                if query.iter().any(|(name, _)| ["limit", "cursor"].contains(&name.as_str())) {
                    return;
                }
                for answer in [&mut got, &mut expected] {
                    let rows = answer["data"].as_array_mut().expect("rows");
                    rows.sort_by_key(|row| row["miner_id"].to_string());
                }
            }
            assert_eq!(got, expected, "{case}");
        } else if !["miners", "miner", "sector"].contains(&operation.name.as_str()) || !of.hides() {
            assert!(narrow.body == full.body, "{case}: {}", text());
        }
        return;
    }
    let problem = plain(narrow);
    if full.status == 200 {
        let withheld = of.hides() && (reaches_before(query, first) || operation.name == "sector");
        assert!(withheld, "{case}: it may see that, and gets {}", text());
        let expected = [("/docs#history", 403), ("/docs#stale-cursor", 404)];
        let given = (problem["type"].as_str().expect("a type"), narrow.status);
        assert!(expected.contains(&given), "{case}: {}", text());
    } else {
        let history = of.hides() && reaches_before(query, first) && narrow.status == 403;
        let same = narrow.status == full.status && problem["type"] == plain(full)["type"];
        // Of a sector that is not there it is not told whether it was.
        let sector = operation.name == "sector" && of.hides() && narrow.status == 403;
        assert!(history || same || sector, "{case}: {} and {}", text(), full.text());
    }
}

#[test]
fn no_operation_of_v1_tells_a_narrow_key_more_than_its_window_nor_less() {
    let seen = Seen::new();
    let version = seen.get("/v1/status", &seen.full, "").json()["version"].as_u64().expect("a version");
    let operations = operations(&seen.server);
    let mut of_full: HashMap<String, Answer> = HashMap::new();
    // How often each operation gave something, and withheld something; with a cursor, too.
    let mut tried: BTreeMap<(String, bool, u16), usize> = BTreeMap::new();
    for operation in operations.iter().filter(|of| of.path.starts_with("/v1")) {
        for of in &seen.narrow {
            for (path, query) in operation.cases(of, version) {
                let address = address(&path, &query);
                let full =
                    of_full.entry(address.clone()).or_insert_with(|| seen.get(&address, &seen.full, ""));
                let narrow = seen.get(&address, &of.token, "");
                judge(operation, &query, of, &narrow, full);
                let with_cursor = query.iter().any(|(name, _)| name == "cursor");
                *tried.entry((operation.name.clone(), with_cursor, narrow.status)).or_default() += 1;
            }
        }
    }
    for operation in operations.iter().filter(|of| of.path.starts_with("/v1")) {
        let of = |cursor, status| tried.contains_key(&(operation.name.clone(), cursor, status));
        assert!(of(false, 200), "{} gave nothing", operation.name);
        if operation.takes("from") || operation.takes("day") {
            assert!(of(false, 403), "{} withheld nothing", operation.name);
        }
        if operation.takes("cursor") {
            assert!(
                of(true, 200) && of(true, 404),
                "{} was tried without a place to go on from",
                operation.name
            );
        }
    }
}

#[test]
fn no_operation_of_v2_tells_a_narrow_key_more_than_its_window_nor_less() {
    let seen = Seen::new();
    let rest = |answer: &Answer| answer.text().split_once("\",").map(|(_, rest)| rest.to_owned());
    for operation in operations(&seen.server).iter().filter(|of| of.path.starts_with("/v2")) {
        for of in &seen.narrow {
            let queries = operation.days(of).into_iter().flat_map(|days| {
                let others = operation.others();
                std::iter::once(days.clone())
                    .chain(others.into_iter().map(move |other| [days.clone(), other].concat()))
            });
            for query in queries {
                let address = address(&operation.path, &query);
                let (narrow, full) = (seen.get(&address, &of.token, ""), seen.get(&address, &seen.full, ""));
                // Relative days are none of `/v2`.
                let day = query
                    .iter()
                    .find(|(name, _)| name.starts_with("stat"))
                    .map(|(_, text)| text.parse::<Day>());
                let allowed = Day::from_unix_days(latest().unix_days() - of.days + 1);
                if matches!(day, Some(Ok(day)) if day < allowed) {
                    narrow.refused(200, 30001);
                    let tagged = seen.get(&address, &of.token, "\r\nif-none-match: *");
                    tagged.refused(200, 30001);
                } else {
                    assert_eq!((narrow.status, rest(&narrow)), (full.status, rest(&full)), "{address}");
                    // What is no day is refused with an example of one.
                    let example = narrow.json()["code"] == 30002;
                    let told = days_in(&narrow).into_iter().find(|day| *day < of.first() && !example);
                    let said = query.iter().filter_map(|(_, value)| meant(value)).min();
                    assert!(told.is_none() || said <= told || !of.hides(), "{address}: {}", narrow.text());
                }
            }
        }
    }
}

#[test]
fn a_tag_tells_nobody_that_an_answer_is_there_that_it_may_not_see() {
    let seen = Seen::new();
    for operation in
        operations(&seen.server).iter().filter(|of| of.path.starts_with("/v1/") && of.name != "status")
    {
        for of in &seen.narrow {
            let (path, required) = (operation.addresses().swap_remove(0), operation.required());
            let days = operation.some_days(of).into_iter().chain(operation.days(of).into_iter().take(8));
            for query in days.map(|days| [required.clone(), days].concat()) {
                let address = address(&path, &query);
                let with =
                    |token: &str, tag: &str| seen.get(&address, token, &format!("\r\nif-none-match: {tag}"));
                let (narrow, full) = (seen.get(&address, &of.token, ""), seen.get(&address, &seen.full, ""));
                let any = with(&of.token, "*").status;
                assert_eq!(any, if narrow.status == 200 { 304 } else { narrow.status }, "{address}");
                let Some(tag) = full.header("etag") else { continue };
                let status = with(&of.token, &tag).status;
                if narrow.status != 200 {
                    assert_eq!(status, narrow.status, "{address}");
                } else if plain(&narrow) != plain(&full) {
                    assert_eq!(status, 200, "{address}: what another key has is not this one's");
                }
                if let Some(tag) = narrow.header("etag") {
                    assert_eq!(with(&of.token, &tag).status, 304, "{address}");
                }
            }
        }
    }
}

#[test]
fn the_figures_tell_a_narrow_key_of_no_day_before_its_window() {
    let seen = Seen::new();
    let first = |token: &str| {
        let answer = seen.get("/metrics", token, "");
        let line =
            answer.text().lines().find_map(|line| line.strip_prefix("sectorscope_lake_first_day_seconds "));
        line.and_then(|figure| figure.parse::<f64>().ok()).expect("a figure")
    };
    let begins = |day: Day| f64::from(day.unix_days()) * 86_400.0;
    assert_eq!(first(&seen.full), begins(opened()));
    for of in &seen.narrow {
        assert_eq!(first(&of.token), begins(of.first()), "{} days", of.days);
    }
}
