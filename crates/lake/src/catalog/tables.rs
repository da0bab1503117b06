//! The lake's tables, open for writing and rolled back to what was published last.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalog::snapshot::{Snapshot, base_versions, base_versions_note};
use crate::delta::file_changes::FileChanges;
use crate::delta::table::Table;
use crate::error::Result;
use crate::schema::TableName;
use crate::storage::disk::Disk;

/// Why a commit is rolled back, in the words of a log line.
const BASE_VERSION_LOST: &str = "a last commit that stands on a lost one; its days will be closed again";
const FILE_MISSING: &str = "a last commit that names a missing file; its days will be closed again";

/// All tables. Only the holder of the lake's lock has them.
pub(crate) struct Tables {
    events: Table,
    reconciliation: Table,
    progress: Table,
    history: Table,
    rows: Table,
}

impl Tables {
    /// Opens the tables, or makes them where they are absent, and brings them to what was published last.
    pub(crate) async fn open(dir: &Path, disk: &Disk) -> Result<Self> {
        let mut tables = Self {
            events: Table::open_or_create(dir, TableName::Events, disk).await?,
            reconciliation: Table::open_or_create(dir, TableName::Reconciliation, disk).await?,
            progress: Table::open_or_create(dir, TableName::Progress, disk).await?,
            history: Table::open_or_create(dir, TableName::History, disk).await?,
            rows: Table::open_or_create(dir, TableName::Rows, disk).await?,
        };
        tables.roll_back_unpublished(dir).await?;
        Ok(tables)
    }

    /// Removes the data files that no version names.
    pub(crate) async fn remove_orphans(&self) -> Result<()> {
        for name in TableName::ALL {
            self.get(name).remove_orphans().await?;
        }
        Ok(())
    }

    /// Rolls all tables back to the newest publishing commit whose files and base versions are there.
    async fn roll_back_unpublished(&mut self, dir: &Path) -> Result<()> {
        let mut versions = base_versions(self.get(TableName::Rows)).await?;
        // What it stands on may be torn and lost; then so is it.
        while versions.iter().any(|(name, version)| *version > self.get(*name).version()) {
            let rows = self.get_mut(TableName::Rows);
            if rows.version() == 0 {
                break;
            }
            rows.roll_back_last_commit(BASE_VERSION_LOST).await?;
            versions = base_versions(rows).await?;
        }
        let whole = Snapshot::open(dir).await?.version();
        let rows = self.get_mut(TableName::Rows);
        while rows.version() > whole {
            rows.roll_back_last_commit(FILE_MISSING).await?;
            versions = base_versions(rows).await?;
        }
        for (name, version) in versions {
            let table = self.get_mut(name);
            if table.version() > version {
                table.restore_version(version).await?;
            }
        }
        Ok(())
    }

    /// One of the tables.
    pub(crate) fn get(&self, name: TableName) -> &Table {
        match name {
            TableName::Events => &self.events,
            TableName::Reconciliation => &self.reconciliation,
            TableName::Progress => &self.progress,
            TableName::History => &self.history,
            TableName::Rows => &self.rows,
        }
    }

    /// One of the tables, to be changed.
    pub(crate) fn get_mut(&mut self, name: TableName) -> &mut Table {
        match name {
            TableName::Events => &mut self.events,
            TableName::Reconciliation => &mut self.reconciliation,
            TableName::Progress => &mut self.progress,
            TableName::History => &mut self.history,
            TableName::Rows => &mut self.rows,
        }
    }

    /// One commit to each table that changes. The last one, to `sp_sector_daily`, publishes, and names the versions of
    /// the others that it depends on.
    pub(crate) async fn commit(&mut self, mut changes: BTreeMap<TableName, FileChanges>) -> Result<()> {
        for name in TableName::BASE_TABLES {
            if let Some(change) = changes.remove(&name) {
                self.get_mut(name).commit(change).await?;
            }
        }
        self.publish(changes.remove(&TableName::Rows).unwrap_or_default()).await
    }

    /// Commits to `sp_sector_daily`, naming the other tables' versions.
    pub(crate) async fn publish(&mut self, change: FileChanges) -> Result<()> {
        let commit_info =
            base_versions_note(TableName::BASE_TABLES.map(|name| (name, self.get(name).version())));
        self.get_mut(TableName::Rows).commit(FileChanges { commit_info, ..change }).await?;
        Ok(())
    }
}
