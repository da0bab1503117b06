//! Checkpoints that are altered: a lake whose newest state is read from one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, StructArray, new_null_array,
};
use datafusion::arrow::compute::concat_batches;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::altered::{Alteration, Refused, newest};

/// The checkpoint of a table.
fn checkpoint(lake: &Path, table: &str) -> PathBuf {
    let log = fs::read_dir(lake.join(table).join("_delta_log")).expect("a log");
    let mut names = log.map(|entry| entry.expect("an entry").path());
    let is_one = |path: &PathBuf| path.to_string_lossy().ends_with(".checkpoint.parquet");
    names.find(is_one).expect("a table of many versions has a checkpoint")
}

/// Writes a checkpoint anew with other rows.
fn rewrite(path: &Path, alter: impl Fn(RecordBatch) -> RecordBatch) {
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).expect("a file")).expect("Parquet");
    let schema = Arc::clone(builder.schema());
    let batches: Vec<RecordBatch> =
        builder.build().expect("rows").map(|batch| batch.expect("rows")).collect();
    let altered = alter(concat_batches(&schema, &batches).expect("rows"));
    let mut writer =
        ArrowWriter::try_new(File::create(path).expect("a file"), altered.schema(), None).expect("Parquet");
    writer.write(&altered).expect("written");
    writer.close().expect("written");
}

/// The rows with another path in the first action of that kind.
fn with_path(rows: &RecordBatch, action: &str, path: &str) -> RecordBatch {
    let at = rows.schema().index_of(action).expect("a column");
    let actions = rows.column(at).as_struct();
    let of = actions.fields().iter().position(|field| field.name() == "path").expect("a path");
    let first = (0..actions.len()).find(|row| actions.is_valid(*row)).expect("an action");
    let paths = actions.column(of).as_string::<i32>();
    let paths: StringArray = paths
        .iter()
        .enumerate()
        .map(|(row, before)| if row == first { Some(path) } else { before })
        .collect();
    let mut fields = actions.columns().to_vec();
    fields[of] = Arc::new(paths);
    let altered = StructArray::try_new(actions.fields().clone(), fields, actions.nulls().cloned());
    let mut columns = rows.columns().to_vec();
    columns[at] = Arc::new(altered.expect("actions"));
    RecordBatch::try_new(rows.schema(), columns).expect("rows")
}

/// The rows with another one, which names a further file.
fn with_sidecar(rows: &RecordBatch, path: &str) -> RecordBatch {
    let column = |at: usize| -> ArrayRef {
        let schema = rows.schema();
        let field = schema.field(at);
        if field.name() != "sidecar" {
            return new_null_array(field.data_type(), 1);
        }
        let fields = rows.column(at).as_struct().fields().clone();
        let values = fields.iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "path" => Arc::new(StringArray::from(vec![path])),
                "sizeInBytes" | "modificationTime" => Arc::new(Int64Array::from(vec![1000])),
                _ => new_null_array(field.data_type(), 1),
            }
        });
        let values = values.collect();
        Arc::new(StructArray::try_new(fields, values, None).expect("a row"))
    };
    let more = RecordBatch::try_new(rows.schema(), (0..rows.num_columns()).map(column).collect());
    concat_batches(&rows.schema(), [rows, &more.expect("a row")]).expect("rows")
}

pub(crate) fn alterations(names: &[String]) -> Vec<Alteration> {
    let mut all = Vec::new();
    let tables = ["progress", "sp_sector_daily", "sector_events"];
    for (number, name) in names.iter().enumerate() {
        let table = tables[number % tables.len()];
        let shown: String = name.chars().take(60).collect();
        let path = name.clone();
        all.push(Alteration::of_many(
            format!("{table} has {shown:?} by a checkpoint"),
            Refused::ByAll,
            table,
            move |lake| rewrite(&checkpoint(lake, table), |rows| with_path(&rows, "add", &path)),
        ));
    }
    for name in names.iter().filter(|name| name.contains("canary") && !name.contains('\\')) {
        let path = name.clone();
        all.push(Alteration::of_many(
            format!("a checkpoint names further files in {name}"),
            Refused::ByAll,
            "sp_sector_daily",
            move |lake| rewrite(&checkpoint(lake, "sp_sector_daily"), |rows| with_sidecar(&rows, &path)),
        ));
    }
    all.push(Alteration::of_many(
        "a checkpoint of other rows".to_owned(),
        Refused::ByAll,
        "progress",
        |lake| {
            let other = newest(&lake.join("progress"));
            fs::copy(other, checkpoint(lake, "progress")).expect("copied");
        },
    ));
    all.push(Alteration::of_many(
        "a checkpoint of a million actions".to_owned(),
        Refused::ByAll,
        "progress",
        |lake| {
            rewrite(&checkpoint(lake, "progress"), |rows| {
                let times = (1 << 20) / rows.num_rows() + 1;
                concat_batches(&rows.schema(), std::iter::repeat_n(&rows, times)).expect("rows")
            });
        },
    ));
    all.push(Alteration::of_many("a checkpoint that is none".to_owned(), Refused::Nowhere, "", |lake| {
        fs::write(checkpoint(lake, "progress"), b"PAR1").expect("written");
    }));
    all
}
