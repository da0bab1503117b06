//! The specification's example answers, imported as a day.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use chain::{Day, MinerId, SectorNumber};
use datafusion::arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use lake::Lake;
use ledger::columns::Endpoint;
use serde_json::{Map, Value};

use crate::outside;
use crate::server::{Server, finished_day, onboarded, quick};

/// The answers as the specification has them, each after a line with its endpoint's name.
const EXAMPLES: &str = include_str!("examples.txt");

/// The endpoints and their examples, without the white space between the values.
fn examples() -> Vec<(&'static str, String)> {
    let sections = EXAMPLES.split("### ").skip(1);
    let example = |section: &'static str| {
        let (name, text) = section.split_once('\n').expect("a name and an answer");
        (name, compact(text))
    };
    sections.map(example).collect()
}

/// JSON without white space between its values; no string of the examples has any but single spaces.
fn compact(text: &str) -> String {
    text.lines().map(|line| line.trim().replacen("\": ", "\":", 1)).collect()
}

/// The values of all examples' rows by their columns; all are of one day and one miner.
fn row() -> Map<String, Value> {
    let rows = examples().into_iter().map(|(_, text)| {
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["data"][0].as_object().expect("a row").clone()
    });
    rows.flatten().collect()
}

/// Publishes a day with one miner, and puts the examples' values into its row.
async fn import(lake: &Path) {
    let row = row();
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    let day: Day = text("stat_date").trim_end_matches("T00:00:00Z").parse().expect("a date");
    let miner: MinerId = text("miner_id").parse().expect("a miner");
    let events = vec![onboarded(day, miner, SectorNumber(1))];
    let mut writer = Lake::open(lake).await.expect("a lake");
    writer.close_days(&[finished_day(day, events)]).await.expect("a closed day");

    let files = fs::read_dir(lake.join("sp_sector_daily")).expect("the rows' table");
    let mut paths = files.map(|file| file.expect("a file").path());
    let path = paths
        .find(|path| path.extension().is_some_and(|extension| extension == "parquet"))
        .expect("the day's file");
    let file = File::open(&path).expect("the file");
    let mut batches =
        ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
    let batch = batches.next().expect("a batch").expect("rows");
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
        // What no endpoint gives stays as it is.
        let given = row.get(field.name()).filter(|value| value.is_number());
        given.map_or_else(|| Arc::clone(column), |value| cell(value, field.data_type()))
    });
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect()).expect("the same columns");
    let size = |path: &Path| fs::metadata(path).expect("the file").len();
    let before = size(&path);
    let file = File::create(&path).expect("the file");
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("rows");
    writer.close().expect("a whole file");
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    resize_in_log(path.parent().expect("a directory"), name, (before, size(&path)));
}

/// Has the log of a table say another size of one file: footers are held against it.
fn resize_in_log(table: &Path, name: &str, (before, after): (u64, u64)) {
    for entry in fs::read_dir(table.join("_delta_log")).expect("a log") {
        let path = entry.expect("an entry").path();
        let Some(commit) = fs::read_to_string(&path).ok().filter(|commit| commit.contains(name)) else {
            continue;
        };
        let (old, new) = (format!("\"size\":{before}"), format!("\"size\":{after}"));
        assert!(commit.contains(&old), "{commit}");
        fs::write(&path, commit.replace(&old, &new)).expect("written");
    }
}

/// A column of one value.
fn cell(value: &Value, of: &DataType) -> ArrayRef {
    let integer = || value.as_i64().expect("an integer");
    match of {
        DataType::Int64 => Arc::new(Int64Array::from(vec![integer()])),
        DataType::Decimal128(precision, scale) => {
            let values = Decimal128Array::from(vec![i128::from(integer())]);
            Arc::new(values.with_precision_and_scale(*precision, *scale).expect("a decimal"))
        }
        DataType::Float64 => Arc::new(Float64Array::from(vec![value.as_f64().expect("a number")])),
        other => panic!("a column of {other}"),
    }
}

/// An answer without its request's id.
fn after_id(answer: &str) -> &str {
    let (id, rest) = answer.split_once(",\"code\"").expect("a code after the id");
    assert!(id.starts_with("{\"request_id\":\"") && id.ends_with('"'), "{id}");
    rest
}

#[test]
fn the_documented_example_answers_come_back_byte_for_byte_but_for_the_request_id() {
    let server = Server::over(import, quick());
    let examples = examples();
    let names: Vec<_> = examples.iter().map(|(name, _)| *name).collect();
    let endpoints: Vec<_> = Endpoint::ALL.iter().map(|endpoint| endpoint.name()).collect();
    assert_eq!(names, endpoints);
    for (name, example) in &examples {
        for query in
            ["", "?state_date=2022-10-01", "?state_date=2022-10-01&miner_id=f0110804", "?miner_id=f0110804"]
        {
            let answer = server.ask(&format!("{name}{query}"));
            assert_eq!(answer.status, 200);
            assert_eq!(after_id(answer.text()), after_id(example), "{name}{query}");
        }
    }
}

#[test]
fn the_examples_are_the_specifications() {
    let Some(path) = outside::shared("spec/sectors.md") else { return };
    let specification = fs::read_to_string(path).expect("the specification");
    for section in EXAMPLES.split("### ").skip(1) {
        let (name, text) = section.split_once('\n').expect("a name and an answer");
        assert!(specification.contains(text), "{name}");
    }
}
