//! The day from which on a lake has events.

use chain::Day;

use crate::catalog::snapshot::Snapshot;
use crate::delta::table::Table;
use crate::error::Result;
use crate::records::day_source;
use crate::resume::activations;
use crate::schema::{HISTORY_SINCE, TableName};

/// The day from which on a lake has events, where that is not epoch 0's.
pub(crate) async fn history_start(snapshot: &Snapshot) -> Result<Option<Day>> {
    let Some(progress) = snapshot.table(TableName::Progress) else { return Ok(None) };
    let Some(last) = progress.files().last() else { return Ok(None) };
    if !progress.has_column(HISTORY_SINCE)? {
        return match snapshot.table(TableName::Events) {
            Some(events) => from_events(events).await,
            None => Ok(None),
        };
    }
    let rows = day_source::rows(&progress.day(last).await?)?;
    Ok(rows.last().and_then(|row| row.history_since))
}

/// The day from which on a lake of layout 1 has events, where its first day begins with an opening.
pub(crate) async fn from_events(events: &Table) -> Result<Option<Day>> {
    let Some(first) = events.files().iter().next() else { return Ok(None) };
    Ok(activations::opens(events, first).await?.then_some(first.days.first()))
}
