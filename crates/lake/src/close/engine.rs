//! Runs the day close: from the rows of the day before and a day's events to the day's rows.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chain::Day;
use datafusion::arrow::array::{ArrayRef, Date32Array, RecordBatch};
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::common::collect;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::{SessionConfig, SessionContext};
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::close::engine_input::{EngineInput, SumBound};
use crate::close::statement;
use crate::error::{Error, Result};
use crate::schema::TableName;
use crate::schema::checked::RangeCheck;

/// Rows handed to the engine at once.
const BATCH_ROWS: usize = 16_384;
/// Batches of events that wait for the engine.
const QUEUED_BATCHES: usize = 8;

/// The day close's plan, made once and run for day after day: planning some eighty columns takes longer than adding
/// up an ordinary day.
pub(crate) struct DayCloseEngine {
    events: Arc<StreamInput>,
    previous: Arc<StreamInput>,
    plan: Arc<dyn ExecutionPlan>,
    context: SessionContext,
}

impl DayCloseEngine {
    /// Plans the statement.
    pub(crate) async fn new() -> Result<Self> {
        // One partition: a day is small, and a plan that is run again must hold no state between partitions.
        let mut config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
        config.options_mut().optimizer.enable_dynamic_filter_pushdown = false;
        let context = SessionContext::new_with_config(config);
        let events = StreamInput::register(&context, "events", EngineInput::schema())?;
        let previous = StreamInput::register(&context, "previous", TableName::Rows.schema())?;
        let statement = statement::day_close()?;
        let plan = context.sql(&statement).await.map_err(Error::query("planning"))?;
        let plan = plan.create_physical_plan().await.map_err(Error::query("planning"))?;
        Ok(Self { events, previous, plan, context })
    }

    /// Begins to close `day` on `previous`, the rows of the day before (empty for the first day ever). The engine runs
    /// beside the caller, on the events that it is given.
    pub(crate) fn start(&self, day: Day, previous: RecordBatch) -> Result<DayCloseRun> {
        let bound = SumBound::from(&previous);
        let (events, arriving) = mpsc::channel(QUEUED_BATCHES);
        let arriving = stream::unfold(arriving, |mut arriving: mpsc::Receiver<RecordBatch>| async {
            arriving.recv().await.map(|batch| (Ok(batch), arriving))
        });
        self.events.fill(slices(arriving));
        self.previous.fill(slices(stream::iter([Ok(previous)])));
        let failed = || Error::query("running");
        let plan = reset_plan_states(Arc::clone(&self.plan)).map_err(failed())?;
        let rows = execute_stream(plan, self.context.task_ctx()).map_err(failed())?;
        let input = EngineInput::new(day);
        Ok(DayCloseRun { day, bound, input, events, rows: tokio::spawn(collect(rows)) })
    }
}

/// A day that is being closed.
pub(crate) struct DayCloseRun {
    day: Day,
    bound: SumBound,
    input: EngineInput,
    events: mpsc::Sender<RecordBatch>,
    rows: JoinHandle<std::result::Result<Vec<RecordBatch>, DataFusionError>>,
}

impl DayCloseRun {
    /// Takes more of the day's events: rows of `sector_events`, sorted by miner, texts as such or as dictionaries.
    pub(crate) async fn add(&mut self, events: &RecordBatch) -> Result<()> {
        let input = self.input.convert(events)?;
        self.bound.add(&input);
        // If the engine has gone, it says why in the end.
        let _ = self.events.send(input).await;
        Ok(())
    }

    /// The day's rows, ordered by miner.
    pub(crate) async fn finish(self) -> Result<RecordBatch> {
        drop(self.events);
        let rows = self.rows.await.map_err(|source| Error::Task { doing: "closing a day", source })?;
        if !self.bound.is_within() {
            return Err(RangeCheck(self.day).too_large(
                "a sum over the day's events",
                "over 10^38",
                "38 decimal digits",
            ));
        }
        with_date(self.day, &rows.map_err(Error::query("running"))?)
    }
}

/// The rows of a day without events that follows another one: those of that one, with its own date. The statement does
/// not know the day, and what it adds to balances is nothing on both.
pub(crate) fn repeat_rows(day: Day, previous: &RecordBatch) -> Result<RecordBatch> {
    let wrong = |source| Error::Rows { table: TableName::Rows.name(), source };
    let date: ArrayRef = Arc::new(Date32Array::from_value(day.unix_days(), previous.num_rows()));
    let rest = previous.columns().iter().skip(1).cloned();
    RecordBatch::try_new(previous.schema(), std::iter::once(date).chain(rest).collect()).map_err(wrong)
}

/// Puts the day's column before the statement's.
fn with_date(day: Day, batches: &[RecordBatch]) -> Result<RecordBatch> {
    let schema = TableName::Rows.schema();
    let wrong = |source| Error::Rows { table: TableName::Rows.name(), source };
    let Some(first) = batches.first() else { return Ok(RecordBatch::new_empty(schema)) };
    let rows = concat_batches(&first.schema(), batches).map_err(wrong)?;
    let date: ArrayRef = Arc::new(Date32Array::from_value(day.unix_days(), rows.num_rows()));
    let columns = std::iter::once(date).chain(rows.columns().iter().cloned()).collect();
    RecordBatch::try_new(schema, columns).map_err(wrong)
}

type Batches = stream::BoxStream<'static, std::result::Result<RecordBatch, DataFusionError>>;

/// The same rows in smaller batches.
fn slices(
    batches: impl stream::Stream<Item = std::result::Result<RecordBatch, DataFusionError>> + Send + 'static,
) -> Batches {
    let slices = batches.flat_map(|batch| {
        let slices: Vec<_> = match batch {
            Err(error) => vec![Err(error)],
            Ok(rows) => (0..rows.num_rows())
                .step_by(BATCH_ROWS)
                .map(|from| Ok(rows.slice(from, BATCH_ROWS.min(rows.num_rows() - from))))
                .collect(),
        };
        stream::iter(slices)
    });
    slices.boxed()
}

/// A table of the plan whose rows are put in anew for each run.
struct StreamInput {
    schema: SchemaRef,
    rows: Mutex<Option<Batches>>,
}

impl StreamInput {
    fn register(context: &SessionContext, name: &str, schema: SchemaRef) -> Result<Arc<Self>> {
        let input = Arc::new(Self { schema: Arc::clone(&schema), rows: Mutex::new(None) });
        let partition: Arc<dyn PartitionStream> = Arc::clone(&input) as _;
        let provider = StreamingTable::try_new(schema, vec![partition]).map_err(Error::query("planning"))?;
        context.register_table(name, Arc::new(provider)).map_err(Error::query("planning"))?;
        Ok(input)
    }

    fn fill(&self, rows: Batches) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Some(rows);
    }
}

impl fmt::Debug for StreamInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamInput").finish_non_exhaustive()
    }
}

impl PartitionStream for StreamInput {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The rows of this run, once.
    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        let rows = rows.unwrap_or_else(|| stream::empty().boxed());
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), rows))
    }
}
