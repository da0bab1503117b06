//! `/v1/network/daily`: all storage providers together, by day.

use std::sync::Arc;

use chain::Day;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lake::{Cell, NetworkDay, Sheet};

use super::V1;
use super::answer::{Answer, Rows};
use super::days::each;
use super::operations::{ROWS, network_headings};
use super::parameters::{Asked, Cursor};
use super::problem::Problem;

/// Days that are added up at once.
const AT_ONCE: usize = 2;

pub(super) async fn answer(v1: &V1, asked: &Asked) -> Result<Answer, Problem> {
    let days = v1.days(asked).await?;
    let columns = asked.chosen();
    let down = asked.sort("sort").is_some_and(|(_, down)| down);
    let after = match asked.cursor()? {
        None => None,
        Some(Cursor::After(day, _)) => Some(day),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let wanted =
        each(&days, down).filter(|day| after.is_none_or(|last| *day != last && (*day > last) != down));
    let most = asked.limit(ROWS);
    let mut wanted: Vec<Day> = wanted.take(most + 1).collect();
    let more = wanted.len() > most;
    wanted.truncate(most);
    let read: Vec<Arc<NetworkDay>> =
        stream::iter(wanted).map(|day| v1.network_day(day)).buffered(AT_ONCE).try_collect().await?;
    let next = read.last().filter(|_| more).map(|last| Cursor::After(last.day(), 0));
    let rows = read.iter().map(|of_day| {
        let values = columns.iter().flat_map(|column| {
            let (value, miners) = of_day.value(column);
            [Cell::from(value), Cell::Integer(miners as i128)]
        });
        [Cell::Day(of_day.day()), Cell::Integer(of_day.miners() as i128)].into_iter().chain(values).collect()
    });
    let sheet = Sheet::new(network_headings(&columns), rows)?;
    Ok(Answer::Rows(Rows::of_days(sheet, &days, next).known(&v1.reader().published(), &days)))
}

impl V1 {
    async fn network_day(&self, day: Day) -> Result<Arc<NetworkDay>, Problem> {
        let added = async {
            let Some(rows) = self.reader().day(day).await? else {
                return Err(self.missing(&self.closed()?, day).await);
            };
            let added = tokio::task::spawn_blocking(move || rows.network()).await;
            let added = added.map_err(|error| {
                tracing::error!(%error, "adding up a day was broken off");
                Problem::Internal
            })?;
            Ok(Arc::new(added?))
        };
        self.held.network.get_or_insert_async(&(self.reader().version(), day), added).await
    }
}
