//! Sector events: of a storage provider, and of one sector.

use lake::{EventCursor, EventFilter};
use ledger::{Cause, Kind};

use super::parameters::Cursor;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::access::denial::Denial;
use crate::errors::problem::Problem;

pub(super) async fn of_miner(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { parameters, days, .. } = query;
    let filter = EventFilter {
        miner: parameters.miner("id").ok_or(Problem::Internal)?,
        sector: None,
        days: days.clone(),
        kinds: parameters.names("kind").iter().filter_map(|name| Kind::from_name(name)).collect(),
        causes: parameters.names("cause").iter().filter_map(|name| Cause::from_name(name)).collect(),
        after: after(query)?,
        limit: query.max_rows(),
    };
    let mut rows = query_events(query, &filter).await?;
    // The days of the address are those of the first page, however many are closed meanwhile.
    let (from, to) = (days.start().to_string(), days.end().to_string());
    rows.next_parameters = match parameters.day_ref("day") {
        Some(_) => vec![("day", from.clone())],
        None => vec![("from", from.clone()), ("to", to.clone())],
    };
    Ok(ResponseData::Rows(rows.with("from", from).with("to", to)))
}

pub(super) async fn of_sector(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { parameters, window, .. } = query;
    let (Some(miner), Some(sector)) = (parameters.miner("id"), parameters.sector("n")) else {
        return Err(Problem::Internal);
    };
    // A key's holder sees as much of the life as of all else.
    let filter = EventFilter {
        miner,
        sector: Some(sector),
        days: query.days.clone(),
        kinds: Vec::new(),
        causes: Vec::new(),
        after: after(query)?,
        limit: query.max_rows(),
    };
    let rows = query_events(query, &filter).await?;
    if rows.sheet.is_empty() && filter.after.is_none() {
        if window.hides_days() {
            // Whether there was one before is not told.
            let first = window.first();
            return Err(Problem::Denied(Denial::History { asked: first.previous(), first }));
        }
        return Err(Problem::NoSuchSector { miner, sector });
    }
    Ok(ResponseData::Rows(rows))
}

fn after(query: &ResolvedQuery<'_>) -> Result<Option<EventCursor>, Problem> {
    match query.after {
        None => Ok(None),
        Some(Cursor::After(day, position)) => {
            let position = i64::try_from(position).map_err(|_| Problem::StaleCursor)?;
            Ok(Some(EventCursor { day, position }))
        }
        Some(Cursor::Offset { .. }) => Err(Problem::StaleCursor),
    }
}

async fn query_events(query: &ResolvedQuery<'_>, filter: &EventFilter) -> Result<Rows, Problem> {
    let context = query.context;
    let _permit = context.query_permit().await?;
    let page = context.resources.questions.events(query.version(), filter).await?;
    let next =
        page.next.and_then(|cursor| Some(Cursor::After(cursor.day, u64::try_from(cursor.position).ok()?)));
    Ok(Rows { next, ..Rows::new(page.rows) }.with_receipts(&query.published, &filter.days))
}
