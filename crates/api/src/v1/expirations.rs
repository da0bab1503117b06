//! `/v1/…/expirations`: the expiration schedule of live sectors.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Day, MinerId};
use lake::{Cell, ExpirationSchedule, RowSet, ScheduledExpiration, SectorSum};

use super::operations::expiration_columns;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::errors::problem::Problem;

pub(super) async fn answer(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { context, parameters, .. } = query;
    let day = *query.days.end();
    let miner = parameters.miner("id");
    if let Some(miner) = miner {
        let rows = context.reader().day(day).await?;
        if rows.is_none_or(|rows| rows.find(miner).is_none()) {
            return Err(Problem::NoSuchMiner { miner, day });
        }
    }
    let calendar = calendar(query, miner, day).await?;
    let by_day = parameters.names("by").first() == Some(&"day");
    let known = |cell| if calendar.knows_backing { cell } else { Cell::Null };
    let rows = periods(&calendar.days, by_day).into_iter().map(|(period, of)| {
        let cells = |sum: SectorSum| [sum.sectors, sum.rbp, sum.qap].map(Cell::Integer);
        let backed = [of.cc, of.deals].into_iter().flat_map(cells).chain([Cell::Integer(of.pledge)]);
        let fee = if calendar.knows_fees { Cell::Integer(of.daily_fee) } else { Cell::Null };
        std::iter::once(Cell::Text(period.into()))
            .chain([of.all, of.verified].into_iter().flat_map(cells))
            .chain(backed.chain(cells(of.full_quality)).map(known))
            .chain([fee])
            .collect()
    });
    let sheet = RowSet::new(expiration_columns(), rows)?;
    let rows = Rows::new(sheet).with("day", day.to_string());
    Ok(ResponseData::Rows(rows.with_receipts(&query.published, &(day..=day))))
}

/// The calendar by the names of its days or months, in their order.
fn periods(days: &[ScheduledExpiration], by_day: bool) -> BTreeMap<String, ScheduledExpiration> {
    let mut periods: BTreeMap<String, ScheduledExpiration> = BTreeMap::new();
    for of_day in days {
        let day = of_day.day.to_string();
        let name = if by_day { day } else { day.chars().take(7).collect() };
        periods.entry(name).and_modify(|period| period.add(of_day)).or_insert(*of_day);
    }
    periods
}

async fn calendar(
    query: &ResolvedQuery<'_>,
    miner: Option<MinerId>,
    day: Day,
) -> Result<Arc<ExpirationSchedule>, Problem> {
    let (context, version) = (query.context, query.version());
    let compute = async {
        let clock = context.clock().await?;
        let _permit = context.query_permit().await?;
        Ok::<_, Problem>(Arc::new(context.resources.questions.expirations(version, clock, miner, day).await?))
    };
    context.resources.calendars.get_or_insert_async(&(version, miner, day), compute).await
}
