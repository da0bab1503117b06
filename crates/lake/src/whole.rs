//! Whether a published version is whole: every file that it names is there, and every day that it says is closed is.
//!
//! A commit names files that were flushed before it, so none is ever missing but where somebody has taken it away: who
//! removes the lock of a writer lets another one in, which may have swept away what the first has not committed yet, and
//! then does. Of such commits at the end, and of these alone, the days are given up and closed again: what they named is
//! lost, and all before them is whole. Where a file of older days is missing, nothing is gained by giving up those after
//! them, and whoever reads that day is told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;

use chain::Day;

use crate::mend::LOG;
use crate::names::FileName;
use crate::schema::TableName;
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::{Error, Result};

/// Files that tables name and that are not there.
pub(crate) type Missing = BTreeSet<(TableName, FileName)>;

/// The newest version before `version` all of whose files are there, where going back to it leaves nothing behind but
/// commits that lack files of their own; `missing` are those that `version` lacks.
///
/// # Errors
/// If something that is no regular file has the name of a file.
pub(crate) async fn before(dir: &Path, version: u64, missing: &Missing) -> Result<Option<Snapshot>> {
    let mut lacking = missing.clone();
    for earlier in (0..version).rev() {
        // What came before the oldest commit that is kept cannot be read.
        let Ok(snapshot) = Snapshot::at(dir, Some(earlier)).await else { return Ok(None) };
        let lacks = snapshot.missing()?;
        if lacks.is_empty() {
            return Ok(Some(snapshot));
        }
        // The commit must have lacked some of its own, and the one before it must lack no others.
        if lacks.len() >= lacking.len() || !lacks.is_subset(&lacking) {
            return Ok(None);
        }
        lacking = lacks;
    }
    Ok(None)
}

/// Says that a lake is read, or taken back, as of a version before its newest one.
pub(crate) fn say(dir: &Path, missing: &Missing, whole: &Snapshot) {
    let last = whole.table(TableName::Rows).and_then(|rows| rows.files().last());
    let upto = last
        .map_or_else(|| "none is closed before".to_owned(), |last| format!("closed days end with {last}"));
    if let Some((table, file)) = missing.first() {
        tracing::warn!(
            "{}: its last commit names {}/{file}, which is missing; the lake is taken as of the commit before it, and \
             {upto}: the days after that will be closed again by the next ingest",
            dir.display(),
            table.name(),
        );
    }
}

/// Each closed day has one row in `progress`, and is in every table of days: where that is not so, some other program has
/// written what days there are. Those laid by miner are some of them.
///
/// # Errors
/// If a day is closed without such a row, or a table has other days.
pub(crate) fn check_days(dir: &Path, tables: &BTreeMap<TableName, Table>) -> Result<()> {
    let rewritten =
        |table: TableName, problem| Err(Error::Rewritten { path: dir.join(table.name()).join(LOG), problem });
    let days = |table: TableName| tables.get(&table).and_then(|table| table.files().days());
    let closed = days(TableName::Rows);
    if let Some(progress) = tables.get(&TableName::Progress)
        && let Some(file) = progress.files().iter().find(|file| file.rows != file.day_count())
    {
        let (first, last) = file.days;
        let problem = format!("{} holds {first} to {last} in {} rows, not one a day", file.name, file.rows);
        return rewritten(TableName::Progress, problem);
    }
    for table in TableName::OTHERS.into_iter().filter(|table| tables.contains_key(table)) {
        let held = days(table);
        let right = match (&held, &closed) {
            (None, _) if table == TableName::History => true,
            (Some(held), Some(closed)) if table == TableName::History => {
                closed.start() <= held.start() && held.end() <= closed.end()
            }
            _ => held == closed,
        };
        if !right {
            let said = |days: &Option<RangeInclusive<Day>>| match days {
                Some(days) => format!("{} to {}", days.start(), days.end()),
                None => "none".to_owned(),
            };
            let rows = TableName::Rows.name();
            let problem = format!("its days are {}, and those of {rows} {}", said(&held), said(&closed));
            return rewritten(table, problem);
        }
    }
    Ok(())
}
