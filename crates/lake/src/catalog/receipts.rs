//! How the outcomes of days' messages are known: read from receipts, or inferred where there were none.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Day, DayRange};
use ledger::{ReceiptCounts, Receipts};
use rayon::prelude::*;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use crate::catalog::snapshot::Snapshot;
use crate::data_files::data_file::{DataFile, LocatedFile};
use crate::data_files::reader;
use crate::error::Result;
use crate::records::day_source;
use crate::schema::TableName;
use crate::storage::blocking::blocking;

/// How the outcomes of some days' messages are known. `docs/DEFINITIONS.md`, "Missing receipts".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiptSummary {
    /// Days all of whose receipts were read.
    pub days_read: u64,
    /// Days without any receipts.
    pub days_inferred: u64,
    /// Days with receipts for some of their tipsets.
    pub days_mixed: u64,
    /// What was read and inferred on all of them.
    pub counts: ReceiptCounts,
}

impl ReceiptSummary {
    /// Adds a day.
    pub fn add(&mut self, counts: &ReceiptCounts) {
        match counts.receipts() {
            Receipts::Read => self.days_read += 1,
            Receipts::Inferred => self.days_inferred += 1,
            Receipts::Mixed => self.days_mixed += 1,
        }
        self.counts.add(counts);
    }

    /// All of the days in a word: `mixed` unless they are of one kind.
    #[must_use]
    pub const fn receipts(&self) -> Receipts {
        match (self.days_read, self.days_inferred, self.days_mixed) {
            (_, 0, 0) => Receipts::Read,
            (0, _, 0) => Receipts::Inferred,
            _ => Receipts::Mixed,
        }
    }
}

impl Serialize for ReceiptSummary {
    /// The word, the days of each kind, and the counts, under their names in `progress`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let counts = &self.counts;
        let mut told = serializer.serialize_struct("ReceiptSummary", 9)?;
        told.serialize_field("receipts", self.receipts().name())?;
        told.serialize_field("days_read", &self.days_read)?;
        told.serialize_field("days_inferred", &self.days_inferred)?;
        told.serialize_field("days_mixed", &self.days_mixed)?;
        told.serialize_field("tipsets_read", &counts.tipsets_read)?;
        told.serialize_field("tipsets_inferred", &counts.tipsets_inferred)?;
        told.serialize_field("messages_inferred", &counts.messages_inferred)?;
        told.serialize_field("messages_refuted", &counts.messages_refuted)?;
        told.serialize_field("events_uncertain", &counts.events_uncertain)?;
        told.end()
    }
}

/// What of the closed days' messages is known in which way, by day. Held by file of `progress`, so that what has been read
/// of one is not read again when a newer version has it, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceiptIndex {
    files: BTreeMap<Day, (DataFile, Arc<BTreeMap<Day, ReceiptCounts>>)>,
}

impl ReceiptIndex {
    /// Of a published version; `before` is what was known of an older one.
    ///
    /// # Errors
    /// If a file of `progress` does not read.
    pub(crate) async fn load(snapshot: &Snapshot, before: &Self) -> Result<Self> {
        let Some(table) = snapshot.table(TableName::Progress) else { return Ok(Self::default()) };
        let known = |file: &DataFile| before.files.get(&file.days.first()).filter(|(known, _)| known == file);
        let (mut files, mut unknown): (BTreeMap<_, _>, Vec<LocatedFile>) = Default::default();
        for file in table.files().iter() {
            match known(file) {
                Some(known) => {
                    files.insert(file.days.first(), known.clone());
                }
                None => unknown.push(table.locate(file)),
            }
        }
        let read = move || {
            let read = unknown.into_par_iter().map(|located| {
                let rows = day_source::rows(&reader::read_all(&located)?)?;
                let file = located.file;
                let counts = rows.into_iter().map(|row| (row.day, row.receipts)).collect();
                Ok((file.days.first(), (file, Arc::new(counts))))
            });
            read.collect::<Result<Vec<_>>>()
        };
        files.extend(blocking("reading progress", read).await?);
        Ok(Self { files })
    }

    /// Of a day; nothing was inferred of one that is not closed.
    pub(crate) fn day(&self, day: Day) -> ReceiptCounts {
        let file = self.files.range(..=day).next_back();
        file.and_then(|(_, (_, counts))| counts.get(&day)).copied().unwrap_or_default()
    }

    /// Of the closed ones of some days.
    pub(crate) fn days(&self, days: DayRange) -> ReceiptSummary {
        let (first, last) = (days.first(), days.last());
        let mut all = ReceiptSummary::default();
        let from = self.files.range(..=first).next_back().map_or(first, |(first, _)| *first);
        for (_, (_, counts)) in self.files.range(from..=last) {
            counts.range(first..=last).for_each(|(_, counts)| all.add(counts));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_one_kind_are_of_that_kind_and_others_mixed() {
        let read = ReceiptCounts { tipsets_read: 3, ..Default::default() };
        let inferred = ReceiptCounts {
            tipsets_inferred: 2,
            messages_inferred: 7,
            messages_refuted: 1,
            events_uncertain: 4,
            ..Default::default()
        };
        let told = |days: &[ReceiptCounts]| {
            let mut all = ReceiptSummary::default();
            days.iter().for_each(|day| all.add(day));
            all
        };
        assert_eq!(told(&[]).receipts(), Receipts::Read);
        assert_eq!(told(&[read, ReceiptCounts::default()]).receipts(), Receipts::Read);
        assert_eq!(told(&[inferred, inferred]).receipts(), Receipts::Inferred);
        assert_eq!(told(&[inferred, read]).receipts(), Receipts::Mixed);
        let mut both = read;
        both.add(&inferred);
        assert_eq!(told(&[both]).receipts(), Receipts::Mixed);
        let text = serde_json::to_value(told(&[inferred, read])).expect("JSON");
        assert_eq!((text["days_read"].as_u64(), text["messages_refuted"].as_u64()), (Some(1), Some(1)));
    }
}
