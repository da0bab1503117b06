//! Runs the day close: from the rows of the day before and a day's events to the day's rows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chain::Day;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::stream;
use ledger::Event;

use crate::fit::Fit;
use crate::schema::{TableName, WIDEST};
use crate::{Error, Result, sql};

/// Rows handed to the engine at once.
const SLICE: usize = 8192;

/// The day close's plan, made once and run for day after day: planning some eighty columns takes longer than adding
/// up an ordinary day.
pub(crate) struct Closer {
    events: Arc<Slot>,
    previous: Arc<Slot>,
    plan: Arc<dyn ExecutionPlan>,
    context: SessionContext,
}

impl Closer {
    /// Plans the statement.
    pub(crate) async fn new() -> Result<Self> {
        // One partition: a day is small, and a plan that is run again must hold no state between partitions.
        let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(SLICE);
        config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        let context = SessionContext::new_with_config(config);
        let events = Slot::register(&context, "events", TableName::Events)?;
        let previous = Slot::register(&context, "previous", TableName::Rows)?;
        let statement = sql::day_close()?;
        let plan = context.sql(&statement).await.map_err(Error::query("planning"))?;
        let plan = plan.create_physical_plan().await.map_err(Error::query("planning"))?;
        Ok(Self { events, previous, plan, context })
    }

    /// The rows of `day`, ordered by miner.
    ///
    /// `events` are the day's as rows of `sector_events` made from `source`, `previous` the rows of the day before
    /// (empty for the first day ever).
    pub(crate) async fn close(
        &self,
        day: Day,
        source: &[Event],
        events: RecordBatch,
        previous: RecordBatch,
    ) -> Result<RecordBatch> {
        within_reach(day, source, &previous)?;
        self.events.fill(events);
        self.previous.fill(previous);
        let plan = reset_plan_states(Arc::clone(&self.plan)).map_err(Error::query("running"))?;
        let rows = collect(plan, self.context.task_ctx()).await;
        // Let go of the day's events before they are written.
        self.events.clear();
        self.previous.clear();
        dated(day, &rows.map_err(Error::query("running"))?)
    }
}

/// Puts the day's column before the statement's.
fn dated(day: Day, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let schema = TableName::Rows.schema();
    let wrong = |source| Error::Rows { table: TableName::Rows.name(), source };
    let Some(first) = batches.first() else { return Ok(RecordBatch::new_empty(schema)) };
    let rows = concat_batches(&first.schema(), batches).map_err(wrong)?;
    let date: ArrayRef = Arc::new(Date32Array::from_value(day.unix_days(), rows.num_rows()));
    let columns = std::iter::once(date).chain(rows.columns().iter().cloned()).collect();
    RecordBatch::try_new(schema, columns).map_err(wrong)
}

/// Checks that no sum of the day can pass 38 digits, whichever events it adds up: DataFusion's sums wrap silently.
fn within_reach(day: Day, events: &[Event], previous: &RecordBatch) -> Result<()> {
    let start = previous
        .columns()
        .iter()
        .filter(|column| matches!(column.data_type(), DataType::Decimal128(..)))
        .flat_map(|column| column.as_primitive::<Decimal128Type>().values().iter())
        .map(|value| value.unsigned_abs())
        .max()
        .unwrap_or_default();
    let reach = events.iter().try_fold(start, |reach, event| reach.checked_add(weight(event)?));
    if reach.is_some_and(|reach| reach <= WIDEST.unsigned_abs()) {
        return Ok(());
    }
    Err(Fit(day).too_large("a sum over the day's events", "over 10^38", "38 decimal digits"))
}

/// The most that one event can add to any column, before and after taken together.
fn weight(event: &Event) -> Option<u128> {
    let qap = |side: Option<chain::Bytes>| side.unwrap_or_default().0.unsigned_abs();
    let squared = |expiration: Option<chain::Epoch>| {
        let (Some(expiration), Some(activation)) = (expiration, event.activation) else {
            return Some(0);
        };
        let duration = i128::from(expiration.0) - i128::from(activation.0);
        duration.unsigned_abs().checked_pow(2)
    };
    let raw = event.sector_size.0.unsigned_abs().checked_mul(2)?;
    let adjusted = qap(event.qap_before).checked_add(qap(event.qap_after))?;
    let duration = squared(event.expiration_before)?.checked_add(squared(event.expiration_after)?)?;
    Some(raw.max(adjusted).max(duration))
}

/// A table of the plan whose rows are put in anew for each run.
struct Slot {
    schema: SchemaRef,
    rows: Mutex<Option<RecordBatch>>,
}

impl Slot {
    fn register(context: &SessionContext, name: &str, table: TableName) -> Result<Arc<Self>> {
        let slot = Arc::new(Self { schema: table.schema(), rows: Mutex::new(None) });
        let partition: Arc<dyn PartitionStream> = Arc::clone(&slot) as _;
        let provider =
            StreamingTable::try_new(table.schema(), vec![partition]).map_err(Error::query("planning"))?;
        context.register_table(name, Arc::new(provider)).map_err(Error::query("planning"))?;
        Ok(slot)
    }

    fn fill(&self, rows: RecordBatch) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }

    fn clear(&self) {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let slices = rows.iter().flat_map(|rows| {
            (0..rows.num_rows())
                .step_by(SLICE)
                .map(|from| rows.slice(from, SLICE.min(rows.num_rows() - from)))
        });
        let slices: Vec<_> = slices.map(Ok).collect();
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), stream::iter(slices)))
    }
}
