//! The store of keys: an SQLite file beside the lake.
//!
//! It holds names, terms and the SHA-256 of each token. The usage is in a file of its own (`usage_store.rs`).

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};

use super::error::StoreError;
use super::key_table::FORMAT;
use super::migration;
use super::schema;
use super::terms::{Quota, Terms, valid_name};
use super::token::{Digest, fingerprint};
use super::usage_store::{DailyUsage, UsageStore};
use crate::access::period::Period;

/// Longest part of an unreadable key's name that is shown, in characters.
const TOLD: usize = 64;

/// A key as it is kept.
#[derive(Clone, Debug)]
pub struct StoredKey {
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
}

impl StoredKey {
    /// Identifies the key in the file of usage.
    #[must_use]
    pub fn fingerprint(&self) -> i64 {
        fingerprint(&self.digest)
    }
}

/// A key that cannot be read, and so authenticates nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableKey {
    /// Its number in the file.
    pub id: i64,
    /// Its name, cut and without what a terminal would take for commands; empty if there is none.
    pub name: String,
    /// What of it cannot be read.
    pub what: &'static str,
}

/// All keys, revoked and expired ones included.
#[derive(Clone, Debug, Default)]
pub struct StoredKeys {
    /// By name.
    pub readable: Vec<StoredKey>,
    /// Those that cannot be read: a newer program has made them, or they are damaged.
    pub unreadable: Vec<UnreadableKey>,
}

impl StoredKeys {
    /// Whether there never was a key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readable.is_empty() && self.unreadable.is_empty()
    }
}

/// The file of keys.
pub struct KeyStore {
    path: PathBuf,
    connection: Connection,
}

impl KeyStore {
    /// Where keys are kept in a data directory.
    #[must_use]
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys.sqlite")
    }

    /// Opens the file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is not as this program makes it.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(mut connection) = schema::connect(path)? else { return Ok(None) };
        match schema::format_number(&connection, path)? {
            // Made, and not filled yet by whoever made it; a file that another program filled is left alone.
            0 => schema::create_tables(&mut connection, path, FORMAT)?,
            1 => migration::migrate(&mut connection, path)?,
            _ => {}
        }
        schema::check(&connection, path, FORMAT)?;
        Ok(Some(Self { path: path.to_owned(), connection }))
    }

    /// Opens the file, and makes it if there is none, for its owner alone.
    ///
    /// # Errors
    /// As [`KeyStore::open`]; or if it cannot be made.
    pub fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        schema::create_file(path)?;
        let gone =
            || StoreError::Create { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        Self::open(path)?.ok_or_else(gone)
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

    /// Ends a key at `now` (Unix seconds), one that cannot be read, too; false if it was ended before.
    ///
    /// # Errors
    /// If there is none of that name, or the file cannot be written.
    pub fn revoke(&self, name: &str, now: i64) -> Result<bool, StoreError> {
        let update = "UPDATE keys SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL";
        let changed = self.connection.execute(update, params![name, now]).map_err(self.failed())?;
        if changed == 0 {
            self.digest(name)?;
        }
        Ok(changed > 0)
    }

    fn digest(&self, name: &str) -> Result<Digest, StoreError> {
        let select = "SELECT digest FROM keys WHERE name = ?1";
        let digest = self.connection.query_row(select, [name], |row| row.get(0)).optional();
        digest.map_err(self.failed())?.ok_or_else(|| StoreError::Unknown(name.to_owned()))
    }

    /// Every key there has been.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn keys(&self) -> Result<StoredKeys, StoreError> {
        let select = "
            SELECT id, name, digest, created_at, expires_at, revoked_at, quota_requests, quota_seconds,
                history_days, scope
            FROM keys ORDER BY name";
        let mut statement = self.connection.prepare(select).map_err(self.failed())?;
        let mut rows = statement.query([]).map_err(self.failed())?;
        let mut keys = StoredKeys::default();
        while let Some(row) = rows.next().map_err(self.failed())? {
            match read(row) {
                Ok(key) => keys.readable.push(key),
                Err(what) => {
                    let name: String = row.get(1).unwrap_or_default();
                    let name = name.escape_debug().take(TOLD).collect();
                    keys.unreadable.push(UnreadableKey {
                        id: row.get(0).map_err(self.failed())?,
                        name,
                        what,
                    });
                }
            }
        }
        Ok(keys)
    }

    /// The usage of a key by day, the latest first.
    ///
    /// # Errors
    /// If there is none of that name, or a file cannot be read.
    pub fn usage(&self, name: &str) -> Result<Vec<DailyUsage>, StoreError> {
        let fingerprint = fingerprint(&self.digest(name)?);
        self.counts()?.map_or_else(|| Ok(Vec::new()), |counts| counts.days(fingerprint))
    }

    /// The usage of all keys; `None` if there is none so far.
    ///
    /// # Errors
    /// If that file cannot be read.
    pub fn counts(&self) -> Result<Option<UsageStore>, StoreError> {
        UsageStore::open(&UsageStore::path(&self.path))
    }

    /// A number that changes when another process changes keys.
    pub(super) fn version(&self) -> Result<i64, StoreError> {
        let read = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        read.map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        StoreError::sqlite(&self.path)
    }
}

/// A key as a row has it; else what cannot be read. A limit that is lost must not let anyone in.
fn read(row: &Row<'_>) -> Result<StoredKey, &'static str> {
    let moment = |at, what| row.get::<_, Option<i64>>(at).map_err(|_| what);
    let number = |at, what| row.get::<_, Option<u32>>(at).map_err(|_| what);
    let name: String = row.get(1).map_err(|_| "the name")?;
    valid_name(&name).map_err(|_| "the name")?;
    let quota = match (number(6, "the quota")?, number(7, "the quota")?) {
        (None, None) => None,
        (requests, seconds) => {
            let requests = requests.and_then(NonZeroU32::new);
            let per = seconds.and_then(Period::from_seconds).filter(|per| *per != Period::Second);
            let quota = requests.zip(per).map(|(requests, per)| Quota { requests, per });
            Some(quota.ok_or("the quota")?)
        }
    };
    let history_days = match number(8, "the history window")? {
        None => None,
        Some(days) => Some(NonZeroU32::new(days).ok_or("the history window")?),
    };
    let scope: Option<String> = row.get(9).map_err(|_| "the scope")?;
    let scope = scope.map(|scope| scope.parse()).transpose().map_err(|_| "the scope")?;
    Ok(StoredKey {
        id: row.get(0).map_err(|_| "the number")?,
        digest: row.get(2).map_err(|_| "the digest")?,
        created_at: row.get(3).map_err(|_| "when it was made")?,
        revoked_at: moment(5, "when it was revoked")?,
        terms: Terms { expires_at: moment(4, "when it ends")?, quota, history_days, scope },
        name,
    })
}

#[cfg(test)]
mod tests;
