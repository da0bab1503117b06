//! The day close without a lake: over files of events, with nothing written.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use datafusion::parquet::errors::ParquetError;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::close::engine::DayCloseEngine;
use crate::close::engine_input::EngineInput;
use crate::close::statement;
use crate::error::{Error, Result};
use crate::rows::day_rows::DayRows;
use crate::schema::TableName;

/// Rows read at once.
const BATCH_ROWS: usize = 16_384;
/// Batches that wait to be added up.
const QUEUED_BATCHES: usize = 16;

/// Closes day after day from files of `sector_events`, in memory: what a day's rows are made of, apart from a lake.
pub struct DayClose {
    engine: DayCloseEngine,
    previous: RecordBatch,
    /// The file that is to be closed next, if it is being read already.
    prefetched: Option<EventFileReader>,
}

/// A file of events that is being read.
struct EventFileReader {
    path: PathBuf,
    arriving: mpsc::Receiver<RecordBatch>,
    task: JoinHandle<Result<()>>,
}

impl EventFileReader {
    fn begin(path: &Path) -> Self {
        let path = path.to_owned();
        let (batches, arriving) = mpsc::channel(QUEUED_BATCHES);
        let from = path.clone();
        let task = tokio::task::spawn_blocking(move || read(&from, &batches));
        Self { path, arriving, task }
    }
}

impl DayClose {
    /// The statement that makes a day's rows from tables `events` and `previous`, in DataFusion's dialect.
    ///
    /// # Errors
    /// If the column registry contradicts itself.
    pub fn statement() -> Result<String> {
        statement::day_close()
    }

    /// Begins before the first day ever.
    ///
    /// # Errors
    /// If the statement cannot be planned.
    pub async fn new() -> Result<Self> {
        let previous = RecordBatch::new_empty(TableName::Rows.schema());
        Ok(Self { engine: DayCloseEngine::new().await?, previous, prefetched: None })
    }

    /// The rows of the next day, from its file of `sector_events`. `next` is the file of the day after it, whose reading
    /// begins while this day is being finished.
    ///
    /// # Errors
    /// If the file cannot be read or holds something impossible.
    pub async fn close(&mut self, day: Day, events: &Path, next: Option<&Path>) -> Result<DayRows> {
        let prefetched = self.prefetched.take().filter(|prefetched| prefetched.path == events);
        let mut reader = prefetched.unwrap_or_else(|| EventFileReader::begin(events));
        let mut run = self.engine.start(day, self.previous.clone())?;
        while let Some(batch) = reader.arriving.recv().await {
            run.add(&batch).await?;
        }
        reader.task.await.map_err(|source| Error::Task { doing: "reading events", source })??;
        self.prefetched = next.map(EventFileReader::begin);
        self.previous = run.finish().await?;
        DayRows::new(day, &self.previous)
    }
}

/// Reads what the day close needs of the file, texts as dictionaries, as they are kept.
fn read(path: &Path, batches: &mpsc::Sender<RecordBatch>) -> Result<()> {
    let parquet = |source| Error::Parquet { path: path.to_owned(), source };
    let file = File::open(path).map_err(Error::io(path))?;
    let dictionaries = ArrowReaderOptions::new().with_schema(Arc::new(dictionaries()));
    let builder =
        ParquetRecordBatchReaderBuilder::try_new_with_options(file, dictionaries).map_err(parquet)?;
    let wanted = EngineInput::schema();
    let wanted = wanted.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(parquet)?;
    for batch in reader {
        let batch = batch.map_err(|source| parquet(ParquetError::from(source)))?;
        if batches.blocking_send(batch).is_err() {
            // Nobody wants more of them.
            break;
        }
    }
    Ok(())
}

fn dictionaries() -> Schema {
    let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let table = TableName::Events.schema();
    let fields = table.fields().iter().map(|field| match field.data_type() {
        DataType::Utf8 => Field::clone(field).with_data_type(text.clone()),
        _ => Field::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}
