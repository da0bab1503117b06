//! A table's log, as the Delta library has read it, checked against what this program writes into one.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use deltalake::operations::create::CreateBuilder;
use deltalake::table::config::TableProperty;
use deltalake::{DeltaTable, DeltaTableBuilder};
use futures::TryStreamExt;
use url::Url;

use crate::data_files::data_file::{DataFile, DataFiles};
use crate::delta::object_store::DurableStore;
use crate::delta::recovery::LOG_DIRECTORY;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, STAT_DATE, TableName, delta_fields};
use crate::storage::file_names::FileName;

/// Commits between two checkpoints of the log.
const CHECKPOINT_INTERVAL: &str = "32";
/// How long checkpoints keep tombstones: for ever, as far as that can be said. The library's seven days would let a
/// writer take replaced files for orphans after that time, however long `vacuum` is told to keep them. A tombstone takes
/// some hundred bytes, and a table gets a few a day at most.
const TOMBSTONE_RETENTION_DAYS: u32 = 36_500;
/// The only version of Delta's protocol for readers that this program writes: later ones may delete rows without a word in
/// the files that have them, and call columns by other names.
const READERS: i32 = 1;

/// A file that the table had and has no more.
#[derive(Clone, Debug)]
pub(crate) struct Tombstone {
    /// Its name.
    pub(crate) name: FileName,
    /// When it was taken out, in Unix milliseconds.
    pub(crate) removed_at: i64,
}

/// The Delta library's handle on a table; nothing is read yet. Its address is made of the table's name alone, as the store
/// has it. Of the address's kind the library knows no directory that it would look for by itself.
pub(super) fn handle(name: TableName, store: &DurableStore) -> Result<DeltaTable> {
    let address = format!("memory:///{}/", name.name());
    let url = Url::parse(&address).map_err(|_| Error::Registry { what: address })?;
    let failed = || Error::delta(name.name(), "open it");
    let builder = DeltaTableBuilder::from_url(url.clone()).map_err(failed())?;
    builder.with_storage_backend(Arc::new(store.clone()), url).build().map_err(failed())
}

/// Makes the table.
pub(super) async fn create(name: TableName, delta: &DeltaTable) -> Result<DeltaTable> {
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
        .with_configuration_property(TableProperty::DeletedFileRetentionDuration, Some(tombstone_retention()))
        .await
        .map_err(Error::delta(name.name(), "make it"))
}

/// How long checkpoints keep tombstones, as Delta writes it.
fn tombstone_retention() -> String {
    format!("interval {TOMBSTONE_RETENTION_DAYS} days")
}

/// Whether the table's checkpoints keep tombstones.
pub(super) fn keeps_tombstones(name: TableName, delta: &DeltaTable) -> Result<bool> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "read its properties"))?;
    let retention = Duration::from_hours(u64::from(TOMBSTONE_RETENTION_DAYS) * 24);
    Ok(state.table_config().deleted_file_retention_duration == Some(retention))
}

/// Commits that the table's checkpoints keep tombstones.
pub(super) async fn keep_tombstones(name: TableName, delta: DeltaTable) -> Result<DeltaTable> {
    let key = TableProperty::DeletedFileRetentionDuration.as_ref().to_owned();
    let set = delta.set_tbl_properties().with_properties(HashMap::from([(key, tombstone_retention())]));
    set.await.map_err(Error::delta(name.name(), "set its properties"))
}

/// The table's columns must be those that this version writes; of an older layout it may lack the last ones.
pub(super) fn check_schema(name: TableName, delta: &DeltaTable) -> Result<()> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "read its columns"))?;
    let stored = state.schema();
    let stored: Vec<_> = stored.fields().map(|field| (field.name(), field.data_type())).collect();
    let expected = delta_fields(name).unwrap_or_default();
    let expected: Vec<_> =
        expected.iter().map(|field| (field.name(), field.data_type(), field.is_nullable())).collect();
    let known = stored.len() <= expected.len()
        && stored.iter().zip(&expected).all(|(stored, (name, kind, _))| *stored == (*name, *kind))
        && expected.iter().skip(stored.len()).all(|(_, _, nullable)| *nullable)
        && state.protocol().min_reader_version() == READERS
        && state.metadata().partition_columns().is_empty();
    if known {
        return Ok(());
    }
    Err(Error::Table {
        table: name.name(),
        problem: "its columns are not those that this version of the program writes".to_owned(),
        advice: "use the version that made the lake, or ingest into a new one",
    })
}

/// What is said of a log that names what this program names nowhere.
fn rewritten(directory: &Path, problem: String) -> Error {
    Error::ExternallyModified { path: directory.join(LOG_DIRECTORY), problem }
}

/// The name of a data file, which is one plain component.
fn named(directory: &Path, path: &str) -> Result<FileName> {
    let problem =
        || format!("it names a file {path:?}, which is no plain name of a file in the table's directory");
    FileName::parse(path).ok_or_else(|| rewritten(directory, problem()))
}

/// The table's files by day, by their statistics.
pub(super) fn files(directory: &Path, name: TableName, delta: &DeltaTable) -> Result<DataFiles> {
    let state = delta.snapshot().map_err(Error::delta(name.name(), "list its files"))?;
    let mut files = DataFiles::default();
    for file in state.log_data().iter() {
        let path = named(directory, &file.path())?;
        if file.deletion_vector_descriptor().is_some() {
            return Err(rewritten(directory, format!("rows of file {path} are deleted beside it")));
        }
        let stored = file.stats().and_then(|stats| DataFile::from_stats(path.clone(), file.size(), &stats));
        let said = || format!("file {path} does not say which days and how many rows it holds");
        let stored = stored.ok_or_else(|| rewritten(directory, said()))?;
        let days = stored.days;
        files.insert(stored).map_err(|other| {
            let problem = format!("a day from {days} is in more than one file, one is {}", other.name);
            rewritten(directory, problem)
        })?;
    }
    Ok(files)
}

/// The files that it had and has no more, which readers of older versions may still read.
pub(super) async fn tombstones(
    directory: &Path,
    name: TableName,
    delta: &DeltaTable,
) -> Result<Vec<Tombstone>> {
    let failed = || Error::delta(name.name(), "list the files it had");
    let state = delta.snapshot().map_err(failed())?;
    let log = delta.log_store();
    let tombstones = state.all_tombstones(&*log);
    let tombstones =
        tombstones.map_ok(|file| (file.path().into_owned(), file.deletion_timestamp().unwrap_or_default()));
    let tombstones: Vec<(String, i64)> = tombstones.try_collect().await.map_err(failed())?;
    tombstones
        .into_iter()
        .map(|(path, at)| Ok(Tombstone { name: named(directory, &path)?, removed_at: at }))
        .collect()
}
