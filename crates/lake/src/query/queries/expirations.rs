//! When live sectors expire.

use std::fmt::Write as _;

use chain::{Clock, Day, MinerId};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use ledger::{Content, Status};

use crate::error::Result;
use crate::query::queries::Queries;
use crate::schema::{MINER_ID, STAT_DATE, TableName};

/// Seconds of an epoch and of a day, for statements.
const EPOCH_SECONDS: i64 = 30;
const DAY_SECONDS: i64 = 86_400;
/// Expirations are not counted beyond this epoch: some hundred thousand years, and safe to multiply.
const LAST_EPOCH: i64 = 1 << 37;

/// Some sectors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SectorSum {
    /// How many.
    pub sectors: i128,
    /// Raw bytes.
    pub rbp: i128,
    /// Quality-adjusted bytes.
    pub qap: i128,
}

/// The live sectors that expire on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduledExpiration {
    /// The day of their expiration.
    pub day: Day,
    /// All of them.
    pub all: SectorSum,
    /// Those with verified deals; where the schedule does not know what sectors hold, those of a QAP above their raw
    /// bytes.
    pub verified: SectorSum,
    /// Those without deals, if the schedule knows.
    pub cc: SectorSum,
    /// Those with unverified deals alone, if the schedule knows.
    pub deals: SectorSum,
    /// Those of full quality, if the schedule knows.
    pub full_quality: SectorSum,
    /// Initial pledge of all of them in attoFIL, if the schedule knows.
    pub pledge: i128,
    /// What all of them pay a day in attoFIL, if the schedule knows fees.
    pub daily_fee: i128,
}

impl ScheduledExpiration {
    /// Adds the sectors that expire on another day.
    pub fn add(&mut self, other: &Self) {
        let sums = [
            (&mut self.all, other.all),
            (&mut self.verified, other.verified),
            (&mut self.cc, other.cc),
            (&mut self.deals, other.deals),
            (&mut self.full_quality, other.full_quality),
        ];
        for (sum, of_other) in sums {
            sum.sectors += of_other.sectors;
            sum.rbp = sum.rbp.saturating_add(of_other.rbp);
            sum.qap = sum.qap.saturating_add(of_other.qap);
        }
        self.pledge = self.pledge.saturating_add(other.pledge);
        self.daily_fee = self.daily_fee.saturating_add(other.daily_fee);
    }
}

/// When live sectors expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpirationSchedule {
    /// The days on which some do, in order.
    pub days: Vec<ScheduledExpiration>,
    /// Whether it is known of each of them what it holds and what is pledged for it: not if days were closed under a
    /// layout before 3.
    pub knows_backing: bool,
    /// Whether it is known of each of them what it pays a day: not if days were closed under a layout before 4.
    pub knows_fees: bool,
}

impl Queries {
    /// The live sectors at the end of `day`, by the day of their expiration, in order. It is made of every event up to
    /// then: each removes its sector as it was before and adds it as it is after, so a sector of years ago
    /// counts as long as no event has taken it out.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn expirations(
        &self,
        version: u64,
        clock: Clock,
        miner: Option<MinerId>,
        day: Day,
    ) -> Result<ExpirationSchedule> {
        let mut upto = format!("{STAT_DATE} <= DATE '{day}'");
        if let Some(miner) = miner {
            let Ok(miner) = i64::try_from(miner.0) else { return Ok(ExpirationSchedule::default()) };
            // Writing to a String cannot fail.
            let _ = write!(upto, " AND {MINER_ID} = {miner}");
        }
        let mut schedule = ExpirationSchedule { days: Vec::new(), knows_backing: true, knows_fees: true };
        for batch in self.session(version).await?.collect(&statement(clock, &upto)).await? {
            schedule.add_rows(&batch);
        }
        Ok(schedule)
    }
}

// Where the statement's columns stand after the five sums.
const PLEDGE: usize = 16;
const UNKNOWN: usize = 17;
const FEE: usize = 18;
const UNKNOWN_FEE: usize = 19;

/// The statement that sums the sectors up by the day of their expiration, over the events that `upto` selects.
fn statement(clock: Clock, upto: &str) -> String {
    let (events, gone) = (TableName::Events.name(), Status::None.name());
    let side = |side: &str, sign: i32| {
        format!(
            "SELECT (least(expiration_{side}, {LAST_EPOCH}) * {EPOCH_SECONDS} + {genesis}) / {DAY_SECONDS} AS day, \
             CAST({sign} AS BIGINT) AS n, {sign} * sector_size AS rbp, {sign} * qap_{side} AS qap, \
             coalesce(content_{side}, CASE WHEN qap_{side} > sector_size THEN '{verified}' END) AS content, \
             {sign} * pledge_{side} AS pledge, {sign} * daily_fee_{side} AS fee \
             FROM {events} WHERE status_{side} <> '{gone}' AND {upto}",
            genesis = clock.genesis(),
            verified = Content::Verified.name(),
        )
    };
    let sums = |only: &str| ["n", "rbp", "qap"].map(|of| format!("sum({of}){only}")).join(", ");
    let held = |content: Content| sums(&format!(" FILTER (WHERE content = '{content}')"));
    format!(
        "SELECT day, {}, {}, {}, {}, {}, sum(pledge), count(*) - count(pledge) AS unknown, \
         sum(fee), count(*) - count(fee) AS unknown_fee FROM ({} UNION ALL {}) \
         GROUP BY day HAVING sum(n) <> 0 OR count(*) > count(pledge) OR count(*) > count(fee) ORDER BY day",
        sums(""),
        held(Content::Verified),
        held(Content::Cc),
        held(Content::Deals),
        held(Content::FullQuality),
        side("after", 1),
        side("before", -1),
    )
}

impl ExpirationSchedule {
    /// Adds rows of the statement.
    fn add_rows(&mut self, batch: &RecordBatch) {
        let days = batch.column(0).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            self.knows_backing &= whole(batch, UNKNOWN, row) == 0;
            self.knows_fees &= whole(batch, UNKNOWN_FEE, row) == 0;
            let all = sum(batch, 1, row);
            if all.sectors != 0 {
                self.days.push(ScheduledExpiration {
                    day: Day::from_unix_days(i32::try_from(days.value(row)).unwrap_or(i32::MAX)),
                    all,
                    verified: sum(batch, 4, row),
                    cc: sum(batch, 7, row),
                    deals: sum(batch, 10, row),
                    full_quality: sum(batch, 13, row),
                    pledge: wide(batch, PLEDGE, row),
                    daily_fee: wide(batch, FEE, row),
                });
            }
        }
    }
}

/// Three sums side by side; what sums nothing is nothing.
fn sum(batch: &RecordBatch, at: usize, row: usize) -> SectorSum {
    SectorSum {
        sectors: whole(batch, at, row).into(),
        rbp: wide(batch, at + 1, row),
        qap: wide(batch, at + 2, row),
    }
}

/// A wide integer; 0 where there is none.
fn wide(batch: &RecordBatch, at: usize, row: usize) -> i128 {
    let column = batch.column(at).as_primitive_opt::<Decimal128Type>();
    column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
}

/// A 64-bit integer; 0 where there is none.
fn whole(batch: &RecordBatch, at: usize, row: usize) -> i64 {
    let column = batch.column(at).as_primitive_opt::<Int64Type>();
    column.filter(|column| column.is_valid(row)).map_or(0, |column| column.value(row))
}
