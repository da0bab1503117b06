//! What does not hold of a day.

use std::collections::BTreeMap;

use datafusion::arrow::array::RecordBatch;

use crate::Result;
use crate::writer::FinishedDay;

/// The identities and checks that do not hold, by miner.
pub(crate) fn failures(
    _finished: &FinishedDay,
    _previous: &RecordBatch,
    _rows: &RecordBatch,
) -> Result<BTreeMap<i64, Vec<&'static str>>> {
    Ok(BTreeMap::new())
}
