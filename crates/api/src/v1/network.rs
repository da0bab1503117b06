//! `/v1/network/daily`: all storage providers together, by day.

use std::sync::Arc;

use chain::Day;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lake::{Cell, NetworkDay, RowSet};

use super::days::iter_days;
use super::operations::network_columns;
use super::parameters::Cursor;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::errors::problem::Problem;

/// Days that are added up at once.
const CONCURRENT_QUERIES: usize = 2;

pub(super) async fn answer(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { parameters, days, .. } = query;
    let columns = parameters.selected_columns();
    let down = parameters.sort("sort").is_some_and(|(_, down)| down);
    let after = match query.after {
        None => None,
        Some(Cursor::After(day, _)) => Some(day),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let selected =
        iter_days(days, down).filter(|day| after.is_none_or(|last| *day != last && (*day > last) != down));
    let most = query.max_rows();
    let mut selected: Vec<Day> = selected.take(most + 1).collect();
    let more = selected.len() > most;
    selected.truncate(most);
    let read: Vec<Arc<NetworkDay>> = stream::iter(selected)
        .map(|day| network_day(query, day))
        .buffered(CONCURRENT_QUERIES)
        .try_collect()
        .await?;
    let next = read.last().filter(|_| more).map(|last| Cursor::After(last.day(), 0));
    let rows = read.iter().map(|of_day| {
        let values = columns.iter().flat_map(|column| {
            let (value, miners) = of_day.value(column);
            [Cell::from(value), Cell::Integer(miners as i128)]
        });
        [Cell::Day(of_day.day()), Cell::Integer(of_day.miners() as i128)].into_iter().chain(values).collect()
    });
    let sheet = RowSet::new(network_columns(&columns), rows)?;
    Ok(ResponseData::Rows(Rows::of_days(sheet, days, next).with_receipts(&query.published, days)))
}

async fn network_day(query: &ResolvedQuery<'_>, day: Day) -> Result<Arc<NetworkDay>, Problem> {
    let context = query.context;
    let summed = async {
        let Some(rows) = context.reader().day(day).await? else {
            return Err(query.missing_day(day).await);
        };
        let summed = tokio::task::spawn_blocking(move || rows.network()).await;
        let summed = summed.map_err(|error| {
            tracing::error!(%error, "adding up a day was broken off");
            Problem::Internal
        })?;
        Ok(Arc::new(summed?))
    };
    context.resources.network.get_or_insert_async(&(query.version(), day), summed).await
}
