//! What a closed day hands on to the next one: whose claims were off, and what was snapped.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Bytes, Day, MinerId};
use datafusion::arrow::array::RecordBatch;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, SessionConfig, col, lit};
use ledger::fields::ReconciliationRow;
use ledger::{Anomaly, AnomalyHistory, AnomalySignals, Kind, MinerAnomaly, Power};

use crate::data_files::reader::conform_to_table;
use crate::delta::table::Table;
use crate::delta::table_provider;
use crate::error::{Error, Result};
use crate::records::decoder;
use crate::schema::{STAT_DATE, TableName};

const ACTION: &str = "looking up what was snapped";

/// From what the tables keep of a day; nothing of a day that is not closed.
pub(crate) async fn read(day: Day, reconciled: &RecordBatch, events: &Table) -> Result<AnomalyHistory> {
    Ok(AnomalyHistory::from(anomalous(day, reconciled)?, snaps(day, events).await?))
}

/// The anomalies in a day's rows of `reconciliation`, with how far the claims are off.
pub(crate) fn anomalous(day: Day, reconciled: &RecordBatch) -> Result<BTreeMap<MinerId, MinerAnomaly>> {
    let anomalous = |row: ReconciliationRow| {
        let [name]: [String; 1] = row.anomalies?.try_into().ok()?;
        let off = |difference: Bytes| Bytes(difference.0.saturating_abs());
        let difference = row.difference.power()?;
        let off = Power { rbp: off(difference.rbp), qap: off(difference.qap) };
        Some((row.miner, MinerAnomaly { anomaly: Anomaly::from_name(&name)?, off }))
    };
    Ok(decoder::reconciliation(day, reconciled)?.into_iter().filter_map(anomalous).collect())
}

/// The day's snaps.
async fn snaps(day: Day, events: &Table) -> Result<AnomalySignals> {
    let Some(file) = events.files().containing(day) else { return Ok(AnomalySignals::default()) };
    let table = table_provider::data_frame(events, [file], SessionConfig::new(), Arc::default())?;
    let rows = async {
        let date = Expr::Literal(ScalarValue::Date32(Some(day.unix_days())), None);
        let table = table.filter(col(STAT_DATE).eq(date))?;
        table.filter(col("kind").eq(lit(Kind::Snap.name())))?.collect().await
    };
    let mut seen = AnomalySignals::default();
    for batch in rows.await.map_err(Error::query(ACTION))? {
        let wrong = |source| Error::Rows { table: TableName::Events.name(), source };
        let batch = conform_to_table(&batch, TableName::Events).map_err(wrong)?;
        decoder::events(day, &batch)?.iter().for_each(|event| seen.observe(event));
    }
    Ok(seen)
}
