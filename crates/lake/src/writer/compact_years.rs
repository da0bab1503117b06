//! Compaction of years: the copy clustered by miner of a finished year in one file.
//!
//! Who asks for a miner's rows of many days opens a file for each month, and there reads a page of each of some eighty
//! columns: what that takes goes by the number of files, hardly by the rows. Only the way changes in which rows are
//! kept, never a row, and each year is committed whole.

use std::path::Path;

use chain::{Day, DayRange};
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Int64Type;

use crate::data_files::data_file::{DataFile, LocatedFile};
use crate::data_files::reader;
use crate::data_files::writer::FileWriter;
use crate::delta::file_changes::FileChanges;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, TableName};
use crate::storage::blocking::on_maintenance_thread;
use crate::storage::disk::Disk;
use crate::writer::lake::Lake;

/// Rows of each month that are in memory at once.
const BATCH_ROWS: usize = 4096;

impl Lake {
    /// The files of each finished year that is in more than one by miner. A year is finished when a day of a later one is
    /// closed.
    pub(crate) fn years_to_compact(&self) -> Vec<Vec<DataFile>> {
        let Some(last) = self.last_closed() else { return Vec::new() };
        let year = |day: Day| day.month().0;
        let files: Vec<&DataFile> = self.tables.get(TableName::History).files().iter().collect();
        // A file holds every day between its first and its last one, so no day may be missing.
        let together = |before: &&DataFile, after: &&DataFile| {
            year(before.days.first()) == year(after.days.last())
                && before.days.last().next() == after.days.first()
        };
        let years = files.chunk_by(together).filter(|files| files.len() > 1);
        let finished =
            |files: &&[&DataFile]| files.last().is_some_and(|file| year(file.days.last()) < year(last));
        years.filter(finished).map(|files| files.iter().copied().cloned().collect()).collect()
    }

    /// The change that brings these files, which follow each other, into one.
    pub(crate) async fn compact_year(&self, files: Vec<DataFile>) -> Result<FileChanges> {
        let Some((first, last)) = files.first().zip(files.last()) else { return Ok(FileChanges::default()) };
        let days = first.days.including(last.days.last());
        let table = self.tables.get(TableName::History);
        let months: Vec<LocatedFile> = files.iter().map(|file| table.locate(file)).collect();
        let rows = files.iter().map(|file| usize::try_from(file.rows).unwrap_or(usize::MAX));
        let rows = rows.fold(0, usize::saturating_add);
        let (disk, directory) = (self.disk.clone(), table.directory().to_owned());
        let joined = move || merge_by_miner(&disk, &directory, days, &months, rows);
        let added = on_maintenance_thread("bringing a year together", joined).await?;
        Ok(FileChanges { remove: files, add: vec![added], same_rows: true, ..FileChanges::default() })
    }
}

/// Writes the rows of the files, each by miner and then by day and together by day, by miner and then by day.
fn merge_by_miner(
    disk: &Disk,
    directory: &Path,
    days: DayRange,
    months: &[LocatedFile],
    rows: usize,
) -> Result<DataFile> {
    let table = TableName::History;
    let mut writer = FileWriter::create(disk, directory, table, days, rows)?;
    let mut months = months.iter().map(MonthRows::open).collect::<Result<Vec<_>>>()?;
    let mut parts = Vec::new();
    while let Some(miner) = months.iter().filter_map(MonthRows::miner).min() {
        for month in &mut months {
            month.take(miner, &mut parts)?;
        }
        let joined = concat_batches(&table.schema(), &parts);
        writer.write(&joined.map_err(|source| Error::Rows { table: table.name(), source })?)?;
        parts.clear();
    }
    writer.finish()
}

/// A month's rows by miner, as they are read.
struct MonthRows {
    batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
    /// What has been read and not been taken; empty at the end.
    rows: RecordBatch,
}

impl MonthRows {
    fn open(file: &LocatedFile) -> Result<Self> {
        let batches = reader::batches(file, BATCH_ROWS)?;
        let mut month =
            Self { batches: Box::new(batches), rows: RecordBatch::new_empty(TableName::History.schema()) };
        month.advance()?;
        Ok(month)
    }

    /// Reads on where all has been taken.
    fn advance(&mut self) -> Result<()> {
        while self.rows.num_rows() == 0 {
            let Some(batch) = self.batches.next() else { break };
            self.rows = batch?;
        }
        Ok(())
    }

    fn miners(&self) -> &[i64] {
        let miners = self.rows.column_by_name(MINER_ID).and_then(|ids| ids.as_primitive_opt::<Int64Type>());
        miners.map_or(&[], |miners| miners.values())
    }

    /// The miner whose rows come next.
    fn miner(&self) -> Option<i64> {
        self.miners().first().copied()
    }

    /// Takes the rows that come next, as long as they are this miner's.
    fn take(&mut self, miner: i64, into: &mut Vec<RecordBatch>) -> Result<()> {
        while self.miner() == Some(miner) {
            let miners = self.miners();
            let count = miners.iter().position(|other| *other != miner).unwrap_or(miners.len());
            into.push(self.rows.slice(0, count));
            self.rows = self.rows.slice(count, self.rows.num_rows() - count);
            self.advance()?;
        }
        Ok(())
    }
}
