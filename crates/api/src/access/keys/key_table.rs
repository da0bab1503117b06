//! The table of keys, as files have it.

use super::schema::FileFormat;

/// The table of keys. Files of all forms have the same, so its text must stay as it is: the last column is of form 1 alone.
macro_rules! table_of_keys {
    () => {
        "
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        digest BLOB NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        expires_at INTEGER,
        revoked_at INTEGER,
        quota_requests INTEGER,
        quota_seconds INTEGER,
        history_days INTEGER,
        scope TEXT,
        last_used_at INTEGER
    ) STRICT;
"
    };
}
pub(super) use table_of_keys;

pub(super) const FORMAT: FileFormat = FileFormat { number: 2, tables: table_of_keys!() };
