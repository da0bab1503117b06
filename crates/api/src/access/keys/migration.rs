//! Migration of files of keys of format 1, which held the usage, too.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};

use super::error::StoreError;
use super::key_table::{self, table_of_keys};
use super::schema::{self, FileFormat};
use super::token::{Digest, fingerprint};
use super::usage_store::UsageStore;

/// The tables as they were.
const FORMAT: FileFormat = FileFormat {
    number: 1,
    tables: concat!(
        table_of_keys!(),
        "
    CREATE TABLE usage (
        key INTEGER NOT NULL REFERENCES keys (id),
        day INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (key, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE quota (
        key INTEGER PRIMARY KEY REFERENCES keys (id),
        period INTEGER NOT NULL,
        used INTEGER NOT NULL
    ) STRICT;
"
    ),
};

/// Moves the counts into a file of their own, all or nothing.
///
/// # Errors
/// If the file is not as it was made, or one of the two cannot be written.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    schema::check(connection, path, FORMAT)?;
    let counts = UsageStore::path(path);
    drop(UsageStore::open_or_create(&counts)?);
    let failed = StoreError::sqlite(path);
    connection
        .execute("ATTACH DATABASE ?1 AS counts", [counts.to_string_lossy()])
        .map_err(StoreError::sqlite(&counts))?;
    let moved = move_counts(connection).map_err(&failed);
    connection.execute_batch("DETACH DATABASE counts").map_err(&failed)?;
    moved
}

fn move_counts(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let form: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if form != FORMAT.number {
        // Another process was quicker.
        return transaction.commit();
    }
    let keys: Vec<(i64, Digest)> = {
        let mut keys = transaction.prepare("SELECT id, digest FROM main.keys WHERE length(digest) = 32")?;
        let keys = keys.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        keys.collect::<Result<_, _>>()?
    };
    for (id, digest) in keys {
        for statement in [
            "INSERT OR REPLACE INTO counts.usage SELECT ?2, day, requests, refused, bytes FROM main.usage WHERE key = ?1",
            "INSERT OR REPLACE INTO counts.quota SELECT ?2, period, used FROM main.quota WHERE key = ?1",
            "INSERT OR REPLACE INTO counts.used SELECT ?2, last_used_at FROM main.keys
                 WHERE id = ?1 AND last_used_at IS NOT NULL",
        ] {
            transaction.execute(statement, params![id, fingerprint(&digest)])?;
        }
    }
    transaction.execute_batch("DROP TABLE main.quota; DROP TABLE main.usage")?;
    transaction.pragma_update(None, "user_version", key_table::FORMAT.number)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use crate::access::keys::KeyStore;

    use super::*;

    #[test]
    fn counts_of_an_older_file_are_moved_beside_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = KeyStore::path(directory.path());
        let old = Connection::open(&path).expect("a file");
        old.execute_batch(FORMAT.tables).expect("tables");
        old.execute_batch(
            "INSERT INTO keys (name, digest, created_at, quota_requests, quota_seconds, last_used_at)
                 VALUES ('alice', zeroblob(32), 5, 10, 86400, 9), ('bob', randomblob(32), 5, NULL, NULL, NULL);
             INSERT INTO usage VALUES (1, 20000, 3, 1, 100), (1, 20001, 4, 0, 50);
             INSERT INTO quota VALUES (1, 20001, 4);
             PRAGMA user_version = 1;",
        )
        .expect("rows");
        drop(old);
        for _ in 0..2 {
            let store = KeyStore::open(&path).expect("a file of keys").expect("is there");
            let keys = store.keys().expect("keys");
            assert_eq!((keys.readable.len(), keys.unreadable.len()), (2, 0));
            let alice = &keys.readable[0];
            let used = store.counts().expect("counts").expect("are there").all().expect("all");
            let used = used[&alice.fingerprint()];
            assert_eq!((used.last_at, used.requests), (Some(9), 7));
            let quota = alice.terms.quota.expect("a quota");
            assert_eq!(used.of_quota(quota, 20_001 * 86_400 + 5), (4, 20_002 * 86_400));
            assert_eq!(store.usage("alice").expect("usage").len(), 2);
            assert!(store.usage("bob").expect("usage").is_empty());
        }
    }

    #[test]
    fn an_older_file_that_is_not_ours_stays_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = KeyStore::path(directory.path());
        let old = Connection::open(&path).expect("a file");
        old.execute_batch(FORMAT.tables).expect("tables");
        old.execute_batch(
            "CREATE TRIGGER free AFTER INSERT ON usage BEGIN DELETE FROM quota; END; PRAGMA user_version = 1",
        )
        .expect("a trigger");
        let opened = KeyStore::open(&path);
        assert!(matches!(opened, Err(StoreError::Schema { .. })));
        assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1, "nothing is made");
    }
}
