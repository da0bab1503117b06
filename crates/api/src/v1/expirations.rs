//! When live sectors expire.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Day, MinerId};
use lake::{Cell, Expiring, SectorSum, Sheet};

use super::V1;
use super::answer::{Answer, Rows};
use super::operations::expiration_headings;
use super::parameters::Asked;
use super::problem::Problem;

pub(super) async fn answer(v1: &V1, asked: &Asked) -> Result<Answer, Problem> {
    let day = v1.day(asked).await?;
    let miner = asked.miner("id");
    if let Some(miner) = miner {
        let rows = v1.reader().day(day).await?;
        if rows.is_none_or(|rows| rows.find(miner).is_none()) {
            return Err(Problem::NoSuchMiner { miner, day });
        }
    }
    let calendar = v1.calendar(miner, day).await?;
    let by_day = asked.names("by").first() == Some(&"day");
    let rows = periods(&calendar, by_day).into_iter().map(|(period, (all, verified))| {
        let rest = SectorSum {
            sectors: all.sectors - verified.sectors,
            rbp: all.rbp - verified.rbp,
            qap: all.qap - verified.qap,
        };
        let sums = [all, verified, rest]
            .into_iter()
            .flat_map(|sum| [sum.sectors, sum.rbp, sum.qap])
            .map(Cell::Integer);
        std::iter::once(Cell::Text(period.into())).chain(sums).collect()
    });
    let sheet = Sheet::new(expiration_headings(), rows)?;
    let rows = Rows::whole(sheet).with("day", day.to_string());
    Ok(Answer::Rows(rows))
}

/// The calendar by the names of its days or months, in their order.
fn periods(calendar: &[Expiring], by_day: bool) -> BTreeMap<String, (SectorSum, SectorSum)> {
    let mut periods: BTreeMap<String, (SectorSum, SectorSum)> = BTreeMap::new();
    for expiring in calendar {
        let day = expiring.day.to_string();
        let name = if by_day { day } else { day.chars().take(7).collect() };
        let (all, verified) = periods.entry(name).or_default();
        for (sum, of_day) in [(all, expiring.all), (verified, expiring.verified)] {
            sum.sectors += of_day.sectors;
            sum.rbp = sum.rbp.saturating_add(of_day.rbp);
            sum.qap = sum.qap.saturating_add(of_day.qap);
        }
    }
    periods
}

impl V1 {
    async fn calendar(&self, miner: Option<MinerId>, day: Day) -> Result<Arc<Vec<Expiring>>, Problem> {
        let version = self.reader().version();
        let ask = async {
            let clock = self.clock().await?;
            let _turn = self.turn().await?;
            Ok::<_, Problem>(Arc::new(self.held.questions.expirations(version, clock, miner, day).await?))
        };
        self.held.calendars.get_or_insert_async(&(version, miner, day), ask).await
    }
}
