//! Table providers: tables as the query engine sees them.

mod listed;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use chain::{Day, DayRange};
use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::{DataFusionError, Result as EngineResult};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarUDF, TableProviderFilterPushDown, Volatility, create_udf,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_adapter::{
    DefaultPhysicalExprAdapterFactory, PhysicalExprAdapter, PhysicalExprAdapterFactory,
    replace_columns_with_literals,
};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, project_schema};
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use url::Url;

use crate::data_files::data_file::{DataFile, LocatedFile};
use crate::delta::table::Table;
use crate::delta::table_provider::listed::{CheckedReaderFactory, ListedFiles, object_name};
use crate::error::{Error, Result};
use crate::formats::format;
use crate::schema::{STAT_DATE, TableName, default_value};

/// Where the engine finds the lake's files. It knows no other place.
const STORE: &str = "lake://tables";
/// What is being done when the tables are made known.
const ACTION: &str = "opening the tables";
/// Catalog and schema of the tables, for those who list them.
const CATALOG: (&str, &str) = ("sectorscope", "lake");

/// What the engine puts before a table's name.
pub(crate) fn qualifier() -> String {
    format!("{}.{}.", CATALOG.0, CATALOG.1)
}

/// A session that knows the listed files as tables, the function `f0`, and nothing beside them.
pub(crate) fn session_context(
    tables: &BTreeMap<TableName, Vec<LocatedFile>>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
) -> Result<SessionContext> {
    let config = config.with_default_catalog_and_schema(CATALOG.0, CATALOG.1);
    let located = |name| tables.get(&name).map_or(&[][..], Vec::as_slice);
    let files = TableName::ALL.into_iter().flat_map(located);
    let (context, store, listed) = context_over(files.cloned(), config, runtime)?;
    for name in TableName::ALL {
        let table = TableFiles::of(name, located(name), store.clone(), listed.clone());
        context.register_table(name.name(), Arc::new(table)).map_err(Error::query(ACTION))?;
    }
    context.register_udf(f0());
    Ok(context)
}

/// Some files of a table, for queries of the program's own.
pub(crate) fn data_frame<'f>(
    table: &Table,
    files: impl IntoIterator<Item = &'f DataFile>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
) -> Result<DataFrame> {
    let files: Vec<LocatedFile> = files.into_iter().map(|file| table.locate(file)).collect();
    let (context, store, listed) = context_over(files.iter().cloned(), config, runtime)?;
    let table = TableFiles::of(table.name(), &files, store, listed);
    context.read_table(Arc::new(table)).map_err(Error::query(ACTION))
}

/// A session that finds these files and no others, how they are reached, and by what they are called.
fn context_over(
    files: impl Iterator<Item = LocatedFile>,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
) -> Result<(SessionContext, ObjectStoreUrl, ListedFiles)> {
    let store = ObjectStoreUrl::parse(STORE).map_err(Error::query(ACTION))?;
    let listed = ListedFiles::new(files);
    runtime.register_object_store(store.as_ref(), Arc::new(listed.clone()));
    if let Ok(everything) = Url::parse("file:///") {
        runtime.deregister_object_store(&everything).map_err(Error::query(ACTION))?;
    }
    Ok((SessionContext::new_with_config_rt(config, runtime), store, listed))
}

/// SQL's `f0(miner_id)`: the provider's address.
pub(crate) fn f0() -> ScalarUDF {
    let spelled = |arguments: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let spelled = arrays.first().and_then(format::miner_ids_as_text);
        let spelled = spelled.ok_or_else(|| DataFusionError::Plan("f0 takes a miner's number".to_owned()))?;
        match arguments {
            [ColumnarValue::Scalar(_)] => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&spelled, 0)?))
            }
            _ => Ok(ColumnarValue::Array(spelled)),
        }
    };
    create_udf("f0", vec![DataType::Int64], DataType::Utf8, Volatility::Immutable, Arc::new(spelled))
}

/// A table's files. What the table's log says of them (rows, days) is given to the engine, so that it opens no file whose
/// days are filtered out, and none to count rows.
struct TableFiles {
    name: TableName,
    store: ObjectStoreUrl,
    listed: ListedFiles,
    files: Vec<ScannedFile>,
}

struct ScannedFile {
    /// What the engine calls it.
    path: String,
    size: u64,
    rows: u64,
    days: DayRange,
}

impl fmt::Debug for TableFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableFiles").field("table", &self.name).field("files", &self.files.len()).finish()
    }
}

impl TableFiles {
    fn of(name: TableName, files: &[LocatedFile], store: ObjectStoreUrl, listed: ListedFiles) -> Self {
        let file = |of: &LocatedFile| ScannedFile {
            path: object_name(of),
            size: u64::try_from(of.file.size).unwrap_or_default(),
            rows: of.file.rows,
            days: of.file.days,
        };
        Self { name, store, listed, files: files.iter().map(file).collect() }
    }

    /// Those files that may hold rows that pass the filters.
    fn matching_files(&self, state: &dyn Session, filters: &[Expr]) -> EngineResult<Vec<&ScannedFile>> {
        let all = self.files.iter();
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(all.collect()) };
        let schema = self.schema();
        let filter = state.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(&schema))?)?;
        let pruning = PruningPredicateBuilder::new().with_file_schema(Arc::clone(&schema)).build(filter);
        let Some(pruning) = pruning else { return Ok(all.collect()) };
        // That no row lies beyond a bound is all that leaving files out by it needs.
        let known = self.files.iter().map(|file| Arc::new(file.statistics(&schema, Precision::Exact)));
        let wanted = pruning.prune(&PrunableStatistics::new(known.collect(), Arc::clone(&schema)))?;
        Ok(all.zip(wanted).filter_map(|(file, wanted)| wanted.then_some(file)).collect())
    }
}

impl ScannedFile {
    /// What is known of the file without opening it, the bounds of its days as `bound` has them.
    fn statistics(&self, schema: &Schema, bound: fn(ScalarValue) -> Precision<ScalarValue>) -> Statistics {
        let mut known = Statistics::new_unknown(schema);
        known.num_rows = usize::try_from(self.rows).map_or(Precision::Absent, Precision::Exact);
        if let Some((at, _)) = schema.column_with_name(STAT_DATE) {
            let bound = |day: Day| bound(ScalarValue::Date32(Some(day.unix_days())));
            known.column_statistics[at] = ColumnStatistics {
                null_count: Precision::Exact(0),
                min_value: bound(self.days.first()),
                max_value: bound(self.days.last()),
                ..ColumnStatistics::new_unknown()
            };
        }
        known
    }

    fn partitioned_file(&self, schema: &Schema) -> PartitionedFile {
        // Days that a file holds need not have rows: only that of one day's rows is sure to be in them.
        let sure = self.rows > 0 && self.days.len() == 1;
        let statistics = self.statistics(schema, if sure { Precision::Exact } else { Precision::Inexact });
        PartitionedFile::new(&self.path, self.size).with_statistics(Arc::new(statistics))
    }
}

/// Gives columns that a file lacks what its rows have in them ([`absent`]), where that is known, as all other reading does.
#[derive(Debug)]
struct DefaultValues;

impl PhysicalExprAdapterFactory for DefaultValues {
    fn create(&self, table: SchemaRef, file: SchemaRef) -> EngineResult<Arc<dyn PhysicalExprAdapter>> {
        let lacking = table.fields().iter().filter(|field| file.column_with_name(field.name()).is_none());
        let known = lacking.filter_map(|field| Some((field.name().clone(), default_value(field)?))).collect();
        let others = DefaultPhysicalExprAdapterFactory.create(table, file)?;
        Ok(Arc::new(DefaultValuesAdapter { known, others }))
    }
}

/// The same for one file.
#[derive(Debug)]
struct DefaultValuesAdapter {
    known: HashMap<String, ScalarValue>,
    others: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for DefaultValuesAdapter {
    fn rewrite(&self, expression: Arc<dyn PhysicalExpr>) -> EngineResult<Arc<dyn PhysicalExpr>> {
        self.others.rewrite(replace_columns_with_literals(expression, &self.known)?)
    }
}

#[async_trait::async_trait]
impl TableProvider for TableFiles {
    fn schema(&self) -> SchemaRef {
        self.name.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters are the engine's; it prunes files, row groups and pages by them on its own.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> EngineResult<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> EngineResult<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let files = self.matching_files(state, filters)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&schema, projection)?)));
        }
        let mut statistics = Statistics::new_unknown(&schema);
        let rows = usize::try_from(files.iter().map(|file| file.rows).sum::<u64>());
        statistics.num_rows = rows.map_or(Precision::Absent, Precision::Exact);
        // Days stay in order within a group, and one group reads them all in order.
        let group_size = files.len().div_ceil(state.config().target_partitions().max(1));
        let group = |files: &[&ScannedFile]| {
            FileGroup::new(files.iter().map(|file| file.partitioned_file(&schema)).collect())
        };
        let groups = files.chunks(group_size).map(group).collect();
        let source = ParquetSource::new(self.schema())
            .with_parquet_file_reader_factory(Arc::new(CheckedReaderFactory::new(self.listed.clone())));
        let scan = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(projection.cloned())?
            .with_expr_adapter(Some(Arc::new(DefaultValues)))
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}
