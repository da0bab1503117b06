//! `/v1/sectors/daily`: rows by day and storage provider.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::{Day, MinerId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use lake::{Cell, DayRows, MinerRows, RowSet, RowSetBuilder};
use ledger::Value;
use ledger::columns::{Column, column};

use super::days::{day_count, iter_days};
use super::operations::daily_columns;
use super::parameters::Cursor;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::errors::problem::Problem;

/// Rows of named storage providers that are looked at in one request: a hundred for a year.
const MAX_OF_MINERS: u64 = 36_600;
/// Rows that are put in order by a column in one request.
const MAX_SORTED: u64 = 250_000;
/// Days that are read whole for that.
const MAX_DAYS_SORTED: u64 = 366;
/// Rows that are made before other requests have their turn.
const ROWS_BETWEEN_YIELDS: usize = 64;
/// Days or storage providers that are read at once.
const CONCURRENT_QUERIES: usize = 4;

pub(super) async fn answer(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { context, parameters, days, .. } = query;
    let columns = parameters.selected_columns();
    let daily = DailyQuery { query, days, miners: parameters.miners("miner"), most: query.max_rows() };
    let (name, down) = parameters.sort("sort").unwrap_or(("stat_date", false));
    // Rows that are put in order, and histories, are all held at once.
    let held = name != "stat_date" || (!daily.miners.is_empty() && day_count(days) > 1);
    let _permit = match held {
        true => Some(context.query_permit().await?),
        // One after another: what many wait for is not made sooner by being made at once.
        false if day_count(days) > 1 => Some(context.row_permit().await?),
        false => None,
    };
    let (sheet, next) = match column(name) {
        Some(column) => daily.by_column(column, down, &columns).await?,
        None => daily.by_day(down, &columns).await?,
    };
    Ok(ResponseData::Rows(Rows::of_days(sheet, days, next).with_receipts(&query.published, days)))
}

/// The rows of a page, and where the next one continues.
type Page = (RowSet, Option<Cursor>);

struct DailyQuery<'q> {
    query: &'q ResolvedQuery<'q>,
    days: &'q RangeInclusive<Day>,
    miners: Vec<MinerId>,
    most: usize,
}

/// Where a row is.
#[derive(Clone, Copy)]
struct RowPosition {
    day: Day,
    miner: MinerId,
    row: usize,
}

impl DailyQuery<'_> {
    /// Ordered by day and then by storage provider.
    async fn by_day(&self, down: bool, columns: &[&'static Column]) -> Result<Page, Problem> {
        let after = match self.query.after {
            None => None,
            Some(Cursor::After(day, miner)) => Some((day, MinerId(miner))),
            Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
        };
        let is_after_cursor = |day: Day, miner: MinerId| {
            after.is_none_or(|(last, last_miner)| match day.cmp(&last) {
                Ordering::Equal => miner > last_miner,
                order => (order == Ordering::Greater) != down,
            })
        };
        let days = iter_days(self.days, down)
            .filter(|day| after.is_none_or(|(last, _)| *day == last || (*day > last) != down));
        let mut rows = RowSetBuilder::new(daily_columns(columns));
        let mut last = None;
        if self.miners.is_empty() || day_count(self.days) == 1 {
            let mut read = stream::iter(days).map(|day| self.read(day)).buffered(CONCURRENT_QUERIES);
            while let Some(of_day) = read.try_next().await? {
                for position in self.positions(&of_day) {
                    if !is_after_cursor(position.day, position.miner) {
                        continue;
                    }
                    if rows.len() == self.most {
                        return Ok((rows.finish()?, last));
                    }
                    rows.push(cells(position, columns, |column| of_day.value(position.row, column)));
                    last = Some(Cursor::After(position.day, position.miner.0));
                    if rows.len().is_multiple_of(ROWS_BETWEEN_YIELDS) {
                        tokio::task::yield_now().await;
                    }
                }
            }
            return Ok((rows.finish()?, None));
        }
        let read = self.histories().await?;
        let mut positions: Vec<(RowPosition, &MinerRows)> = read.iter().flat_map(positions_of).collect();
        positions.retain(|(position, _)| is_after_cursor(position.day, position.miner));
        positions.sort_by(|(one, _), (other, _)| {
            let days = one.day.cmp(&other.day);
            if down { days.reverse() } else { days }.then(one.miner.cmp(&other.miner))
        });
        let more = positions.len() > self.most;
        for (position, of_miner) in positions.into_iter().take(self.most) {
            rows.push(cells(position, columns, |column| of_miner.value(position.row, column)));
            last = Some(Cursor::After(position.day, position.miner.0));
        }
        Ok((rows.finish()?, last.filter(|_| more)))
    }

    /// Ordered by a column's values, and equals by day and storage provider.
    async fn by_column(
        &self,
        by: &'static Column,
        down: bool,
        columns: &[&'static Column],
    ) -> Result<Page, Problem> {
        let version = self.query.version();
        let skipped = match self.query.after {
            None => 0,
            Some(Cursor::Offset { version: of, rows }) if of == version => rows,
            Some(_) => return Err(Problem::StaleCursor),
        };
        let skip = usize::try_from(skipped).unwrap_or(usize::MAX);
        let of_days = self.miners.is_empty() || day_count(self.days) == 1;
        let histories = if of_days { Vec::new() } else { self.histories().await? };
        let mut keys = match of_days {
            true => self.keys_of_days(by).await?,
            false => keys_of_histories(&histories, by),
        };
        keys.sort_by(|(one, position), (other, other_position)| {
            let values = compare(*one, *other);
            let values = if down { values.reverse() } else { values };
            values.then((position.day, position.miner).cmp(&(other_position.day, other_position.miner)))
        });
        let total = keys.len();
        let page: Vec<RowPosition> =
            keys.into_iter().skip(skip).take(self.most).map(|(_, position)| position).collect();
        let mut rows = match of_days {
            true => self.rows_of_days(&page, columns).await?,
            false => rows_of_histories(&histories, &page, columns),
        };
        let given = skip.saturating_add(page.len());
        let next = (given < total).then_some(Cursor::Offset { version, rows: given as u64 });
        let rows = page.iter().filter_map(|position| rows.remove(&(position.day, position.miner)));
        Ok((RowSet::new(daily_columns(columns), rows)?, next))
    }

    /// The wanted rows of whole days, each with the value that it is ordered by.
    async fn keys_of_days(&self, by: &'static Column) -> Result<Vec<(Value, RowPosition)>, Problem> {
        if day_count(self.days) > MAX_DAYS_SORTED {
            return Err(Problem::TooMuch(format!(
                "Sorting all storage providers by a column takes at most {MAX_DAYS_SORTED} days at once."
            )));
        }
        let mut keys = Vec::new();
        let mut read =
            stream::iter(iter_days(self.days, false)).map(|day| self.read(day)).buffered(CONCURRENT_QUERIES);
        while let Some(of_day) = read.try_next().await? {
            keys.extend(self.positions(&of_day).map(|position| (of_day.value(position.row, by), position)));
            if keys.len() as u64 > MAX_SORTED {
                return Err(Problem::TooMuch(format!(
                    "Sorting by a column takes at most {MAX_SORTED} rows at once."
                )));
            }
        }
        Ok(keys)
    }

    /// The cells of a page's rows, read from whole days.
    async fn rows_of_days(
        &self,
        page: &[RowPosition],
        columns: &[&'static Column],
    ) -> Result<HashMap<(Day, MinerId), Vec<Cell>>, Problem> {
        let mut wanted: HashMap<Day, Vec<RowPosition>> = HashMap::new();
        for position in page {
            wanted.entry(position.day).or_default().push(*position);
        }
        let mut rows = HashMap::new();
        for (day, positions) in wanted {
            let of_day = self.read(day).await?;
            for position in positions {
                // The day may have been closed again meanwhile.
                let Some(row) = of_day.find(position.miner) else { continue };
                let of_row = cells(position, columns, |column| of_day.value(row, column));
                rows.insert((day, position.miner), of_row);
            }
        }
        Ok(rows)
    }

    async fn read(&self, day: Day) -> Result<Arc<DayRows>, Problem> {
        match self.query.context.reader().day(day).await? {
            Some(rows) => Ok(rows),
            None => Err(self.query.missing_day(day).await),
        }
    }

    /// The wanted rows of a day.
    fn positions<'r>(&'r self, rows: &'r DayRows) -> impl Iterator<Item = RowPosition> + use<'r> {
        let all = self.miners.is_empty().then(|| 0..rows.miners().len());
        let some = self.miners.iter().filter_map(|miner| rows.find(*miner));
        let position = |row: usize| RowPosition { day: rows.day(), miner: rows.miners()[row], row };
        all.into_iter().flatten().chain(some).map(position)
    }

    /// The named storage providers' rows.
    async fn histories(&self) -> Result<Vec<MinerRows>, Problem> {
        let (days, miners) = (day_count(self.days), self.miners.len() as u64);
        if days.saturating_mul(miners) > MAX_OF_MINERS {
            return Err(Problem::TooMuch(format!(
                "{days} days of {miners} storage providers are more than {MAX_OF_MINERS} rows to look at at once."
            )));
        }
        let read = |miner: MinerId| self.query.context.reader().miner(miner, self.days.clone());
        let read = stream::iter(self.miners.iter().copied()).map(read).buffered(CONCURRENT_QUERIES);
        Ok(read.try_collect().await?)
    }
}

fn positions_of<'r>(rows: &'r MinerRows) -> impl Iterator<Item = (RowPosition, &'r MinerRows)> {
    let position =
        move |(row, day): (usize, &'r Day)| (RowPosition { day: *day, miner: rows.miner(), row }, rows);
    rows.days().iter().enumerate().map(position)
}

/// All rows of histories, each with the value that it is ordered by.
fn keys_of_histories(histories: &[MinerRows], by: &'static Column) -> Vec<(Value, RowPosition)> {
    let positions = histories.iter().flat_map(positions_of);
    positions.map(|(position, of_miner)| (of_miner.value(position.row, by), position)).collect()
}

/// The cells of a page's rows, from histories.
fn rows_of_histories(
    histories: &[MinerRows],
    page: &[RowPosition],
    columns: &[&'static Column],
) -> HashMap<(Day, MinerId), Vec<Cell>> {
    let mut rows = HashMap::new();
    for of_miner in histories {
        for position in page.iter().filter(|position| position.miner == of_miner.miner()) {
            let of_row = cells(*position, columns, |column| of_miner.value(position.row, column));
            rows.insert((position.day, position.miner), of_row);
        }
    }
    rows
}

fn cells(
    position: RowPosition,
    columns: &[&'static Column],
    value: impl Fn(&'static Column) -> Value,
) -> Vec<Cell> {
    let values = columns.iter().map(|column| Cell::from(value(column)));
    [Cell::Day(position.day), Cell::Miner(position.miner)].into_iter().chain(values).collect()
}

/// Values of one column are of one kind.
pub(super) fn compare(one: Value, other: Value) -> Ordering {
    match (one, other) {
        (Value::Integer(one), Value::Integer(other)) => one.cmp(&other),
        (Value::Double(one), Value::Double(other)) => one.total_cmp(&other),
        (Value::Integer(_), Value::Double(_)) => Ordering::Less,
        (Value::Double(_), Value::Integer(_)) => Ordering::Greater,
    }
}
