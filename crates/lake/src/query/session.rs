//! SQL that only reads, over the published days, within limits.
//!
//! A statement is bounded three times. The planner lets nothing but reading pass. The engine knows the
//! lake's tables and no way to name another file. And the work runs on threads of its own, watched from outside: when its time
//! is up, when the memory guard ends it, or when its client goes away, it is abandoned, and its
//! temporary files are taken away under it.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, FieldRef, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use futures::{StreamExt, TryStreamExt};
use tempfile::TempDir;
use tokio::runtime::{Handle, Runtime, RuntimeFlavor};
use tokio::task::AbortHandle;

use crate::catalog::manifest::Manifest;
use crate::delta::table_provider;
use crate::error::integrity::IntegrityError;
use crate::error::{Error, Result};
use crate::formats::format::{self, OutputFormat};
use crate::query::memory_guard::{GuardedQuery, SessionMemory};
use crate::schema::TableName;
use crate::storage::temp_dir;

/// How often the memory that the process holds is looked at.
const MEMORY_CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Longest statement, in bytes: planning takes time and stack by its length.
const MAX_STATEMENT_BYTES: usize = 128 << 10;
/// Stack of the session's threads, of which only what is used is held: enough for the longest statement, were it one
/// sum of ones. The engine's protection of recursion does not cover all of it: with 64 MiB such a statement overflows.
const STACK_BYTES: usize = 512 << 20;

/// What a query may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryLimits {
    /// How long it may run, planning and writing included.
    pub time: Duration,
    /// Bytes of memory that sorting, grouping and joining may hold; beyond them they use temporary files.
    pub memory: usize,
    /// Bytes of temporary files.
    pub disk: u64,
}

/// The start of an answer, as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResultPreview {
    /// Names, and whether the column holds numbers.
    pub columns: Vec<(String, bool)>,
    /// Values in the order of the columns; what is absent is empty.
    pub rows: Vec<Vec<String>>,
    /// Whether there are more rows than these.
    pub more: bool,
}

/// Runs SQL over the tables of a lake, as of its newest published version.
pub struct SqlSession {
    version: u64,
    context: SessionContext,
    limits: QueryLimits,
    memory: SessionMemory,
    /// Where sorting, grouping and joining put what they cannot hold.
    spilled: TempDir,
    /// The session's threads. `None` only while it is dropped.
    threads: Option<Runtime>,
}

impl fmt::Debug for SqlSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlSession").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Drop for SqlSession {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
        // Where it is dropped on a thread that serves other tasks, too, these go on elsewhere meanwhile.
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(|| self.remove_spilled()),
            _ => self.remove_spilled(),
        }
    }
}

impl SqlSession {
    /// Opens the lake in `dir`. Days that a writer has left behind unpublished are not seen.
    ///
    /// # Errors
    /// If there is no lake, or it cannot be read.
    pub async fn open(dir: &Path, limits: QueryLimits) -> Result<Self> {
        Self::over(&Manifest::open(dir).await?, limits)
    }

    /// As [`SqlSession::open`], of the lake as of a published version.
    ///
    /// # Errors
    /// As [`SqlSession::open`]; or if that version cannot be read any more.
    pub(crate) async fn open_version(dir: &Path, version: u64, limits: QueryLimits) -> Result<Self> {
        Self::over(&Manifest::open_version(dir, version).await?, limits)
    }

    fn over(manifest: &Manifest, limits: QueryLimits) -> Result<Self> {
        let spilled = temp_dir::create_private("sectorscope-sql-")?;
        let disk = DiskManagerBuilder::default()
            .with_mode(DiskManagerMode::Directories(vec![spilled.path().to_owned()]))
            .with_max_temp_directory_size(limits.disk);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(FairSpillPool::new(limits.memory)))
            .with_disk_manager_builder(disk)
            .build_arc()
            .map_err(Error::query("setting limits"))?;
        // Merging sorted runs needs memory of its own, which the sorts would otherwise have taken before it begins.
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_sort_spill_reservation_bytes(limits.memory / 8);
        // Before there are threads: where this fails, they would have to be let go where nothing may wait for them.
        let context = table_provider::session_context(manifest.located(), config, runtime)?;
        let threads = tokio::runtime::Builder::new_multi_thread()
            .thread_name("question")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|source| Error::Threads { source })?;
        let memory = SessionMemory::new(limits.memory);
        Ok(Self { version: manifest.version(), context, limits, memory, spilled, threads: Some(threads) })
    }

    /// The published version that is queried.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Runs a statement of the program's own, whose answer is known to be short.
    ///
    /// # Errors
    /// As [`SqlSession::write`].
    pub(crate) async fn collect(&self, statement: &str) -> Result<Vec<RecordBatch>> {
        let collect = async |statement: Statement| {
            statement.execute().await?.try_collect().await.map_err(Error::sql_error)
        };
        self.run(statement, collect).await
    }

    /// Runs a statement, and writes the answer as it comes.
    ///
    /// # Errors
    /// If the statement is wrong or does more than read, passes a limit, or `out` does not take what is written.
    pub async fn write(
        &self,
        statement: &str,
        format: OutputFormat,
        out: Box<dyn Write + Send>,
    ) -> Result<()> {
        let write = async move |statement: Statement| {
            format::write(statement.execute().await?, format, out, Error::sql_error, |_| ()).await
        };
        self.run(statement, write).await.map(|_| ())
    }

    /// Runs a statement, and holds the first `most` rows of the answer: for tables that people look at.
    ///
    /// # Errors
    /// As [`SqlSession::write`].
    pub async fn preview(&self, statement: &str, most: usize) -> Result<ResultPreview> {
        let preview = async move |statement: Statement| {
            let mut rows = statement.execute().await?;
            let mut answer = ResultPreview::new(&rows.schema());
            while let Some(batch) = rows.next().await {
                let batch = batch.map_err(Error::sql_error)?;
                answer.take(&batch, most).map_err(|error| Error::sql_error(error.into()))?;
                if answer.more {
                    break;
                }
            }
            Ok(answer)
        };
        self.run(statement, preview).await
    }

    /// Does work with a statement under guard.
    async fn run<T, F>(&self, statement: &str, work: impl FnOnce(Statement) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        if statement.len() > MAX_STATEMENT_BYTES {
            return Err(Error::LongStatement { longest: MAX_STATEMENT_BYTES });
        }
        let query = Arc::new(GuardedQuery::begin(self.memory));
        let work = work(Statement { context: self.context_of(&query), statement: statement.to_owned() });
        // Work that is abandoned is under guard until it has let go of all it holds.
        let held = Arc::clone(&query);
        self.watch(&query, async move {
            let done = work.await;
            drop(held);
            done
        })
        .await
    }

    /// The session's context, with a pool that counts what the query reserves.
    fn context_of(&self, query: &GuardedQuery) -> SessionContext {
        let shared = self.context.runtime_env();
        let pool = query.pool(Arc::clone(&shared.memory_pool));
        let runtime = RuntimeEnv { memory_pool: pool, ..shared.as_ref().clone() };
        let state = SessionStateBuilder::new_from_existing(self.context.state());
        SessionContext::new_with_state(state.with_runtime_env(Arc::new(runtime)).build())
    }

    /// Waits for work until it is done or passes a limit. The work runs on the session's threads, so that no
    /// computation of theirs, however long it does not yield, holds up the watch.
    async fn watch<T: Send + 'static>(
        &self,
        query: &GuardedQuery,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let Some(threads) = &self.threads else {
            return Err(Error::TimeLimit { limit: self.limits.time });
        };
        let mut look = tokio::time::interval(MEMORY_CHECK_INTERVAL);
        let end = tokio::time::sleep(self.limits.time);
        let mut work = threads.spawn(work);
        let _abandoned = AbortOnDrop(work.abort_handle());
        tokio::pin!(end);
        loop {
            tokio::select! {
                biased;
                done = &mut work => {
                    return done.unwrap_or_else(|source| Err(Error::Task { doing: "asking", source }));
                }
                () = &mut end => return Err(Error::TimeLimit { limit: self.limits.time }),
                _ = look.tick() => {
                    if query.check() {
                        return Err(Error::MemoryLimit { limit: self.limits.memory });
                    }
                }
            }
        }
    }

    /// Removes the temporary files. Work that was left to itself may be making one right now, which keeps their directory
    /// from going.
    fn remove_spilled(&self) {
        for _ in 0..10 {
            match std::fs::remove_dir_all(self.spilled.path()) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                _ => break,
            }
        }
    }
}

/// Ends work that nobody waits for any more, as soon as it yields.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A statement that is not planned yet.
struct Statement {
    context: SessionContext,
    statement: String,
}

impl Statement {
    /// Plans it, refuses what does more than read, and begins to run it.
    async fn execute(self) -> Result<SendableRecordBatchStream> {
        let plan =
            self.context.state().create_logical_plan(&self.statement).await.map_err(Error::sql_error)?;
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|_| Error::NotReadOnly)?;
        let frame = self.context.execute_logical_plan(plan).await.map_err(Error::sql_error)?;
        frame.execute_stream().await.map_err(Error::sql_error)
    }
}

impl ResultPreview {
    fn new(schema: &SchemaRef) -> Self {
        let column = |field: &FieldRef| {
            let number = field.data_type().is_numeric() || *field.data_type() == DataType::Null;
            (field.name().clone(), number)
        };
        Self { columns: schema.fields().iter().map(column).collect(), ..Self::default() }
    }

    fn take(&mut self, batch: &RecordBatch, most: usize) -> Result<(), ArrowError> {
        let rows = batch.num_rows().min(most - self.rows.len());
        self.more = rows < batch.num_rows();
        let batch = format::to_text_columns(&batch.slice(0, rows))?;
        let options = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        for row in 0..rows {
            let value = |column: &ArrayFormatter<'_>| column.value(row).try_to_string();
            self.rows.push(columns.iter().map(value).collect::<Result<_, _>>()?);
        }
        Ok(())
    }
}

impl Error {
    /// What the engine says of a statement, in a line and in the terms of its author.
    fn sql_error(error: DataFusionError) -> Self {
        if let Some(deep) = IntegrityError::find_in(&error) {
            return deep.into();
        }
        let root = error.find_root();
        let said = match root {
            DataFusionError::SQL(error, _) => error.to_string(),
            root => root.message().into_owned(),
        };
        let mut said = said
            .lines()
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" ")
            .replace(&table_provider::qualifier(), "");
        if said.starts_with("table '") && said.ends_with("not found") {
            let tables: Vec<&str> = TableName::ALL.iter().map(|table| table.name()).collect();
            said = format!("{said}; there are {}", tables.join(", "));
        }
        // The engine has no kind of error of its own for too many temporary files.
        let exhausted =
            matches!(root, DataFusionError::ResourcesExhausted(_)) || said.contains("spilling process");
        if exhausted { Self::ResourcesExhausted { said: first_sentence(&said) } } else { Self::Sql { said } }
    }
}

/// The first sentence: the others advise to set what users of ours have no way to.
fn first_sentence(said: &str) -> String {
    said.split(". ").next().unwrap_or(said).trim_end_matches('.').to_owned()
}
