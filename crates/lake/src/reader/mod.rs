//! The reader: closed days, as the newest published version has them.

pub(crate) mod provenance;
pub(crate) mod status;

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chain::{Day, DayRange, MinerId};
use ledger::ReceiptCounts;
use rayon::prelude::*;

use crate::catalog::day_range;
use crate::catalog::history_start;
use crate::catalog::receipts::{ReceiptIndex, ReceiptSummary};
use crate::catalog::snapshot::Snapshot;
use crate::data_files::data_file::{DataFile, DataFiles, LocatedFile};
use crate::data_files::reader;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::rows::cache::{Cache, DEFAULT_BYTES};
use crate::rows::day_rows::DayRows;
use crate::rows::day_version::DayVersion;
use crate::rows::miner_rows::MinerRows;
use crate::schema::TableName;
use crate::storage::blocking::blocking;
use crate::storage::file_identity::FileFingerprint;

/// A reader of a lake, to be shared between requests. It sees what was published when it was opened or last
/// refreshed, whatever a writer does meanwhile.
pub struct Reader {
    directory: Arc<Path>,
    /// Held only while looking for newer versions; requests do not wait for it.
    watched: tokio::sync::Mutex<CommitWatch>,
    published: RwLock<Arc<PublishedVersion>>,
    cache: Cache,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// The publishing table, and by what its newest commit is known again.
struct CommitWatch {
    table: Table,
    fingerprint: FileFingerprint,
}

impl CommitWatch {
    fn of(table: Table) -> Result<Self> {
        let fingerprint = table.commit_fingerprint()?;
        Ok(Self { table, fingerprint })
    }
}

/// Hits and misses of the cache of days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Days that were in the cache.
    pub hits: u64,
    /// Days that were read from their files.
    pub misses: u64,
    /// Bytes held.
    pub bytes: usize,
}

/// A published version: what a request needs to know of it. It stays as it is while newer ones are published, so
/// whoever asks it several things gets answers that belong together.
#[derive(Debug)]
pub struct PublishedVersion {
    version: u64,
    rows: DataFiles,
    history: DataFiles,
    since: Option<Day>,
    receipts: ReceiptIndex,
}

impl PublishedVersion {
    /// `before` is what was known of an older version's receipts.
    async fn of(snapshot: &Snapshot, before: &ReceiptIndex) -> Result<Self> {
        let files = |name| snapshot.table(name).map(|table| table.files().clone()).unwrap_or_default();
        Ok(Self {
            version: snapshot.version(),
            rows: files(TableName::Rows),
            history: files(TableName::History),
            since: history_start::history_start(snapshot).await?,
            receipts: ReceiptIndex::load(snapshot, before).await?,
        })
    }

    /// The version of table `sp_sector_daily`: it changes whenever an answer may.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// First and latest closed day; `None` while no day is closed.
    #[must_use]
    pub fn days(&self) -> Option<RangeInclusive<Day>> {
        self.rows.days().map(Into::into)
    }

    /// The day from which on events are known; `None` if that is epoch 0's, so that totals are of everything that ever
    /// was. `docs/DEFINITIONS.md`, "Opening balance".
    #[must_use]
    pub fn history_since(&self) -> Option<Day> {
        self.since
    }

    /// How the outcomes of a closed day's messages are known. `docs/DEFINITIONS.md`, "Missing receipts".
    #[must_use]
    pub fn receipts(&self, day: Day) -> ReceiptCounts {
        self.receipts.day(day)
    }

    /// The same of some closed days together.
    #[must_use]
    pub fn receipt_summary(&self, days: &RangeInclusive<Day>) -> ReceiptSummary {
        DayRange::try_from(days).map_or_else(|_| ReceiptSummary::default(), |days| self.receipts.days(days))
    }

    /// How many daily rows of storage providers there are on some days, or more: files are counted whole.
    #[must_use]
    pub fn rows_at_most(&self, days: &RangeInclusive<Day>) -> u64 {
        let files = DayRange::try_from(days).ok().into_iter().flat_map(|days| self.rows.overlapping(days));
        files.map(|file| file.rows).fold(0, u64::saturating_add)
    }

    /// The day's version; `None` if it is not closed.
    #[must_use]
    pub fn day_version(&self, day: Day) -> Option<DayVersion> {
        self.rows.containing(day).map(|file| DayVersion::of(day, file.name.as_str()))
    }
}

impl Reader {
    /// Opens the lake in `dir`.
    ///
    /// # Errors
    /// If there is no lake, it was made by another version of the program, or it cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        let (published, watched) = read_newest(dir, &ReceiptIndex::default()).await?;
        Ok(Self {
            directory: dir.into(),
            published: RwLock::new(Arc::new(published)),
            watched: tokio::sync::Mutex::new(watched),
            cache: Cache::new(DEFAULT_BYTES),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// Looks for a newer published version, or another lake in the place of this one; true if there was one. Cheap
    /// where there is none.
    ///
    /// # Errors
    /// If the tables cannot be read or are gone; the reader keeps the version it has.
    pub async fn refresh(&self) -> Result<bool> {
        let mut watched = self.watched.lock().await;
        // A commit never changes, so a changed one is another lake's: put here by hand, or from a backup.
        let same =
            watched.table.commit_fingerprint().is_ok_and(|fingerprint| fingerprint == watched.fingerprint);
        if same && !watched.table.has_newer().await? {
            return Ok(false);
        }
        let known = if same { self.published().receipts.clone() } else { ReceiptIndex::default() };
        let (published, anew) = read_newest(&self.directory, &known).await?;
        if !same {
            tracing::warn!(lake = %self.directory.display(), "another lake is in the place of the one before");
            self.cache.clear();
        }
        *watched = anew;
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(published);
        Ok(true)
    }

    /// The directory that it reads.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Hits and misses of the cache of days.
    pub fn cache_stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: self.cache.held(),
        }
    }

    /// First and latest closed day; `None` while no day is closed.
    pub fn days(&self) -> Option<RangeInclusive<Day>> {
        self.published().days()
    }

    /// The closed days from `from` to `to`; a side that is not given is as far as these go.
    ///
    /// # Errors
    /// If a day is named that is not closed, or none is, or the last comes before the first.
    pub fn days_between(&self, from: Option<Day>, to: Option<Day>) -> Result<RangeInclusive<Day>> {
        day_range::resolve(self.published().rows.days(), from, to).map(Into::into)
    }

    /// The published version of table `sp_sector_daily`: it changes whenever an answer may.
    pub fn version(&self) -> u64 {
        self.published().version()
    }

    /// The day from which on events are known; `None` if that is epoch 0's, so that totals are of everything that ever
    /// was. `docs/DEFINITIONS.md`, "Opening balance".
    pub fn history_since(&self) -> Option<Day> {
        self.published().history_since()
    }

    /// The rows of a day; `None` if the day is not closed. Reads that day alone, and only where it is not held in
    /// memory.
    ///
    /// # Errors
    /// If the day's file cannot be read.
    pub async fn day(&self, day: Day) -> Result<Option<Arc<DayRows>>> {
        Ok(self.day_with_version(day).await?.map(|(_, rows)| rows))
    }

    /// As [`Reader::day`], with the version that the rows are of.
    ///
    /// # Errors
    /// If the day's file cannot be read.
    pub async fn day_with_version(&self, day: Day) -> Result<Option<(DayVersion, Arc<DayRows>)>> {
        match self.published_day(day).await {
            // The file may be gone because it was replaced and deleted since; then there is a newer version.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.refresh().await?;
                self.published_day(day).await
            }
            read => read,
        }
    }

    async fn published_day(&self, day: Day) -> Result<Option<(DayVersion, Arc<DayRows>)>> {
        let Some(file) = self.published().rows.containing(day).cloned() else { return Ok(None) };
        let version = DayVersion::of(day, file.name.as_str());
        if let Some(rows) = self.cache.get(&version) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(Some((version, rows)));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let file = self.locate(TableName::Rows, &file);
        let read = move || DayRows::new(day, &reader::day(&file, day)?);
        let rows = Arc::new(blocking("reading a day", read).await?);
        self.cache.put(version, &rows);
        Ok(Some((version, rows)))
    }

    /// A miner's rows of the closed days in that range, by day; none for days before its first event. Days that are in the
    /// copy clustered by miner are read from there.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub async fn miner(&self, miner: MinerId, days: RangeInclusive<Day>) -> Result<MinerRows> {
        // In a range that ends before it begins there is nothing.
        let Ok(days) = DayRange::try_from(&days) else { return MinerRows::new(miner, &[], None) };
        match self.published_miner(miner, days).await {
            // As with a day: what is gone was replaced.
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.refresh().await?;
                self.published_miner(miner, days).await
            }
            read => read,
        }
    }

    async fn published_miner(&self, miner: MinerId, days: DayRange) -> Result<MinerRows> {
        let published = self.published();
        let history = published.history.overlapping(days).map(|file| (TableName::History, file));
        let covered = |file: &&DataFile| {
            published.history.containing(file.days.first()).is_some_and(|laid| laid.days.covers(file.days))
        };
        let rest = published.rows.overlapping(days).filter(|file| !covered(file));
        let files = history.chain(rest.map(|file| (TableName::Rows, file)));
        let files: Vec<_> = files.map(|(name, file)| self.locate(name, file)).collect();
        let read = move || {
            let each = files.par_iter().map(|file| reader::miner(file, miner, None));
            each.collect::<Result<Vec<_>>>()
        };
        let batches = blocking("reading a miner's days", read).await?;
        MinerRows::new(miner, &batches, Some(days))
    }

    fn locate(&self, table: TableName, file: &DataFile) -> LocatedFile {
        LocatedFile { lake: Arc::clone(&self.directory), table, file: file.clone() }
    }

    /// The newest published version that was looked for.
    pub fn published(&self) -> Arc<PublishedVersion> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The newest published version, and what to watch for newer ones; `known` is what was known of receipts before.
async fn read_newest(dir: &Path, known: &ReceiptIndex) -> Result<(PublishedVersion, CommitWatch)> {
    let snapshot = Snapshot::open(dir).await?;
    let published = PublishedVersion::of(&snapshot, known).await?;
    let table = snapshot.into_publishing_table().ok_or_else(|| Error::NoLake { dir: dir.to_owned() })?;
    Ok((published, CommitWatch::of(table)?))
}
