//! Gaps: epochs that no source has covered, between the last closed day and what a source offered.
//!
//! Days close in order, so a gap is never inside the lake. It lies between the lake and a source that was
//! tried, and is recorded so that `status` can show it.

use std::path::Path;

use chain::Epoch;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::storage::beneath;
use crate::storage::disk::Disk;

/// The file in the lake that holds them.
pub(crate) const NAME: &str = "gaps.json";
/// Longest such file that is read.
const MAX_BYTES: u64 = 1 << 24;

/// Epochs that must be covered before later days can close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first missing epoch.
    pub first_epoch: Epoch,
    /// The last missing epoch.
    pub last_epoch: Epoch,
    /// The source that has the gap, or begins after it.
    pub source: String,
    /// What was wrong, in words.
    pub reason: String,
}

/// The gaps that are noted in the lake in `dir`, in their order.
///
/// # Errors
/// If the note of them cannot be read.
pub fn gaps(dir: &Path) -> Result<Vec<Gap>> {
    let path = dir.join(NAME);
    let text = match beneath::read(dir, &[NAME], MAX_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(&path)(error)),
    };
    let gap = |said: &Value| {
        let epoch = |key: &str| said.get(key)?.as_i64().map(Epoch);
        let text = |key: &str| said.get(key)?.as_str().map(str::to_owned);
        Some(Gap {
            first_epoch: epoch("first_epoch")?,
            last_epoch: epoch("last_epoch")?,
            source: text("source")?,
            reason: text("reason")?,
        })
    };
    let said = serde_json::from_slice::<Vec<Value>>(&text).ok();
    let gaps = said.and_then(|said| said.iter().map(gap).collect());
    gaps.ok_or_else(|| Error::InvalidNote {
        path,
        advice: "remove it: the next ingest notes anew what is missing",
    })
}

/// Notes these gaps and no others.
pub(crate) fn write(dir: &Path, disk: &Disk, mut gaps: Vec<Gap>) -> Result<()> {
    let path = dir.join(NAME);
    gaps.sort_by_key(|gap| gap.first_epoch);
    let said: Vec<Value> = gaps
        .iter()
        .map(|gap| {
            json!({
                "first_epoch": gap.first_epoch.0,
                "last_epoch": gap.last_epoch.0,
                "source": gap.source,
                "reason": gap.reason,
            })
        })
        .collect();
    let text = format!("{:#}\n", Value::Array(said));
    disk.replace(&path, text.as_bytes()).map_err(Error::io(&path))
}
