//! `/v1` in OpenAPI.

use std::collections::BTreeMap;

use lake::ColumnSpec;
use serde_json::{Map, Value, json};

use super::columns::{property, receipts_header};
use crate::docs::examples;
use crate::errors::problem::{PROBLEM_JSON, PROBLEM_TYPES};
use crate::v1::FORMATS;
use crate::v1::operations::{
    EVENTS_UNCERTAIN, MESSAGES_INFERRED, MESSAGES_REFUTED, Operation, ResponseType, receipts_schema,
};
use crate::v1::parameters::Parameter;

/// A path of `/v1`.
pub(super) fn path_item(operation: &Operation) -> Value {
    let mut responses = errors();
    responses.insert("200".to_owned(), success(operation));
    responses.insert("304".to_owned(), json!({ "description": "The same as under the tag." }));
    json!({
        "operationId": operation.name,
        "tags": ["v1"],
        "summary": operation.summary,
        "description": operation.doc,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    })
}

/// The response of a request that succeeds.
fn success(operation: &Operation) -> Value {
    let mut content = match operation.response {
        ResponseType::Rows(headings) => {
            let headings = headings();
            rows(&headings, headings.len())
        }
        ResponseType::SomeRows(headings, always) => rows(&headings(), always),
        ResponseType::Object(schema) => {
            Map::from_iter([("application/json".to_owned(), json!({ "schema": schema() }))])
        }
    };
    let example = examples::answer(operation.example).and_then(|text| serde_json::from_str(text).ok());
    if let (Some(example), Some(Value::Object(json))) = (example, content.get_mut("application/json")) {
        let example: Value = example;
        json.insert(
            "examples".to_owned(),
            json!({ "sample": { "summary": format!("GET {}", operation.example), "value": example } }),
        );
    }
    let mut response = Map::new();
    response.insert("description".to_owned(), operation.summary.into());
    response.insert("content".to_owned(), content.into());
    if matches!(operation.response, ResponseType::Rows(_) | ResponseType::SomeRows(..)) {
        response.insert("headers".to_owned(), headers());
    }
    response.into()
}

/// The headers of rows.
fn headers() -> Value {
    json!({
        "etag": { "description": "Changes with the data: send it as `If-None-Match`.", "schema": { "type": "string" } },
        "link": { "description": "Where there is a next page, its address.", "schema": { "type": "string" } },
        "x-receipts": receipts_header(),
    })
}

/// Rows under these headings in each format; the first headings are always there.
fn rows(headings: &[ColumnSpec], always: usize) -> Map<String, Value> {
    let json_rows = json!({
        "type": "object",
        "properties": {
            "data": { "type": "array", "items": row(headings, always) },
            "meta": meta(),
        },
        "required": ["data", "meta"],
        "additionalProperties": false,
    });
    let content = FORMATS.iter().map(|format| {
        let schema = match format.name {
            "json" => json_rows.clone(),
            "csv" | "ndjson" => json!({ "type": "string" }),
            _ => json!({ "type": "string", "contentEncoding": "binary" }),
        };
        (format.media_type.to_owned(), json!({ "schema": schema }))
    });
    content.collect()
}

/// The responses of requests that fail, by their status.
fn errors() -> Map<String, Value> {
    let mut kinds: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for kind in PROBLEM_TYPES {
        kinds.entry(kind.status).or_default().push(format!("`{}`: {}", kind.name, kind.title));
    }
    let of_problems = kinds.into_iter().map(|(status, kinds)| {
        let content = json!({ PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        (status.to_string(), json!({ "description": kinds.join("; "), "content": content }))
    });
    // Of requests that are too large, before their path is known.
    let text = json!({ "application/json": { "schema": { "type": "string" } } });
    let too_large = ["413", "414"].map(|status| {
        (status.to_owned(), json!({ "description": "The request is too large.", "content": text }))
    });
    of_problems.chain(too_large).collect()
}

fn parameter(of: &Parameter) -> Value {
    let example = if of.value_type.is_list() {
        of.example.split(',').collect::<Vec<_>>().into()
    } else {
        of.example.parse::<u64>().map_or_else(|_| of.example.into(), Value::from)
    };
    let mut told = json!({
        "name": of.name,
        "in": if of.in_path { "path" } else { "query" },
        "required": of.required,
        "description": of.doc,
        "schema": of.value_type.schema(),
        "example": example,
    });
    if let Value::Object(told) = &mut told
        && of.value_type.is_list()
    {
        told.insert("style".to_owned(), "form".into());
        told.insert("explode".to_owned(), false.into());
    }
    told
}

/// A row under these headings, of which the first are always there.
fn row(headings: &[ColumnSpec], always: usize) -> Value {
    let properties: Map<String, Value> =
        headings.iter().map(|heading| (heading.name.to_string(), property(heading))).collect();
    let required: Vec<&str> = headings.iter().take(always).map(|heading| heading.name.as_ref()).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// The schema of what is beside the rows: always the version and where to go on, and what else the path knows.
fn meta() -> Value {
    let day = || json!({ "type": ["string", "null"], "format": "date" });
    json!({
        "type": "object",
        "properties": {
            "version": { "type": "integer", "description": "The published version of the data." },
            "next": { "type": ["string", "null"], "description": "The next page's `cursor`; null on the last." },
            "from": day(),
            "to": day(),
            "day": day(),
            "history_since": { "type": ["string", "null"], "format": "date", "description": "Since when events are known, where that is not the chain's beginning: what was onboarded and left before is in no total." },
            "receipts": receipts_schema(),
            "messages_inferred": { "type": "integer", "description": MESSAGES_INFERRED },
            "messages_refuted": { "type": "integer", "description": MESSAGES_REFUTED },
            "events_uncertain": { "type": "integer", "description": EVENTS_UNCERTAIN },
            "total": { "type": "integer", "description": "Rows on all pages." },
            "identities": { "type": "array", "items": { "type": "string" }, "description": "Names of the identities that are checked." },
        },
        "required": ["version", "next"],
        "additionalProperties": false,
    })
}
