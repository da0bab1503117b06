//! Whether the tables of a published version agree: every day that one says is closed is in all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chain::DayRange;

use crate::delta::recovery::LOG_DIRECTORY;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::file_names::FileName;

/// Files that tables name and that are not there.
pub(crate) type MissingFiles = BTreeSet<(TableName, FileName)>;

/// Each closed day has one row in `progress`, and is in every table of days: where that is not so, some other program has
/// written what days there are. The copy clustered by miner has some of them.
///
/// # Errors
/// If a day is closed without such a row, or a table has other days.
pub(crate) fn check_days(dir: &Path, tables: &BTreeMap<TableName, Table>) -> Result<()> {
    let rewritten = |table: TableName, problem| {
        Err(Error::ExternallyModified { path: dir.join(table.name()).join(LOG_DIRECTORY), problem })
    };
    let days = |table: TableName| tables.get(&table).and_then(|table| table.files().days());
    let closed = days(TableName::Rows);
    if let Some(progress) = tables.get(&TableName::Progress)
        && let Some(file) = progress.files().iter().find(|file| file.rows != file.days.len())
    {
        let problem = format!("{} holds {} in {} rows, not one a day", file.name, file.days, file.rows);
        return rewritten(TableName::Progress, problem);
    }
    for table in TableName::BASE_TABLES.into_iter().filter(|table| tables.contains_key(table)) {
        let held = days(table);
        let right = match (&held, &closed) {
            (None, _) if table == TableName::History => true,
            (Some(held), Some(closed)) if table == TableName::History => closed.covers(*held),
            _ => held == closed,
        };
        if !right {
            let said =
                |days: &Option<DayRange>| days.map_or_else(|| "none".to_owned(), |days| days.to_string());
            let rows = TableName::Rows.name();
            let problem = format!("its days are {}, and those of {rows} {}", said(&held), said(&closed));
            return rewritten(table, problem);
        }
    }
    Ok(())
}
