//! A table's files by the days they hold, and what the log says of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Values;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{Day, DayRange};
use datafusion::parquet::file::metadata::ParquetMetaData;
use serde_json::{Map, Value, json};

use crate::error::integrity::IntegrityError;
use crate::schema::{MINER_ID, STAT_DATE, TableName};
use crate::storage::beneath;
use crate::storage::file_names::FileName;

/// The days that a file may say it holds, by days since 1970. Closed days have been, and no clock is ahead by so much.
const DAYS: RangeInclusive<i32> = 0..=LAST_DAY;
/// The last day of the year 2100.
const LAST_DAY: i32 = 47_846;
/// Most rows of a file: far more than any has, and few enough to be added up.
const MAX_ROWS: u64 = 1 << 40;

/// A data file: rows of one day, or of consecutive days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Name within the table's directory.
    pub(crate) name: FileName,
    /// Bytes.
    pub(crate) size: i64,
    /// Rows.
    pub(crate) rows: u64,
    /// First and last day; every day between them is in this file, those without rows too.
    pub(crate) days: DayRange,
    /// First and last miner, where the table has miners and the file rows.
    pub(crate) miners: Option<(i64, i64)>,
}

impl DataFile {
    /// The file's statistics as Delta has them. A file without rows says its days too: a bound that no row comes near
    /// is still a bound.
    pub(crate) fn stats(&self) -> String {
        let bounds = |day: Day, miner: Option<i64>| {
            let mut bounds = Map::from_iter([(STAT_DATE.to_owned(), json!(day.to_string()))]);
            if let Some(miner) = miner {
                bounds.insert(MINER_ID.to_owned(), json!(miner));
            }
            bounds
        };
        let lowest = bounds(self.days.first(), self.miners.map(|(first, _)| first));
        let highest = bounds(self.days.last(), self.miners.map(|(_, last)| last));
        let nulls: Map<String, Value> = lowest.keys().map(|column| (column.clone(), json!(0))).collect();
        json!({ "numRecords": self.rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls })
            .to_string()
    }

    /// The file that has these statistics; `None` if they do not say which days and how many rows it holds, or something
    /// that cannot be.
    pub(crate) fn from_stats(name: FileName, size: i64, stats: &str) -> Option<Self> {
        let stats: Value = serde_json::from_str(stats).ok()?;
        let bound = |side: &str, column: &str| stats.get(side)?.get(column).cloned();
        let day = |side| bound(side, STAT_DATE)?.as_str()?.parse::<Day>().ok();
        let miner = |side| bound(side, MINER_ID)?.as_i64();
        let days = DayRange::new(day("minValues")?, day("maxValues")?)?;
        let miners = miner("minValues").zip(miner("maxValues"));
        let rows = stats.get("numRecords")?.as_u64()?;
        let within = [days.first(), days.last()].iter().all(|day| DAYS.contains(&day.unix_days()));
        let can_be = within && rows <= MAX_ROWS && size >= 0;
        can_be.then_some(Self { name, size, rows, days, miners })
    }
}

/// A data file and its path.
#[derive(Clone, Debug)]
pub(crate) struct LocatedFile {
    /// The lake's directory.
    pub(crate) lake: Arc<Path>,
    /// The table.
    pub(crate) table: TableName,
    /// What the table's log says of it.
    pub(crate) file: DataFile,
}

impl LocatedFile {
    /// Its path, to be shown.
    pub(crate) fn path(&self) -> PathBuf {
        self.file.name.path_in(&self.lake.join(self.table.name()))
    }

    /// Opens the file, which has as many bytes as the log says.
    ///
    /// # Errors
    /// If it is not there, is no regular file, or has another size.
    pub(crate) fn open(&self) -> io::Result<std::fs::File> {
        let file = beneath::open(&self.lake, &[self.table.name(), self.file.name.as_str()])?;
        let length = file.metadata()?.len();
        if i64::try_from(length).is_ok_and(|length| length == self.file.size) {
            return Ok(file);
        }
        let problem = format!("it has {length} bytes, and the table's log says {}", self.file.size);
        Err(self.rewritten(problem))
    }

    /// Checks that the file has as many rows as the log says.
    ///
    /// # Errors
    /// If they are others.
    pub(crate) fn check_rows(&self, about: &ParquetMetaData) -> io::Result<()> {
        let rows = about.row_groups().iter().map(|group| u64::try_from(group.num_rows()).ok());
        let rows = rows.sum::<Option<u64>>().filter(|rows| *rows <= MAX_ROWS);
        match rows {
            Some(rows) if rows == self.file.rows => Ok(()),
            rows => {
                let said = rows.map_or_else(
                    || "a number of rows that cannot be".to_owned(),
                    |rows| format!("{rows} rows"),
                );
                Err(self.rewritten(format!("it has {said}, and the table's log says {}", self.file.rows)))
            }
        }
    }

    fn rewritten(&self, problem: String) -> io::Error {
        io::Error::other(IntegrityError::ExternallyModified { path: self.path(), problem })
    }
}

/// Files that share no day, by their first days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DataFiles(BTreeMap<Day, DataFile>);

impl DataFiles {
    /// Puts a file in; gives back one that holds some of the same days, if there is one.
    pub(crate) fn insert(&mut self, file: DataFile) -> Result<(), DataFile> {
        if let Some(other) = self.overlapping(file.days).next() {
            return Err(other.clone());
        }
        self.0.insert(file.days.first(), file);
        Ok(())
    }

    /// The file that holds a day.
    pub(crate) fn containing(&self, day: Day) -> Option<&DataFile> {
        self.0.range(..=day).next_back().map(|(_, file)| file).filter(|file| file.days.contains(day))
    }

    /// The files that hold any of these days, in their order.
    pub(crate) fn overlapping(&self, days: DayRange) -> impl Iterator<Item = &DataFile> {
        let from = self.containing(days.first()).map_or(days.first(), |file| file.days.first());
        self.0.range(from..=days.last()).map(|(_, file)| file)
    }

    /// All files, by day.
    pub(crate) fn iter(&self) -> Values<'_, Day, DataFile> {
        self.0.values()
    }

    /// First and last day; `None` if there is no file.
    pub(crate) fn days(&self) -> Option<DayRange> {
        let (_, first) = self.0.first_key_value()?;
        let (_, last) = self.0.last_key_value()?;
        Some(first.days.including(last.days.last()))
    }

    /// The last day.
    pub(crate) fn last(&self) -> Option<Day> {
        self.days().map(DayRange::last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i32) -> Day {
        Day::from_unix_days(number)
    }

    fn range(first: i32, last: i32) -> DayRange {
        DayRange::new(day(first), day(last)).expect("days in order")
    }

    fn file(first: i32, last: i32) -> DataFile {
        DataFile {
            name: FileName::parse(&format!("{first}.parquet")).expect("a name"),
            size: 9,
            rows: 7,
            days: range(first, last),
            miners: Some((1, 2)),
        }
    }

    fn names<'f>(files: impl Iterator<Item = &'f DataFile>) -> Vec<&'f str> {
        files.map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn files_are_found_by_any_day_they_hold() {
        let mut files = DataFiles::default();
        for (first, last) in [(10, 19), (20, 20), (21, 30)] {
            files.insert(file(first, last)).expect("no day twice");
        }
        assert_eq!(files.containing(day(15)).map(|file| file.name.as_str()), Some("10.parquet"));
        assert_eq!((files.containing(day(9)), files.containing(day(31))), (None, None));
        assert_eq!(names(files.overlapping(range(19, 20))), ["10.parquet", "20.parquet"]);
        assert_eq!(names(files.overlapping(range(1, 10))), ["10.parquet"]);
        assert_eq!(names(files.overlapping(range(20, 40))), ["20.parquet", "21.parquet"]);
        assert_eq!(names(files.overlapping(range(31, 40))), [""; 0]);
        assert_eq!(files.days(), Some(range(10, 30)));
        let twice = file(30, 40);
        assert_eq!(files.insert(twice).map_err(|other| other.name), Err(file(21, 30).name));
    }

    #[test]
    fn a_files_statistics_say_what_it_holds() {
        for file in [file(3, 9), DataFile { miners: None, rows: 0, ..file(4, 4) }] {
            let read = DataFile::from_stats(file.name.clone(), file.size, &file.stats());
            assert_eq!(read.as_ref(), Some(&file));
        }
        assert_eq!(DataFile::from_stats(file(1, 1).name, 0, r#"{"numRecords":1}"#), None);
    }

    #[test]
    fn what_cannot_be_is_no_file_of_a_table() {
        let stats = |rows: &str, first: &str, last: &str| {
            let day = |day: &str| format!("{{\"stat_date\":\"{day}\"}}");
            format!("{{\"numRecords\":{rows},\"minValues\":{},\"maxValues\":{}}}", day(first), day(last))
        };
        let read = |size, stats: &str| DataFile::from_stats(file(1, 1).name, size, stats);
        assert!(read(9, &stats("7", "2022-10-01", "2100-12-31")).is_some());
        for wrong in [
            stats("7", "2022-10-01", "2101-01-01"),
            stats("7", "2022-10-01", "9999-12-31"),
            stats("7", "1969-12-31", "2022-10-01"),
            stats("7", "2022-10-02", "2022-10-01"),
            stats("18446744073709551615", "2022-10-01", "2022-10-01"),
            stats("-1", "2022-10-01", "2022-10-01"),
        ] {
            assert_eq!(read(9, &wrong), None, "{wrong}");
        }
        assert_eq!(read(-1, &stats("7", "2022-10-01", "2022-10-01")), None);
    }
}
