//! Where a number comes from: what the lake keeps of one miner's day.

use std::path::Path;

use chain::{Day, MinerId};
use ledger::columns::Column;
use ledger::{Anomaly, Event, Explanation, ReceiptCounts, Row, explain};

use crate::catalog::history_start::history_start;
use crate::catalog::snapshot::Snapshot;
use crate::error::{Error, Result};
use crate::records::decoder;
use crate::resume::carried;
use crate::rows::day_rows::DayRows;
use crate::schema::TableName;

/// A miner's day: its row, the row before, and the events between them.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// The day.
    pub day: Day,
    /// The miner.
    pub miner: MinerId,
    /// The row of the day before; `None` on the miner's first.
    pub previous: Option<Row>,
    /// The day's row.
    pub row: Row,
    /// The miner's events of the day, in the chain's order.
    pub events: Vec<Event>,
    /// The day from which on events are known, where that is not the day of epoch 0.
    pub history_since: Option<Day>,
    /// How the outcomes of the day's messages are known.
    pub receipts: ReceiptCounts,
    /// Why the miner's claim is not the sum of its active sectors at the day's end, where the chain itself does not close.
    pub anomaly: Option<Anomaly>,
}

impl Provenance {
    /// What the lake in `dir` keeps of a miner's day.
    ///
    /// # Errors
    /// If there is no lake, the day is not closed, the miner has no row on it, or a table does not read.
    pub async fn read(dir: &Path, miner: MinerId, day: Day) -> Result<Self> {
        let snapshot = Snapshot::open(dir).await?;
        let rows = snapshot.require(TableName::Rows)?;
        let closed = rows.files().days().ok_or(Error::NothingClosed)?;
        if !closed.contains(day) {
            return Err(Error::DayNotClosed { day, first: closed.first(), last: closed.last() });
        }
        let row = async |day: Day| -> Result<Option<Row>> {
            let of_day = DayRows::new(day, &rows.miner_on(miner, day).await?)?;
            Ok(of_day.find(miner).and_then(|at| of_day.row(at)))
        };
        let today = row(day).await?.ok_or(Error::NoRow { miner, day })?;
        let events = snapshot.require(TableName::Events)?.miner_on(miner, day).await?;
        let progress = snapshot.require(TableName::Progress)?;
        let reconciled = snapshot.require(TableName::Reconciliation)?.miner_on(miner, day).await?;
        let anomalous = carried::anomalous(day, &reconciled)?;
        Ok(Self {
            day,
            miner,
            previous: row(day.previous()).await?,
            row: today,
            events: decoder::events(day, &events)?,
            history_since: history_start(&snapshot).await?,
            receipts: decoder::day_source(day, &progress.day(day).await?)?.receipts,
            anomaly: anomalous.get(&miner).map(|of| of.anomaly),
        })
    }

    /// What the number in a column of the registry is made of.
    ///
    /// # Errors
    /// If an event is damaged, and adds more than can be computed with.
    pub fn explain(&self, column: &'static Column) -> Result<Explanation<'_>> {
        explain(column, self.previous.as_ref(), &self.row, &self.events)
            .map_err(|source| Error::Overflow { day: self.day, source })
    }
}
