//! A storage provider's events.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use chain::{Day, MinerId, SectorNumber};
use ledger::fields::EVENT_FIELDS;
use ledger::{Cause, Kind};

use crate::error::Result;
use crate::formats::column_spec::{ColumnSpec, ColumnType};
use crate::formats::row_set::RowSet;
use crate::query::queries::rows::{between, day, empty_page, integer, one_of, page, select};
use crate::query::queries::{Page, Queries};
use crate::schema::{MINER_ID, POSITION, STAT_DATE, TableName};

/// Selects events.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Of this storage provider.
    pub miner: MinerId,
    /// Only of this sector.
    pub sector: Option<SectorNumber>,
    /// Of these closed days.
    pub days: RangeInclusive<Day>,
    /// Only of these kinds; any if empty.
    pub kinds: Vec<Kind>,
    /// Only of these causes; any if empty.
    pub causes: Vec<Cause>,
    /// Only those after this cursor; it never adds days before the first one.
    pub after: Option<EventCursor>,
    /// At most this many.
    pub limit: usize,
}

/// Position of an event: its day, and its place among the day's in the order of execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    /// The day.
    pub day: Day,
    /// The place.
    pub position: i64,
}

/// The columns of events.
pub fn event_columns() -> Arc<[ColumnSpec]> {
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> =
        LazyLock::new(|| EVENT_FIELDS.iter().map(ColumnSpec::from).collect());
    Arc::clone(&COLUMNS)
}

impl Queries {
    /// A storage provider's events, in the order of execution.
    ///
    /// # Errors
    /// If the lake cannot be read, or a limit is passed.
    pub async fn events(&self, version: u64, filter: &EventFilter) -> Result<Page<EventCursor>> {
        let Ok(miner) = i64::try_from(filter.miner.0) else { return empty_page(event_columns()) };
        // A place to go on from never makes the days more.
        let first = *filter.days.start();
        let from = filter.after.map_or(first, |after| after.day.max(first));
        let mut condition = format!("{MINER_ID} = {miner} AND {}", between(from, *filter.days.end()));
        if let Some(sector) = filter.sector {
            let Ok(sector) = i64::try_from(sector.0) else { return empty_page(event_columns()) };
            // Writing to a String cannot fail.
            let _ = write!(condition, " AND sector = {sector}");
        }
        condition += &one_of("kind", filter.kinds.iter().map(|kind| kind.name()));
        condition += &one_of("cause", filter.causes.iter().map(|cause| cause.name()));
        if let Some(EventCursor { day, position }) = filter.after {
            let _ = write!(condition, " AND ({STAT_DATE} > DATE '{day}' OR {POSITION} > {position})");
        }
        let expression = |spec: &ColumnSpec| match (spec.column_type, &spec.name) {
            (ColumnType::Boolean, name) => format!("coalesce({name}, 0) <> 0 AS {name}"),
            (_, name) => name.to_string(),
        };
        let statement = select(&event_columns(), TableName::Events, expression)
            + &format!(" WHERE {condition} ORDER BY {STAT_DATE}, {POSITION} LIMIT {}", filter.limit + 1);
        let rows = RowSet::of(event_columns(), &self.session(version).await?.collect(&statement).await?)?;
        let cursor = |row: usize| {
            Some(EventCursor { day: day(&rows, row)?, position: integer(&rows, POSITION, row)? })
        };
        Ok(page(&rows, filter.limit, cursor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_columns_of_events_in_their_order() {
        let line = |spec: &ColumnSpec| {
            let null = if spec.nullable { "?" } else { "" };
            format!("{} {:?}{null} {}", spec.name, spec.column_type, spec.unit).trim_end().to_owned()
        };
        let columns = [
            "stat_date Day",
            "position Integer",
            "epoch Integer epoch",
            "miner_id Miner",
            "sector Integer",
            "kind Text",
            "cause Text?",
            "sector_size Wide bytes",
            "qap_before Wide? bytes",
            "qap_after Wide? bytes",
            "activation Integer? epoch",
            "expiration_before Integer? epoch",
            "expiration_after Integer? epoch",
            "content_before Text?",
            "content_after Text?",
            "pledge_before Wide? attoFIL",
            "pledge_after Wide? attoFIL",
            "status_before Text",
            "status_after Text",
            "message Text?",
            "method Integer?",
            "message_sectors Integer? sectors",
            "daily_fee_before Wide? attoFIL",
            "daily_fee_after Wide? attoFIL",
            "uncertain Boolean",
        ];
        assert_eq!(event_columns().iter().map(line).collect::<Vec<_>>(), columns);
    }
}
