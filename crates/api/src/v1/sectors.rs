//! Sector events: those of a storage provider's days, and those of one sector's life.

use lake::{EventPlace, EventsWanted};
use ledger::{Cause, Kind};

use super::V1;
use super::answer::{Answer, Rows};
use super::operations::ROWS;
use super::parameters::{Asked, Cursor};
use super::problem::Problem;
use crate::auth::Denial;

pub(super) async fn events(v1: &V1, asked: &Asked) -> Result<Answer, Problem> {
    let both = asked.when("day").and(asked.when("from").or(asked.when("to")));
    if both.is_some() {
        return Err(Problem::Conflicting("The parameter day stands in the place of from and to."));
    }
    let days = match asked.when("day") {
        Some(_) => {
            let day = v1.day(asked).await?;
            day..=day
        }
        None => v1.days(asked).await?,
    };
    let wanted = EventsWanted {
        miner: asked.miner("id").ok_or(Problem::Internal)?,
        sector: None,
        days: days.clone(),
        kinds: asked.names("kind").iter().filter_map(|name| Kind::from_name(name)).collect(),
        causes: asked.names("cause").iter().filter_map(|name| Cause::from_name(name)).collect(),
        after: after(asked)?,
        most: asked.limit(ROWS),
    };
    let mut rows = ask(v1, &wanted).await?;
    // The days of the address are those of the first page, however many are closed meanwhile.
    let (from, to) = (days.start().to_string(), days.end().to_string());
    rows.pinned = match asked.when("day") {
        Some(_) => vec![("day", from.clone())],
        None => vec![("from", from.clone()), ("to", to.clone())],
    };
    Ok(Answer::Rows(rows.with("from", from).with("to", to)))
}

pub(super) async fn life(v1: &V1, asked: &Asked) -> Result<Answer, Problem> {
    let closed = v1.closed()?;
    let (Some(miner), Some(sector)) = (asked.miner("id"), asked.sector("n")) else {
        return Err(Problem::Internal);
    };
    // A key's holder sees as much of the life as of all else.
    let first = v1.first_day(closed.latest).map_or(closed.first, |first| first.max(closed.first));
    let wanted = EventsWanted {
        miner,
        sector: Some(sector),
        days: first..=closed.latest,
        kinds: Vec::new(),
        causes: Vec::new(),
        after: after(asked)?,
        most: asked.limit(ROWS),
    };
    let rows = ask(v1, &wanted).await?;
    if rows.sheet.is_empty() && wanted.after.is_none() {
        if first > closed.first {
            return Err(Problem::Denied(Denial::History { asked: closed.first, first }));
        }
        return Err(Problem::NoSuchSector { miner, sector });
    }
    Ok(Answer::Rows(rows))
}

fn after(asked: &Asked) -> Result<Option<EventPlace>, Problem> {
    match asked.cursor()? {
        None => Ok(None),
        Some(Cursor::After(day, position)) => {
            let position = i64::try_from(position).map_err(|_| Problem::StaleCursor)?;
            Ok(Some(EventPlace { day, position }))
        }
        Some(Cursor::Offset { .. }) => Err(Problem::StaleCursor),
    }
}

async fn ask(v1: &V1, wanted: &EventsWanted) -> Result<Rows, Problem> {
    let _turn = v1.turn().await?;
    let page = v1.held.questions.events(v1.reader().version(), wanted).await?;
    let next =
        page.more.and_then(|place| Some(Cursor::After(place.day, u64::try_from(place.position).ok()?)));
    Ok(Rows { next, ..Rows::whole(page.rows) }.known(&v1.reader().published(), &wanted.days))
}
