//! Exports rows or events of a range of days and miners, without holding more than a little of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use chain::{Day, DayRange, MinerId, ProgressSink, ProgressUnit};
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Date32Type};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use datafusion::prelude::{DataFrame, SessionConfig, coalesce, ident, lit};
use datafusion::scalar::ScalarValue;
use ledger::columns::Endpoint;
use ledger::fields::{EVENT_FIELDS, FieldValue};
use strum::IntoStaticStr;

use crate::catalog::manifest::Manifest;
use crate::catalog::receipts::ReceiptIndex;
use crate::delta::table_provider;
use crate::error::{Error, Result};
use crate::formats::format::{self, OutputFormat};
use crate::schema::{MINER_ID, STAT_DATE, TableName};

/// The column that every export can have beside those of its table: how the outcomes of the day's messages are known.
const RECEIPTS: &str = "receipts";

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Dataset {
    /// Storage providers' days.
    Rows,
    /// Sector events.
    Events,
}

impl Dataset {
    /// As it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    const fn table(self) -> TableName {
        match self {
            Self::Rows => TableName::Rows,
            Self::Events => TableName::Events,
        }
    }
}

/// Which of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportSelection {
    /// Rows or events.
    pub dataset: Dataset,
    /// First day; the first closed one if absent.
    pub from: Option<Day>,
    /// Last day; the last closed one if absent.
    pub to: Option<Day>,
    /// Miners; all if none is named.
    pub miners: BTreeSet<MinerId>,
    /// Columns, or endpoints whose columns are meant; all if none is named. Day and miner always come first.
    pub columns: Vec<String>,
}

/// What was selected, checked and ready to be written.
pub struct Export {
    dataset: Dataset,
    days: DayRange,
    frame: DataFrame,
    columns: Vec<String>,
    /// How the outcomes of a day's messages are known, by day.
    receipts: Arc<ScalarUDF>,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("dataset", &self.dataset)
            .field("days", &self.days)
            .finish_non_exhaustive()
    }
}

impl Export {
    /// Selects from the lake in `dir`.
    ///
    /// # Errors
    /// If there is no lake, it cannot be read, a day is not closed, or there is no such column.
    pub async fn open(dir: &Path, selection: &ExportSelection) -> Result<Self> {
        let dataset = selection.dataset;
        let manifest = Manifest::open(dir).await?;
        let days = manifest.resolve_days(selection.from, selection.to)?;
        manifest.check_complete(dataset.table())?;
        let columns = columns(dataset, &selection.columns)?;
        // One partition reads days in their order, one after the other.
        let config = SessionConfig::new().with_target_partitions(1);
        let context =
            table_provider::session_context(manifest.located(), config, Arc::new(RuntimeEnv::default()))?;
        let date = |day: Day| lit(ScalarValue::Date32(Some(day.unix_days())));
        let mut filter = ident(STAT_DATE).between(date(days.first()), date(days.last()));
        if !selection.miners.is_empty() {
            // A miner beyond what tables hold has no rows.
            let ids = selection.miners.iter().filter_map(|miner| i64::try_from(miner.0).ok());
            filter = filter.and(ident(MINER_ID).in_list(ids.map(lit).collect(), false));
        }
        let frame = context.table(dataset.table().name()).await.map_err(export_error)?;
        let frame = frame.filter(filter).map_err(export_error)?;
        let receipts = Arc::new(receipts(manifest.receipts().clone()));
        Ok(Self { dataset, days, frame, columns, receipts })
    }

    /// Writes it as it is read, days in their order; within a day rows by miner, events by miner, sector and epoch.
    /// Text spells miners `f0…`. Returns the number of rows.
    ///
    /// # Errors
    /// If a file cannot be read, or `out` does not take what is written.
    pub async fn write(
        self,
        format: OutputFormat,
        out: Box<dyn Write + Send>,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<u64> {
        let first = DayRange::from(self.days.first());
        progress.begin(format!("exporting {}", self.dataset.name()), self.days.len(), ProgressUnit::Days);
        let rows = self.rows(format).await.map_err(export_error)?;
        let bar = Arc::clone(&progress);
        let written = format::write(rows, format, out, export_error, move |batch| {
            if let Some(day) = last_day(batch) {
                // The last day of a batch may go on in the next one.
                bar.at(first.including(day).len() - 1);
            }
        });
        let written = written.await;
        progress.end();
        written
    }

    async fn rows(self, format: OutputFormat) -> Result<SendableRecordBatchStream, DataFusionError> {
        let spelled = |name: &String| match name.as_str() {
            MINER_ID if !format.is_binary() => {
                table_provider::f0().call(vec![ident(MINER_ID)]).alias(MINER_ID)
            }
            RECEIPTS => self.receipts.call(vec![ident(STAT_DATE)]).alias(RECEIPTS),
            // A number in the lake, whose tables hold nothing that is true or false.
            name if is_flag(name) && !format.is_binary() => {
                coalesce(vec![ident(name), lit(0_i64)]).not_eq(lit(0_i64)).alias(name)
            }
            name => ident(name),
        };
        self.frame.select(self.columns.iter().map(spelled).collect::<Vec<_>>())?.execute_stream().await
    }
}

/// Whether it is the name of an event's flag.
fn is_flag(name: &str) -> bool {
    EVENT_FIELDS.iter().any(|field| field.name == name && matches!(field.value, FieldValue::Flag(_)))
}

fn export_error(error: DataFusionError) -> Error {
    Error::query("exporting")(error)
}

/// SQL's `receipts(stat_date)`: the word for how the outcomes of a day's messages are known.
fn receipts(known: ReceiptIndex) -> ScalarUDF {
    let told = move |arguments: &[ColumnarValue]| {
        let days = ColumnarValue::values_to_arrays(arguments)?;
        let days = days.first().and_then(|days| days.as_primitive_opt::<Date32Type>());
        let days = days.ok_or_else(|| DataFusionError::Plan(format!("{RECEIPTS} takes a day")))?;
        let word = |day| known.day(Day::from_unix_days(day)).receipts().name();
        let words: StringArray = days.iter().map(|day| day.map(word)).collect();
        Ok(ColumnarValue::Array(Arc::new(words)))
    };
    create_udf(RECEIPTS, vec![DataType::Date32], DataType::Utf8, Volatility::Immutable, Arc::new(told))
}

/// The day of a batch's last row.
fn last_day(batch: &RecordBatch) -> Option<Day> {
    let days = batch.column_by_name(STAT_DATE)?.as_primitive_opt::<Date32Type>()?;
    days.values().last().copied().map(Day::from_unix_days)
}

/// The columns that are meant, in order, each once.
fn columns(dataset: Dataset, wanted: &[String]) -> Result<Vec<String>> {
    let schema = dataset.table().schema();
    let all: Vec<&str> =
        schema.fields().iter().map(|field| field.name().as_str()).chain([RECEIPTS]).collect();
    let endpoint = |name: &str| Endpoint::from_name(name).filter(|_| dataset == Dataset::Rows);
    let mut named = if wanted.is_empty() { all.clone() } else { vec![STAT_DATE, MINER_ID] };
    for name in wanted {
        match (endpoint(name), all.iter().find(|column| *column == name)) {
            (Some(endpoint), _) => named.extend(endpoint.columns().map(|column| column.name)),
            (None, Some(column)) => named.push(*column),
            (None, None) => {
                let endpoints = Endpoint::ALL.iter().map(|endpoint| endpoint.name());
                let known = match dataset {
                    Dataset::Rows => format!(
                        "the endpoints {}, {RECEIPTS}, and the columns that `sectorscope columns` lists",
                        endpoints.collect::<Vec<_>>().join(", ")
                    ),
                    Dataset::Events => all.join(", "),
                };
                return Err(Error::UnknownColumn { name: name.clone(), known });
            }
        }
    }
    let mut seen = BTreeSet::new();
    Ok(named.into_iter().filter(|name| seen.insert(*name)).map(str::to_owned).collect())
}
