//! Compaction of months: the days of a finished month in one file, and a copy of its rows clustered by miner.
//!
//! A file for every day is what closing days makes; after some years these are many files for readers to open, and for a
//! miner's last days a file for each of them is many, too. Only the way changes in which rows are kept, never a row, and
//! each month is committed whole. A month's days are never together in `sp_sector_daily` while but some of them are by
//! miner: readers take a file's rows from the one or the other.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chain::{DayRange, ProgressSink, ProgressUnit};
use datafusion::arrow::array::{AsArray, RecordBatch, UInt32Array};
use datafusion::arrow::compute::{concat_batches, take_record_batch};
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

/// Rows put in order at once while rows are clustered by miner.
const BATCH_ROWS: usize = 65_536;
/// Months that are committed together where only their rows by miner are new.
const MONTHS_PER_COMMIT: usize = 12;

/// What a compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Months that were brought into one file.
    pub months: u64,
    /// Days of the month that is not finished, if they were clustered by miner.
    pub open_days: u64,
    /// Years whose rows by miner were brought into one file.
    pub years: u64,
    /// Files there were before, of all tables.
    pub files_before: u64,
    /// Files there are now.
    pub files_now: u64,
}

impl Lake {
    /// Rewrites each finished month that is in more than one file into one, in every table, and clusters its rows by
    /// miner, too. A month is finished when a day of a later one is closed; of the last one, the rows are only clustered by miner. Of a
    /// finished year, the rows by miner come into one file.
    ///
    /// # Errors
    /// If a file does not read, the disk fails, or another program writes to the lake; what is done so far stays.
    pub async fn compact(&mut self, progress: &(dyn ProgressSink + Sync)) -> Result<CompactionReport> {
        let mut report = CompactionReport { files_before: self.count_files(), ..CompactionReport::default() };
        self.compact_months(&mut report, progress).await?;
        self.compact_years(&mut report, progress).await?;
        report.files_now = self.count_files();
        Ok(report)
    }

    /// The files of all tables.
    fn count_files(&self) -> u64 {
        TableName::ALL.iter().map(|name| self.tables.get(*name).files().iter().count() as u64).sum()
    }

    /// Compacts the finished months, and clusters the days of the open one.
    async fn compact_months(
        &mut self,
        report: &mut CompactionReport,
        progress: &(dyn ProgressSink + Sync),
    ) -> Result<()> {
        let mut months = self.months();
        let open = months.pop().filter(|days| !self.in_one_file(TableName::History, *days));
        months.retain(|days| !TableName::ALL.iter().all(|name| self.in_one_file(*name, *days)));
        let total = months.iter().chain(&open).map(|days| days.len()).sum();
        progress.begin("compacting months".to_owned(), total, ProgressUnit::Days);
        let mut days_done = 0;
        let mut waiting = Vec::new();
        for days in &months {
            let changes = self.compact_month(*days).await?;
            // Months whose days share their files already change in one table: a commit takes longer than they do.
            let alone = changes.len() == 1;
            waiting.push(changes);
            if !alone || waiting.len() >= MONTHS_PER_COMMIT {
                self.tables.commit(merge_changes(std::mem::take(&mut waiting))).await?;
            }
            report.months += 1;
            days_done += days.len();
            progress.at(days_done);
        }
        if !waiting.is_empty() {
            self.tables.commit(merge_changes(waiting)).await?;
        }
        if let Some(days) = open {
            let change = self.cluster_by_miner(days).await?;
            self.tables.commit(BTreeMap::from([(TableName::History, change)])).await?;
            report.open_days = days.len();
        }
        progress.end();
        Ok(())
    }

    /// The changes that bring a finished month into one file, of each table that has it in more.
    async fn compact_month(&self, days: DayRange) -> Result<BTreeMap<TableName, FileChanges>> {
        let mut changes = BTreeMap::new();
        for name in [TableName::Events, TableName::Reconciliation, TableName::Progress, TableName::Rows] {
            if let Some(change) = self.compact_table(name, days).await? {
                changes.insert(name, change);
            }
        }
        if !self.in_one_file(TableName::History, days) {
            changes.insert(TableName::History, self.cluster_by_miner(days).await?);
        }
        Ok(changes)
    }

    /// Compacts the finished years of the copy clustered by miner.
    async fn compact_years(
        &mut self,
        report: &mut CompactionReport,
        progress: &(dyn ProgressSink + Sync),
    ) -> Result<()> {
        let years = self.years_to_compact();
        let count_days = |files: &[DataFile]| files.iter().map(|file| file.days.len()).sum::<u64>();
        let total = years.iter().map(|files| count_days(files)).sum();
        progress.begin("bringing years together".to_owned(), total, ProgressUnit::Days);
        let mut days_done = 0;
        for files in years {
            days_done += count_days(&files);
            let change = self.compact_year(files).await?;
            self.tables.commit(BTreeMap::from([(TableName::History, change)])).await?;
            report.years += 1;
            progress.at(days_done);
        }
        progress.end();
        Ok(())
    }

    /// The closed days of each month; the last month is not finished.
    fn months(&self) -> Vec<DayRange> {
        let mut months: Vec<DayRange> = Vec::new();
        for day in self.rows().files().days().into_iter().flat_map(DayRange::iter) {
            match months.last_mut().filter(|month| month.last().month() == day.month()) {
                Some(month) => *month = month.including(day),
                None => months.push(day.into()),
            }
        }
        months
    }

    /// Whether a table's rows of these days are in one file.
    fn in_one_file(&self, name: TableName, days: DayRange) -> bool {
        self.tables.get(name).files().containing(days.first()).is_some_and(|file| file.days.covers(days))
    }

    /// The change that brings a table's files of these days into one; `None` if they are.
    async fn compact_table(&self, name: TableName, days: DayRange) -> Result<Option<FileChanges>> {
        let table = self.tables.get(name);
        let files: Vec<DataFile> = table.files().overlapping(days).cloned().collect();
        if files.len() < 2 {
            return Ok(None);
        }
        let (disk, directory) = (self.disk.clone(), table.directory().to_owned());
        let from: Vec<LocatedFile> = files.iter().map(|file| table.locate(file)).collect();
        let whole = move || {
            let rows = from.iter().map(|of| usize::try_from(of.file.rows).unwrap_or(usize::MAX)).sum();
            let mut writer = FileWriter::create(&disk, &directory, name, days, rows)?;
            for file in &from {
                reader::for_each_batch(file, &mut |batch| writer.write(&batch))?;
            }
            writer.finish()
        };
        let added = on_maintenance_thread("compacting a month", whole).await?;
        Ok(Some(FileChanges { remove: files, add: vec![added], same_rows: true, ..FileChanges::default() }))
    }

    /// The change that replaces the copy of these days that is clustered by miner.
    async fn cluster_by_miner(&self, days: DayRange) -> Result<FileChanges> {
        let history = self.tables.get(TableName::History);
        let remove: Vec<DataFile> = history.files().overlapping(days).cloned().collect();
        let table = self.tables.get(TableName::Rows);
        let files = table.files().overlapping(days);
        let files: Vec<LocatedFile> = files.map(|file| table.locate(file)).collect();
        let (disk, directory) = (self.disk.clone(), history.directory().to_owned());
        let lay = move || {
            let mut batches = Vec::new();
            for file in &files {
                batches.push(reader::read_all(file)?);
            }
            write_clustered(&disk, &directory, days, &batches)
        };
        let added = on_maintenance_thread("laying a month by miner", lay).await?;
        Ok(FileChanges { remove, add: vec![added], ..FileChanges::default() })
    }
}

/// The changes of several months as those of one commit to each table.
fn merge_changes(months: Vec<BTreeMap<TableName, FileChanges>>) -> BTreeMap<TableName, FileChanges> {
    let mut all: BTreeMap<TableName, FileChanges> = BTreeMap::new();
    for (name, change) in months.into_iter().flatten() {
        match all.entry(name) {
            Entry::Vacant(first) => drop(first.insert(change)),
            Entry::Occupied(mut before) => {
                let before = before.get_mut();
                before.remove.extend(change.remove);
                before.add.extend(change.add);
                before.same_rows &= change.same_rows;
            }
        }
    }
    all
}

/// Writes the rows of the batches, each ordered by miner and together by day, by miner and then by day.
fn write_clustered(
    disk: &Disk,
    directory: &std::path::Path,
    days: DayRange,
    batches: &[RecordBatch],
) -> Result<DataFile> {
    let wrong = |source| Error::Rows { table: TableName::History.name(), source };
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    let mut writer = FileWriter::create(disk, directory, TableName::History, days, rows)?;
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
    for part in order.chunks(BATCH_ROWS) {
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
    writer.finish()
}
