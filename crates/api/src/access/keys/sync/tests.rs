use super::*;
use crate::access::keys::Terms;
use crate::access::keys::token::digest;

/// A server's part of the work: a ring and its keeper.
struct Server {
    key_set: ArcSwap<KeySet>,
    key_sync: KeySync,
}

impl Server {
    fn new(path: &Path) -> Self {
        let key_set = ArcSwap::from_pointee(KeySet::new(None, None));
        Self { key_set, key_sync: KeySync::new(path.to_owned(), None) }
    }

    fn sync(&mut self) {
        self.sync_at(NOW);
    }

    fn sync_at(&mut self, now: i64) {
        self.key_sync.sync(&self.key_set, now).expect("a store");
    }

    /// Asks once with alice's token; how many requests are left, if it was let in.
    fn ask(&self) -> Option<u32> {
        self.ask_at(NOW).ok()
    }

    /// As [`Server::ask`], or when the quota resets.
    fn ask_at(&self, now: i64) -> Result<u32, i64> {
        let key_set = self.key_set.load();
        let key = key_set.find("a").expect("alice");
        let quota = key.terms.quota.expect("a quota");
        key.counters.record_request(now);
        let taken = key.counters.take_request(quota, now);
        taken.map(|taken| taken.remaining).map_err(|used_up| used_up.resets_at)
    }
}

const DAY: i64 = 86_400;
const NOW: i64 = DAY * 3 + 5;

fn alice(path: &Path) -> KeyStore {
    let store = KeyStore::open_or_create(path).expect("a store");
    let terms = Terms { quota: "5/day".parse().ok(), ..Terms::default() };
    store.create("alice", &digest("a"), &terms, 0).expect("a key");
    store
}

#[test]
fn keys_are_taken_in_when_they_come_and_when_they_change() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    let mut server = Server::new(&path);
    server.sync();
    assert!(!server.key_set.load().requires_key());
    let store = alice(&path);
    server.sync();
    assert!(server.key_set.load().find("a").is_some());
    store.create("bob", &digest("b"), &Terms::default(), 0).expect("a key");
    store.revoke("alice", 1).expect("revoked");
    server.sync();
    let key_set = server.key_set.load();
    assert!(key_set.find("b").is_some());
    assert_eq!(key_set.find("a").map(|key| key.state(1)), Some(crate::access::keys::KeyState::Revoked));
}

#[test]
fn a_quota_survives_a_restart_and_is_shared_by_two_servers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    let store = alice(&path);
    let mut first = Server::new(&path);
    first.sync();
    assert_eq!([first.ask(), first.ask()], [Some(4), Some(3)]);
    first.sync();
    let mut second = Server::new(&path);
    second.sync();
    assert_eq!(second.ask(), Some(2));
    second.sync();
    first.sync();
    assert_eq!([first.ask(), first.ask(), first.ask()], [Some(1), Some(0), None]);
    first.sync();
    second.sync();
    assert_eq!(second.ask(), None);
    drop((first, second));
    let mut third = Server::new(&path);
    third.sync();
    assert_eq!(third.ask(), None);
    assert_eq!(store.usage("alice").expect("usage")[0].requests, 6, "the last two are not written yet");
}

/// What `keys list` says of alice's quota.
fn listed(path: &Path, now: i64) -> (u32, i64) {
    let store = KeyStore::open(path).expect("a file").expect("is there");
    let used = store.counts().expect("counts").expect("are there").all().expect("all");
    let keys = store.keys().expect("keys");
    used[&keys.readable[0].fingerprint()].of_quota("5/day".parse().expect("a quota"), now)
}

#[test]
fn a_clock_that_was_ahead_shuts_nobody_out_after_a_restart_or_without() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    drop(alice(&path));
    let years = NOW + 20 * 365 * DAY;
    let mut server = Server::new(&path);
    server.sync_at(years);
    assert_eq!((0..5).filter(|_| server.ask_at(years).is_ok()).count(), 5);
    assert_eq!(server.ask_at(years), Err(years - 5 + DAY));
    server.sync_at(years);
    assert_eq!(listed(&path, years), (5, years - 5 + DAY));
    // The clock is put right: all say the same.
    assert_eq!(listed(&path, NOW), (0, DAY * 4));
    let mut restarted = Server::new(&path);
    restarted.sync();
    assert_eq!(restarted.ask(), Some(4));
    restarted.sync();
    assert_eq!(listed(&path, NOW), (1, DAY * 4));
    server.sync();
    assert_eq!(
        [server.ask(), server.ask(), server.ask(), server.ask()],
        [Some(3), Some(2), Some(1), Some(0)]
    );
    assert_eq!(server.ask_at(NOW), Err(DAY * 4));
    server.sync();
    assert_eq!(listed(&path, NOW), (5, DAY * 4));
    restarted.sync();
    assert_eq!(restarted.ask_at(NOW), Err(DAY * 4));
}

#[test]
fn a_clock_that_is_set_back_within_a_period_gives_nothing_back_and_all_say_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    drop(alice(&path));
    let mut server = Server::new(&path);
    server.sync_at(NOW + DAY);
    assert_eq!((0..5).filter(|_| server.ask_at(NOW + DAY).is_ok()).count(), 5);
    server.sync_at(NOW + DAY);
    assert_eq!(server.ask_at(NOW), Err(DAY * 5));
    assert_eq!(listed(&path, NOW), (5, DAY * 5));
    let mut restarted = Server::new(&path);
    restarted.sync();
    assert_eq!(restarted.ask_at(NOW), Err(DAY * 5));
}

#[test]
fn what_another_server_counts_is_no_change_of_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    let store = alice(&path);
    let (mut first, mut second) = (Server::new(&path), Server::new(&path));
    first.sync();
    second.sync();
    let before = second.key_set.load_full();
    for left in [4, 3, 2] {
        assert_eq!(first.ask(), Some(left));
        first.sync();
        second.sync();
    }
    assert!(Arc::ptr_eq(&before, &second.key_set.load_full()), "nothing was taken in");
    assert_eq!(second.ask(), Some(1), "but what was counted was");
    store.revoke("alice", 1).expect("revoked");
    second.sync();
    assert!(!Arc::ptr_eq(&before, &second.key_set.load_full()));
}

#[test]
fn keys_are_taken_in_also_where_nothing_can_be_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    let store = alice(&path);
    let mut server = Server::new(&path);
    std::fs::write(UsageStore::path(&path), "no database, but quite some text".repeat(50)).expect("a file");
    assert!(server.key_sync.sync(&server.key_set, NOW).is_err());
    assert!(server.key_set.load().find("a").is_some());
    store.revoke("alice", 1).expect("revoked");
    assert!(server.key_sync.sync(&server.key_set, NOW).is_err());
    let standing = server.key_set.load().find("a").map(|key| key.state(1));
    assert_eq!(standing, Some(crate::access::keys::KeyState::Revoked));
}

#[test]
fn counts_are_those_of_the_key_and_not_of_its_number() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    drop(alice(&path));
    let mut server = Server::new(&path);
    server.sync();
    assert_eq!(server.ask(), Some(4));
    server.sync();
    std::fs::remove_file(&path).expect("removed");
    let store = KeyStore::open_or_create(&path).expect("another file");
    let terms = Terms { quota: "5/day".parse().ok(), ..Terms::default() };
    store.create("alice", &digest("another token"), &terms, 0).expect("a key");
    server.sync();
    assert!(store.usage("alice").expect("usage").is_empty());
    let key_set = server.key_set.load();
    let key = key_set.find("another token").expect("the key");
    assert_eq!(
        key.counters.take_request(terms.quota.expect("a quota"), NOW).map(|taken| taken.remaining),
        Ok(4)
    );
}

#[test]
fn a_file_that_is_gone_changes_nothing_and_one_that_comes_back_is_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    drop(alice(&path));
    let mut server = Server::new(&path);
    server.sync();
    std::fs::rename(&path, directory.path().join("away")).expect("moved");
    server.sync();
    assert!(server.key_set.load().find("a").is_some());
    let store = KeyStore::open_or_create(&path).expect("another file");
    store.create("carol", &digest("c"), &Terms::default(), 0).expect("a key");
    server.sync();
    assert!(server.key_set.load().find("c").is_some() && server.key_set.load().find("a").is_none());
}
