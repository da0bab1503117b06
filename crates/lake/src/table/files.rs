//! A table's files by the days they hold, and what the log says of each.

use std::collections::BTreeMap;
use std::collections::btree_map::Values;
use std::ops::RangeInclusive;

use chain::Day;
use serde_json::{Map, Value, json};

use crate::schema::{MINER_ID, STAT_DATE};

/// A data file: rows of one day, or of consecutive days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DataFile {
    /// Name within the table's directory.
    pub(crate) name: String,
    /// Bytes.
    pub(crate) size: i64,
    /// Rows.
    pub(crate) rows: u64,
    /// First and last day; every day between them is in this file, those without rows too.
    pub(crate) days: (Day, Day),
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
        let lowest = bounds(self.days.0, self.miners.map(|(first, _)| first));
        let highest = bounds(self.days.1, self.miners.map(|(_, last)| last));
        let nulls: Map<String, Value> = lowest.keys().map(|column| (column.clone(), json!(0))).collect();
        json!({ "numRecords": self.rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls })
            .to_string()
    }

    /// The file that has these statistics; `None` if they do not say which days it holds.
    pub(crate) fn from_stats(name: String, size: i64, stats: &str) -> Option<Self> {
        let stats: Value = serde_json::from_str(stats).ok()?;
        let bound = |side: &str, column: &str| stats.get(side)?.get(column).cloned();
        let day = |side| bound(side, STAT_DATE)?.as_str()?.parse::<Day>().ok();
        let miner = |side| bound(side, MINER_ID)?.as_i64();
        let days = (day("minValues")?, day("maxValues")?);
        let miners = miner("minValues").zip(miner("maxValues"));
        Some(Self { name, size, rows: stats.get("numRecords")?.as_u64()?, days, miners })
    }

    /// How many days it holds.
    pub(crate) fn day_count(&self) -> u64 {
        let (first, last) = self.days;
        u64::try_from(i64::from(last.unix_days()) - i64::from(first.unix_days()) + 1).unwrap_or_default()
    }
}

/// Files that share no day, by their first days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Files(BTreeMap<Day, DataFile>);

impl Files {
    /// Puts a file in; gives back one that holds some of the same days, if there is one.
    pub(crate) fn insert(&mut self, file: DataFile) -> Result<(), DataFile> {
        if let Some(other) = self.touching(file.days.0..=file.days.1).next() {
            return Err(other.clone());
        }
        self.0.insert(file.days.0, file);
        Ok(())
    }

    /// The file that holds a day.
    pub(crate) fn of(&self, day: Day) -> Option<&DataFile> {
        self.0.range(..=day).next_back().map(|(_, file)| file).filter(|file| file.days.1 >= day)
    }

    /// The files that hold any of these days, in their order.
    pub(crate) fn touching(&self, days: RangeInclusive<Day>) -> impl Iterator<Item = &DataFile> {
        let from = self.of(*days.start()).map_or(*days.start(), |file| file.days.0);
        let upto = *days.end();
        // A range that ends before it begins holds nothing.
        let range = (from <= upto).then(|| self.0.range(from..=upto));
        range.into_iter().flatten().map(|(_, file)| file)
    }

    /// All files, by day.
    pub(crate) fn iter(&self) -> Values<'_, Day, DataFile> {
        self.0.values()
    }

    /// First and last day; `None` if there is no file.
    pub(crate) fn days(&self) -> Option<RangeInclusive<Day>> {
        let (first, _) = self.0.first_key_value()?;
        let (_, last) = self.0.last_key_value()?;
        Some(*first..=last.days.1)
    }

    /// The last day.
    pub(crate) fn last(&self) -> Option<Day> {
        self.days().map(|days| *days.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: i32) -> Day {
        Day::from_unix_days(number)
    }

    fn file(first: i32, last: i32) -> DataFile {
        DataFile {
            name: format!("{first}"),
            size: 9,
            rows: 7,
            days: (day(first), day(last)),
            miners: Some((1, 2)),
        }
    }

    fn names<'f>(files: impl Iterator<Item = &'f DataFile>) -> Vec<&'f str> {
        files.map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn files_are_found_by_any_day_they_hold() {
        let mut files = Files::default();
        for (first, last) in [(10, 19), (20, 20), (21, 30)] {
            files.insert(file(first, last)).expect("no day twice");
        }
        assert_eq!(files.of(day(15)).map(|file| file.name.as_str()), Some("10"));
        assert_eq!((files.of(day(9)), files.of(day(31))), (None, None));
        assert_eq!(names(files.touching(day(19)..=day(20))), ["10", "20"]);
        assert_eq!(names(files.touching(day(1)..=day(10))), ["10"]);
        assert_eq!(names(files.touching(day(20)..=day(40))), ["20", "21"]);
        assert_eq!(names(files.touching(day(31)..=day(40))), [""; 0]);
        assert_eq!(files.days(), Some(day(10)..=day(30)));
        let twice = file(30, 40);
        assert_eq!(files.insert(twice).map_err(|other| other.name), Err("21".to_owned()));
    }

    #[test]
    fn a_files_statistics_say_what_it_holds() {
        for file in [file(3, 9), DataFile { miners: None, rows: 0, ..file(4, 4) }] {
            let read = DataFile::from_stats(file.name.clone(), file.size, &file.stats());
            assert_eq!(read.as_ref(), Some(&file));
        }
        assert_eq!(DataFile::from_stats(String::new(), 0, r#"{"numRecords":1}"#), None);
    }
}
