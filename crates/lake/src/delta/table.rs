//! One Delta table on disk: its files by day, and commits that put files in and take files out.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::Transaction;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde_json::{Map, Value};

use crate::data_files::data_file::{DataFile, DataFiles, LocatedFile};
use crate::delta::file_changes::{self, FileChanges};
use crate::delta::log::{self, Tombstone};
use crate::delta::object_store::DurableStore;
use crate::delta::recovery;
use crate::error::{Error, Result};
use crate::schema::{TableName, delta_fields};
use crate::storage::beneath;
use crate::storage::disk::Disk;
use crate::storage::file_identity::FileFingerprint;
use crate::storage::file_names::{FileName, LogName};

/// Who commits, in the `txn` action.
const APPLICATION: &str = "sectorscope";

/// A table, as of the version that was read last.
pub(crate) struct Table {
    name: TableName,
    /// The lake's directory, from the root on.
    lake: Arc<Path>,
    directory: PathBuf,
    delta: DeltaTable,
    files: DataFiles,
    disk: Disk,
    store: DurableStore,
    /// Newer commits that are passed over, because files that they name are missing.
    skipped: Vec<(u64, FileFingerprint)>,
}

impl Table {
    /// Whether there is such a table in the lake.
    ///
    /// # Errors
    /// If something else has its name.
    pub(crate) fn exists(lake: &Path, name: TableName) -> Result<bool> {
        recovery::has_log(lake, name.name())
    }

    /// Opens the table for reading, at its newest version or at the given one. What a crash has torn is passed over:
    /// its writer has died, and the next one removes it.
    pub(crate) async fn open(lake: &Path, name: TableName, version: Option<u64>) -> Result<Self> {
        let opened = Self::begin(lake, name, &Disk::default())?;
        opened.store.hide(recovery::torn_files(&opened.directory)?);
        let mut delta = log::handle(name, &opened.store)?;
        let loaded = match version {
            None => delta.load().await,
            Some(version) => delta.load_version(version).await,
        };
        loaded.map_err(Error::delta(name.name(), "open it"))?;
        opened.load(name, delta, Disk::default()).await
    }

    /// Opens the table for writing, or makes it where there is none; clears away what a crash has torn. Only the
    /// holder of the lake's lock may.
    pub(crate) async fn open_or_create(lake: &Path, name: TableName, disk: &Disk) -> Result<Self> {
        beneath::create_directory(lake, &[name.name()]).map_err(Error::io(lake.join(name.name())))?;
        let opened = Self::begin(lake, name, disk)?;
        recovery::repair_log(disk, &opened.directory)?;
        let mut delta = log::handle(name, &opened.store)?;
        if Self::exists(lake, name)? {
            delta.load().await.map_err(Error::delta(name.name(), "open it"))?;
        } else {
            delta = log::create(name, &delta).await?;
        }
        opened.load(name, delta, disk.clone()).await
    }

    fn begin(lake: &Path, name: TableName, disk: &Disk) -> Result<UnloadedTable> {
        let lake = lake.canonicalize().map_err(Error::io(lake))?;
        let directory = lake.join(name.name());
        // A link in the place of the table leads elsewhere.
        beneath::is_directory(&lake, &[name.name()]).map_err(Error::io(&directory))?;
        let store = DurableStore::new(&directory, name, disk.clone());
        Ok(UnloadedTable { lake: lake.into(), directory, store })
    }

    /// Removes the files that no version names.
    pub(crate) async fn remove_orphans(&self) -> Result<()> {
        let mut known: HashSet<FileName> = self.files.iter().map(|file| file.name.clone()).collect();
        known.extend(self.tombstones().await?.into_iter().map(|file| file.name));
        recovery::remove_orphans(&self.disk, &self.directory, &known)
    }

    /// The files that it had and has no more, which readers of older versions may still read.
    pub(crate) async fn tombstones(&self) -> Result<Vec<Tombstone>> {
        log::tombstones(&self.directory, self.name, &self.delta).await
    }

    /// Names of its files that are not there.
    ///
    /// # Errors
    /// If something else has the name of one.
    pub(crate) fn missing_files(&self) -> Result<Vec<FileName>> {
        let mut missing = Vec::new();
        for file in self.files.iter() {
            let about = beneath::metadata(&self.lake, &[self.name.name(), file.name.as_str()]);
            if about.map_err(Error::io(file.name.path_in(&self.directory)))?.is_none() {
                missing.push(file.name.clone());
            }
        }
        Ok(missing)
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
    pub(crate) fn files(&self) -> &DataFiles {
        &self.files
    }

    /// The directory that the files' names are relative to.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of it, to be opened.
    pub(crate) fn locate(&self, file: &DataFile) -> LocatedFile {
        LocatedFile { lake: Arc::clone(&self.lake), table: self.name, file: file.clone() }
    }

    /// The information of the newest commit that has the key `key`: that of this version, unless another program has
    /// committed since.
    pub(crate) async fn latest_commit_info(&self, key: &str) -> Result<Option<Map<String, Value>>> {
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
        if self.store.hides() || recovery::commit_path(&self.directory, next).is_file() {
            self.hide()?;
        }
        let newer = self.delta.log_store().read_commit_entry(next).await.map_err(failed())?;
        Ok(newer.is_some())
    }

    /// Passes over a newer commit, as long as it is the same.
    pub(crate) fn skip_version(&mut self, version: u64) -> Result<()> {
        self.skipped.push((version, self.fingerprint_of(version)?));
        self.hide()
    }

    /// Hides what is torn, and what is passed over.
    fn hide(&self) -> Result<()> {
        let mut hidden = recovery::torn_files(&self.directory)?;
        for (version, fingerprint) in &self.skipped {
            if self.fingerprint_of(*version).is_ok_and(|now| now == *fingerprint) {
                hidden.insert(LogName::commit(*version).to_string());
                hidden.insert(LogName { version: *version, is_checkpoint: true }.to_string());
            }
        }
        self.store.hide(hidden);
        Ok(())
    }

    /// By what the commit of this version is known again.
    ///
    /// # Errors
    /// If it is not there.
    pub(crate) fn commit_fingerprint(&self) -> Result<FileFingerprint> {
        self.fingerprint_of(self.version())
    }

    fn fingerprint_of(&self, version: u64) -> Result<FileFingerprint> {
        let path = recovery::commit_path(&self.directory, version);
        let about = std::fs::symlink_metadata(&path).map_err(Error::io(&path))?;
        Ok(FileFingerprint::of(&about))
    }

    /// Rolls the last commit back, and reads the version before it; `why` says so in the words of a log line.
    pub(crate) async fn roll_back_last_commit(&mut self, why: &str) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "read the version before the last");
        recovery::roll_back_last_commit(&self.disk, &self.directory, self.version(), why)?;
        let mut delta = log::handle(self.name, &self.store)?;
        delta.load().await.map_err(failed())?;
        self.files = log::files(&self.directory, self.name, &delta)?;
        self.delta = delta;
        Ok(())
    }

    /// Commits that the table has the files again that it had at an older version. Does nothing if it has them.
    pub(crate) async fn restore_version(&mut self, version: u64) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "read an older version");
        let mut old = log::handle(self.name, &self.store)?;
        old.load_version(version).await.map_err(failed())?;
        let old = log::files(&self.directory, self.name, &old)?;
        if old == self.files {
            return Ok(());
        }
        let missing = |of: &DataFiles, from: &DataFiles| -> Vec<DataFile> {
            let known: HashSet<&FileName> = from.iter().map(|file| &file.name).collect();
            of.iter().filter(|file| !known.contains(&file.name)).cloned().collect()
        };
        let change = FileChanges {
            remove: missing(&self.files, &old),
            add: missing(&old, &self.files),
            ..FileChanges::default()
        };
        tracing::info!(table = self.name.name(), version, "took back what was never published");
        self.commit(change).await?;
        Ok(())
    }

    /// Commits a change; the table's new version.
    pub(crate) async fn commit(&mut self, change: FileChanges) -> Result<u64> {
        // The files' bytes have been flushed; now their names, before the log speaks of them.
        self.disk.sync_directory(&self.directory).map_err(Error::io(&self.directory))?;
        let now = self.disk.clock().unix_millis();
        let mode = if change.remove.is_empty() { SaveMode::Append } else { SaveMode::Overwrite };
        let actions = change.actions(now);
        let last = change.add.iter().map(|file| file.days.last()).max().or(self.files.last());

        // No retries: with one writer to a lake a conflict means that the balances closed on may be stale.
        let mut properties =
            CommitProperties::default().with_max_retries(0).with_metadata(change.commit_info);
        if let Some(last) = last {
            let last = i64::from(last.unix_days());
            let transaction = Transaction::new_with_last_update(APPLICATION, last, Some(now));
            properties = properties.with_application_transaction(transaction);
        }
        let operation = DeltaOperation::Write { mode, partition_by: None, predicate: None };
        let failed = |error| file_changes::commit_error(self.name.name(), error);
        let state = self.delta.snapshot().map_err(failed)?;
        // Looked at once more when the commit gets its name; here it is said in plain words.
        self.disk.check_lock().map_err(Error::io(&*self.lake))?;
        let commit = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), self.delta.log_store(), operation)
            .await
            .map_err(failed)?;
        self.delta.state = Some(commit.snapshot());
        self.files = log::files(&self.directory, self.name, &self.delta)?;
        Ok(commit.version())
    }

    /// Whether the table lacks columns or properties that this version gives new tables.
    pub(crate) fn is_outdated(&self) -> Result<bool> {
        Ok(self.lacks_columns()? || !log::keeps_tombstones(self.name, &self.delta)?)
    }

    fn lacks_columns(&self) -> Result<bool> {
        let state = self.delta.snapshot().map_err(Error::delta(self.name.name(), "read its columns"))?;
        Ok(state.schema().fields().count() < self.name.schema().fields().len())
    }

    /// Whether the table has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> Result<bool> {
        let state = self.delta.snapshot().map_err(Error::delta(self.name.name(), "read its columns"))?;
        Ok(state.schema().fields().any(|field| field.name() == name))
    }

    /// Commits that the table has the columns and properties that it lacks; its files know nothing of them. Each is one
    /// commit, and is left out if it was made before.
    pub(crate) async fn update(&mut self) -> Result<()> {
        let failed = || Error::delta(self.name.name(), "add columns to it");
        let mut delta = self.delta.clone();
        if self.lacks_columns()? {
            let has = delta.snapshot().map_err(failed())?.schema().fields().count();
            let lacking = delta_fields(self.name).unwrap_or_default().into_iter().skip(has);
            delta = delta.add_columns().with_fields(lacking).await.map_err(failed())?;
        }
        if !log::keeps_tombstones(self.name, &delta)? {
            delta = log::keep_tombstones(self.name, delta).await?;
        }
        self.files = log::files(&self.directory, self.name, &delta)?;
        self.delta = delta;
        Ok(())
    }
}

/// A table that is about to be read.
struct UnloadedTable {
    lake: Arc<Path>,
    directory: PathBuf,
    store: DurableStore,
}

impl UnloadedTable {
    /// What is read of it is held against what this program writes.
    async fn load(self, name: TableName, delta: DeltaTable, disk: Disk) -> Result<Table> {
        let Self { lake, directory, store } = self;
        log::check_schema(name, &delta)?;
        let files = log::files(&directory, name, &delta)?;
        // What it had may be removed one day, by whoever writes to it then.
        log::tombstones(&directory, name, &delta).await?;
        Ok(Table { name, lake, directory, delta, files, disk, store, skipped: Vec::new() })
    }
}
