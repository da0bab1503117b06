//! The data files that a published version is made of.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chain::Day;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::schema::TableName;
use crate::table::Table;
use crate::{Error, Result};

/// The tables, in the order in which they are committed.
pub(crate) const TABLES: [TableName; 4] =
    [TableName::Events, TableName::Reconciliation, TableName::Progress, TableName::Rows];

/// A data file: rows of one day, or of consecutive days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
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
pub struct Listing {
    directory: PathBuf,
    version: u64,
    files: BTreeMap<&'static str, Vec<ListedFile>>,
}

impl Listing {
    /// Lists the lake in `dir` as it is published now.
    ///
    /// # Errors
    /// If there is no lake, or it cannot be read.
    pub async fn open(dir: &Path) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows).await? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        let directory = dir.canonicalize().map_err(Error::io(dir))?;
        let rows = Table::open(&directory, TableName::Rows).await?;
        let published = rows.days().keys().next_back().copied();
        let mut files = BTreeMap::new();
        for name in TABLES {
            let table = Table::open(&directory, name).await?;
            let days = published.iter().flat_map(|last| table.days().range(..=*last));
            let listed = days.map(|(day, stored)| of_day(table.directory().join(&stored.name), *day));
            files.insert(name.name(), listed.collect::<Result<_>>()?);
        }
        Ok(Self { directory, version: rows.version(), files })
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
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &[ListedFile])> {
        TABLES.into_iter().map(|table| (table.name(), self.files(table)))
    }

    /// A table's files, in the order of their days.
    pub(crate) fn files(&self, table: TableName) -> &[ListedFile] {
        self.files.get(table.name()).map_or(&[], Vec::as_slice)
    }

    /// First and latest closed day.
    ///
    /// # Errors
    /// If no day is closed.
    pub fn closed(&self) -> Result<RangeInclusive<Day>> {
        let files = self.files(TableName::Rows);
        let (first, last) = files.first().zip(files.last()).ok_or(Error::Empty)?;
        Ok(first.first_day..=last.last_day)
    }

    /// The days from `from` to `to`, by default all that are closed.
    ///
    /// # Errors
    /// If one of them is not closed: what is not known is never served as nothing.
    pub fn days(&self, from: Option<Day>, to: Option<Day>) -> Result<RangeInclusive<Day>> {
        let closed = self.closed()?;
        let days = from.unwrap_or(*closed.start())..=to.unwrap_or(*closed.end());
        for day in [*days.start(), *days.end()] {
            if !closed.contains(&day) {
                return Err(Error::NotClosed { day, first: *closed.start(), last: *closed.end() });
            }
        }
        if days.is_empty() {
            return Err(Error::Backwards { from: *days.start(), to: *days.end() });
        }
        Ok(days)
    }

    /// Checks that a table has every closed day.
    ///
    /// # Errors
    /// If it lacks one.
    pub(crate) fn check_whole(&self, table: TableName) -> Result<()> {
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

fn of_day(path: PathBuf, day: Day) -> Result<ListedFile> {
    let opened = std::fs::File::open(&path).map_err(Error::io(&path))?;
    let size = opened.metadata().map_err(Error::io(&path))?.len();
    let parquet = ParquetRecordBatchReaderBuilder::try_new(opened);
    let parquet = parquet.map_err(|source| Error::Parquet { path: path.clone(), source })?;
    let rows = u64::try_from(parquet.metadata().file_metadata().num_rows()).unwrap_or_default();
    Ok(ListedFile { path, size, rows, first_day: day, last_day: day })
}
