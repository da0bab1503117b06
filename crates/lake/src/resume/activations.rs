//! First-seen activations that the chain's state may show no more.

use std::sync::Arc;

use chain::{Day, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::AsArray;
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::ScalarValue;
use datafusion::prelude::{Expr, SessionConfig, col, lit};
use futures::StreamExt;
use ledger::Kind;

use crate::data_files::data_file::DataFile;
use crate::delta::table::Table;
use crate::delta::table_provider;
use crate::error::{Error, Result};
use crate::schema::{MINER_ID, STAT_DATE};

const ACTION: &str = "looking up activations";

/// First-seen activations of the sectors whose state may show another one: those that were snapped, and those that
/// stood in the opening state, where a snap before it may have overwritten theirs. 24 bytes each. `before` leaves out
/// that day and what follows.
pub(crate) async fn read(
    events: &Table,
    files: Vec<DataFile>,
    before: Option<Day>,
) -> Result<Vec<(MinerId, SectorNumber, Epoch)>> {
    let table = table_provider::data_frame(events, &files, SessionConfig::new(), Arc::default())?;
    let rows = async {
        let kinds = [Kind::Snap, Kind::Opening].map(|kind| lit(kind.name())).to_vec();
        let mut table = table.filter(col("kind").in_list(kinds, false))?;
        if let Some(before) = before {
            let before = ScalarValue::Date32(Some(before.unix_days()));
            table = table.filter(col(STAT_DATE).lt(Expr::Literal(before, None)))?;
        }
        table.select_columns(&[MINER_ID, "sector", "activation"])?.execute_stream().await
    };
    let mut rows = rows.await.map_err(Error::query(ACTION))?;
    let mut found = Vec::new();
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(Error::query(ACTION))?;
        let column = |at: usize| {
            let values = batch.column(at).as_primitive_opt::<Int64Type>();
            values.into_iter().flat_map(|values| values.values().iter().copied())
        };
        for ((miner, sector), activation) in column(0).zip(column(1)).zip(column(2)) {
            let (Ok(miner), Ok(sector)) = (u64::try_from(miner), u64::try_from(sector)) else { continue };
            found.push((MinerId(miner), SectorNumber(sector), Epoch(activation)));
        }
    }
    Ok(found)
}

/// Whether a file of events holds the opening of a ledger that begins in mid-history.
pub(crate) async fn opens(events: &Table, file: &DataFile) -> Result<bool> {
    let table = table_provider::data_frame(events, [file], SessionConfig::new(), Arc::default())?;
    let rows =
        async { table.filter(col("kind").eq(lit(Kind::Opening.name())))?.limit(0, Some(1))?.count().await };
    rows.await.map(|count| count > 0).map_err(Error::query("looking for the opening"))
}
