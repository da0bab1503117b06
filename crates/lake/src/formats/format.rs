//! How rows leave the lake for other programs.
//!
//! Binary formats keep the tables' types. In text, a wide integer or any other decimal is exact: bare in CSV, in JSON as
//! [`IntegerStyle`] says. Doubles are spelled as everywhere else in this
//! program, and what is absent is empty or `null`.

use std::io::Write;
use std::mem;
use std::sync::Arc;

use chain::MinerId;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray, StringBuilder,
};
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Float64Type, Int64Type, Schema, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::ipc::writer::StreamWriter;
use datafusion::arrow::json::writer::{
    Encoder, EncoderFactory, EncoderOptions, JsonArray, LineDelimited, NullableEncoder, Writer, WriterBuilder,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use futures::StreamExt;
use ledger::Value;

use crate::error::{Error, Result};

/// Rows in a row group of Parquet.
const ROW_GROUP: usize = 131_072;
/// Batches that wait to be written.
const QUEUED_BATCHES: usize = 2;
/// As [`FormatOptions`] says by itself; formatters want it to outlive them.
static DISPLAY_OPTIONS: FormatOptions<'static> = FormatOptions::new();

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputFormat {
    /// With a header line.
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// An array of JSON objects.
    Json,
    /// A stream of Arrow's inter-process format.
    Arrow,
    /// Parquet.
    Parquet,
}

/// How JSON spells integers of up to 38 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntegerStyle {
    /// As a string of digits, since few readers of JSON hold more than 53 bits.
    Quoted,
    /// As an integer token, as the HTTP API's contract has it.
    Bare,
}

impl OutputFormat {
    /// Whether it is made for programs only.
    #[must_use]
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Arrow | Self::Parquet)
    }
}

/// Writes what a stream gives as it comes, and tells `seen` of each batch once it is written. Reading goes on while
/// writing waits, a few batches ahead. `failed` says what it is if the engine fails. Returns the number of rows.
pub(crate) async fn write(
    mut rows: SendableRecordBatchStream,
    format: OutputFormat,
    mut out: Box<dyn Write + Send>,
    failed: fn(DataFusionError) -> Error,
    mut seen: impl FnMut(&RecordBatch) + Send + 'static,
) -> Result<u64> {
    let mut encoding = RowEncoder::new(format, &rows.schema(), IntegerStyle::Quoted).map_err(failed)?;
    let (send, mut receive) = tokio::sync::mpsc::channel::<RecordBatch>(QUEUED_BATCHES);
    // Output may block for as long as whoever reads it likes, which must not hold up what else the threads do.
    let writing = tokio::task::spawn_blocking(move || {
        let mut written = 0;
        while let Some(batch) = receive.blocking_recv() {
            let bytes = encoding.encode(&batch).map_err(failed)?;
            out.write_all(&bytes).map_err(Error::output)?;
            written += batch.num_rows() as u64;
            seen(&batch);
        }
        Ok((encoding, out, written))
    });
    // A schema without rows has a header line still.
    let mut next = Some(Ok(RecordBatch::new_empty(rows.schema())));
    let mut read = Ok(());
    while let Some(batch) = next {
        match batch {
            Ok(batch) => {
                if send.send(batch).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                read = Err(failed(error));
                break;
            }
        }
        next = rows.next().await;
    }
    drop(send);
    let written: Result<_> =
        writing.await.map_err(|source| Error::Task { doing: "writing what was asked for", source })?;
    let (encoding, mut out, written) = written?;
    // An end is written only to what is whole.
    read?;
    let end = encoding.finish().map_err(failed)?;
    out.write_all(&end).and_then(|()| out.flush()).map_err(Error::output)?;
    Ok(written)
}

/// Turns batches into bytes.
pub(crate) enum RowEncoder {
    Csv { header: bool },
    Ndjson { integers: IntegerStyle },
    Json(Writer<Vec<u8>, JsonArray>),
    Arrow(Box<StreamWriter<Vec<u8>>>),
    Parquet(Box<ArrowWriter<Vec<u8>>>),
}

impl RowEncoder {
    pub(crate) fn new(
        format: OutputFormat,
        schema: &SchemaRef,
        integers: IntegerStyle,
    ) -> Result<Self, DataFusionError> {
        Ok(match format {
            OutputFormat::Csv => Self::Csv { header: true },
            OutputFormat::Ndjson => Self::Ndjson { integers },
            OutputFormat::Json => Self::Json(json(integers).build(Vec::new())),
            OutputFormat::Arrow => Self::Arrow(Box::new(StreamWriter::try_new(Vec::new(), schema)?)),
            OutputFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP))
                    .set_created_by(concat!("sectorscope ", env!("CARGO_PKG_VERSION")).to_owned())
                    .build();
                let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(schema), Some(properties))?;
                Self::Parquet(Box::new(writer))
            }
        })
    }

    pub(crate) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, DataFusionError> {
        match self {
            Self::Csv { header } => {
                let mut bytes = Vec::new();
                let mut writer = csv::WriterBuilder::new().with_header(mem::take(header)).build(&mut bytes);
                writer.write(&to_text_columns(batch)?)?;
                drop(writer);
                Ok(bytes)
            }
            Self::Ndjson { integers } => {
                let mut writer: Writer<_, LineDelimited> = json(*integers).build(Vec::new());
                writer.write(batch)?;
                Ok(writer.into_inner())
            }
            Self::Json(writer) => {
                writer.write(batch)?;
                Ok(mem::take(writer.get_mut()))
            }
            Self::Arrow(writer) => {
                writer.write(batch)?;
                Ok(mem::take(writer.get_mut()))
            }
            Self::Parquet(writer) => {
                writer.write(batch)?;
                Ok(mem::take(writer.inner_mut()))
            }
        }
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, DataFusionError> {
        match self {
            Self::Csv { .. } | Self::Ndjson { .. } => Ok(Vec::new()),
            Self::Json(mut writer) => {
                writer.finish()?;
                let mut bytes = writer.into_inner();
                bytes.push(b'\n');
                Ok(bytes)
            }
            Self::Arrow(writer) => Ok(writer.into_inner()?),
            Self::Parquet(writer) => Ok(writer.into_inner()?),
        }
    }
}

fn json(integers: IntegerStyle) -> WriterBuilder {
    WriterBuilder::new().with_explicit_nulls(true).with_encoder_factory(Arc::new(ValueEncoders(integers)))
}

/// Where JSON spells values otherwise than the Arrow library does.
#[derive(Debug)]
struct ValueEncoders(IntegerStyle);

impl EncoderFactory for ValueEncoders {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let encoder: Box<dyn Encoder + 'a> = match array.data_type() {
            DataType::Float64 => Box::new(DoubleEncoder(array.as_primitive())),
            decimal if decimal.is_decimal() => Box::new(IntegerEncoder {
                value: ArrayFormatter::try_new(array, &DISPLAY_OPTIONS)?,
                integers: self.0,
            }),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(encoder, array.nulls().cloned())))
    }
}

struct DoubleEncoder<'a>(&'a Float64Array);

impl Encoder for DoubleEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        // Writing to a Vec cannot fail.
        let _ = write!(out, "{}", Value::Double(self.0.value(row)));
    }
}

struct IntegerEncoder<'a> {
    value: ArrayFormatter<'a>,
    integers: IntegerStyle,
}

impl Encoder for IntegerEncoder<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let value = self.value.value(row);
        let _ = match self.integers {
            IntegerStyle::Quoted => write!(out, "\"{value}\""),
            IntegerStyle::Bare => write!(out, "{value}"),
        };
    }
}

/// The batch with those columns as text whose values CSV and tables spell otherwise than the Arrow library does, or
/// that it cannot put into CSV.
pub(crate) fn to_text_columns(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let spelled = |column: &ArrayRef| -> Result<ArrayRef, ArrowError> {
        if let Some(doubles) = column.as_primitive_opt::<Float64Type>() {
            let text = |double: f64| {
                if double.is_finite() { Value::Double(double).to_string() } else { double.to_string() }
            };
            let spelled: StringArray = doubles.iter().map(|double| double.map(text)).collect();
            return Ok(Arc::new(spelled));
        }
        if !column.data_type().is_nested() {
            return Ok(Arc::clone(column));
        }
        let values = ArrayFormatter::try_new(column, &DISPLAY_OPTIONS)?;
        let mut spelled = StringBuilder::new();
        for row in 0..column.len() {
            let value = column.is_valid(row).then(|| values.value(row).try_to_string()).transpose()?;
            spelled.append_option(value);
        }
        Ok(Arc::new(spelled.finish()))
    };
    with_columns(batch, batch.columns().iter().map(spelled).collect::<Result<_, _>>()?)
}

/// Actor numbers as `f0…`; `None` if they are not integers. What is negative is nobody's and absent.
pub(crate) fn miner_ids_as_text(ids: &ArrayRef) -> Option<ArrayRef> {
    let ids = ids.as_primitive_opt::<Int64Type>()?;
    let text = |id: i64| u64::try_from(id).ok().map(|id| MinerId(id).to_string());
    let spelled: StringArray = ids.iter().map(|id| id.and_then(text)).collect();
    Some(Arc::new(spelled))
}

/// The batch with other columns in the place of its own, under the same names.
pub(crate) fn with_columns(batch: &RecordBatch, columns: Vec<ArrayRef>) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let field = |(field, column): (&FieldRef, &ArrayRef)| {
        Field::new(field.name(), column.data_type().clone(), field.is_nullable() || column.null_count() > 0)
    };
    let fields: Vec<Field> = schema.fields().iter().zip(&columns).map(field).collect();
    let rows = datafusion::arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &rows)
}
