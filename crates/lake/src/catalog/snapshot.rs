//! The lake's tables as of one published version.
//!
//! A commit names files that were flushed before it, so none is ever missing but where somebody has taken it away: who
//! removes a writer's lock lets another writer in, which may delete files that the first one then commits. Readers ignore
//! such commits at the end of the log, and these alone, and the next writer closes their days again: what they named is
//! lost, and all before them is whole. Where a file of older days is missing, nothing is gained by giving up those after
//! them, and reading that day fails with an error.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::catalog::consistency::{self, MissingFiles};
use crate::catalog::layout;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::schema::TableName;

/// The key in a publishing commit's information under which it names the versions of the other tables.
const BASE_VERSIONS_KEY: &str = "standsOn";

/// The versions of the other tables that the newest publishing commit depends on. A table that it does not name was
/// empty then, at version 0.
pub(crate) async fn base_versions(rows: &Table) -> Result<BTreeMap<TableName, u64>> {
    let notes = rows.latest_commit_info(BASE_VERSIONS_KEY).await?.unwrap_or_default();
    let version = |name: TableName| notes.get(BASE_VERSIONS_KEY)?.get(name.name())?.as_u64();
    Ok(TableName::BASE_TABLES.into_iter().map(|name| (name, version(name).unwrap_or_default())).collect())
}

/// The information of a publishing commit that depends on these versions.
pub(crate) fn base_versions_note(versions: [(TableName, u64); 4]) -> Map<String, Value> {
    let versions: Map<String, Value> =
        versions.into_iter().map(|(name, version)| (name.name().to_owned(), json!(version))).collect();
    Map::from_iter([(BASE_VERSIONS_KEY.to_owned(), Value::Object(versions))])
}

/// How often a lake is read again because a writer deleted files meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// The tables, each at the version that the newest published days depend on: what a writer has committed to the others
/// and not published yet is not seen.
pub(crate) struct Snapshot {
    tables: BTreeMap<TableName, Table>,
}

impl Snapshot {
    /// Opens the lake in `dir`. A last commit that names a missing file is passed over, until the next writer takes it
    /// back.
    ///
    /// # Errors
    /// If there is no lake, it was made by another version of the program, or it cannot be read.
    pub(crate) async fn open(dir: &Path) -> Result<Self> {
        let mut snapshot = Self::open_version(dir, None).await?;
        for _ in 0..MAX_ATTEMPTS {
            let missing = snapshot.missing_files()?;
            if missing.is_empty() {
                break;
            }
            // Files that a newer version has no more may have been removed since.
            if snapshot.require(TableName::Rows)?.has_newer().await? {
                snapshot = Self::open_version(dir, None).await?;
                continue;
            }
            if let Some(whole) = last_complete_version(dir, snapshot.version(), &missing).await? {
                warn_rolled_back(dir, &missing, &whole);
                return whole.skipping_versions(snapshot.version());
            }
            // Whoever reads that day is told.
            break;
        }
        Ok(snapshot)
    }

    /// Opens the lake in `dir` at a published version, or at the newest one, whatever its files are.
    ///
    /// # Errors
    /// As [`Snapshot::open`].
    pub(crate) async fn open_version(dir: &Path, version: Option<u64>) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows)? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        layout::read(dir)?;
        let rows = Table::open(dir, TableName::Rows, version).await?;
        let mut tables = BTreeMap::new();
        for (name, version) in base_versions(&rows).await? {
            // A lake of an older layout lacks tables, and one whose first writer died while making it, too.
            if Table::exists(dir, name)? {
                tables.insert(name, Table::open(dir, name, Some(version)).await?);
            }
        }
        tables.insert(TableName::Rows, rows);
        consistency::check_days(dir, &tables)?;
        Ok(Self { tables })
    }

    /// Files that the tables name and that are not there.
    ///
    /// # Errors
    /// If something else has the name of one.
    pub(crate) fn missing_files(&self) -> Result<MissingFiles> {
        let mut missing = MissingFiles::new();
        for (name, table) in &self.tables {
            missing.extend(table.missing_files()?.into_iter().map(|file| (*name, file)));
        }
        Ok(missing)
    }

    /// The same with newer published versions passed over, up to this one.
    fn skipping_versions(mut self, newest: u64) -> Result<Self> {
        if let Some(rows) = self.tables.get_mut(&TableName::Rows) {
            for version in rows.version() + 1..=newest {
                rows.skip_version(version)?;
            }
        }
        Ok(self)
    }

    /// A table; `None` where the lake does not have it.
    pub(crate) fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.get(&name)
    }

    /// A table that every lake has.
    pub(crate) fn require(&self, name: TableName) -> Result<&Table> {
        self.table(name).ok_or_else(|| Error::Table {
            table: name.name(),
            problem: "it is not there".to_owned(),
            advice: "restore a backup, or ingest into a new lake",
        })
    }

    /// The table whose commits publish.
    pub(crate) fn into_publishing_table(mut self) -> Option<Table> {
        self.tables.remove(&TableName::Rows)
    }

    /// The published version: that of `sp_sector_daily`.
    pub(crate) fn version(&self) -> u64 {
        self.table(TableName::Rows).map(Table::version).unwrap_or_default()
    }
}

/// The newest version before `version` all of whose files are there, where going back to it leaves nothing behind but
/// commits that lack files of their own; `missing` are those that `version` lacks.
///
/// # Errors
/// If something that is no regular file has the name of a file.
async fn last_complete_version(dir: &Path, version: u64, missing: &MissingFiles) -> Result<Option<Snapshot>> {
    let mut lacking = missing.clone();
    for earlier in (0..version).rev() {
        // What came before the oldest commit that is kept cannot be read.
        let Ok(snapshot) = Snapshot::open_version(dir, Some(earlier)).await else { return Ok(None) };
        let lacks = snapshot.missing_files()?;
        if lacks.is_empty() {
            return Ok(Some(snapshot));
        }
        // The commit must have lacked some of its own, and the one before it must lack no others.
        if lacks.len() >= lacking.len() || !lacks.is_subset(&lacking) {
            return Ok(None);
        }
        lacking = lacks;
    }
    Ok(None)
}

/// Warns that a version before the newest one is used.
fn warn_rolled_back(dir: &Path, missing: &MissingFiles, whole: &Snapshot) {
    let last = whole.table(TableName::Rows).and_then(|rows| rows.files().last());
    let upto = last
        .map_or_else(|| "none is closed before".to_owned(), |last| format!("closed days end with {last}"));
    if let Some((table, file)) = missing.first() {
        tracing::warn!(
            "{}: its last commit names {}/{file}, which is missing; the lake is taken as of the commit before it, and \
             {upto}: the days after that will be closed again by the next ingest",
            dir.display(),
            table.name(),
        );
    }
}
