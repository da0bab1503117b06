//! The data files that a published version is made of.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chain::{Day, DayRange};

use crate::catalog::day_range;
use crate::catalog::receipts::ReceiptIndex;
use crate::catalog::snapshot::Snapshot;
use crate::data_files::data_file::LocatedFile;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::schema::TableName;

/// A data file: rows of one day, or of consecutive days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// Where it is, from the root on.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
    /// First day it holds.
    pub first_day: Day,
    /// Last day it holds.
    pub last_day: Day,
}

/// Every table's data files as of one published version. What a writer has left behind unpublished is not among them.
#[derive(Clone, Debug)]
pub struct Manifest {
    directory: PathBuf,
    version: u64,
    files: BTreeMap<TableName, Vec<ManifestFile>>,
    located: BTreeMap<TableName, Vec<LocatedFile>>,
    receipts: ReceiptIndex,
}

impl Manifest {
    /// Lists the lake in `dir` as it is published now.
    ///
    /// # Errors
    /// If there is no lake, or it cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        let directory = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let snapshot = Snapshot::open(&directory).await?;
        Self::of(directory, &snapshot).await
    }

    /// Lists the lake in `dir` as it was published at a version.
    ///
    /// # Errors
    /// As [`Manifest::open`]; or if that version cannot be read any more.
    pub(crate) async fn open_version(dir: &Path, version: u64) -> Result<Self> {
        let directory = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let snapshot = Snapshot::open_version(&directory, Some(version)).await?;
        Self::of(directory, &snapshot).await
    }

    async fn of(directory: PathBuf, snapshot: &Snapshot) -> Result<Self> {
        let located: BTreeMap<TableName, Vec<LocatedFile>> =
            TableName::ALL.into_iter().map(|name| (name, located(snapshot.table(name)))).collect();
        let files = located.iter().map(|(name, files)| (*name, files.iter().map(listed).collect()));
        let files = files.collect();
        let receipts = ReceiptIndex::load(snapshot, &ReceiptIndex::default()).await?;
        Ok(Self { version: snapshot.version(), files, located, directory, receipts })
    }

    /// The directory of the tables, from the root on.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The published version of `sp_sector_daily`: it changes whenever the files do.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Every table's name and files, these in the order of their days.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &[ManifestFile])> {
        TableName::ALL.into_iter().map(|table| (table.name(), self.files(table)))
    }

    /// A table's files, in the order of their days.
    pub(crate) fn files(&self, table: TableName) -> &[ManifestFile] {
        self.files.get(&table).map_or(&[], Vec::as_slice)
    }

    /// Every table's files, to be opened, in the order of their days.
    pub(crate) fn located(&self) -> &BTreeMap<TableName, Vec<LocatedFile>> {
        &self.located
    }

    /// How the outcomes of the closed days' messages are known.
    pub(crate) fn receipts(&self) -> &ReceiptIndex {
        &self.receipts
    }

    /// First and latest closed day.
    ///
    /// # Errors
    /// If no day is closed.
    pub fn closed(&self) -> Result<RangeInclusive<Day>> {
        let files = self.files(TableName::Rows);
        let (first, last) = files.first().zip(files.last()).ok_or(Error::NothingClosed)?;
        Ok(first.first_day..=last.last_day)
    }

    /// The days from `from` to `to`, by default all that are closed.
    ///
    /// # Errors
    /// If one of them is not closed, or the last comes before the first.
    pub fn days(&self, from: Option<Day>, to: Option<Day>) -> Result<RangeInclusive<Day>> {
        self.resolve_days(from, to).map(Into::into)
    }

    /// As [`Manifest::days`], as a range that cannot be empty.
    pub(crate) fn resolve_days(&self, from: Option<Day>, to: Option<Day>) -> Result<DayRange> {
        day_range::resolve(DayRange::try_from(&self.closed()?).ok(), from, to)
    }

    /// Checks that a table has every closed day.
    ///
    /// # Errors
    /// If it lacks one.
    pub(crate) fn check_complete(&self, table: TableName) -> Result<()> {
        let closed = self.closed()?;
        let missing = |day: Day| Error::Table {
            table: table.name(),
            problem: format!("no file holds {day}"),
            advice: "another program has rewritten it: ingest into a new lake",
        };
        let mut next = *closed.start();
        for file in self.files(table) {
            if file.first_day != next {
                return Err(missing(next));
            }
            next = file.last_day.next();
        }
        if next == closed.end().next() { Ok(()) } else { Err(missing(next)) }
    }
}

/// A table's files; none of a table that the lake does not have.
fn located(table: Option<&Table>) -> Vec<LocatedFile> {
    table.map(|table| table.files().iter().map(|file| table.locate(file)).collect()).unwrap_or_default()
}

fn listed(of: &LocatedFile) -> ManifestFile {
    ManifestFile {
        path: of.path(),
        size: u64::try_from(of.file.size).unwrap_or_default(),
        rows: of.file.rows,
        first_day: of.file.days.first(),
        last_day: of.file.days.last(),
    }
}
