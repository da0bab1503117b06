//! A table's rows, read back on threads that may block.

use chain::{Day, MinerId};
use datafusion::arrow::array::RecordBatch;

use crate::data_files::reader;
use crate::delta::table::Table;
use crate::error::Result;
use crate::records::day_source::{self, DaySource};
use crate::storage::blocking::blocking;

impl Table {
    /// The rows of a day that the table holds; none of one that it does not hold.
    pub(crate) async fn day(&self, day: Day) -> Result<RecordBatch> {
        let name = self.name();
        let Some(file) = self.files().containing(day).cloned() else {
            return Ok(RecordBatch::new_empty(name.schema()));
        };
        let file = self.locate(&file);
        blocking("reading a day", move || reader::day(&file, day)).await
    }

    /// A miner's rows of a day that the table holds, read without the other miners'.
    pub(crate) async fn miner_on(&self, miner: MinerId, day: Day) -> Result<RecordBatch> {
        let name = self.name();
        let Some(file) = self.files().containing(day).cloned() else {
            return Ok(RecordBatch::new_empty(name.schema()));
        };
        let file = self.locate(&file);
        blocking("reading a day", move || reader::miner(&file, miner, Some(day))).await
    }

    /// The table's rows as progress, ordered by day. Only table `progress` has such rows.
    pub(crate) async fn day_sources(&self) -> Result<Vec<DaySource>> {
        let files: Vec<_> = self.files().iter().map(|file| self.locate(file)).collect();
        blocking("reading progress", move || {
            let mut rows = Vec::new();
            for file in files {
                rows.extend(day_source::rows(&reader::read_all(&file)?)?);
            }
            Ok(rows)
        })
        .await
    }
}
