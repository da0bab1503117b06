//! What a checkpoint of a table's log may hold.
//!
//! The Delta library believes a checkpoint: of the files that one names beside itself (`sidecar`), by any path or address,
//! it opens each. Ours name none. So a checkpoint is looked at before the library gets it.

use std::fs::File;

use datafusion::arrow::array::Array;
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use datafusion::parquet::errors::ParquetError;

use crate::data_files::chunk_reader::FileChunks;

/// What checkpoints of ours have.
const KNOWN: [&str; 7] = ["add", "remove", "metaData", "protocol", "txn", "domainMetadata", SIDECAR];
/// Other files that hold parts of the checkpoint.
const SIDECAR: &str = "sidecar";
/// Most actions in a checkpoint: a table has a file a day at most, and some that it had.
const MAX_ACTIONS: i64 = 1 << 20;
/// Most bytes of a checkpoint when it is unpacked, as it says itself.
const MAX_UNPACKED_BYTES: i64 = 1 << 30;

/// Looks whether a checkpoint is one of ours; else says why not.
pub(crate) fn check(file: &File) -> Result<(), String> {
    inspect(file).map_err(|error| format!("as a checkpoint it does not read: {error}"))?
}

/// The inner result is what is found, the outer one whether it could be looked for.
fn inspect(file: &File) -> Result<Result<(), String>, ParquetError> {
    let source = FileChunks::of(file.try_clone()?)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(source)?;
    let about = builder.metadata();
    let unknown = about.file_metadata().schema_descr().root_schema().get_fields().iter();
    let unknown = unknown.map(|field| field.name()).find(|name| !KNOWN.contains(name));
    if let Some(unknown) = unknown {
        return Ok(Err(format!("it has a column {unknown:?}, which no checkpoint of ours has")));
    }
    let unpacked = about.row_groups().iter().map(|group| group.total_byte_size());
    let unpacked = unpacked.fold(0, i64::saturating_add);
    let actions = about.file_metadata().num_rows();
    if actions > MAX_ACTIONS || unpacked > MAX_UNPACKED_BYTES {
        return Ok(Err(format!(
            "its {actions} actions of {unpacked} bytes are more than any checkpoint of ours has"
        )));
    }
    let schema = builder.parquet_schema();
    let leaves = (0..schema.num_columns()).filter(|leaf| schema.get_column_root(*leaf).name() == SIDECAR);
    let mask = ProjectionMask::leaves(schema, leaves.collect::<Vec<_>>());
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        if batch.columns().iter().any(|column| column.null_count() < column.len()) {
            return Ok(Err("it names further files, which no checkpoint of ours does".to_owned()));
        }
    }
    Ok(Ok(()))
}
