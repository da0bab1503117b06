//! One Delta table on disk: its files by day, and commits that put days in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::Day;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, Remove, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::config::TableProperty;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt;
use serde_json::{Map, Value, json};
use url::Url;

use crate::disk::Disk;
use crate::file::DataFile;
use crate::schema::{MINER_ID, STAT_DATE, TableName, delta_fields};
use crate::store::DurableStore;
use crate::{Error, Result, mend};

/// Who commits, in the `txn` action.
const APPLICATION: &str = "sectorscope";
/// Commits between two checkpoints of the log.
const CHECKPOINT_INTERVAL: &str = "32";

/// A data file in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFile {
    /// Name within the table's directory.
    pub(crate) name: String,
    size: i64,
}

/// A table, as of the version that was read last.
pub(crate) struct Table {
    name: TableName,
    directory: PathBuf,
    delta: DeltaTable,
    days: BTreeMap<Day, StoredFile>,
    disk: Disk,
}

impl Table {
    /// Whether there is such a table in the lake.
    pub(crate) async fn exists(lake: &Path, name: TableName) -> Result<bool> {
        let directory = lake.join(name.name());
        if !directory.is_dir() {
            return Ok(false);
        }
        let delta = handle(&directory, name, &Disk::default())?;
        delta.verify_deltatable_existence().await.map_err(Error::delta(name.name(), "look for it"))
    }

    /// Opens the table for reading, at its newest version. A torn last commit is passed over: its writer has died, and
    /// the next one removes it.
    pub(crate) async fn open(lake: &Path, name: TableName) -> Result<Self> {
        let directory = lake.join(name.name());
        let mut delta = handle(&directory, name, &Disk::default())?;
        let loaded = match mend::torn_last_commit(&directory).and_then(|torn| torn.checked_sub(1)) {
            None => delta.load().await,
            Some(before) => delta.load_version(before).await,
        };
        loaded.map_err(Error::delta(name.name(), "open it"))?;
        Self::loaded(directory, name, delta, Disk::default())
    }

    /// Opens the table for writing, or makes it where there is none; clears away what a crash has left. Only the holder
    /// of the lake's lock may.
    pub(crate) async fn open_or_create(lake: &Path, name: TableName, disk: &Disk) -> Result<Self> {
        let directory = lake.join(name.name());
        std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
        mend::log(disk, &directory)?;
        let table = if Self::exists(lake, name).await? {
            let mut delta = handle(&directory, name, disk)?;
            delta.load().await.map_err(Error::delta(name.name(), "open it"))?;
            Self::loaded(directory, name, delta, disk.clone())?
        } else {
            Self::create(directory, name, disk).await?
        };
        let known = table.known_files().await?;
        mend::orphans(disk, &table.directory, &known)?;
        Ok(table)
    }

    async fn create(directory: PathBuf, name: TableName, disk: &Disk) -> Result<Self> {
        let fields = delta_fields(name)
            .ok_or_else(|| Error::Registry { what: format!("Delta type for {}", name.name()) })?;
        // Statistics on the two columns that files are looked for by; on all of them the log would be the larger part.
        let indexed = if name == TableName::Progress {
            STAT_DATE.to_owned()
        } else {
            format!("{STAT_DATE},{MINER_ID}")
        };
        let delta = CreateBuilder::new()
            .with_log_store(handle(&directory, name, disk)?.log_store())
            .with_table_name(name.name())
            .with_comment(name.description())
            .with_columns(fields)
            .with_configuration_property(TableProperty::DataSkippingStatsColumns, Some(indexed))
            .with_configuration_property(TableProperty::CheckpointInterval, Some(CHECKPOINT_INTERVAL))
            .await
            .map_err(Error::delta(name.name(), "make it"))?;
        Self::loaded(directory, name, delta, disk.clone())
    }

    fn loaded(directory: PathBuf, name: TableName, delta: DeltaTable, disk: Disk) -> Result<Self> {
        check_schema(name, &delta)?;
        let days = days(name, &delta)?;
        Ok(Self { name, directory, delta, days, disk })
    }

    /// Names of the files that it has, and of those that it had and readers of older versions may still read.
    async fn known_files(&self) -> Result<HashSet<String>> {
        let failed = || Error::delta(self.name.name(), "list the files it had");
        let state = self.delta.snapshot().map_err(failed())?;
        let log = self.delta.log_store();
        let had = state.all_tombstones(&*log).map_ok(|file| file.path().into_owned());
        let mut known: HashSet<String> = had.try_collect().await.map_err(failed())?;
        known.extend(self.days.values().map(|file| file.name.clone()));
        Ok(known)
    }

    /// The version that was read last.
    pub(crate) fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// Its files by day.
    pub(crate) fn days(&self) -> &BTreeMap<Day, StoredFile> {
        &self.days
    }

    /// The directory that the files' names are relative to.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads newer versions, if there are; true if there were. Costs one look for a file where there are none.
    pub(crate) async fn refresh(&mut self) -> Result<bool> {
        let failed = || Error::delta(self.name.name(), "look for a newer version");
        let next = self.version().saturating_add(1);
        let newer = self.delta.log_store().read_commit_entry(next).await.map_err(failed())?;
        if newer.is_none() {
            return Ok(false);
        }
        self.delta.update_state().await.map_err(failed())?;
        self.days = days(self.name, &self.delta)?;
        Ok(true)
    }

    /// Commits the files of consecutive days, and takes out what the table had from the first of these days on: days
    /// that a run left behind which did not come to the publish point. `notes` go into the commit's information.
    pub(crate) async fn commit(&mut self, files: &[DataFile], notes: Map<String, Value>) -> Result<u64> {
        let (Some(first), Some(last)) = (files.first(), files.last()) else {
            return Ok(self.version());
        };
        // The files' bytes have been flushed; now their names, before the log speaks of them.
        self.disk.sync_directory(&self.directory).map_err(Error::io(&self.directory))?;
        let now = now_millis();
        let mut actions: Vec<Action> =
            self.days.range(first.day..).map(|(_, file)| remove(file, now)).collect();
        let mode = if actions.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
        actions.extend(files.iter().map(|file| add(file, now)));

        // No retries: with one writer to a lake a conflict means that the balances closed on may be stale.
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_metadata(notes)
            .with_application_transaction(Transaction::new_with_last_update(
                APPLICATION,
                i64::from(last.day.unix_days()),
                Some(now),
            ));
        let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
        let failed = |error| failed_commit(self.name.name(), error);
        let state = self.delta.snapshot().map_err(failed)?;
        let commit = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), self.delta.log_store(), operation)
            .await
            .map_err(failed)?;
        self.delta.state = Some(commit.snapshot());
        self.days = days(self.name, &self.delta)?;
        Ok(commit.version())
    }
}

/// The Delta library's handle on the table, nothing read yet.
fn handle(directory: &Path, name: TableName, disk: &Disk) -> Result<DeltaTable> {
    let absolute = directory.canonicalize().map_err(Error::io(directory))?;
    let url = Url::from_directory_path(&absolute).map_err(|()| Error::Table {
        table: name.name(),
        problem: format!("{} cannot be written as an address", absolute.display()),
        advice: "put the lake into another directory",
    })?;
    let failed = || Error::delta(name.name(), "open it");
    let store = Arc::new(DurableStore::new(disk.clone()));
    let builder = DeltaTableBuilder::from_url(url.clone()).map_err(failed())?;
    builder.with_storage_backend(store, url).build().map_err(failed())
}

/// The table's columns must be those that this version writes.
fn check_schema(name: TableName, delta: &DeltaTable) -> Result<()> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "read its columns"))?;
    let stored = state.schema();
    let stored = stored.fields().map(|field| (field.name(), field.data_type()));
    let expected = delta_fields(name).unwrap_or_default();
    if stored.eq(expected.iter().map(|field| (field.name(), field.data_type()))) {
        return Ok(());
    }
    Err(Error::Table {
        table: name.name(),
        problem: "its columns are not those that this version of the program writes".to_owned(),
        advice: "use the version that made the lake, or ingest into a new one",
    })
}

/// The table's files by day, by their statistics: a file holds one day.
fn days(name: TableName, delta: &DeltaTable) -> Result<BTreeMap<Day, StoredFile>> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "list its files"))?;
    let mut days = BTreeMap::new();
    for file in state.log_data().iter() {
        let path = file.path().into_owned();
        let foreign = |problem: String| Error::Table {
            table: name.name(),
            problem,
            advice: "another program has rewritten it: ingest into a new lake",
        };
        let day = file.stats().and_then(|stats| day_of(&stats));
        let day = day.ok_or_else(|| foreign(format!("file {path} does not say which day it holds")))?;
        let stored = StoredFile { name: path, size: file.size() };
        if let Some(other) = days.insert(day, stored) {
            return Err(foreign(format!("{day} is in more than one file, one is {}", other.name)));
        }
    }
    Ok(days)
}

/// The one day that a file's statistics say it holds.
fn day_of(stats: &str) -> Option<Day> {
    let stats: Value = serde_json::from_str(stats).ok()?;
    let bound = |side: &str| stats.get(side)?.get(STAT_DATE)?.as_str()?.parse::<Day>().ok();
    let (first, last) = (bound("minValues")?, bound("maxValues")?);
    (first == last).then_some(first)
}

/// A file without rows says its day too: a bound that no row comes near is still a bound.
fn stats(file: &DataFile) -> String {
    let day = file.day.to_string();
    let mut lowest = Map::from_iter([(STAT_DATE.to_owned(), json!(day))]);
    let mut highest = lowest.clone();
    if let Some((first, last)) = file.miners {
        lowest.insert(MINER_ID.to_owned(), json!(first));
        highest.insert(MINER_ID.to_owned(), json!(last));
    }
    let nulls: Map<String, Value> = lowest.keys().map(|column| (column.clone(), json!(0))).collect();
    json!({
        "numRecords": file.rows,
        "minValues": lowest,
        "maxValues": highest,
        "nullCount": nulls,
    })
    .to_string()
}

fn add(file: &DataFile, now: i64) -> Action {
    Action::Add(Add {
        path: file.name.clone(),
        size: file.size,
        modification_time: now,
        data_change: true,
        stats: Some(stats(file)),
        ..Add::default()
    })
}

fn remove(file: &StoredFile, now: i64) -> Action {
    Action::Remove(Remove {
        path: file.name.clone(),
        data_change: true,
        deletion_timestamp: Some(now),
        extended_file_metadata: Some(true),
        partition_values: Some(HashMap::new()),
        size: Some(file.size),
        ..Remove::default()
    })
}

fn failed_commit(table: &'static str, error: DeltaTableError) -> Error {
    match error {
        DeltaTableError::VersionAlreadyExists(_)
        | DeltaTableError::Transaction {
            source: TransactionError::MaxCommitAttempts(_) | TransactionError::CommitConflict(_),
        } => Error::OtherWriter { table },
        other => Error::delta(table, "commit to it")(other),
    }
}

/// Delta wants to know when files came and went. Nothing of ours depends on it.
fn now_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok().and_then(|now| i64::try_from(now.as_millis()).ok()).unwrap_or_default()
}
