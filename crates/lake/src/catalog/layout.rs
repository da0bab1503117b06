//! The lake's layout, by its number.
//!
//! | layout | what came with it |
//! |---|---|
//! | 1 | four tables |
//! | 2 | `reconciliation` with live, faulty and unproven power and what failed, `progress` with where history begins, `sp_sector_history`, months in one file, this number |
//! | 3 | `sector_events` with what a sector holds and what is pledged for it |
//! | 4 | `progress` with whether receipts were read, `sector_events` with what is uncertain and with daily fees, rows with upgrades to full quality |

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::storage::beneath;
use crate::storage::disk::Disk;

/// The layout that this version writes.
pub(crate) const LAYOUT: u64 = 4;
/// The file in the lake that says its layout; lakes of layout 1 have none.
pub(crate) const NAME: &str = "lake.json";
/// Longest such file that is read.
const MAX_BYTES: u64 = 1 << 16;

/// The layout of the lake in `dir`; of one without tables, this version's.
///
/// # Errors
/// If the file that says so does not read, or names a layout that this version does not know.
pub(crate) fn read(dir: &Path) -> Result<u64> {
    let path = dir.join(NAME);
    let text = match beneath::read(dir, &[NAME], MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let begun = beneath::is_directory(dir, &[TableName::Rows.name()]).map_err(Error::io(dir))?;
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
    Ok(read(dir)? < LAYOUT)
}

/// Says that the lake has this version's layout.
pub(crate) fn write(dir: &Path, disk: &Disk) -> Result<()> {
    let path = dir.join(NAME);
    let there = beneath::metadata(dir, &[NAME]).map_err(Error::io(&path))?.is_some();
    if there && read(dir)? == LAYOUT {
        return Ok(());
    }
    let said = format!("{}\n", json!({ "layout": LAYOUT }));
    disk.replace(&path, said.as_bytes()).map_err(Error::io(&path))
}
