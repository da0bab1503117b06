//! Sector events: those of a storage provider's days, and those of one sector's life.

use lake::{EventPlace, EventsWanted};
use ledger::{Cause, Kind};

use super::answer::{Answer, Rows};
use super::parameters::Cursor;
use super::question::Question;
use crate::access::denial::Denial;
use crate::errors::problem::Problem;

pub(super) async fn events(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { asked, days, .. } = question;
    let wanted = EventsWanted {
        miner: asked.miner("id").ok_or(Problem::Internal)?,
        sector: None,
        days: days.clone(),
        kinds: asked.names("kind").iter().filter_map(|name| Kind::from_name(name)).collect(),
        causes: asked.names("cause").iter().filter_map(|name| Cause::from_name(name)).collect(),
        after: after(question)?,
        most: question.most(),
    };
    let mut rows = ask(question, &wanted).await?;
    // The days of the address are those of the first page, however many are closed meanwhile.
    let (from, to) = (days.start().to_string(), days.end().to_string());
    rows.pinned = match asked.when("day") {
        Some(_) => vec![("day", from.clone())],
        None => vec![("from", from.clone()), ("to", to.clone())],
    };
    Ok(Answer::Rows(rows.with("from", from).with("to", to)))
}

pub(super) async fn life(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { asked, window, .. } = question;
    let (Some(miner), Some(sector)) = (asked.miner("id"), asked.sector("n")) else {
        return Err(Problem::Internal);
    };
    // A key's holder sees as much of the life as of all else.
    let wanted = EventsWanted {
        miner,
        sector: Some(sector),
        days: question.days.clone(),
        kinds: Vec::new(),
        causes: Vec::new(),
        after: after(question)?,
        most: question.most(),
    };
    let rows = ask(question, &wanted).await?;
    if rows.sheet.is_empty() && wanted.after.is_none() {
        if window.hides() {
            // Whether there was one before is not told.
            let first = window.first();
            return Err(Problem::Denied(Denial::History { asked: first.previous(), first }));
        }
        return Err(Problem::NoSuchSector { miner, sector });
    }
    Ok(Answer::Rows(rows))
}

fn after(question: &Question<'_>) -> Result<Option<EventPlace>, Problem> {
    match question.after {
        None => Ok(None),
        Some(Cursor::After(day, position)) => {
            let position = i64::try_from(position).map_err(|_| Problem::StaleCursor)?;
            Ok(Some(EventPlace { day, position }))
        }
        Some(Cursor::Offset { .. }) => Err(Problem::StaleCursor),
    }
}

async fn ask(question: &Question<'_>, wanted: &EventsWanted) -> Result<Rows, Problem> {
    let v1 = question.v1;
    let _turn = v1.turn().await?;
    let page = v1.held.questions.events(question.version(), wanted).await?;
    let next =
        page.more.and_then(|place| Some(Cursor::After(place.day, u64::try_from(place.position).ok()?)));
    Ok(Rows { next, ..Rows::whole(page.rows) }.known(&question.published, &wanted.days))
}
