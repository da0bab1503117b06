//! The files of closed days, and the changes that commit them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chain::{Day, DayRange};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use tokio::task::JoinHandle;

use crate::data_files::data_file::DataFile;
use crate::data_files::writer;
use crate::delta::file_changes::FileChanges;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::disk::Disk;

/// Most events and rows of a day that shares files with others.
pub(crate) const SMALL_DAY: usize = 4096;
/// Rows of small days that are written together.
const MAX_SHARED_ROWS: usize = 65_536;

/// Files of a day, or of small ones together, at most one to a table.
#[derive(Clone, Debug)]
pub(crate) struct DayFiles(Vec<(TableName, DataFile)>);

/// Rows of some days for a table, and the directory of its files.
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

    /// Writes files of some days. Blocks.
    pub(crate) fn write(disk: &Disk, days: DayRange, batches: &[DayBatch]) -> Result<Self> {
        let written = batches.iter().map(|batch| {
            let written = writer::write(disk, &batch.directory, batch.table, days, &batch.rows)?;
            Ok((batch.table, written))
        });
        Ok(Self(written.collect::<Result<_>>()?))
    }
}

/// Small days in a row that come into one file a table: a file for each would take longer to write, and then to compact,
/// than all else about them. They are of one month, which compaction brings together anyway.
#[derive(Debug, Default)]
pub(crate) struct SmallDays(Option<SharedFiles>);

/// The rows of the small days so far.
#[derive(Debug)]
struct SharedFiles {
    days: DayRange,
    rows: usize,
    batches: BTreeMap<TableName, Vec<RecordBatch>>,
}

impl SmallDays {
    /// Whether `day`, which is the next one, must begin files of its own.
    pub(crate) fn ends_before(&self, day: Day) -> bool {
        self.0
            .as_ref()
            .is_some_and(|shared| shared.rows >= MAX_SHARED_ROWS || shared.days.last().month() != day.month())
    }

    /// Adds a day's rows.
    pub(crate) fn add(&mut self, day: Day, batches: impl IntoIterator<Item = (TableName, RecordBatch)>) {
        let empty = || SharedFiles { days: day.into(), rows: 0, batches: BTreeMap::new() };
        let shared = self.0.get_or_insert_with(empty);
        shared.days = shared.days.including(day);
        for (table, rows) in batches {
            shared.rows += rows.num_rows();
            shared.batches.entry(table).or_default().push(rows);
        }
    }

    /// Takes the days out, with their rows for each table; `None` if there are none.
    ///
    /// # Errors
    /// If rows do not go together.
    pub(crate) fn take(&mut self) -> Result<Option<(DayRange, Vec<(TableName, RecordBatch)>)>> {
        let Some(shared) = self.0.take() else { return Ok(None) };
        let whole = shared.batches.into_iter().map(|(table, rows)| {
            let wrong = |source| Error::Rows { table: table.name(), source };
            let schema = rows.first().map_or_else(|| table.schema(), RecordBatch::schema);
            Ok((table, concat_batches(&schema, &rows).map_err(wrong)?))
        });
        Ok(Some((shared.days, whole.collect::<Result<_>>()?)))
    }
}

/// The changes that put the files of all these days in.
pub(crate) fn file_changes(days: &[DayFiles]) -> BTreeMap<TableName, FileChanges> {
    let mut changes: BTreeMap<TableName, FileChanges> = BTreeMap::new();
    for (table, file) in days.iter().flat_map(|day| &day.0) {
        changes.entry(*table).or_default().add.push(file.clone());
    }
    changes
}

/// Waits for the files. Whatever went wrong, nothing may still be writing when the lake's lock is let go.
pub(crate) async fn await_files(writing: Vec<JoinHandle<Result<DayFiles>>>) -> Result<Vec<DayFiles>> {
    let mut files = Vec::with_capacity(writing.len());
    for task in writing {
        files.push(task.await.map_err(|source| Error::Task { doing: "writing a day's files", source }));
    }
    files.into_iter().map(|task| task.and_then(|files| files)).collect()
}
