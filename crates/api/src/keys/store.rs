//! Where keys are kept: an SQLite file beside the lake.
//!
//! It holds names, terms and counts, and of each token its SHA-256 only.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};

use super::terms::{Period, Quota, Terms};
use super::token::Digest;
use super::usage::{Counted, Window};

/// The number of the tables' form, in the file's `user_version`.
const FORM: i64 = 1;
/// How long to wait for another process that is writing.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
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
    PRAGMA user_version = 1;
";

/// Why keys cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be made.
    #[error("the file of keys {path} cannot be made: {source}", path = path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file cannot be read or written.
    #[error("the file of keys {path} cannot be read or written: {source}", path = path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file is of another version of the program.
    #[error("the file of keys {path} is of form {form}, and this version of the program reads form {FORM}", path = path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// Its form.
        form: i64,
    },
    /// Something in the file cannot be.
    #[error("the file of keys {path} is damaged: {what} of the key {name:?} cannot be read", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The key.
        name: String,
        /// What of it.
        what: &'static str,
    },
    /// A key of that name is there.
    #[error("there has been a key called {0:?}; choose another name, so that logs and counts stay apart")]
    Taken(String),
    /// There is no key of that name.
    #[error("there is no key called {0:?}; `sectorscope keys list` lists them")]
    Unknown(String),
}

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Its number in the file.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// SHA-256 of its token.
    pub digest: Digest,
    /// When it was made, in Unix seconds.
    pub created_at: i64,
    /// When it was revoked, in Unix seconds.
    pub revoked_at: Option<i64>,
    /// What it may do.
    pub terms: Terms,
    /// When it was used last, in Unix seconds.
    pub last_used_at: Option<i64>,
    /// Requests made with it.
    pub requests: i64,
    /// The quota's period that requests were counted in last, by its number, and how many.
    pub(crate) window: Window,
}

impl Stored {
    /// How much of its quota is used at `now` (Unix seconds), and when the quota resets; `None` without a quota.
    #[must_use]
    pub fn quota_used(&self, now: i64) -> Option<(u32, i64)> {
        let (period, resets_at) = super::usage::period(self.terms.quota?, now);
        Some((if self.window.period == period { self.window.used } else { 0 }, resets_at))
    }
}

/// What a key asked for on a day (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// The day, counted from 1970-01-01.
    pub unix_day: i32,
    /// Requests.
    pub requests: i64,
    /// Of these, those that were refused: by quota, scope, history window or rate.
    pub refused: i64,
    /// Bytes of answers' bodies.
    pub bytes: i64,
}

/// The file of keys.
pub struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Where keys are kept in a data directory.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys.sqlite")
    }

    /// Opens the file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is of another version.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = sqlite(path);
        let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
        connection.busy_timeout(PATIENCE).map_err(&failed)?;
        let mut store = Self { path: path.to_owned(), connection };
        match store.form()? {
            // Made, and not filled yet by whoever made it; a file that another program filled is left alone.
            0 => store.fill()?,
            FORM => {}
            form => return Err(StoreError::Form { path: path.to_owned(), form }),
        }
        Ok(Some(store))
    }

    /// Opens the file, and makes it if there is none, for its owner alone.
    ///
    /// # Errors
    /// As [`Store::open`]; or if it cannot be made.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Create { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            // One that is there must not be opened and closed beside SQLite: that would take its locks away.
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(failed(error)),
            Ok(_) | Err(_) => {}
        }
        Self::open(path)?.ok_or_else(|| failed(ErrorKind::NotFound.into()))
    }

    fn form(&self) -> Result<i64, StoreError> {
        let read = self.connection.pragma_query_value(None, "user_version", |row| row.get(0));
        read.map_err(self.failed())
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let failed = sqlite(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let filled: i64 = transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(&failed)?;
        if filled == 0 {
            transaction.execute_batch(TABLES).map_err(&failed)?;
        }
        transaction.commit().map_err(&failed)?;
        match self.form()? {
            FORM => Ok(()),
            form => Err(StoreError::Form { path: self.path.clone(), form }),
        }
    }

    /// Makes a key at `now` (Unix seconds).
    ///
    /// # Errors
    /// If there has been one of that name, or the file cannot be written.
    pub fn create(&self, name: &str, digest: &Digest, terms: &Terms, now: i64) -> Result<(), StoreError> {
        let insert = "
            INSERT INTO keys
                (name, digest, created_at, expires_at, quota_requests, quota_seconds, history_days, scope)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let quota = terms.quota;
        let values = params![
            name,
            digest,
            now,
            terms.expires_at,
            quota.map(|quota| quota.requests.get()),
            quota.map(|quota| quota.per.seconds()),
            terms.history_days.map(NonZeroU32::get),
            terms.scope.as_ref().map(ToString::to_string),
        ];
        match self.connection.execute(insert, values) {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                Err(StoreError::Taken(name.to_owned()))
            }
            Err(error) => Err(self.failed()(error)),
        }
    }

    /// Ends a key at `now` (Unix seconds); false if it was ended before.
    ///
    /// # Errors
    /// If there is none of that name, or the file cannot be written.
    pub fn revoke(&self, name: &str, now: i64) -> Result<bool, StoreError> {
        let update = "UPDATE keys SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL";
        let changed = self.connection.execute(update, params![name, now]).map_err(self.failed())?;
        self.id(name)?;
        Ok(changed > 0)
    }

    fn id(&self, name: &str) -> Result<i64, StoreError> {
        let select = "SELECT id FROM keys WHERE name = ?1";
        let id = self.connection.query_row(select, [name], |row| row.get(0)).optional();
        id.map_err(self.failed())?.ok_or_else(|| StoreError::Unknown(name.to_owned()))
    }

    /// Every key there has been, by name.
    ///
    /// # Errors
    /// If the file cannot be read, or is damaged.
    pub fn keys(&self) -> Result<Vec<Stored>, StoreError> {
        let select = "
            SELECT id, name, digest, created_at, expires_at, revoked_at, quota_requests, quota_seconds,
                history_days, scope, last_used_at, coalesce(period, 0), coalesce(used, 0),
                (SELECT coalesce(sum(requests), 0) FROM usage WHERE key = id)
            FROM keys LEFT JOIN quota ON quota.key = id ORDER BY name";
        let mut statement = self.connection.prepare(select).map_err(self.failed())?;
        let mut rows = statement.query([]).map_err(self.failed())?;
        let mut keys = Vec::new();
        while let Some(row) = rows.next().map_err(self.failed())? {
            keys.push(self.key(row)?);
        }
        Ok(keys)
    }

    /// A key as a row has it. What does not read is an error: a limit that is lost must not let anyone in.
    fn key(&self, row: &Row<'_>) -> Result<Stored, StoreError> {
        let failed = self.failed();
        let name: String = row.get(1).map_err(&failed)?;
        let damaged = |what| StoreError::Damaged { path: self.path.clone(), name: name.clone(), what };
        let quota = match (row.get(6).map_err(&failed)?, row.get(7).map_err(&failed)?) {
            (None, None) => None,
            (requests, seconds) => {
                let requests = requests.and_then(NonZeroU32::new);
                let per = seconds.and_then(Period::from_seconds);
                let quota = requests.zip(per).map(|(requests, per)| Quota { requests, per });
                Some(quota.ok_or_else(|| damaged("the quota"))?)
            }
        };
        let history: Option<u32> = row.get(8).map_err(&failed)?;
        let history_days = match history {
            None => None,
            Some(days) => Some(NonZeroU32::new(days).ok_or_else(|| damaged("the history window"))?),
        };
        let scope: Option<String> = row.get(9).map_err(&failed)?;
        let scope = scope.map(|scope| scope.parse()).transpose().map_err(|_| damaged("the scope"))?;
        Ok(Stored {
            id: row.get(0).map_err(&failed)?,
            digest: row.get(2).map_err(&failed)?,
            created_at: row.get(3).map_err(&failed)?,
            revoked_at: row.get(5).map_err(&failed)?,
            terms: Terms { expires_at: row.get(4).map_err(&failed)?, quota, history_days, scope },
            last_used_at: row.get(10).map_err(&failed)?,
            window: Window { period: row.get(11).map_err(&failed)?, used: row.get(12).map_err(&failed)? },
            requests: row.get(13).map_err(&failed)?,
            name,
        })
    }

    /// What a key asked for, by day, the latest first.
    ///
    /// # Errors
    /// If there is none of that name, or the file cannot be read.
    pub fn usage(&self, name: &str) -> Result<Vec<DayUsage>, StoreError> {
        let id = self.id(name)?;
        let select = "SELECT day, requests, refused, bytes FROM usage WHERE key = ?1 ORDER BY day DESC";
        let mut statement = self.connection.prepare(select).map_err(self.failed())?;
        let day = |row: &Row<'_>| {
            Ok(DayUsage {
                unix_day: row.get(0)?,
                requests: row.get(1)?,
                refused: row.get(2)?,
                bytes: row.get(3)?,
            })
        };
        let rows = statement.query_map([id], day).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// A number that changes when another process writes.
    pub(crate) fn version(&self) -> Result<i64, StoreError> {
        let read = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        read.map_err(self.failed())
    }

    /// Adds what keys asked for on a day.
    pub(crate) fn add_usage(&mut self, unix_day: i64, counted: &[(i64, Counted)]) -> Result<(), StoreError> {
        let failed = sqlite(&self.path);
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        {
            let add = "
                INSERT INTO usage (key, day, requests, refused, bytes) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (key, day) DO UPDATE SET requests = requests + excluded.requests,
                    refused = refused + excluded.refused, bytes = bytes + excluded.bytes";
            let mut add = transaction.prepare(add).map_err(&failed)?;
            let mut used = transaction
                .prepare("UPDATE keys SET last_used_at = max(coalesce(last_used_at, 0), ?2) WHERE id = ?1")
                .map_err(&failed)?;
            for (id, of) in counted {
                let values = params![id, unix_day, number(of.requests), number(of.refused), number(of.bytes)];
                add.execute(values).map_err(&failed)?;
                used.execute(params![id, of.last_used]).map_err(&failed)?;
            }
        }
        transaction.commit().map_err(&failed)
    }

    /// Adds requests to a key's quota period; the latest period there is then, and all requests in it.
    pub(crate) fn add_quota(&self, id: i64, more: Window) -> Result<Window, StoreError> {
        let add = "
            INSERT INTO quota (key, period, used) VALUES (?1, ?2, ?3)
            ON CONFLICT (key) DO UPDATE SET
                used = CASE WHEN excluded.period > period THEN excluded.used
                            WHEN excluded.period = period THEN used + excluded.used ELSE used END,
                period = max(period, excluded.period)
            RETURNING period, used";
        let mut add = self.connection.prepare(add).map_err(self.failed())?;
        let window = |row: &Row<'_>| Ok(Window { period: row.get(0)?, used: row.get(1)? });
        add.query_row(params![id, more.period, more.used], window).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        sqlite(&self.path)
    }
}

fn sqlite(path: &Path) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Sqlite { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open_or_create(&Store::path(directory.path())).expect("a file of keys");
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

    #[test]
    fn a_key_comes_back_as_it_was_made() {
        let (directory, store) = store();
        store.create("alice", &[7; 32], &terms(), 5).expect("a key");
        drop(store);
        let store = Store::open(&Store::path(directory.path())).expect("a file").expect("is there");
        let keys = store.keys().expect("keys");
        let [key] = keys.as_slice() else { panic!("{keys:?}") };
        assert_eq!((key.name.as_str(), key.digest, key.created_at), ("alice", [7; 32], 5));
        assert_eq!((&key.terms, key.revoked_at, key.requests), (&terms(), None, 0));
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
        assert_eq!(store.keys().expect("keys")[0].revoked_at, Some(6));
    }

    #[test]
    fn usage_and_quota_add_up() {
        let (_directory, mut store) = store();
        store.create("alice", &[7; 32], &terms(), 5).expect("a key");
        let id = store.keys().expect("keys")[0].id;
        let counted = Counted { requests: 3, refused: 1, bytes: 100, last_used: 9 };
        store.add_usage(20_000, &[(id, counted)]).expect("counted");
        store.add_usage(20_000, &[(id, counted)]).expect("counted");
        store.add_usage(20_001, &[(id, counted)]).expect("counted");
        let usage = store.usage("alice").expect("usage");
        let figures: Vec<_> =
            usage.iter().map(|of| (of.unix_day, of.requests, of.refused, of.bytes)).collect();
        assert_eq!(figures, [(20_001, 3, 1, 100), (20_000, 6, 2, 200)]);
        let add = |period, used| store.add_quota(id, Window { period, used }).expect("a quota");
        assert_eq!(add(4, 2), Window { period: 4, used: 2 });
        assert_eq!(add(4, 3), Window { period: 4, used: 5 });
        assert_eq!(add(5, 1), Window { period: 5, used: 1 });
        assert_eq!(add(4, 9), Window { period: 5, used: 1 });
        let key = &store.keys().expect("keys")[0];
        assert_eq!((key.requests, key.last_used_at), (9, Some(9)));
        assert_eq!(key.quota_used(5 * 86_400 + 1), Some((1, 6 * 86_400)));
        assert_eq!(key.quota_used(6 * 86_400), Some((0, 7 * 86_400)));
    }

    #[test]
    fn what_is_no_file_of_keys_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = Store::path(directory.path());
        assert!(matches!(Store::open(&path), Ok(None)));
        std::fs::write(&path, "no database, but quite some text".repeat(50)).expect("a file");
        assert!(matches!(Store::open(&path), Err(StoreError::Sqlite { .. })));
        std::fs::remove_file(&path).expect("removed");
        let other = Connection::open(&path).expect("another database");
        other.execute_batch("CREATE TABLE x (y); PRAGMA user_version = 0").expect("a table");
        assert!(matches!(Store::open(&path), Err(StoreError::Form { form: 0, .. })));
        other.execute_batch("PRAGMA user_version = 9").expect("a form");
        assert!(matches!(Store::open(&path), Err(StoreError::Form { form: 9, .. })));
    }

    #[test]
    fn a_damaged_limit_is_an_error_and_not_no_limit() {
        let (directory, store) = store();
        store.create("alice", &[7; 32], &terms(), 5).expect("a key");
        for change in ["quota_requests = 0", "quota_seconds = NULL", "history_days = 0", "scope = 'x'"] {
            let other = Connection::open(Store::path(directory.path())).expect("the same file");
            other.execute_batch(&format!("UPDATE keys SET {change}")).expect("a change");
            assert!(matches!(store.keys(), Err(StoreError::Damaged { .. })), "{change}");
            other
                .execute_batch(
                    "UPDATE keys SET quota_requests = 1, quota_seconds = 60, history_days = 1, scope = 'v1'",
                )
                .expect("a change");
            assert!(store.keys().is_ok());
        }
    }
}
