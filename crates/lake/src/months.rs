//! Compaction: the days of a finished month in one file, and its rows once more with each miner's days together.
//!
//! A file for every day is what closing days makes; after some years these are many files for readers to open, and for a
//! miner's last days a file for each of them is many, too. Only the way changes in which rows are kept, never a row, and
//! each month is committed whole. A month's days are never together in `sp_sector_daily` while but some of them are by
//! miner: readers take a file's rows from the one or the other.

use std::collections::BTreeMap;

use chain::{Day, ProgressSink, ProgressUnit};
use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
use datafusion::arrow::datatypes::Int64Type;

use crate::disk::Disk;
use crate::file::FileWriter;
use crate::schema::{MINER_ID, TableName};
use crate::stored::in_turn;
use crate::table::{Change, DataFile, Located};
use crate::writer::Lake;
use crate::{Error, Result, read};

/// Rows put in order at once while a miner's days are laid together.
const ROWS_AT_ONCE: usize = 65_536;

/// What compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Months that were brought into one file.
    pub months: u64,
    /// Days of the month that is not finished, if they were laid by miner.
    pub open_days: u64,
    /// Years whose rows by miner were brought into one file.
    pub years: u64,
    /// Files there were before, of all tables.
    pub files_before: u64,
    /// Files there are now.
    pub files_now: u64,
}

impl Lake {
    /// Brings each finished month that is in more than one file into one, in every table, and lays its rows by miner,
    /// too. A month is finished when a day of a later one is closed; of the last one, the rows are laid by miner alone. Of a
    /// finished year, the rows by miner come into one file.
    ///
    /// # Errors
    /// If a file does not read, the disk fails, or another program writes to the lake; what is done so far stays.
    pub async fn compact(&mut self, progress: &(dyn ProgressSink + Sync)) -> Result<Compacted> {
        let count = |lake: &Self| -> u64 {
            TableName::ALL.iter().map(|name| lake.tables.get(*name).files().iter().count() as u64).sum()
        };
        let mut done = Compacted { files_before: count(self), ..Compacted::default() };
        let mut months = self.months();
        let open = months.pop().filter(|days| !self.in_one_file(TableName::History, *days));
        months.retain(|days| !TableName::ALL.iter().all(|name| self.in_one_file(*name, *days)));
        let count_days = |(first, last): &(Day, Day)| {
            u64::try_from(i64::from(last.unix_days()) - i64::from(first.unix_days()) + 1).unwrap_or_default()
        };
        progress.begin(
            "compacting months".to_owned(),
            months.iter().chain(&open).map(count_days).sum(),
            ProgressUnit::Days,
        );
        let mut days_done = 0;
        for days in &months {
            let mut changes = BTreeMap::new();
            for name in [TableName::Events, TableName::Reconciliation, TableName::Progress, TableName::Rows] {
                if let Some(change) = self.gather(name, *days).await? {
                    changes.insert(name, change);
                }
            }
            if !self.in_one_file(TableName::History, *days) {
                changes.insert(TableName::History, self.by_miner(*days).await?);
            }
            self.tables.commit(changes).await?;
            done.months += 1;
            days_done += count_days(days);
            progress.at(days_done);
        }
        if let Some(days) = open {
            let change = self.by_miner(days).await?;
            self.tables.commit(BTreeMap::from([(TableName::History, change)])).await?;
            done.open_days = count_days(&days);
        }
        progress.end();
        let years = self.years_to_join();
        let count_days = |files: &[DataFile]| files.iter().map(DataFile::day_count).sum::<u64>();
        progress.begin(
            "bringing years together".to_owned(),
            years.iter().map(|files| count_days(files)).sum(),
            ProgressUnit::Days,
        );
        let mut days_done = 0;
        for files in years {
            days_done += count_days(&files);
            let change = self.join_year(files).await?;
            self.tables.commit(BTreeMap::from([(TableName::History, change)])).await?;
            done.years += 1;
            progress.at(days_done);
        }
        progress.end();
        done.files_now = count(self);
        Ok(done)
    }

    /// First and last closed day of each month; the last month is not finished.
    fn months(&self) -> Vec<(Day, Day)> {
        let Some(closed) = self.rows().files().days() else { return Vec::new() };
        let mut months: Vec<(Day, Day)> = Vec::new();
        let mut day = *closed.start();
        while day <= *closed.end() {
            match months.last_mut().filter(|(_, last)| last.month() == day.month()) {
                Some((_, last)) => *last = day,
                None => months.push((day, day)),
            }
            day = day.next();
        }
        months
    }

    /// Whether a table's rows of these days are in one file.
    fn in_one_file(&self, name: TableName, (first, last): (Day, Day)) -> bool {
        self.tables.get(name).files().of(first).is_some_and(|file| file.days.1 >= last)
    }

    /// The change that brings a table's files of these days into one; `None` if they are.
    async fn gather(&self, name: TableName, days: (Day, Day)) -> Result<Option<Change>> {
        let table = self.tables.get(name);
        let files: Vec<DataFile> = table.files().touching(days.0..=days.1).cloned().collect();
        if files.len() < 2 {
            return Ok(None);
        }
        let (disk, directory) = (self.disk.clone(), table.directory().to_owned());
        let from: Vec<Located> = files.iter().map(|file| table.located(file)).collect();
        let whole = move || {
            let rows = from.iter().map(|of| usize::try_from(of.file.rows).unwrap_or(usize::MAX)).sum();
            let mut writer = FileWriter::begin(&disk, &directory, name, days, rows)?;
            for file in &from {
                read::each(file, &mut |batch| writer.write(&batch))?;
            }
            writer.end()
        };
        let added = in_turn("compacting a month", whole).await?;
        Ok(Some(Change { remove: files, add: vec![added], same_rows: true, ..Change::default() }))
    }

    /// The change that lays the rows of these days by miner, in the place of what was laid so.
    async fn by_miner(&self, days: (Day, Day)) -> Result<Change> {
        let history = self.tables.get(TableName::History);
        let remove: Vec<DataFile> = history.files().touching(days.0..=days.1).cloned().collect();
        let table = self.tables.get(TableName::Rows);
        let files = table.files().touching(days.0..=days.1);
        let files: Vec<Located> = files.map(|file| table.located(file)).collect();
        let (disk, directory) = (self.disk.clone(), history.directory().to_owned());
        let lay = move || {
            let mut batches = Vec::new();
            for file in &files {
                batches.push(read::whole(file)?);
            }
            write_by_miner(&disk, &directory, days, &batches)
        };
        let added = in_turn("laying a month by miner", lay).await?;
        Ok(Change { remove, add: vec![added], ..Change::default() })
    }
}

/// Writes the rows of the batches, each ordered by miner and together by day, by miner and then by day.
fn write_by_miner(
    disk: &Disk,
    directory: &std::path::Path,
    days: (Day, Day),
    batches: &[RecordBatch],
) -> Result<DataFile> {
    let wrong = |source| Error::Rows { table: TableName::History.name(), source };
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut writer = FileWriter::begin(disk, directory, TableName::History, days, rows)?;
    // Where each row is, by miner; rows come by day, and a stable sort keeps that.
    let mut order: Vec<(i64, u32, u32)> = Vec::with_capacity(rows);
    for (number, batch) in batches.iter().enumerate() {
        let miners = batch.column_by_name(MINER_ID).and_then(|ids| ids.as_primitive_opt::<Int64Type>());
        let miners = miners.ok_or_else(|| Error::Registry { what: MINER_ID.to_owned() })?;
        let place = |row| (number as u32, row as u32);
        order.extend(miners.values().iter().enumerate().map(|(row, miner)| {
            let (number, row) = place(row);
            (*miner, number, row)
        }));
    }
    order.sort_by_key(|(miner, _, _)| *miner);
    for part in order.chunks(ROWS_AT_ONCE) {
        // Of each batch the stretch that is wanted; then these, put in order.
        let mut stretches: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        for (_, number, row) in part {
            let (first, last) = stretches.entry(*number).or_insert((*row, *row));
            (*first, *last) = ((*first).min(*row), (*last).max(*row));
        }
        let mut begins: BTreeMap<u32, u32> = BTreeMap::new();
        let mut slices = Vec::new();
        let mut at = 0;
        for (number, (first, last)) in &stretches {
            let length = last - first + 1;
            slices.push(batches[*number as usize].slice(*first as usize, length as usize));
            begins.insert(*number, at);
            at += length;
        }
        let places = part.iter().filter_map(|(_, number, row)| {
            let (first, _) = stretches.get(number)?;
            Some(begins.get(number)? + (row - first))
        });
        let places: UInt32Array = places.map(Some).collect();
        let joined = concat_batches(&TableName::History.schema(), &slices).map_err(wrong)?;
        writer.write(&take_record_batch(&joined, &places).map_err(wrong)?)?;
    }
    writer.end()
}
