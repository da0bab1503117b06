//! The reader: closed days, as the newest published version has them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chain::Day;

use crate::cache::{Cache, DEFAULT_BYTES};
use crate::day::DayRows;
use crate::schema::TableName;
use crate::table::{StoredFile, Table};
use crate::{Error, Result, file};

/// A reader of a lake, to be shared between requests. It sees what was published when it was opened or last
/// refreshed, whatever a writer does meanwhile.
pub struct Reader {
    directory: PathBuf,
    /// Held only while looking for newer versions; requests do not wait for it.
    table: tokio::sync::Mutex<Table>,
    published: RwLock<Published>,
    cache: Mutex<Cache>,
}

/// What requests need of the published version.
#[derive(Clone)]
struct Published {
    version: u64,
    days: Arc<BTreeMap<Day, StoredFile>>,
}

impl Published {
    fn of(table: &Table) -> Self {
        Self { version: table.version(), days: Arc::new(table.days().clone()) }
    }
}

impl Reader {
    /// Opens the lake in `dir`.
    ///
    /// # Errors
    /// If there is no lake, it was made by another version of the program, or it cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows).await? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        let table = Table::open(dir, TableName::Rows).await?;
        Ok(Self {
            directory: table.directory().to_owned(),
            published: RwLock::new(Published::of(&table)),
            table: tokio::sync::Mutex::new(table),
            cache: Mutex::new(Cache::new(DEFAULT_BYTES)),
        })
    }

    /// Looks for a newer published version; true if there was one. Cheap where there is none.
    ///
    /// # Errors
    /// If the table cannot be read; the reader keeps the version it has.
    pub async fn refresh(&self) -> Result<bool> {
        let mut table = self.table.lock().await;
        let newer = table.refresh().await?;
        if newer {
            let published = Published::of(&table);
            *self.published.write().unwrap_or_else(PoisonError::into_inner) = published;
        }
        Ok(newer)
    }

    /// First and latest closed day; `None` while no day is closed.
    pub fn days(&self) -> Option<RangeInclusive<Day>> {
        let days = self.published().days;
        let (first, _) = days.first_key_value()?;
        let (last, _) = days.last_key_value()?;
        Some(*first..=*last)
    }

    /// The published version of table `sp_sector_daily`: it changes whenever an answer may.
    pub fn version(&self) -> u64 {
        self.published().version
    }

    /// The rows of a day; `None` if the day is not closed. Reads that day's file alone, and only where it is not held
    /// in memory.
    ///
    /// # Errors
    /// If the day's file cannot be read.
    pub async fn day(&self, day: Day) -> Result<Option<Arc<DayRows>>> {
        let Some(name) = self.published().days.get(&day).map(|stored| stored.name.clone()) else {
            return Ok(None);
        };
        if let Some(rows) = self.cache().get(&name) {
            return Ok(Some(rows));
        }
        let path = self.directory.join(&name);
        let read = move || file::read(&path, TableName::Rows).and_then(|rows| DayRows::new(day, &rows));
        let rows = tokio::task::spawn_blocking(read)
            .await
            .map_err(|source| Error::Task { doing: "reading a day", source })?;
        let rows = Arc::new(rows?);
        self.cache().put(name, &rows);
        Ok(Some(rows))
    }

    fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
