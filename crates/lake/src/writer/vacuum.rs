//! Vacuum: removes files that the tables no longer name.

use std::collections::HashSet;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::beneath;
use crate::storage::file_names::FileName;
use crate::writer::lake::Lake;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VacuumReport {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Lake {
    /// Deletes the files that re-closing and compaction removed from the tables longer ago than `retain`. Who
    /// still reads a version with such a file then finds it gone, and has to look for a newer one.
    ///
    /// # Errors
    /// If the log does not read, or a file cannot be removed.
    pub async fn vacuum(&self, retain: Duration) -> Result<VacuumReport> {
        let retain = i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        let before = self.disk.clock().unix_millis().saturating_sub(retain);
        let mut report = VacuumReport::default();
        for name in TableName::ALL {
            let table = self.tables.get(name);
            let live: HashSet<&FileName> = table.files().iter().map(|live| &live.name).collect();
            let tombstone =
                table.tombstones().await?.into_iter().filter(|tombstone| tombstone.removed_at <= before);
            for tombstone in tombstone.filter(|tombstone| !live.contains(&tombstone.name)) {
                let path = tombstone.name.path_in(table.directory());
                let about = beneath::metadata(table.directory(), &[tombstone.name.as_str()]);
                let Some(about) = about.map_err(Error::io(&path))? else { continue };
                self.disk.remove(&path).map_err(Error::io(&path))?;
                report.files += 1;
                report.bytes += about.len();
            }
        }
        Ok(report)
    }
}
