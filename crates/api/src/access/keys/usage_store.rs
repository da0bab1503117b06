//! The usage of keys: an SQLite file beside that of the keys.
//!
//! It is a file of its own so that counting, which every server does every second, is no change of keys.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::counters::{QuotaWindow, UsageDelta};
use super::error::StoreError;
use super::schema::{self, FileFormat};
use super::terms::Quota;

pub(super) const FORMAT: FileFormat = FileFormat {
    number: 1,
    tables: "
    CREATE TABLE usage (
        key INTEGER NOT NULL,
        day INTEGER NOT NULL,
        requests INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        PRIMARY KEY (key, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE used (
        key INTEGER PRIMARY KEY,
        last_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE quota (
        key INTEGER PRIMARY KEY,
        period INTEGER NOT NULL,
        used INTEGER NOT NULL
    ) STRICT;
",
};

/// The usage of a key on one UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyUsage {
    /// The day, counted from 1970-01-01.
    pub unix_day: i32,
    /// Requests.
    pub requests: i64,
    /// Of these, those that were refused: by quota, scope, history window or rate.
    pub refused: i64,
    /// Bytes of answers' bodies.
    pub bytes: i64,
}

/// The usage of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyUsage {
    /// When it was used last, in Unix seconds.
    pub last_at: Option<i64>,
    /// Requests made with it.
    pub requests: i64,
    /// The quota's period that requests were counted in last, by its number, and how many.
    pub(crate) window: QuotaWindow,
}

impl KeyUsage {
    /// How much of a quota is used at `now` (Unix seconds), and when the quota resets: as a server has it that knows no
    /// more than what is written down.
    #[must_use]
    pub fn of_quota(&self, quota: Quota, now: i64) -> (u32, i64) {
        let window = self.window.at(quota, now);
        (window.used, window.ends(quota))
    }
}

/// Requests to add to a key's quota.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotaIncrement {
    pub(super) key: i64,
    pub(super) window: QuotaWindow,
    /// The quota's period now.
    pub(super) period: u32,
}

/// The file of usage.
pub struct UsageStore {
    path: PathBuf,
    connection: Connection,
}

impl UsageStore {
    /// Where counts are kept beside a file of keys.
    pub(super) fn path(keys: &Path) -> PathBuf {
        keys.with_file_name("usage.sqlite")
    }

    /// Opens the file; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is not as this program makes it.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(mut connection) = schema::connect(path)? else { return Ok(None) };
        if schema::format_number(&connection, path)? == 0 {
            schema::create_tables(&mut connection, path, FORMAT)?;
        }
        schema::check(&connection, path, FORMAT)?;
        Ok(Some(Self { path: path.to_owned(), connection }))
    }

    /// Opens the file, and makes it if there is none, for its owner alone.
    ///
    /// # Errors
    /// As [`UsageStore::open`]; or if it cannot be made.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, StoreError> {
        schema::create_file(path)?;
        let gone =
            || StoreError::Create { path: path.to_owned(), source: std::io::ErrorKind::NotFound.into() };
        Self::open(path)?.ok_or_else(gone)
    }

    /// The usage of each key, by its fingerprint.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn all(&self) -> Result<HashMap<i64, KeyUsage>, StoreError> {
        let select = "
            SELECT key, max(last_at), max(period), max(used), max(requests) FROM (
                SELECT key, last_at, NULL AS period, NULL AS used, NULL AS requests FROM used
                UNION ALL SELECT key, NULL, period, used, NULL FROM quota
                UNION ALL SELECT key, NULL, NULL, NULL, sum(requests) FROM usage GROUP BY key
            ) GROUP BY key";
        let mut statement = self.connection.prepare(select).map_err(self.failed())?;
        let used = |row: &Row<'_>| {
            let window = match (row.get(2)?, row.get(3)?) {
                (Some(period), Some(used)) => QuotaWindow { period, used },
                _ => QuotaWindow::default(),
            };
            let requests: Option<i64> = row.get(4)?;
            Ok((row.get(0)?, KeyUsage { last_at: row.get(1)?, requests: requests.unwrap_or(0), window }))
        };
        let rows = statement.query_map([], used).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// The usage of a key by day, the latest first.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn days(&self, key: i64) -> Result<Vec<DailyUsage>, StoreError> {
        let select = "SELECT day, requests, refused, bytes FROM usage WHERE key = ?1 ORDER BY day DESC";
        let mut statement = self.connection.prepare(select).map_err(self.failed())?;
        let day = |row: &Row<'_>| {
            Ok(DailyUsage {
                unix_day: row.get(0)?,
                requests: row.get(1)?,
                refused: row.get(2)?,
                bytes: row.get(3)?,
            })
        };
        let rows = statement.query_map([key], day).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// A number that changes when another process counts.
    pub(super) fn version(&self) -> Result<i64, StoreError> {
        let read = self.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        read.map_err(self.failed())
    }

    /// The quota use of each key.
    pub(super) fn quotas(&self) -> Result<HashMap<i64, QuotaWindow>, StoreError> {
        let mut statement =
            self.connection.prepare("SELECT key, period, used FROM quota").map_err(self.failed())?;
        let window =
            |row: &Row<'_>| Ok((row.get(0)?, QuotaWindow { period: row.get(1)?, used: row.get(2)? }));
        let rows = statement.query_map([], window).map_err(self.failed())?;
        rows.collect::<Result<_, _>>().map_err(self.failed())
    }

    /// Adds the usage of keys on a day.
    pub(super) fn add(&mut self, unix_day: i64, counted: &[(i64, UsageDelta)]) -> Result<(), StoreError> {
        let failed = self.failed();
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
                .prepare(
                    "INSERT INTO used (key, last_at) VALUES (?1, ?2)
                     ON CONFLICT (key) DO UPDATE SET last_at = max(last_at, excluded.last_at)",
                )
                .map_err(&failed)?;
            for (id, of) in counted {
                let values = params![id, unix_day, number(of.requests), number(of.refused), number(of.bytes)];
                add.execute(values).map_err(&failed)?;
                used.execute(params![id, of.last_used]).map_err(&failed)?;
            }
        }
        transaction.commit().map_err(&failed)
    }

    /// Adds requests to keys' quotas; gives of each key the period that counts then, and all requests in it. A period that
    /// the clock cannot have come to yet is none.
    pub(super) fn add_quotas(&mut self, more: &[QuotaIncrement]) -> Result<Vec<QuotaWindow>, StoreError> {
        let failed = self.failed();
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let mut all = Vec::with_capacity(more.len());
        {
            let add = "
                INSERT INTO quota (key, period, used) VALUES (?1, ?2, ?3)
                ON CONFLICT (key) DO UPDATE SET
                    used = CASE WHEN period > ?4 + 1 OR excluded.period > period THEN excluded.used
                                WHEN excluded.period = period THEN used + excluded.used ELSE used END,
                    period = CASE WHEN period > ?4 + 1 THEN excluded.period
                                  ELSE max(period, excluded.period) END
                RETURNING period, used";
            let mut add = transaction.prepare(add).map_err(&failed)?;
            for QuotaIncrement { key, window, period } in more {
                let read = |row: &Row<'_>| Ok(QuotaWindow { period: row.get(0)?, used: row.get(1)? });
                let values = params![key, window.period, window.used, period];
                all.push(add.query_row(values, read).map_err(&failed)?);
            }
        }
        transaction.commit().map_err(&failed)?;
        Ok(all)
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> StoreError + use<> {
        StoreError::sqlite(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> (tempfile::TempDir, UsageStore) {
        let directory = tempfile::tempdir().expect("a directory");
        let counts = UsageStore::open_or_create(&directory.path().join("usage.sqlite")).expect("a file");
        (directory, counts)
    }

    #[test]
    fn usage_adds_up() {
        let (_directory, mut counts) = counts();
        let counted = UsageDelta { requests: 3, refused: 1, bytes: 100, last_used: 9 };
        counts.add(20_000, &[(1, counted)]).expect("counted");
        counts.add(20_000, &[(1, counted), (2, counted)]).expect("counted");
        counts.add(20_001, &[(1, UsageDelta { last_used: 8, ..counted })]).expect("counted");
        let figures: Vec<_> = counts.days(1).expect("usage").into_iter().collect();
        let figures: Vec<_> =
            figures.iter().map(|of| (of.unix_day, of.requests, of.refused, of.bytes)).collect();
        assert_eq!(figures, [(20_001, 3, 1, 100), (20_000, 6, 2, 200)]);
        let all = counts.all().expect("all");
        assert_eq!((all[&1].requests, all[&1].last_at, all[&2].requests), (9, Some(9), 3));
    }

    #[test]
    fn quotas_add_up_and_a_period_to_come_is_none() {
        let (_directory, mut counts) = counts();
        let mut add = |of, used, now| {
            let more = QuotaIncrement { key: 1, window: QuotaWindow { period: of, used }, period: now };
            counts.add_quotas(&[more]).expect("a quota")[0]
        };
        assert_eq!(add(4, 2, 4), QuotaWindow { period: 4, used: 2 });
        assert_eq!(add(4, 3, 4), QuotaWindow { period: 4, used: 5 });
        assert_eq!(add(5, 1, 5), QuotaWindow { period: 5, used: 1 });
        // A clock that is set back by less than a period gives nothing back.
        assert_eq!(add(4, 9, 4), QuotaWindow { period: 5, used: 1 });
        // One that was years ahead does not count for years.
        assert_eq!(add(900, 7, 900), QuotaWindow { period: 900, used: 7 });
        assert_eq!(add(5, 2, 5), QuotaWindow { period: 5, used: 2 });
        let quota = "10/day".parse().expect("a quota");
        let used = counts.all().expect("all")[&1];
        assert_eq!(used.of_quota(quota, 5 * 86_400 + 1), (2, 6 * 86_400));
        assert_eq!(used.of_quota(quota, 6 * 86_400), (0, 7 * 86_400));
        assert_eq!(used.of_quota(quota, 4 * 86_400), (2, 6 * 86_400));
    }
}
