//! The last closed day, from which the next one is computed.

use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::RecordBatch;
use ledger::AnomalyHistory;

/// The last closed day, with all that the next one is computed from.
#[derive(Clone)]
pub(crate) struct LastDay {
    pub(crate) day: Day,
    pub(crate) rows: RecordBatch,
    pub(crate) carried: Arc<AnomalyHistory>,
    /// Whether it is known to have had no events.
    pub(crate) quiet: bool,
}
