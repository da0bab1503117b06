//! One Delta table on disk: its files by day, and commits that put files in and take files out.

mod files;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, Remove, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::table::config::TableProperty;
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use futures::TryStreamExt;
use serde_json::{Map, Value};
use url::Url;

pub(crate) use files::{DataFile, Files};

use crate::disk::Disk;
use crate::schema::{MINER_ID, STAT_DATE, TableName, delta_fields};
use crate::store::DurableStore;
use crate::{Error, Result, mend};

/// Who commits, in the `txn` action.
const APPLICATION: &str = "sectorscope";
/// Commits between two checkpoints of the log.
const CHECKPOINT_INTERVAL: &str = "32";

/// A table, as of the version that was read last.
pub(crate) struct Table {
    name: TableName,
    directory: PathBuf,
    delta: DeltaTable,
    files: Files,
    disk: Disk,
    store: DurableStore,
}

/// A file that the table had and has no more.
#[derive(Clone, Debug)]
pub(crate) struct Gone {
    /// Name within the table's directory.
    pub(crate) name: String,
    /// When it was taken out, in Unix milliseconds.
    pub(crate) at: i64,
}

/// By what a file is known again: another file in its place has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    file: u64,
    length: u64,
    written: Option<std::time::SystemTime>,
}

impl Mark {
    fn of(about: &std::fs::Metadata) -> Self {
        #[cfg(unix)]
        let file = std::os::unix::fs::MetadataExt::ino(about);
        #[cfg(not(unix))]
        let file = 0;
        Self { file, length: about.len(), written: about.modified().ok() }
    }
}

/// What a commit does.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Files taken out.
    pub(crate) remove: Vec<DataFile>,
    /// Files put in. They are on disk, flushed, and nothing names them yet.
    pub(crate) add: Vec<DataFile>,
    /// Goes into the commit's information.
    pub(crate) notes: Map<String, Value>,
    /// Whether only the way changes in which the same rows are kept.
    pub(crate) same_rows: bool,
}

impl Table {
    /// Whether there is such a table in the lake.
    pub(crate) async fn exists(lake: &Path, name: TableName) -> Result<bool> {
        let directory = lake.join(name.name());
        if !directory.is_dir() {
            return Ok(false);
        }
        let store = DurableStore::new(Disk::default());
        let delta = handle(&directory, name, &store)?;
        delta.verify_deltatable_existence().await.map_err(Error::delta(name.name(), "look for it"))
    }

    /// Opens the table for reading, at its newest version or at the given one. What a crash has torn is passed over:
    /// its writer has died, and the next one removes it.
    pub(crate) async fn open(lake: &Path, name: TableName, version: Option<u64>) -> Result<Self> {
        let directory = lake.join(name.name());
        let store = DurableStore::new(Disk::default());
        store.hide(mend::torn(&directory));
        let mut delta = handle(&directory, name, &store)?;
        let loaded = match version {
            None => delta.load().await,
            Some(version) => delta.load_version(version).await,
        };
        loaded.map_err(Error::delta(name.name(), "open it"))?;
        Self::loaded(directory, name, delta, Disk::default(), store)
    }

    /// Opens the table for writing, or makes it where there is none; clears away what a crash has torn. Only the
    /// holder of the lake's lock may.
    pub(crate) async fn open_or_create(lake: &Path, name: TableName, disk: &Disk) -> Result<Self> {
        let directory = lake.join(name.name());
        std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
        mend::log(disk, &directory)?;
        let store = DurableStore::new(disk.clone());
        let mut delta = handle(&directory, name, &store)?;
        if Self::exists(lake, name).await? {
            delta.load().await.map_err(Error::delta(name.name(), "open it"))?;
        } else {
            delta = create(name, &delta).await?;
        }
        Self::loaded(directory, name, delta, disk.clone(), store)
    }

    fn loaded(
        directory: PathBuf,
        name: TableName,
        delta: DeltaTable,
        disk: Disk,
        store: DurableStore,
    ) -> Result<Self> {
        check_schema(name, &delta)?;
        let files = files(name, &delta)?;
        Ok(Self { name, directory, delta, files, disk, store })
    }

    /// Removes the files that no version names.
    pub(crate) async fn sweep(&self) -> Result<()> {
        let mut known: HashSet<String> = self.files.iter().map(|file| file.name.clone()).collect();
        known.extend(self.gone().await?.into_iter().map(|file| file.name));
        mend::orphans(&self.disk, &self.directory, &known)
    }

    /// The files that it had and has no more, which readers of older versions may still read.
    pub(crate) async fn gone(&self) -> Result<Vec<Gone>> {
        let failed = || Error::delta(self.name.name(), "list the files it had");
        let state = self.delta.snapshot().map_err(failed())?;
        let log = self.delta.log_store();
        let gone = state.all_tombstones(&*log).map_ok(|file| Gone {
            name: file.path().into_owned(),
            at: file.deletion_timestamp().unwrap_or_default(),
        });
        gone.try_collect().await.map_err(failed())
    }

    /// Which table it is.
    pub(crate) fn name(&self) -> TableName {
        self.name
    }

    /// The version that was read last.
    pub(crate) fn version(&self) -> u64 {
        self.delta.version().unwrap_or_default()
    }

    /// Its files by day.
    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// The directory that the files' names are relative to.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a file lies.
    pub(crate) fn path(&self, file: &DataFile) -> PathBuf {
        self.directory.join(&file.name)
    }

    /// The notes of the newest commit that has the one called `key`: that of this version, unless another program has
    /// committed since.
    pub(crate) async fn notes(&self, key: &str) -> Result<Option<Map<String, Value>>> {
        let failed = || Error::delta(self.name.name(), "read its commits");
        let log = self.delta.log_store();
        for version in (0..=self.version()).rev() {
            // Older commits are gone once a checkpoint holds what they did.
            let Some(commit) = log.read_commit_entry(version).await.map_err(failed())? else { break };
            let notes = commit.split(|byte| *byte == b'\n').find_map(|line| {
                let mut action = serde_json::from_slice::<Value>(line).ok()?;
                match action.get_mut("commitInfo")?.take() {
                    Value::Object(notes) => Some(notes),
                    _ => None,
                }
            });
            if let Some(notes) = notes.filter(|notes| notes.contains_key(key)) {
                return Ok(Some(notes));
            }
        }
        Ok(None)
    }

    /// Whether there is a newer version. Costs one look for a file where there is none.
    pub(crate) async fn has_newer(&self) -> Result<bool> {
        let failed = || Error::delta(self.name.name(), "look for a newer version");
        let next = self.version().saturating_add(1);
        if self.store.hides() || mend::commit(&self.directory, next).is_file() {
            self.store.hide(mend::torn(&self.directory));
        }
        let newer = self.delta.log_store().read_commit_entry(next).await.map_err(failed())?;
        Ok(newer.is_some())
    }

    /// By what the commit of this version is known again.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn mark(&self) -> Result<Mark> {
        let path = mend::commit(&self.directory, self.version());
        let about = std::fs::metadata(&path).map_err(Error::io(&path))?;
        Ok(Mark::of(&about))
    }

    /// Takes the last commit back, which stands on something that is lost, and reads the version before it.
    pub(crate) async fn take_back(&mut self) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "read the version before the last");
        mend::take_back(&self.disk, &self.directory, self.version())?;
        let mut delta = handle(&self.directory, self.name, &self.store)?;
        delta.load().await.map_err(failed())?;
        self.files = files(self.name, &delta)?;
        self.delta = delta;
        Ok(())
    }

    /// Commits that the table has the files again that it had at an older version. Does nothing if it has them.
    pub(crate) async fn restore(&mut self, version: u64) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "read an older version");
        let mut old = handle(&self.directory, self.name, &self.store)?;
        old.load_version(version).await.map_err(failed())?;
        let old = files(self.name, &old)?;
        if old == self.files {
            return Ok(());
        }
        let missing = |of: &Files, from: &Files| -> Vec<DataFile> {
            let known: HashSet<&str> = from.iter().map(|file| file.name.as_str()).collect();
            of.iter().filter(|file| !known.contains(file.name.as_str())).cloned().collect()
        };
        let change = Change {
            remove: missing(&self.files, &old),
            add: missing(&old, &self.files),
            ..Change::default()
        };
        tracing::info!(table = self.name.name(), version, "took back what was never published");
        self.commit(change).await?;
        Ok(())
    }

    /// Commits a change; the table's new version.
    pub(crate) async fn commit(&mut self, change: Change) -> Result<u64> {
        // The files' bytes have been flushed; now their names, before the log speaks of them.
        self.disk.sync_directory(&self.directory).map_err(Error::io(&self.directory))?;
        let now = now_millis();
        let Change { remove, add, notes, same_rows } = change;
        let mut last = self.files.last();
        let mode = if remove.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
        let mut actions: Vec<Action> = remove.iter().map(|file| taken_out(file, now, same_rows)).collect();
        actions.extend(add.iter().map(|file| put_in(file, now, same_rows)));
        last = add.iter().map(|file| file.days.1).max().or(last);

        // No retries: with one writer to a lake a conflict means that the balances closed on may be stale.
        let mut properties = CommitProperties::default().with_max_retries(0).with_metadata(notes);
        if let Some(last) = last {
            let last = i64::from(last.unix_days());
            let transaction = Transaction::new_with_last_update(APPLICATION, last, Some(now));
            properties = properties.with_application_transaction(transaction);
        }
        let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
        let failed = |error| failed_commit(self.name.name(), error);
        let state = self.delta.snapshot().map_err(failed)?;
        let commit = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), self.delta.log_store(), operation)
            .await
            .map_err(failed)?;
        self.delta.state = Some(commit.snapshot());
        self.files = files(self.name, &self.delta)?;
        Ok(commit.version())
    }

    /// Whether the table lacks columns that this version writes.
    pub(crate) fn lacks_columns(&self) -> Result<bool> {
        let state = self.delta.snapshot().map_err(Error::delta(self.name.name(), "read its columns"))?;
        Ok(state.schema().fields().count() < self.name.schema().fields().len())
    }

    /// Whether the table has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> Result<bool> {
        let state = self.delta.snapshot().map_err(Error::delta(self.name.name(), "read its columns"))?;
        Ok(state.schema().fields().any(|field| field.name() == name))
    }

    /// Commits that the table has the columns that it lacks; its files know nothing of them.
    pub(crate) async fn add_columns(&mut self) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "add columns to it");
        let state = self.delta.snapshot().map_err(failed())?;
        let has = state.schema().fields().count();
        let lacking: Vec<_> = delta_fields(self.name).unwrap_or_default().into_iter().skip(has).collect();
        let delta = self.delta.clone().add_columns().with_fields(lacking).await.map_err(failed())?;
        self.files = files(self.name, &delta)?;
        self.delta = delta;
        Ok(())
    }
}

async fn create(name: TableName, delta: &DeltaTable) -> Result<DeltaTable> {
    let fields = delta_fields(name)
        .ok_or_else(|| Error::Registry { what: format!("Delta type for {}", name.name()) })?;
    // Statistics on the two columns that files are looked for by; on all of them the log would be the larger part.
    let indexed = if name.has_miners() { format!("{STAT_DATE},{MINER_ID}") } else { STAT_DATE.to_owned() };
    CreateBuilder::new()
        .with_log_store(delta.log_store())
        .with_table_name(name.name())
        .with_comment(name.description())
        .with_columns(fields)
        .with_configuration_property(TableProperty::DataSkippingStatsColumns, Some(indexed))
        .with_configuration_property(TableProperty::CheckpointInterval, Some(CHECKPOINT_INTERVAL))
        .await
        .map_err(Error::delta(name.name(), "make it"))
}

/// The Delta library's handle on the table, nothing read yet.
fn handle(directory: &Path, name: TableName, store: &DurableStore) -> Result<DeltaTable> {
    let absolute = directory.canonicalize().map_err(Error::io(directory))?;
    let url = Url::from_directory_path(&absolute).map_err(|()| Error::Table {
        table: name.name(),
        problem: format!("{} cannot be written as an address", absolute.display()),
        advice: "put the lake into another directory",
    })?;
    let failed = || Error::delta(name.name(), "open it");
    let builder = DeltaTableBuilder::from_url(url.clone()).map_err(failed())?;
    builder.with_storage_backend(Arc::new(store.clone()), url).build().map_err(failed())
}

/// The table's columns must be those that this version writes; of an older layout it may lack the last ones.
fn check_schema(name: TableName, delta: &DeltaTable) -> Result<()> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "read its columns"))?;
    let stored = state.schema();
    let stored: Vec<_> = stored.fields().map(|field| (field.name(), field.data_type())).collect();
    let expected = delta_fields(name).unwrap_or_default();
    let expected: Vec<_> =
        expected.iter().map(|field| (field.name(), field.data_type(), field.is_nullable())).collect();
    let known = stored.len() <= expected.len()
        && stored.iter().zip(&expected).all(|(stored, (name, kind, _))| *stored == (*name, *kind))
        && expected.iter().skip(stored.len()).all(|(_, _, nullable)| *nullable);
    if known {
        return Ok(());
    }
    Err(Error::Table {
        table: name.name(),
        problem: "its columns are not those that this version of the program writes".to_owned(),
        advice: "use the version that made the lake, or ingest into a new one",
    })
}

/// The table's files by day, by their statistics.
fn files(name: TableName, delta: &DeltaTable) -> Result<Files> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "list its files"))?;
    let mut files = Files::default();
    for file in state.log_data().iter() {
        let path = file.path().into_owned();
        let foreign = |problem: String| Error::Table {
            table: name.name(),
            problem,
            advice: "another program has rewritten it: ingest into a new lake",
        };
        let stored = file.stats().and_then(|stats| DataFile::from_stats(path.clone(), file.size(), &stats));
        let stored =
            stored.ok_or_else(|| foreign(format!("file {path} does not say which days it holds")))?;
        let days = stored.days;
        files.insert(stored).map_err(|other| {
            foreign(format!(
                "a day from {} to {} is in more than one file, one is {}",
                days.0, days.1, other.name
            ))
        })?;
    }
    Ok(files)
}

fn put_in(file: &DataFile, now: i64, same_rows: bool) -> Action {
    Action::Add(Add {
        path: file.name.clone(),
        size: file.size,
        modification_time: now,
        data_change: !same_rows,
        stats: Some(file.stats()),
        ..Add::default()
    })
}

fn taken_out(file: &DataFile, now: i64, same_rows: bool) -> Action {
    Action::Remove(Remove {
        path: file.name.clone(),
        data_change: !same_rows,
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
pub(crate) fn now_millis() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.ok().and_then(|now| i64::try_from(now.as_millis()).ok()).unwrap_or_default()
}
