//! When storage providers were active.

use std::collections::HashMap;

use chain::{Day, MinerId};
use datafusion::arrow::array::{Array, AsArray};
use datafusion::arrow::datatypes::{Date32Type, Int64Type};

use crate::error::Result;
use crate::query::queries::Queries;
use crate::schema::{MINER_ID, STAT_DATE, TableName};

/// The days on which a storage provider was active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActivePeriod {
    /// The day of its first sector event.
    pub first: Day,
    /// The last day that ended with live sectors; `None` if none did.
    pub last: Option<Day>,
}

impl Queries {
    /// The active period of each storage provider.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn active_periods(&self, version: u64) -> Result<HashMap<MinerId, ActivePeriod>> {
        let statement = format!(
            "SELECT {MINER_ID}, min({STAT_DATE}), max({STAT_DATE}) FILTER (WHERE live_sector_count > 0) \
             FROM {} GROUP BY {MINER_ID}",
            TableName::Rows.name()
        );
        let mut active_periods = HashMap::new();
        for batch in self.session(version).await?.collect(&statement).await? {
            let miners = batch.column(0).as_primitive::<Int64Type>();
            let [first, last] = [1, 2].map(|at| batch.column(at).as_primitive::<Date32Type>());
            for row in 0..batch.num_rows() {
                let Ok(miner) = u64::try_from(miners.value(row)) else { continue };
                let last = last.is_valid(row).then(|| Day::from_unix_days(last.value(row)));
                let life = ActivePeriod { first: Day::from_unix_days(first.value(row)), last };
                active_periods.insert(MinerId(miner), life);
            }
        }
        Ok(active_periods)
    }
}
