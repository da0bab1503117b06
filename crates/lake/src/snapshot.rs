//! The lake's tables as of one published version.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::schema::TableName;
use crate::table::Table;
use crate::{Error, Result, layout};

/// The key in a publishing commit's information under which it names the versions of the other tables.
const STANDS_ON: &str = "standsOn";

/// The versions of the other tables that the newest publishing commit stands on. A table that it does not name was
/// empty then, at version 0.
pub(crate) async fn stands_on(rows: &Table) -> Result<BTreeMap<TableName, u64>> {
    let notes = rows.notes(STANDS_ON).await?.unwrap_or_default();
    let version = |name: TableName| notes.get(STANDS_ON)?.get(name.name())?.as_u64();
    Ok(TableName::OTHERS.into_iter().map(|name| (name, version(name).unwrap_or_default())).collect())
}

/// Notes for a publishing commit that stands on these versions.
pub(crate) fn standing_on(versions: [(TableName, u64); 4]) -> Map<String, Value> {
    let versions: Map<String, Value> =
        versions.into_iter().map(|(name, version)| (name.name().to_owned(), json!(version))).collect();
    Map::from_iter([(STANDS_ON.to_owned(), Value::Object(versions))])
}

/// The tables, each at the version that the newest published days stand on: what a writer has committed to the others
/// and not published yet is not seen.
pub(crate) struct Snapshot {
    tables: BTreeMap<TableName, Table>,
}

impl Snapshot {
    /// Opens the lake in `dir`.
    ///
    /// # Errors
    /// If there is no lake, it was made by another version of the program, or it cannot be read.
    pub(crate) async fn open(dir: &Path) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows).await? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        layout::of(dir)?;
        let rows = Table::open(dir, TableName::Rows, None).await?;
        let mut tables = BTreeMap::new();
        for (name, version) in stands_on(&rows).await? {
            // A lake of an older layout lacks tables, and one whose first writer died while making it, too.
            if Table::exists(dir, name).await? {
                tables.insert(name, Table::open(dir, name, Some(version)).await?);
            }
        }
        tables.insert(TableName::Rows, rows);
        Ok(Self { tables })
    }

    /// A table; `None` where the lake does not have it.
    pub(crate) fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.get(&name)
    }

    /// A table that every lake has.
    pub(crate) fn need(&self, name: TableName) -> Result<&Table> {
        self.table(name).ok_or_else(|| Error::Table {
            table: name.name(),
            problem: "it is not there".to_owned(),
            advice: "restore a backup, or ingest into a new lake",
        })
    }

    /// The table that publishes, to be asked for newer versions.
    pub(crate) fn into_rows(mut self) -> Option<Table> {
        self.tables.remove(&TableName::Rows)
    }

    /// The published version: that of `sp_sector_daily`.
    pub(crate) fn version(&self) -> u64 {
        self.table(TableName::Rows).map(Table::version).unwrap_or_default()
    }
}
