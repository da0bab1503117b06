//! The lake's layout: its number, and how a lake of an older one becomes one of this.
//!
//! | layout | what came with it |
//! |---|---|
//! | 1 | four tables |
//! | 2 | `reconciliation` with live, faulty and unproven power and what failed, `progress` with where history begins, `sp_sector_history`, months in one file, this number |
//! | 3 | `sector_events` with what a sector holds and what is pledged for it |
//! | 4 | `progress` with whether receipts were read, `sector_events` with what is uncertain and with daily fees, rows with upgrades to full quality |

use std::path::Path;

use chain::Day;
use serde_json::{Value, json};

use crate::disk::Disk;
use crate::schema::TableName;
use crate::table::{Change, Table};
use crate::tables::Tables;
use crate::{Error, Result, activations, below, file, progress, read};

/// The layout that this version writes.
const LAYOUT: u64 = 4;
/// The file in the lake that says its layout; lakes of layout 1 have none.
pub(crate) const NAME: &str = "lake.json";
/// Longest such file that is read.
const LONGEST: u64 = 1 << 16;

/// The layout of the lake in `dir`; of one without tables, this version's.
///
/// # Errors
/// If the file that says so does not read, or names a layout that this version does not know.
pub(crate) fn of(dir: &Path) -> Result<u64> {
    let path = dir.join(NAME);
    let text = match below::read(dir, &[NAME], LONGEST) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let begun = below::is_directory(dir, &[TableName::Rows.name()]).map_err(Error::io(dir))?;
            return Ok(if begun { 1 } else { LAYOUT });
        }
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let layout = serde_json::from_slice::<Value>(&text).ok().and_then(|said| said.get("layout")?.as_u64());
    match layout {
        Some(layout @ 1..=LAYOUT) => Ok(layout),
        Some(newer) => Err(Error::Layout { dir: dir.to_owned(), found: newer, known: LAYOUT }),
        None => Err(Error::Table {
            table: TableName::Rows.name(),
            problem: format!("{} does not say the lake's layout", path.display()),
            advice: "put back the file of a backup",
        }),
    }
}

/// Whether the lake in `dir` has an older layout than this version writes.
///
/// # Errors
/// As [`of`].
pub(crate) fn is_older(dir: &Path) -> Result<bool> {
    Ok(of(dir)? < LAYOUT)
}

/// Says that the lake has this version's layout.
pub(crate) fn mark(dir: &Path, disk: &Disk) -> Result<()> {
    let path = dir.join(NAME);
    let there = below::about(dir, &[NAME]).map_err(Error::io(&path))?.is_some();
    if there && of(dir)? == LAYOUT {
        return Ok(());
    }
    let said = format!("{}\n", json!({ "layout": LAYOUT }));
    disk.replace(&path, said.as_bytes()).map_err(Error::io(&path))
}

/// Makes the tables of a lake of an older layout those of this one. Each step is done once, however often it is begun; the
/// new layout is marked when all are done.
pub(crate) async fn migrate(tables: &mut Tables, disk: &Disk) -> Result<()> {
    for name in TableName::ALL {
        if tables.get(name).lacks_columns()? {
            tables.get_mut(name).add_columns().await?;
        }
    }
    if let Some(since) = since(tables.get(TableName::Events)).await? {
        let table = tables.get_mut(TableName::Progress);
        let mut rows = Vec::new();
        for stored in table.files().iter() {
            rows.extend(progress::rows(&read::whole(&table.located(stored))?)?);
        }
        if rows.iter().any(|row| row.history_since.is_none()) {
            rows.iter_mut().for_each(|row| row.history_since = Some(since));
            let days = (rows[0].day, rows[rows.len() - 1].day);
            let batch = progress::batch(&rows)?;
            let added = file::write(disk, table.directory(), TableName::Progress, days, &batch)?;
            let remove = table.files().iter().cloned().collect();
            table.commit(Change { remove, add: vec![added], ..Change::default() }).await?;
        }
    }
    tables.publish(Change::default()).await?;
    tracing::info!("the lake has layout {LAYOUT} now");
    Ok(())
}

/// The day from which on a lake of layout 1 has events, where its first day begins with an opening.
pub(crate) async fn since(events: &Table) -> Result<Option<Day>> {
    let Some(first) = events.files().iter().next() else { return Ok(None) };
    Ok(activations::opens(events, first).await?.then_some(first.days.0))
}
