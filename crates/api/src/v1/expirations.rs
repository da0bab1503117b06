//! When live sectors expire.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Day, MinerId};
use lake::{Calendar, Cell, Expiring, SectorSum, Sheet};

use super::answer::{Answer, Rows};
use super::operations::expiration_headings;
use super::question::Question;
use crate::errors::problem::Problem;

pub(super) async fn answer(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { v1, asked, .. } = question;
    let day = *question.days.end();
    let miner = asked.miner("id");
    if let Some(miner) = miner {
        let rows = v1.reader().day(day).await?;
        if rows.is_none_or(|rows| rows.find(miner).is_none()) {
            return Err(Problem::NoSuchMiner { miner, day });
        }
    }
    let calendar = calendar(question, miner, day).await?;
    let by_day = asked.names("by").first() == Some(&"day");
    let known = |cell| if calendar.knows_backing { cell } else { Cell::Absent };
    let rows = periods(&calendar.days, by_day).into_iter().map(|(period, of)| {
        let cells = |sum: SectorSum| [sum.sectors, sum.rbp, sum.qap].map(Cell::Integer);
        let backed = [of.cc, of.deals].into_iter().flat_map(cells).chain([Cell::Integer(of.pledge)]);
        let fee = if calendar.knows_fees { Cell::Integer(of.daily_fee) } else { Cell::Absent };
        std::iter::once(Cell::Text(period.into()))
            .chain([of.all, of.verified].into_iter().flat_map(cells))
            .chain(backed.chain(cells(of.full_quality)).map(known))
            .chain([fee])
            .collect()
    });
    let sheet = Sheet::new(expiration_headings(), rows)?;
    let rows = Rows::whole(sheet).with("day", day.to_string());
    Ok(Answer::Rows(rows.known(&question.published, &(day..=day))))
}

/// The calendar by the names of its days or months, in their order.
fn periods(days: &[Expiring], by_day: bool) -> BTreeMap<String, Expiring> {
    let mut periods: BTreeMap<String, Expiring> = BTreeMap::new();
    for of_day in days {
        let day = of_day.day.to_string();
        let name = if by_day { day } else { day.chars().take(7).collect() };
        periods.entry(name).and_modify(|period| period.add(of_day)).or_insert(*of_day);
    }
    periods
}

async fn calendar(
    question: &Question<'_>,
    miner: Option<MinerId>,
    day: Day,
) -> Result<Arc<Calendar>, Problem> {
    let (v1, version) = (question.v1, question.version());
    let ask = async {
        let clock = v1.clock().await?;
        let _turn = v1.turn().await?;
        Ok::<_, Problem>(Arc::new(v1.held.questions.expirations(version, clock, miner, day).await?))
    };
    v1.held.calendars.get_or_insert_async(&(version, miner, day), ask).await
}
