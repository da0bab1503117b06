//! What is written for one day, and what a commit makes of many.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chain::Day;
use datafusion::arrow::array::RecordBatch;

use crate::disk::Disk;
use crate::schema::TableName;
use crate::table::{Change, DataFile};
use crate::{Result, file};

/// Files of a day, at most one to a table.
#[derive(Clone, Debug)]
pub(crate) struct DayFiles(Vec<(TableName, DataFile)>);

/// A day's rows for a table, and the directory of its files.
pub(crate) struct DayBatch {
    pub(crate) table: TableName,
    pub(crate) directory: PathBuf,
    pub(crate) rows: RecordBatch,
}

impl DayFiles {
    /// One file.
    pub(crate) fn of(table: TableName, file: DataFile) -> Self {
        Self(vec![(table, file)])
    }

    /// Writes files of a day. Blocks.
    pub(crate) fn write(disk: &Disk, day: Day, batches: &[DayBatch]) -> Result<Self> {
        let written = batches.iter().map(|batch| {
            let written = file::write(disk, &batch.directory, batch.table, (day, day), &batch.rows)?;
            Ok((batch.table, written))
        });
        Ok(Self(written.collect::<Result<_>>()?))
    }
}

/// The changes that put the files of all these days in.
pub(crate) fn changes(days: &[DayFiles]) -> BTreeMap<TableName, Change> {
    let mut changes: BTreeMap<TableName, Change> = BTreeMap::new();
    for (table, file) in days.iter().flat_map(|day| &day.0) {
        changes.entry(*table).or_default().add.push(file.clone());
    }
    changes
}
