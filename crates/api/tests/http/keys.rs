//! Keys: made, used up, outlived, taken back, all while the server runs.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use api::Config;
use api::keys::{KeyStore, Terms, digest, new_token};
use tempfile::TempDir;

use crate::client::Answer;
use crate::server::{BASE, DAYS, Server, now, quick, wait};

/// A server, and the file of keys beside its lake.
struct Guarded {
    server: Server,
    data: TempDir,
}

impl Guarded {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let keys = Some(KeyStore::path(data.path()));
        let mut config = Config { keys, key_sync_interval: Duration::from_millis(20), ..quick() };
        change(&mut config);
        Self { server: Server::start(3, config), data }
    }

    fn path(&self) -> PathBuf {
        KeyStore::path(self.data.path())
    }

    fn store(&self) -> KeyStore {
        KeyStore::open_or_create(&self.path()).expect("a file of keys")
    }

    /// Makes a key, and waits until the server knows it.
    fn key(&self, name: &str, terms: &Terms) -> String {
        let token = new_token().expect("randomness");
        self.store().create(name, &digest(&token), terms, now()).expect("a key");
        wait(|| self.knows(&token));
        token
    }

    /// Whether the server asks for keys and knows this one; asks for what costs no quota of a key for `sector`.
    fn knows(&self, token: &str) -> bool {
        // In this order: until there are keys anybody is answered, and nobody's use is counted.
        if self.server.get("/metrics").status == 200 {
            return false;
        }
        let answer = self.get("/metrics", token);
        answer.status != 429 && !answer.text().contains("\"code\":10011")
    }

    /// Changes the file of keys as another program may.
    fn change(&self, statement: &str) {
        let other = rusqlite::Connection::open(self.path()).expect("the same file");
        other.execute_batch(statement).expect("a change");
    }

    fn get(&self, target: &str, token: &str) -> Answer {
        self.server.send(&format!("GET {target} HTTP/1.1\r\nauthorization: Bearer {token}"))
    }

    fn ask(&self, rest: &str, token: &str) -> Answer {
        self.get(&format!("{BASE}/{rest}"), token)
    }
}

#[test]
fn a_key_made_while_serving_lets_in_and_is_asked_for_from_then_on() {
    let guarded = Guarded::new(|_| {});
    guarded.server.ask("total").data();
    let token = guarded.key("alice", &Terms::default());
    guarded.ask("total", &token).data();
    guarded.server.ask("total").refused(401, 10011);
    assert_eq!(guarded.server.get("/healthz").status, 200);
    assert_eq!(guarded.server.get("/readyz").status, 200);
    assert_eq!(guarded.server.get("/metrics").status, 401);
}

#[test]
fn a_revoked_key_and_one_that_has_expired_are_10012() {
    let guarded = Guarded::new(|_| {});
    let (token, other) = (guarded.key("alice", &Terms::default()), guarded.key("bob", &Terms::default()));
    guarded.ask("total", &token).data();
    assert!(guarded.store().revoke("alice", now()).expect("there"));
    wait(|| guarded.ask("total", &token).status != 200);
    let answer = guarded.ask("total", &token);
    assert_eq!(answer.refused(401, 10012), "The token has expired.");
    assert_eq!(answer.header("www-authenticate").as_deref(), Some("Bearer"));
    guarded.ask("total", &other).data();
    let terms = Terms { expires_at: Some(now() - 1), ..Terms::default() };
    let token = guarded.key("carol", &terms);
    assert_eq!(guarded.ask("total", &token).refused(401, 10012), "The token has expired.");
}

#[test]
fn a_quota_that_is_used_up_is_30001_and_says_when_it_resets() {
    let guarded = Guarded::new(|_| {});
    let scope = "sector".parse().ok();
    let token = guarded.key("alice", &Terms { quota: "3/day".parse().ok(), scope, ..Terms::default() });
    for left in ["2", "1", "0"] {
        let answer = guarded.ask("total", &token);
        answer.data();
        assert_eq!(answer.header("ratelimit-limit").as_deref(), Some("3"));
        assert_eq!(answer.header("ratelimit-remaining").as_deref(), Some(left));
        let reset: i64 = answer.header("ratelimit-reset").and_then(|of| of.parse().ok()).expect("seconds");
        assert!((1..=86_400).contains(&reset), "{reset}");
    }
    let answer = guarded.ask("total", &token);
    let message = answer.refused(200, 30001);
    assert!(message.starts_with("Spacescope API forbidden: quota limited. "), "{message}");
    assert!(message.contains("3 requests a day") && message.contains("resets at 20"), "{message}");
    assert_eq!(answer.header("ratelimit-remaining").as_deref(), Some("0"));
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_day_before_the_keys_window_is_30001() {
    let guarded = Guarded::new(|_| {});
    let token = guarded.key("alice", &Terms { history_days: NonZeroU32::new(2), ..Terms::default() });
    guarded.ask("total", &token).data();
    guarded.ask(&format!("total?state_date={}", DAYS[1]), &token).data();
    for day in [DAYS[0], "2022-09-01", "0000-01-01"] {
        let message = guarded.ask(&format!("total?state_date={day}"), &token).refused(200, 30001);
        assert!(message.starts_with("Spacescope API forbidden: historical limited. "), "{message}");
        assert!(message.contains(day) && message.contains(DAYS[1]), "{message}");
    }
    guarded.ask("total?state_date=2022-10-04", &token).refused(200, 30004);
}

#[test]
fn an_endpoint_outside_the_keys_scope_is_30001() {
    let guarded = Guarded::new(|_| {});
    let scope = "sector/total,sector/fault".parse().ok();
    let token = guarded.key("alice", &Terms { scope, ..Terms::default() });
    guarded.ask("total", &token).data();
    guarded.ask("fault", &token).data();
    let message = guarded.ask("terminate", &token).refused(200, 30001);
    assert!(message.starts_with("Spacescope API forbidden: API limited. "), "{message}");
    assert!(
        message.contains("sector/terminate") && message.contains("sector/total,sector/fault"),
        "{message}"
    );
    guarded.get("/metrics", &token).refused(200, 30001);
}

#[test]
fn v1_stands_behind_the_same_gate_and_says_so_in_its_own_form() {
    let guarded = Guarded::new(|_| {});
    let problem = |answer: &Answer, status: u16, kind: &str| {
        assert_eq!(answer.status, status, "{}", answer.text());
        assert_eq!(answer.header("content-type").as_deref(), Some("application/problem+json"));
        let body: serde_json::Value = serde_json::from_str(answer.text()).expect("JSON");
        assert_eq!(body["type"], format!("/docs#{kind}"));
        assert_eq!(body["status"], status);
    };
    let recent = Terms { history_days: NonZeroU32::new(2), ..Terms::default() };
    let token = guarded.key("recent", &recent);
    let stranger = guarded.server.get("/v1/status");
    problem(&stranger, 401, "token");
    assert_eq!(stranger.header("www-authenticate").as_deref(), Some("Bearer"));

    let daily = "/v1/sectors/daily?miner=f01000";
    assert_eq!(guarded.get(&format!("{daily}&from={}&to={}", DAYS[1], DAYS[2]), &token).status, 200);
    problem(&guarded.get(&format!("{daily}&from={}&to={}", DAYS[0], DAYS[2]), &token), 403, "history");
    let explain = "/v1/explain?column=total_sector_qap&miner=f01000&day=";
    assert_eq!(guarded.get(&format!("{explain}{}", DAYS[2]), &token).status, 200);
    problem(&guarded.get(&format!("{explain}{}", DAYS[0]), &token), 403, "history");
    // The sector was onboarded on the first day, which the key does not see.
    problem(&guarded.get("/v1/miners/f01000/sectors/1", &token), 403, "history");

    let scope = Some("v1/miners,metrics".parse().expect("a scope"));
    let token = guarded.key("scoped", &Terms { scope, ..Terms::default() });
    assert_eq!(guarded.get("/v1/miners/f01000", &token).status, 200);
    problem(&guarded.get(daily, &token), 403, "scope");

    let quota = Some("1/day".parse().expect("a quota"));
    let token = guarded
        .key("one", &Terms { quota, scope: Some("v1/status".parse().expect("a scope")), ..Terms::default() });
    assert_eq!(guarded.get("/v1/status", &token).status, 200);
    let over = guarded.get("/v1/status", &token);
    problem(&over, 429, "quota");
    assert!(
        over.header("retry-after").is_some() && over.header("ratelimit-remaining").as_deref() == Some("0")
    );
    // What tells of the interface is for everyone.
    for open in ["/openapi.json", "/docs"] {
        assert_eq!(guarded.server.get(open).status, 200, "{open}");
    }
}

#[test]
fn a_key_may_be_for_the_figures_alone() {
    let guarded = Guarded::new(|_| {});
    let token = guarded.key("prometheus", &Terms { scope: "metrics".parse().ok(), ..Terms::default() });
    assert_eq!(guarded.get("/metrics", &token).status, 200);
    guarded.ask("total", &token).refused(200, 30001);
}

#[test]
fn who_asks_too_fast_is_429_and_others_are_not() {
    let guarded = Guarded::new(|config| config.key_rate = "40/min".parse().ok());
    let (token, other) = (guarded.key("alice", &Terms::default()), guarded.key("bob", &Terms::default()));
    let answers: Vec<_> = (0..45).map(|_| guarded.ask("total", &token)).collect();
    let last = answers.last().expect("answers");
    let message = last.refused(429, 429);
    assert!(message.contains("40 requests a minute") && message.contains("key"), "{message}");
    assert_eq!(last.header("ratelimit-limit").as_deref(), Some("40"));
    assert_eq!(last.header("ratelimit-remaining").as_deref(), Some("0"));
    let wait: u64 = last.header("retry-after").and_then(|of| of.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    guarded.ask("total", &other).data();
    assert!(answers[0].header("ratelimit-remaining").is_some());
}

#[test]
fn addresses_without_a_key_are_slowed_down_one_by_one() {
    let config = Config { address_rate: "3/min".parse().ok(), behind_proxy: true, ..quick() };
    let server = Server::start(1, config);
    let from = |address: &str, path: &str| {
        server.send(&format!("GET {path} HTTP/1.1\r\nx-forwarded-for: 198.51.100.7, {address}"))
    };
    let total = format!("{BASE}/total");
    for left in ["2", "1", "0"] {
        assert_eq!(from("192.0.2.1", &total).header("ratelimit-remaining").as_deref(), Some(left));
    }
    let message = from("192.0.2.1", &total).refused(429, 429);
    assert!(message.contains("address"), "{message}");
    from("192.0.2.2", &total).data();
    from("192.0.2.1", "/nowhere").refused(429, 429);
    assert_eq!(from("192.0.2.1", "/healthz").status, 200);
    let problem = from("192.0.2.1", "/v1/status");
    assert_eq!(problem.status, 429);
    assert_eq!(problem.header("content-type").as_deref(), Some("application/problem+json"));
    assert!(problem.header("retry-after").is_some());
}

#[test]
fn guesses_are_slowed_down_and_keys_are_not_by_them() {
    let data = tempfile::tempdir().expect("a directory");
    let (path, token) = (KeyStore::path(data.path()), new_token().expect("randomness"));
    let store = KeyStore::open_or_create(&path).expect("a file of keys");
    store.create("alice", &digest(&token), &Terms::default(), now()).expect("a key");
    let address_rate = "30/min".parse().ok();
    let server = Server::start(3, Config { keys: Some(path), address_rate, ..quick() });
    let guarded = Guarded { server, data };
    let guesses: Vec<_> = (0..40).map(|_| guarded.ask("total", "guess").status).collect();
    assert!(guesses.contains(&401) && guesses.last() == Some(&429), "{guesses:?}");
    guarded.ask("total", &token).data();
}

#[test]
fn with_the_first_key_guesses_are_slowed_down_and_before_it_nobody_is() {
    let guarded = Guarded::new(|config| {
        config.address_rate = "30/min".parse().ok();
        config.address_rate_when_open = false;
    });
    for _ in 0..50 {
        guarded.server.ask("total").data();
    }
    let token = guarded.key("alice", &Terms::default());
    let guesses: Vec<_> = (0..40).map(|_| guarded.ask("total", "guess").status).collect();
    assert!(guesses.last() == Some(&429), "{guesses:?}");
    guarded.ask("total", &token).data();
}

#[test]
fn a_key_that_cannot_be_read_lets_nobody_in_and_stops_no_revocation() {
    let guarded = Guarded::new(|_| {});
    let (alice, bob) = (guarded.key("alice", &Terms::default()), guarded.key("bob", &Terms::default()));
    guarded.ask("total", &alice).data();
    // As a newer program may write it.
    guarded.change("UPDATE keys SET scope = 'v3' WHERE name = 'alice'");
    wait(|| guarded.ask("total", &alice).status == 401);
    guarded.ask("total", &bob).data();
    let figures = guarded.get("/metrics", &bob);
    assert!(figures.text().contains("sectorscope_keys_unreadable 1.0\n"), "{}", figures.text());
    assert!(guarded.store().revoke("bob", now()).expect("there"));
    wait(|| guarded.ask("total", &bob).status == 401);
    let carol = guarded.key("carol", &Terms::default());
    guarded.change("UPDATE keys SET scope = NULL WHERE name = 'alice'");
    wait(|| guarded.ask("total", &alice).status == 200);
    guarded.ask("total", &carol).data();
}

#[test]
fn a_file_of_keys_with_more_in_it_lets_nobody_in() {
    let guarded = Guarded::new(|_| {});
    let token = guarded.key("alice", &Terms::default());
    guarded
        .change("CREATE TRIGGER free AFTER UPDATE ON keys BEGIN UPDATE keys SET quota_requests = NULL; END");
    let config = Config { keys: Some(guarded.path()), ..quick() };
    let server = Server::start(1, config);
    let head = format!("GET {BASE}/total HTTP/1.1\r\nauthorization: Bearer {token}");
    server.send(&head).refused(401, 10011);
    // One that has it open goes on with what it has, and runs none of that.
    guarded.ask("total", &token).data();
}

#[test]
fn use_is_counted_and_written_down() {
    let mut guarded = Guarded::new(|_| {});
    let token = guarded.key("alice", &Terms { scope: "sector".parse().ok(), ..Terms::default() });
    wait(|| guarded.store().usage("alice").is_ok_and(|days| !days.is_empty()));
    let (mut before, mut bytes) = ((0, 0, 0), 0);
    let sum = |store: &KeyStore| {
        let days = store.usage("alice").expect("usage");
        days.iter().fold((0, 0, 0), |of, day| (of.0 + day.requests, of.1 + day.refused, of.2 + day.bytes))
    };
    // What was asked while the key was waited for is written down first.
    wait(|| {
        let now = sum(&guarded.store());
        std::mem::replace(&mut before, now) == now
    });
    for _ in 0..10 {
        bytes += guarded.ask("total", &token).body.len() as i64;
        bytes += guarded.get("/metrics", &token).body.len() as i64;
    }
    guarded.server.ask_to_stop();
    let Guarded { server, data } = guarded;
    server.ended();
    let store = KeyStore::open(&KeyStore::path(data.path())).expect("a file").expect("is there");
    let after = sum(&store);
    assert_eq!((after.0 - before.0, after.1 - before.1, after.2 - before.2), (20, 10, bytes));
}

#[test]
fn a_file_of_keys_that_cannot_be_read_lets_nobody_in() {
    let data = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(data.path());
    std::fs::write(&path, "no database, but quite some text".repeat(50)).expect("a file");
    let key_sync_interval = Duration::from_millis(20);
    let server = Server::start(1, Config { keys: Some(path.clone()), key_sync_interval, ..quick() });
    server.ask("total").refused(401, 10011);
    std::fs::remove_file(&path).expect("removed");
    let token = new_token().expect("randomness");
    let store = KeyStore::open_or_create(&path).expect("a file of keys");
    store.create("alice", &digest(&token), &Terms::default(), now()).expect("a key");
    let head = format!("GET {BASE}/total HTTP/1.1\r\nauthorization: Bearer {token}");
    wait(|| server.send(&head).status == 200);
}

#[test]
fn a_token_and_keys_go_together() {
    let guarded = Guarded::new(|config| config.token = Some("open-sesame".to_owned()));
    let token = guarded.key("alice", &Terms::default());
    guarded.ask("total", &token).data();
    guarded.ask("total", "open-sesame").data();
    guarded.ask("total", "close-sesame").refused(401, 10011);
}
