//! `sectorscope keys`, and what is known of a key's use: logs, figures, the file of keys. The token is in none of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::data::files;
use common::http::{SECTOR, get_with};
use common::server::{Serve, up};
use common::{run, run_in};
use serde_json::Value;
use tempfile::TempDir;

/// A data directory of one's own over the lake that all tests share.
fn data() -> TempDir {
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(up().data.join("lake"), data.path().join("lake")).unwrap();
    data
}

fn create(data: &Path, arguments: &[&str]) -> String {
    let printed = run_in(data, &[&["keys", "create"], arguments].concat()).printed();
    printed.trim_end().to_owned()
}

fn json(data: &Path, arguments: &[&str]) -> Value {
    let printed = run_in(data, &[arguments, &["--format", "json"]].concat()).printed();
    serde_json::from_str(&printed).unwrap()
}

fn bearer(token: &str) -> String {
    format!("authorization: Bearer {token}\r\n")
}

fn wait(mut until: impl FnMut() -> bool) {
    let started = Instant::now();
    while !until() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited too long");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_key_is_made_listed_and_revoked() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    assert!(run_in(data, &["keys", "list"]).printed().contains("no keys"));
    assert_eq!(json(data, &["keys", "list"]), Value::Array(Vec::new()));
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0, "listing makes nothing");

    let terms =
        ["--expires", "90d", "--quota", "10000/day", "--history", "365d", "--scope", "sector/total,v1"];
    let token = create(data, &[&["alice"][..], &terms].concat());
    assert!(token.starts_with("sectorscope_") && !token.contains('\n'), "{token}");
    let other = json(data, &["keys", "create", "bob"]);
    assert_eq!(other["name"], "bob");
    assert_ne!(other["token"], token.as_str());

    let listed = json(data, &["keys", "list"]);
    let (alice, bob) = (&listed[0], &listed[1]);
    assert_eq!((&alice["name"], &alice["state"]), (&"alice".into(), &"good".into()));
    assert_eq!((&alice["quota"], &alice["quota_used"]), (&"10000/day".into(), &0.into()));
    assert_eq!((&alice["history_days"], &alice["scope"]), (&365.into(), &"sector/total,v1".into()));
    let lasts = alice["expires_at"].as_i64().unwrap() - alice["created_at"].as_i64().unwrap();
    // Making it may take the clock over the end of a second.
    assert!((90 * 86_400 - 5..=90 * 86_400).contains(&lasts), "{lasts}");
    assert_eq!([&bob["expires_at"], &bob["quota"], &bob["history_days"], &bob["scope"]], [&Value::Null; 4]);
    let table = run_in(data, &["keys", "list"]).printed();
    assert!(table.contains("0 of 10000/day") && table.contains("everything"), "{table}");

    assert!(run_in(data, &["keys", "revoke", "alice"]).printed().contains("is revoked"));
    assert!(run_in(data, &["keys", "revoke", "alice"]).printed().contains("before"));
    assert_eq!(json(data, &["keys", "list"])[0]["state"], "revoked");
    let error = run_in(data, &["keys", "create", "alice"]);
    assert!(error.error().contains("choose another name"), "{error:?}");
    let error = run_in(data, &["keys", "revoke", "nobody"]);
    assert!(error.error().contains("sectorscope keys list"), "{error:?}");
    for (path, bytes) in files(data) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(&token[12..]), "{}", path.display());
    }
}

#[cfg(unix)]
#[test]
fn the_file_of_keys_is_its_owners_alone() {
    let data = tempfile::tempdir().unwrap();
    create(data.path(), &["alice"]);
    let about = std::fs::metadata(data.path().join("keys.sqlite")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777, 0o600);
}

#[test]
fn what_cannot_be_a_key_is_wrong_usage() {
    for (arguments, said) in [
        (["two words", "--quota", "1/day"], "no name"),
        (["alice", "--quota", "many"], "no quota"),
        (["alice", "--quota", "1/week"], "no quota"),
        (["alice", "--expires", "soon"], "no span"),
        (["alice", "--history", "36h"], "no history window"),
        (["alice", "--scope", "sector/totals"], "nothing that a key can be for"),
    ] {
        let ran = run([&["keys", "create"], &arguments[..]].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn keys_open_a_public_address_and_a_running_server_learns_of_them() {
    let data = data();
    let data = data.path();
    let token = create(data, &["alice", "--quota", "3/day"]);
    // With a key there is no need for --public.
    let server = Serve::start(data, &["--listen", "0.0.0.0:0"], &[]);
    assert_eq!(server.ask("").status, 401);
    assert!(server.ask(&bearer(&token)).data().contains("f0107"));

    let bob = create(data, &["bob"]);
    wait(|| server.ask(&bearer(&bob)).status == 200);
    run_in(data, &["keys", "revoke", "bob"]).printed();
    wait(|| server.ask(&bearer(&bob)).status == 401);
    let body: Value = serde_json::from_str(&server.ask(&bearer(&bob)).body).unwrap();
    assert_eq!((&body["code"], &body["message"]), (&10012.into(), &"The token has expired.".into()));

    server.ask(&bearer(&token));
    server.ask(&bearer(&token));
    let body: Value = serde_json::from_str(&server.ask(&bearer(&token)).body).unwrap();
    assert_eq!(body["code"], 30001, "{body}");
    wait(|| json(data, &["keys", "usage", "alice"])["key"]["requests"] == 4);
    let usage = json(data, &["keys", "usage", "alice"]);
    assert_eq!(usage["days"][0]["refused"], 1, "{usage}");
    assert_eq!(usage["key"]["quota_used"], 3, "{usage}");
    assert!(usage["days"][0]["bytes"].as_i64().is_some_and(|bytes| bytes > 1000), "{usage}");
    let table = run_in(data, &["keys", "usage", "alice"]).printed();
    assert!(table.contains("quota 3 of 3/day, resets 20"), "{table}");

    // What was used stays used when the server begins anew.
    drop(server);
    let server = Serve::start(data, &[], &[]);
    let body: Value = serde_json::from_str(&server.ask(&bearer(&token)).body).unwrap();
    assert_eq!(body["code"], 30001, "{body}");
}

#[test]
fn a_damaged_file_of_keys_is_said_before_anything_is_served() {
    let data = data();
    std::fs::write(data.path().join("keys.sqlite"), "no database, but quite some text".repeat(50)).unwrap();
    let ran = run_in(data.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(ran.error().contains("keys.sqlite"), "{ran:?}");
}

/// Changes the file of keys as another program may.
fn change(data: &Path, statement: &str) {
    let other = rusqlite::Connection::open(data.join("keys.sqlite")).unwrap();
    other.execute_batch(statement).unwrap();
}

#[test]
fn a_file_of_keys_that_is_not_ours_is_refused_by_every_command() {
    for statement in [
        "CREATE TRIGGER free AFTER UPDATE ON keys BEGIN UPDATE keys SET quota_requests = NULL; END",
        "ALTER TABLE keys RENAME TO hidden; CREATE VIEW keys AS WITH RECURSIVE n (i) AS
             (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n",
    ] {
        let data = data();
        create(data.path(), &["alice"]);
        change(data.path(), statement);
        for command in [
            &["keys", "list"][..],
            &["keys", "create", "bob"],
            &["keys", "revoke", "alice"],
            &["keys", "usage", "alice"],
            &["serve", "--listen", "127.0.0.1:0"],
        ] {
            let ran = run_in(data.path(), command);
            assert!(ran.error().contains("is not as this program makes it"), "{command:?}: {ran:?}");
        }
    }
}

#[test]
fn a_key_that_cannot_be_read_is_listed_as_such_and_forges_nothing() {
    let data = tempfile::tempdir().unwrap();
    let data = data.path();
    for name in ["alice", "bob"] {
        create(data, &[name]);
    }
    change(
        data,
        "UPDATE keys SET name = char(27) || '[31mroot' || char(10) || 'carol  good' WHERE name = 'bob'",
    );
    let ran = run_in(data, &["keys", "list"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains("\u{1b}[31m"), "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "a heading and two keys: {ran:?}");
    assert!(lines[1].contains("alice") && lines[1].contains("good"), "{ran:?}");
    assert!(
        lines[2].contains("unreadable") && ran.stderr.contains("the name of this key cannot be read"),
        "{ran:?}"
    );
    let listed: Value =
        serde_json::from_str(&run_in(data, &["keys", "list", "--format", "json"]).stdout).unwrap();
    assert_eq!((&listed[1]["state"], &listed[1]["created_at"]), (&"unreadable".into(), &Value::Null));
}

#[cfg(unix)]
#[test]
fn files_of_secrets_that_others_may_get_at_are_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let data = data();
    create(data.path(), &["alice"]);
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (keys, token) = (data.path().join("keys.sqlite"), data.path().join("token"));
    run_in(data.path(), &["keys", "list"]).printed();
    mode(&keys, 0o666);
    let ran = run_in(data.path(), &["keys", "list"]);
    assert!(ran.stderr.contains("may read and write") && ran.stderr.contains("keys.sqlite"), "{ran:?}");
    std::fs::write(&token, "sesame").unwrap();
    mode(&token, 0o644);
    let log = data.path().join("log");
    let mut server = Serve::logging(data.path(), &["--token-file", token.to_str().unwrap()], &[], &log);
    assert_eq!(server.ask(&bearer("sesame")).status, 200);
    server.signal("TERM");
    server.ended(Duration::from_secs(30));
    let log = std::fs::read_to_string(&log).unwrap();
    for said in ["may read and write", "keys.sqlite", "the token is not safe", "may read"] {
        assert!(log.contains(said), "{log}");
    }
}

#[test]
fn the_log_names_request_and_key_in_json() {
    let data = data();
    let token = create(data.path(), &["alice"]);
    let log = data.path().join("log");
    let mut server = Serve::logging(data.path(), &["-v", "--log-format", "json"], &[], &log);
    let answer = server.ask(&format!("{}x-request-id: mine-1\r\n", bearer(&token)));
    server.ask("");
    server.signal("TERM");
    server.ended(Duration::from_secs(30));
    let text = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
    let [good, denied] = answered.as_slice() else { panic!("{text}") };
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(good["request_id"], body["request_id"]);
    assert_eq!((&good["client_request_id"], &good["key"]), (&"mine-1".into(), &"alice".into()));
    assert_eq!((&good["status"], &good["code"]), (&200.into(), &0.into()));
    assert_eq!((&good["method"], &good["path"]), (&"GET".into(), &format!("{SECTOR}/total").into()));
    assert_eq!(good["bytes"], answer.body.len());
    assert!(good["microseconds"].as_u64().is_some_and(|time| time > 0), "{good}");
    assert_eq!((&denied["status"], &denied["denied"]), (&401.into(), &"token".into()));
    assert!(denied.get("key").is_none(), "{denied}");
}

/// Tokens, good and bad, are sent in every way that clients get it right and wrong; afterwards no part of one is found in
/// anything that is written or answered, with every logger at its loudest.
#[test]
fn tokens_are_nowhere() {
    let data = data();
    let path = data.path();
    let (good, revoked) = (create(path, &["alice", "--quota", "2/day"]), create(path, &["bob"]));
    run_in(path, &["keys", "revoke", "bob"]).printed();
    let single = "opensesame0123456789abcdef";
    let unknown = good.chars().rev().collect::<String>();
    let file = path.join("token");
    std::fs::write(&file, single).unwrap();
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let arguments = ["--log-format", "json", "--token-file", file.to_str().unwrap()];
    let mut server = Serve::logging(path, &arguments, &[("RUST_LOG", "trace")], &log);
    let mut said = String::new();
    for token in [good.as_str(), &revoked, single, &unknown] {
        for header in [
            bearer(token),
            format!("authorization: {token}\r\n"),
            format!("authorization: Bearer \"{token}\"\r\n"),
            format!("authorization: Bearer Bearer {token}\r\n"),
            format!("authorization: Bearer {token}\r\nauthorization: Bearer {token}\r\n"),
            format!("authorization: Bearer {token}{token}\r\n"),
        ] {
            for target in [
                format!("{SECTOR}/total"),
                format!("{SECTOR}/total?token={token}"),
                "/metrics".to_owned(),
                "/readyz".to_owned(),
                "/nowhere".to_owned(),
            ] {
                let answer = get_with(server.address, &target, &header);
                said.push_str(&answer.head);
                said.push_str(&answer.body);
            }
        }
    }
    said.push_str(&run_in(path, &["keys", "list"]).printed());
    server.signal("TERM");
    server.ended(Duration::from_secs(30));
    std::fs::remove_file(&file).unwrap();
    said.push_str(&run_in(path, &["keys", "usage", "alice"]).printed());
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(log.contains("\"level\":\"DEBUG\""), "the log is at its loudest");
    assert!(log.contains("\"key\":\"alice\""), "the key is named");
    let mut places = vec![("answers".to_owned(), said), ("log".to_owned(), log)];
    for (path, bytes) in files(path) {
        if !path.components().any(|part| part.as_os_str() == "lake") {
            places.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    assert!(places.len() > 2, "the file of keys is looked into");
    for (place, text) in places {
        for token in [&good[12..], &revoked[12..], single, &unknown[..64]] {
            // A part of it would be too much.
            for part in [&token[..16], &token[token.len() - 16..]] {
                let at = text.find(part).map(|at| &text[at.saturating_sub(200)..at]);
                assert!(at.is_none(), "{place}: after {at:?}");
            }
        }
    }
}
