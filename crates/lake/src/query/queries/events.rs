//! A storage provider's events.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use chain::{Day, MinerId, SectorNumber};
use ledger::{Cause, Kind};

use crate::error::Result;
use crate::formats::row_set::{ColumnSpec, ColumnType, RowSet};
use crate::query::queries::rows::{between, day, empty_page, integer, one_of, page, select};
use crate::query::queries::{Page, Queries};
use crate::schema::{MINER_ID, STAT_DATE, TableName, UNCERTAIN};

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
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let integer = |name, unit, doc| ColumnSpec::new(name, ColumnType::Integer, unit, doc);
        let wide = |name, doc| ColumnSpec::new(name, ColumnType::Wide, "bytes", doc);
        let text = |name, doc| ColumnSpec::new(name, ColumnType::Text, "", doc);
        [
            ColumnSpec::new(STAT_DATE, ColumnType::Day, "", "UTC day of the event."),
            integer("position", "", "Place among all events of the day, in the order of execution."),
            integer("epoch", "epoch", "Height of the tipset that executed it."),
            ColumnSpec::new(MINER_ID, ColumnType::Miner, "", "The storage provider."),
            integer("sector", "", "Number of the sector."),
            text("kind", "What happened."),
            text("cause", "Why, or by which way; absent for the kinds that have no causes.").or_null(),
            wide("sector_size", "Raw bytes of the sector."),
            wide("qap_before", "Quality-adjusted power before; absent if there was none.").or_null(),
            wide("qap_after", "Quality-adjusted power after; absent if the sector is gone.").or_null(),
            integer("activation", "epoch", "Activation as first seen; absent for pre-commits.").or_null(),
            integer("expiration_before", "epoch", "Expiration before.").or_null(),
            integer("expiration_after", "epoch", "Expiration after.").or_null(),
            text("content_before", "What the sector held before: `cc`, `deals`, `verified` or `full_quality`; absent if it was not live, and of days closed under a layout before 3.").or_null(),
            text("content_after", "What it holds after.").or_null(),
            ColumnSpec::new("pledge_before", ColumnType::Wide, "attoFIL", "Its initial pledge before.").or_null(),
            ColumnSpec::new("pledge_after", ColumnType::Wide, "attoFIL", "Its initial pledge after.").or_null(),
            text("status_before", "Where the sector stood before."),
            text("status_after", "Where it stands after."),
            text(
                "message",
                "CID of the message that caused it; absent where cron or a call from another actor did.",
            )
            .or_null(),
            integer("method", "", "The message's method number of the miner actor.").or_null(),
            integer("message_sectors", "sectors", "How many sectors the message changed.").or_null(),
            ColumnSpec::new("daily_fee_before", ColumnType::Wide, "attoFIL", "What it paid a day before; absent if it was not live, and of days closed under a layout before 4.").or_null(),
            ColumnSpec::new("daily_fee_after", ColumnType::Wide, "attoFIL", "What it pays a day after.").or_null(),
            ColumnSpec::new(
                UNCERTAIN,
                ColumnType::Boolean,
                "",
                "Whether it was inferred without receipts and is of a kind that the outcome cannot tell for sure.",
            ),
        ]
        .into()
    });
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
            let _ = write!(condition, " AND ({STAT_DATE} > DATE '{day}' OR position > {position})");
        }
        let expression = |name: &str| match name {
            UNCERTAIN => format!("coalesce({UNCERTAIN}, 0) <> 0 AS {UNCERTAIN}"),
            name => name.to_owned(),
        };
        let statement = select(&event_columns(), TableName::Events, expression)
            + &format!(" WHERE {condition} ORDER BY {STAT_DATE}, position LIMIT {}", filter.limit + 1);
        let rows = RowSet::of(event_columns(), &self.session(version).await?.collect(&statement).await?)?;
        let cursor = |row: usize| {
            Some(EventCursor { day: day(&rows, row)?, position: integer(&rows, "position", row)? })
        };
        Ok(page(&rows, filter.limit, cursor))
    }
}
