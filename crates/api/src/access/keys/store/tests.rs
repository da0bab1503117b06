use super::*;

fn store() -> (tempfile::TempDir, KeyStore) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = KeyStore::open_or_create(&KeyStore::path(directory.path())).expect("a file of keys");
    (directory, store)
}

fn terms() -> Terms {
    Terms {
        expires_at: Some(2_000_000_000),
        quota: "10/day".parse().ok(),
        history_days: NonZeroU32::new(30),
        scope: "sector/total".parse().ok(),
    }
}

/// The same file as another program may change it.
fn other(directory: &tempfile::TempDir, statement: &str) {
    let other = Connection::open(KeyStore::path(directory.path())).expect("the same file");
    other.execute_batch(statement).expect("a change");
}

#[test]
fn a_key_comes_back_as_it_was_made() {
    let (directory, store) = store();
    store.create("alice", &[7; 32], &terms(), 5).expect("a key");
    drop(store);
    let store = KeyStore::open(&KeyStore::path(directory.path())).expect("a file").expect("is there");
    let keys = store.keys().expect("keys").readable;
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert_eq!((key.name.as_str(), key.digest, key.created_at), ("alice", [7; 32], 5));
    assert_eq!((&key.terms, key.revoked_at), (&terms(), None));
    assert!(store.usage("alice").expect("usage").is_empty());
}

#[test]
fn a_name_is_taken_for_ever() {
    let (_directory, store) = store();
    store.create("alice", &[7; 32], &Terms::default(), 5).expect("a key");
    assert!(store.revoke("alice", 6).expect("it is there"));
    assert!(!store.revoke("alice", 7).expect("it is there"));
    let again = store.create("alice", &[8; 32], &Terms::default(), 8);
    assert!(matches!(again, Err(StoreError::Taken(_))), "{again:?}");
    assert!(matches!(store.revoke("bob", 8), Err(StoreError::Unknown(_))));
    assert_eq!(store.keys().expect("keys").readable[0].revoked_at, Some(6));
}

#[test]
fn what_is_no_file_of_keys_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = KeyStore::path(directory.path());
    assert!(matches!(KeyStore::open(&path), Ok(None)));
    std::fs::write(&path, "no database, but quite some text".repeat(50)).expect("a file");
    assert!(matches!(KeyStore::open(&path), Err(StoreError::Sqlite { .. })));
    std::fs::remove_file(&path).expect("removed");
    let other = Connection::open(&path).expect("another database");
    other.execute_batch("CREATE TABLE x (y); PRAGMA user_version = 0").expect("a table");
    assert!(matches!(KeyStore::open(&path), Err(StoreError::Format { form: 0, .. })));
    other.execute_batch("PRAGMA user_version = 9").expect("a form");
    assert!(matches!(KeyStore::open(&path), Err(StoreError::Format { form: 9, .. })));
}

#[test]
fn a_file_that_holds_more_than_ours_is_refused() {
    for (statement, what) in [
        (
            "CREATE TRIGGER free AFTER UPDATE ON keys BEGIN UPDATE keys SET quota_requests = NULL; END",
            "trigger \"free\"",
        ),
        (
            "ALTER TABLE keys RENAME TO hidden; CREATE VIEW keys AS WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n",
            "hidden",
        ),
        ("CREATE TABLE more (x)", "table \"more\""),
        ("CREATE INDEX of_names ON keys (upper(name))", "index \"of_names\""),
        ("ALTER TABLE keys ADD COLUMN more TEXT DEFAULT 'x'", "table \"keys\""),
        ("DROP TABLE keys", "index"),
    ] {
        let (directory, store) = store();
        drop(store);
        other(&directory, statement);
        let opened = KeyStore::open(&KeyStore::path(directory.path()));
        let Err(StoreError::Schema { what: said, .. }) = opened else { panic!("{statement}") };
        assert!(said.contains(what), "{statement}: {said}");
    }
}

#[test]
fn what_cannot_be_read_of_a_key_lets_nobody_in_with_it_and_all_others_are_there() {
    for (change, what) in [
        ("quota_requests = 0", "the quota"),
        ("quota_requests = -1", "the quota"),
        ("quota_seconds = NULL", "the quota"),
        ("quota_seconds = 7", "the quota"),
        ("history_days = 0", "the history window"),
        ("history_days = 5000000000", "the history window"),
        ("scope = 'x'", "the scope"),
        ("scope = ''", "the scope"),
        ("name = 'two words'", "the name"),
        ("name = char(27) || '[31m' || char(10) || 'forged'", "the name"),
        ("digest = x'07'", "the digest"),
    ] {
        let (directory, store) = store();
        store.create("alice", &[7; 32], &terms(), 5).expect("a key");
        store.create("bob", &[8; 32], &terms(), 5).expect("a key");
        other(&directory, &format!("UPDATE keys SET {change} WHERE id = 1"));
        let keys = store.keys().expect("keys");
        assert_eq!(
            keys.readable.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(),
            ["bob"],
            "{change}"
        );
        let [unreadable] = keys.unreadable.as_slice() else { panic!("{change}: {keys:?}") };
        assert_eq!((unreadable.id, unreadable.what), (1, what), "{change}");
        assert!(!unreadable.name.contains(char::is_control), "{change}: {unreadable:?}");
    }
}

#[test]
fn a_trigger_that_comes_while_the_file_is_open_never_runs() {
    let (directory, store) = store();
    store.create("alice", &[7; 32], &terms(), 5).expect("a key");
    other(
        &directory,
        "CREATE TRIGGER again AFTER UPDATE ON keys BEGIN UPDATE keys SET revoked_at = NULL; END",
    );
    assert!(store.revoke("alice", 6).expect("it is there"));
    assert_eq!(store.keys().expect("keys").readable[0].revoked_at, Some(6));
}
