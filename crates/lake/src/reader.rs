//! The reader: closed days, as the newest published version has them.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chain::{Day, MinerId};

use crate::cache::{Cache, DEFAULT_BYTES};
use crate::day::DayRows;
use crate::history::MinerRows;
use crate::schema::TableName;
use crate::snapshot::Snapshot;
use crate::stored::blocking;
use crate::table::{DataFile, Files, Table};
use crate::{Error, Result, layout, read};

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
    rows: Arc<Files>,
    history: Arc<Files>,
    since: Option<Day>,
}

impl Published {
    async fn of(snapshot: &Snapshot) -> Result<Self> {
        let files = |name| snapshot.table(name).map(|table| table.files().clone()).unwrap_or_default();
        Ok(Self {
            version: snapshot.version(),
            rows: Arc::new(files(TableName::Rows)),
            history: Arc::new(files(TableName::History)),
            since: since(snapshot).await?,
        })
    }
}

impl Reader {
    /// Opens the lake in `dir`.
    ///
    /// # Errors
    /// If there is no lake, it was made by another version of the program, or it cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        let snapshot = Snapshot::open(dir).await?;
        let published = Published::of(&snapshot).await?;
        let table = snapshot.into_rows().ok_or_else(|| Error::NoLake { dir: dir.to_owned() })?;
        Ok(Self {
            directory: dir.to_owned(),
            published: RwLock::new(published),
            table: tokio::sync::Mutex::new(table),
            cache: Mutex::new(Cache::new(DEFAULT_BYTES)),
        })
    }

    /// The lake's directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Looks for a newer published version; true if there was one. Cheap where there is none.
    ///
    /// # Errors
    /// If the tables cannot be read; the reader keeps the version it has.
    pub async fn refresh(&self) -> Result<bool> {
        let mut table = self.table.lock().await;
        let newer = table.refresh().await?;
        if newer {
            let published = Published::of(&Snapshot::open(&self.directory).await?).await?;
            *self.published.write().unwrap_or_else(PoisonError::into_inner) = published;
        }
        Ok(newer)
    }

    /// First and latest closed day; `None` while no day is closed.
    pub fn days(&self) -> Option<RangeInclusive<Day>> {
        self.published().rows.days()
    }

    /// The published version of table `sp_sector_daily`: it changes whenever an answer may.
    pub fn version(&self) -> u64 {
        self.published().version
    }

    /// The day from which on events are known; `None` if that is epoch 0's, so that totals are of everything that ever
    /// was. `docs/DEFINITIONS.md`, "Opening balance".
    pub fn history_since(&self) -> Option<Day> {
        self.published().since
    }

    /// The rows of a day; `None` if the day is not closed. Reads that day alone, and only where it is not held in
    /// memory.
    ///
    /// # Errors
    /// If the day's file cannot be read.
    pub async fn day(&self, day: Day) -> Result<Option<Arc<DayRows>>> {
        match self.published_day(day).await {
            // The file may be gone because it was replaced and swept away since; then there is a newer version.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.refresh().await?;
                self.published_day(day).await
            }
            read => read,
        }
    }

    async fn published_day(&self, day: Day) -> Result<Option<Arc<DayRows>>> {
        let Some(file) = self.published().rows.of(day).cloned() else { return Ok(None) };
        let key = (file.name.clone(), day);
        if let Some(rows) = self.cache().get(&key) {
            return Ok(Some(rows));
        }
        let path = self.path(TableName::Rows, &file);
        let read = move || DayRows::new(day, &read::day(&path, TableName::Rows, &file, day)?);
        let rows = Arc::new(blocking("reading a day", read).await?);
        self.cache().put(key, &rows);
        Ok(Some(rows))
    }

    /// A miner's rows of the closed days in that range, by day; none for days before its first event. Finished months
    /// are read from the copy that lies by miner.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn miner(&self, miner: MinerId, days: RangeInclusive<Day>) -> Result<MinerRows> {
        let published = self.published();
        let mut files: Vec<(TableName, DataFile)> =
            published.history.touching(days.clone()).map(|file| (TableName::History, file.clone())).collect();
        let covered = |file: &DataFile| {
            published.history.of(file.days.0).is_some_and(|months| months.days.1 >= file.days.1)
        };
        let rest = published.rows.touching(days.clone()).filter(|file| !covered(file));
        files.extend(rest.map(|file| (TableName::Rows, file.clone())));
        let mut reading = Vec::with_capacity(files.len());
        for (name, file) in files {
            let path = self.path(name, &file);
            reading.push(tokio::spawn(blocking("reading a miner's days", move || {
                read::miner(&path, name, miner, None)
            })));
        }
        let mut batches = Vec::with_capacity(reading.len());
        for task in reading {
            let batch =
                task.await.map_err(|source| Error::Task { doing: "reading a miner's days", source })?;
            batches.push(batch?);
        }
        MinerRows::new(miner, &batches, days)
    }

    fn path(&self, table: TableName, file: &DataFile) -> PathBuf {
        self.directory.join(table.name()).join(&file.name)
    }

    fn published(&self) -> Published {
        self.published.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The day from which on a lake has events, where that is not epoch 0's.
pub(crate) async fn since(snapshot: &Snapshot) -> Result<Option<Day>> {
    let Some(progress) = snapshot.table(TableName::Progress) else { return Ok(None) };
    let Some(last) = progress.files().last() else { return Ok(None) };
    if progress.lacks_columns()? {
        return match snapshot.table(TableName::Events) {
            Some(events) => layout::since(events).await,
            None => Ok(None),
        };
    }
    let rows = crate::progress::rows(&progress.day(last).await?)?;
    Ok(rows.last().and_then(|row| row.history_since))
}
