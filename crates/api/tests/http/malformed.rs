//! Malformed requests, each with its expected answer.

use std::io::Write as _;

use api::Config;

use crate::client::{Answer, connect, finish};
use crate::server::{BASE, Server, quick};

/// What is sent: the value of a parameter, the rest of an address, the address, the lines of a head, or bytes.
#[derive(Clone, Copy, Debug)]
enum Sent {
    Date(&'static str),
    Miner(&'static str),
    Query(&'static str),
    Path(&'static str),
    Method(&'static str),
    Header(&'static str),
    Raw(&'static str),
}
use Sent::{Date, Header, Method, Miner, Path, Query, Raw};

/// Status, the envelope's code, and a part of the message.
type Expected = (u16, u64, &'static str);

const DATE: Expected = (200, 30002, "state_date");
const MINER: Expected = (200, 30002, "miner_id");
const TWICE: Expected = (200, 30002, "twice");
const SPELLINGS: Expected = (200, 30002, "two spellings");
const ENCODING: Expected = (200, 30002, "not percent-encoded UTF-8");
const UNKNOWN: Expected = (404, 404, "nothing at this path");
const METHOD: Expected = (405, 405, "GET and HEAD only");
/// What is no request gets a status line without a body.
const UNREAD: Expected = (400, BARE, "");
const TOO_LARGE: Expected = (431, BARE, "");
/// In the place of a code: there is no body.
const BARE: u64 = 0;

const TABLE: &[(Sent, Expected)] = &[
    // Dates: the form.
    (Date(""), DATE),
    (Date("2022"), DATE),
    (Date("2022-10"), DATE),
    (Date("2022-10-1"), DATE),
    (Date("2022-1-01"), DATE),
    (Date("22-10-01"), DATE),
    (Date("02022-10-01"), DATE),
    (Date("2022-10-001"), DATE),
    (Date("20221001"), DATE),
    (Date("2022/10/01"), DATE),
    (Date("2022.10.01"), DATE),
    (Date("2022_10_01"), DATE),
    (Date("01-10-2022"), DATE),
    (Date("10/01/2022"), DATE),
    (Date("1.10.2022"), DATE),
    (Date("2022-W40-1"), DATE),
    (Date("2022-274"), DATE),
    (Date("2022-10-01T00:00:00Z"), DATE),
    (Date("2022-10-01%2000:00:00"), DATE),
    (Date("2022-10-01Z"), DATE),
    (Date("%202022-10-01"), DATE),
    (Date("2022-10-01%20"), DATE),
    (Date("2022-10-01+"), DATE),
    (Date("+2022-10-01"), DATE),
    (Date("-2022-10-01"), DATE),
    (Date("2022-10-01%00"), DATE),
    (Date("2022-10-01%0a"), DATE),
    (Date("%222022-10-01%22"), DATE),
    (Date("'2022-10-01'"), DATE),
    (Date("2022%E2%80%9110%E2%80%9101"), DATE),
    (Date("%EF%BC%92022-10-01"), DATE),
    (Date("2022-10-01,2022-10-02"), DATE),
    (Date("2022-10-01..2022-10-02"), DATE),
    (Date("1664582400"), DATE),
    (Date("0"), DATE),
    (Date("-1"), DATE),
    (Date("latest"), DATE),
    (Date("today"), DATE),
    (Date("yesterday"), DATE),
    (Date("null"), DATE),
    (Date("undefined"), DATE),
    (Date("NaN"), DATE),
    (Date("None"), DATE),
    (Date("true"), DATE),
    (Date("%7B%7D"), DATE),
    (Date("[]"), DATE),
    (Date("$%7BDATE%7D"), DATE),
    (Date("2022-10-0x"), DATE),
    (Date("2O22-10-01"), DATE),
    (Date("2022-Oct-01"), DATE),
    (Date("2022-10-01';DROP%20TABLE%20sectors;--"), DATE),
    (Date("../../etc/passwd"), DATE),
    // Dates: the calendar.
    (Date("2022-00-01"), DATE),
    (Date("2022-13-01"), DATE),
    (Date("2022-10-00"), DATE),
    (Date("2022-10-32"), DATE),
    (Date("2022-02-29"), DATE),
    (Date("2022-02-30"), DATE),
    (Date("2022-04-31"), DATE),
    (Date("1900-02-29"), DATE),
    (Date("2100-02-29"), DATE),
    (Date("9999-99-99"), DATE),
    // Dates that are none of the closed ones yet.
    (Date("2022-10-02"), (200, 30004, "2022-10-01")),
    (Date("2024-02-29"), (200, 30004, "2024-02-29")),
    (Date("9999-12-31"), (200, 30004, "not ready yet")),
    // Miners.
    (Miner(""), MINER),
    (Miner("f"), MINER),
    (Miner("f0"), MINER),
    (Miner("t0"), MINER),
    (Miner("0"), MINER),
    (Miner("1000"), MINER),
    (Miner("01000"), MINER),
    (Miner("f1000"), MINER),
    (Miner("F01000"), MINER),
    (Miner("T01000"), MINER),
    (Miner("f-01000"), MINER),
    (Miner("f0-1000"), MINER),
    (Miner("f0+1000"), MINER),
    (Miner("f01_000"), MINER),
    (Miner("f01,000"), MINER),
    (Miner("f01000.0"), MINER),
    (Miner("f01e3"), MINER),
    (Miner("f00x3e8"), MINER),
    (Miner("f0%201000"), MINER),
    (Miner("%20f01000"), MINER),
    (Miner("f01000%20"), MINER),
    (Miner("f01000%09"), MINER),
    (Miner("f01000%00"), MINER),
    (Miner("f01000,f01001"), MINER),
    (Miner("f01000;f01001"), MINER),
    (Miner("f01000|f01001"), MINER),
    (Miner("%22f01000%22"), MINER),
    (Miner("f0%D9%A1%D9%A2"), MINER),
    (Miner("f%EF%BC%901000"), MINER),
    (Miner("f018446744073709551616"), MINER),
    (Miner("f099999999999999999999999999999999999999"), MINER),
    (Miner("f1abjxfbp274xpdqcpuaykwkfb43omjotacm2p3za"), MINER),
    (Miner("f2plku564ddywnmb5b2ky7dhk4mb6uacsxuuev3pi"), MINER),
    (Miner("f3vvmn62lofvhjd2ugzca6sof2j2ubwok6cj4xxbfzz4yuxfkgobpihhd2thlanmsh3w2ptld2gqkn2jvlss4a"), MINER),
    (Miner("f410fkkld55ioe7qg24wvt7fu6pbknb56ht7pt4zamxa"), MINER),
    (Miner("*"), MINER),
    (Miner("all"), MINER),
    (Miner("null"), MINER),
    (Miner("undefined"), MINER),
    (Miner("f0%27%20OR%201=1"), MINER),
    (Miner("%3Cscript%3E"), MINER),
    (Miner("x0110804"), MINER),
    (Miner("b01000"), MINER),
    // Encodings.
    (Date("%"), ENCODING),
    (Date("%2"), ENCODING),
    (Date("2022-10-01%"), ENCODING),
    (Date("%zz"), ENCODING),
    (Date("%ff"), ENCODING),
    (Date("%c0%80"), ENCODING),
    (Date("%ed%a0%80"), ENCODING),
    (Miner("f0%"), ENCODING),
    (Miner("f0%1"), ENCODING),
    (Miner("f0%g0"), ENCODING),
    (Miner("%fe%ff"), ENCODING),
    (Miner("%u0066"), ENCODING),
    (Miner("%25f01000"), MINER),
    (Query("state%5Fdate=x"), DATE),
    (Query("miner%5fid=x"), MINER),
    // Twice, and two spellings.
    (Query("state_date=2022-10-01&state_date=2022-10-01"), TWICE),
    (Query("state_date=2022-10-01&state_date="), TWICE),
    (Query("state_date=&state_date=x"), DATE),
    (Query("stat_date=2022-10-01&stat_date=2022-10-01"), TWICE),
    (Query("miner_id=f01000&miner_id=f01000"), TWICE),
    (Query("miner_id=f01000&miner_id=f01001"), TWICE),
    (Query("miner_id=f01000&x=1&miner%5Fid=f01000"), TWICE),
    (Query("state_date=2022-10-01&stat_date=2022-10-01"), SPELLINGS),
    (Query("stat_date=2022-10-01&state_date=2022-10-02"), SPELLINGS),
    (Query("state_date"), DATE),
    (Query("miner_id"), MINER),
    (Query("miner_id=="), MINER),
    (Query("&&&miner_id&&&"), MINER),
    (Query("state_date=2099-01-01&miner_id=x"), MINER),
    // Methods.
    (Method("POST"), METHOD),
    (Method("PUT"), METHOD),
    (Method("PATCH"), METHOD),
    (Method("DELETE"), METHOD),
    (Method("TRACE"), METHOD),
    (Method("QUERY"), METHOD),
    (Method("PROPFIND"), METHOD),
    (Method("PURGE"), METHOD),
    (Method("get"), METHOD),
    (Method("Get"), METHOD),
    (Method("GETT"), METHOD),
    (Method("HEADS"), METHOD),
    (Method("X"), METHOD),
    // Paths.
    (Path("/index.html"), UNKNOWN),
    (Path("/v2"), UNKNOWN),
    (Path("/v2/"), UNKNOWN),
    (Path("/v2/storage_provider"), UNKNOWN),
    (Path("/v2/storage_provider/sector"), UNKNOWN),
    (Path("/v2/storage_provider/sector/"), UNKNOWN),
    (Path("/v2/storage_provider/sector/totals"), UNKNOWN),
    (Path("/v2/storage_provider/sector/Total"), UNKNOWN),
    (Path("/v2/storage_provider/sector/TOTAL"), UNKNOWN),
    (Path("/V2/storage_provider/sector/total"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total/x"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total.json"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total;x=1"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total&state_date=2022-10-01"), UNKNOWN),
    (Path("/v2/storage_provider/sector/%74otal%"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total%00"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total%2f"), UNKNOWN),
    (Path("/v2/storage_provider%2fsector/total"), UNKNOWN),
    (Path("/v2/storage_provider/sector/../sector/total"), UNKNOWN),
    (Path("/v2/./storage_provider/sector/total"), UNKNOWN),
    (Path("/v2/storage_provider/sector/total/.."), UNKNOWN),
    (Path("/v2/storage-provider/sector/total"), UNKNOWN),
    (Path("/v2/storage_provider/sectors/total"), UNKNOWN),
    (Path("/v2/network/sector/total"), UNKNOWN),
    (Path("/v3/storage_provider/sector/total"), UNKNOWN),
    (Path("/storage_provider/sector/total"), UNKNOWN),
    (Path("/v2/storage_provider/sector/%ff"), UNKNOWN),
    (Path("/v2/storage_provider/sector/*"), UNKNOWN),
    (Path("/v2/storage_provider/sector/{endpoint}"), UNKNOWN),
    (Path("/../../etc/passwd"), UNKNOWN),
    (Path("/.git/config"), UNKNOWN),
    (Path("/favicon.ico"), UNKNOWN),
    // Headers.
    (Header("content-length: 65537"), (413, 413, "65536 bytes")),
    (Header("content-length: 9223372036854775807"), (413, 413, "65536 bytes")),
    (Header("content-length: 18446744073709551615"), TOO_LARGE),
    (Header("content-length: x"), UNREAD),
    (Header("content-length: -1"), UNREAD),
    (Header("content-length: 1, 2"), UNREAD),
    (Header("content-length: 1\r\ncontent-length: 2"), UNREAD),
    (Header("content-length: 18446744073709551616"), UNREAD),
    (Header("transfer-encoding: gzip"), UNREAD),
    (Header("no colon"), UNREAD),
    (Header("na me: x"), UNREAD),
    (Header("name : x"), UNREAD),
    (Header(": x"), UNREAD),
    (Header("x: a\u{1}b"), UNREAD),
    (Header(" folded: x"), UNREAD),
    // What is no request at all.
    (Raw("\u{0}\r\n\r\n"), UNREAD),
    (Raw("GET\r\n\r\n"), UNREAD),
    (Raw("GET /\r\n\r\n"), UNREAD),
    (Raw("GET / HTTP/9.9\r\n\r\n"), UNREAD),
    (Raw("GET / HTTP/2.0\r\n\r\n"), UNREAD),
    (Raw("GET / FTP/1.1\r\n\r\n"), UNREAD),
    (Raw("GET  / HTTP/1.1\r\n\r\n"), UNREAD),
    (Raw("GET / HTTP/1.1 x\r\n\r\n"), UNREAD),
    (Raw("GET \u{7f} HTTP/1.1\r\n\r\n"), UNREAD),
    (Raw("GET v2 HTTP/1.1\r\nconnection: close\r\n\r\n"), UNKNOWN),
    (Raw("(){:;}; / HTTP/1.1\r\n\r\n"), UNREAD),
    (Raw("{\"state_date\":\"2022-10-01\"}\r\n\r\n"), UNREAD),
    (Raw("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\r\n\r\n"), UNREAD),
];

/// What must be refused for its length: a head, and the expected answer.
fn overlong() -> Vec<(String, Expected)> {
    let get = |target: String| format!("GET {target} HTTP/1.1");
    let address: Expected = (414, 414, "8192");
    let many = "x: y\r\n".repeat(120);
    vec![
        (get(format!("{BASE}/total?state_date={}", "2".repeat(8192))), address),
        (get(format!("{BASE}/total?miner_id=f0{}", "1".repeat(9000))), address),
        (get(format!("{BASE}/total?x={}", "%41".repeat(3000))), address),
        (get(format!("{BASE}/total?{}", "&".repeat(9000))), address),
        (get("/".repeat(9000)), address),
        (get(format!("/{}", "a/".repeat(5000))), address),
        (get(format!("{BASE}/total?x={}", "x".repeat(70_000))), TOO_LARGE),
        (format!("POST {BASE}/total?x={} HTTP/1.1", "x".repeat(9000)), address),
        (get(format!("{BASE}/total?miner_id=f0{}", "0".repeat(7000) + "x")), MINER),
        (format!("GET {BASE}/total HTTP/1.1\r\n{}", many.trim_end()), TOO_LARGE),
        (format!("GET {BASE}/total HTTP/1.1\r\nx: {}", "x".repeat(600_000)), TOO_LARGE),
        (format!("GET {BASE}/total HTTP/1.1\r\n{}: y", "x".repeat(600_000)), TOO_LARGE),
    ]
}

fn answer(server: &Server, sent: Sent) -> Answer {
    let query = |query: String| server.get(&format!("{BASE}/total?{query}"));
    match sent {
        Date(value) => query(format!("state_date={value}")),
        Miner(value) => query(format!("miner_id={value}")),
        Query(text) => query(text.to_owned()),
        Path(path) => server.get(path),
        Method(method) => server.send(&format!("{method} {BASE}/total HTTP/1.1")),
        Header(header) => server.send(&format!("GET {BASE}/total HTTP/1.1\r\n{header}")),
        Raw(bytes) => {
            let mut stream = connect(server.address);
            stream.write_all(bytes.as_bytes()).expect("bytes are sent");
            finish(stream)
        }
    }
}

/// What is not as expected; nothing if all is.
fn difference(answer: &Answer, (status, code, part): Expected) -> Option<String> {
    if code == BARE {
        let is_closed = answer.header("connection").as_deref() == Some("close");
        let is_bare = answer.status == status && is_closed && answer.body.is_empty();
        return (!is_bare).then(|| format!("{answer:?}"));
    }
    let text = String::from_utf8_lossy(&answer.body);
    let shown = format!("{} {text}", answer.status);
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&answer.body) else {
        return Some(format!("no JSON: {shown}"));
    };
    let json = answer.header("content-type").as_deref() == Some("application/json");
    let message = body["message"].as_str().unwrap_or_default();
    let same = answer.status == status && body["code"] == code && message.contains(part);
    let id = body["request_id"].as_str().is_some_and(|id| id.contains('#'));
    let told = code != 30002 || message.contains("expected");
    let allowed = status != 405 || answer.header("allow").as_deref() == Some("GET,HEAD");
    let kept = answer.header("cache-control").as_deref() == Some("no-store");
    let open = answer.header("access-control-allow-origin").as_deref() == Some("*");
    let bare = body.get("data").is_none();
    (!(json && same && id && told && allowed && kept && open && bare)).then_some(shown)
}

#[test]
fn each_malformed_request_gets_its_answer() {
    let server = Server::start(1, quick());
    let overlong = overlong();
    assert!(TABLE.len() + overlong.len() >= 150, "{} requests", TABLE.len() + overlong.len());
    let mut wrong = Vec::new();
    for (sent, expected) in TABLE {
        if let Some(shown) = difference(&answer(&server, *sent), *expected) {
            wrong.push(format!("{sent:?}: expected {expected:?}, got {shown}"));
        }
    }
    for (head, expected) in overlong {
        if let Some(shown) = difference(&server.send(&head), expected) {
            let head: String = head.chars().take(60).collect();
            wrong.push(format!("{head}…: expected {expected:?}, got {shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.ask("total").data();
}

#[test]
fn the_same_is_said_of_them_when_there_is_a_token() {
    let server = Server::start(1, Config { token: Some("open-sesame".to_owned()), ..quick() });
    // Who is not let in is told so first, and no more.
    for (sent, (status, code, _)) in TABLE {
        let answer = answer(&server, *sent);
        match code {
            30002 | 30004 => {
                answer.refused(401, 10011);
            }
            _ => assert_eq!(answer.status, *status, "{sent:?}"),
        }
    }
}
