//! `/v1/network/daily`: all storage providers together, by day.

use std::sync::Arc;

use chain::Day;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lake::{Cell, NetworkDay, Sheet};

use super::answer::{Answer, Rows};
use super::days::each;
use super::operations::network_headings;
use super::parameters::Cursor;
use super::question::Question;
use crate::errors::problem::Problem;

/// Days that are added up at once.
const AT_ONCE: usize = 2;

pub(super) async fn answer(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { asked, days, .. } = question;
    let columns = asked.chosen();
    let down = asked.sort("sort").is_some_and(|(_, down)| down);
    let after = match question.after {
        None => None,
        Some(Cursor::After(day, _)) => Some(day),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let wanted =
        each(days, down).filter(|day| after.is_none_or(|last| *day != last && (*day > last) != down));
    let most = question.most();
    let mut wanted: Vec<Day> = wanted.take(most + 1).collect();
    let more = wanted.len() > most;
    wanted.truncate(most);
    let read: Vec<Arc<NetworkDay>> =
        stream::iter(wanted).map(|day| network_day(question, day)).buffered(AT_ONCE).try_collect().await?;
    let next = read.last().filter(|_| more).map(|last| Cursor::After(last.day(), 0));
    let rows = read.iter().map(|of_day| {
        let values = columns.iter().flat_map(|column| {
            let (value, miners) = of_day.value(column);
            [Cell::from(value), Cell::Integer(miners as i128)]
        });
        [Cell::Day(of_day.day()), Cell::Integer(of_day.miners() as i128)].into_iter().chain(values).collect()
    });
    let sheet = Sheet::new(network_headings(&columns), rows)?;
    Ok(Answer::Rows(Rows::of_days(sheet, days, next).known(&question.published, days)))
}

async fn network_day(question: &Question<'_>, day: Day) -> Result<Arc<NetworkDay>, Problem> {
    let v1 = question.v1;
    let added = async {
        let Some(rows) = v1.reader().day(day).await? else {
            return Err(question.missing(day).await);
        };
        let added = tokio::task::spawn_blocking(move || rows.network()).await;
        let added = added.map_err(|error| {
            tracing::error!(%error, "adding up a day was broken off");
            Problem::Internal
        })?;
        Ok(Arc::new(added?))
    };
    v1.held.network.get_or_insert_async(&(question.version(), day), added).await
}
