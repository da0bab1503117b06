//! `/v2` in OpenAPI.

use lake::ColumnSpec;
use ledger::columns::Endpoint;
use serde_json::{Map, Value, json};

use super::columns::{property, receipts_header};
use crate::docs::examples;
use crate::paths;

/// A path of `/v2`.
pub(super) fn path_item(endpoint: Endpoint) -> Value {
    let parameter = |name: &str, doc: &str| json!({ "name": name, "in": "query", "required": false, "description": doc, "schema": { "type": "string" } });
    let mut responses = errors();
    responses.insert("200".to_owned(), success(endpoint));
    responses.insert("304".to_owned(), json!({ "description": "The same as under the tag." }));
    json!({
        "operationId": format!("v2_{}", endpoint.name()),
        "tags": ["v2"],
        "summary": endpoint.summary(),
        "description": "The rows of one closed day. Parameters that it does not know are ignored; a bad value is answered \
                        with HTTP 200 and code 30002, as the original does.",
        "parameters": [
            parameter("state_date", "The day, YYYY-MM-DD; by default the latest closed one."),
            parameter("stat_date", "Another spelling of `state_date`."),
            parameter("miner_id", "The storage provider, f0…; by default all."),
        ],
        "responses": responses,
    })
}

/// The response with HTTP 200: the rows, or one of the original's errors.
fn success(endpoint: Endpoint) -> Value {
    let refused = envelope(
        json!({ "enum": [30001, 30002, 30003, 30004], "description": "30001 quota, history or scope; 30002 a bad parameter; 30003 internal; 30004 not closed." }),
        None,
    );
    let given = json!({ "oneOf": [envelope(json!({ "const": 0 }), Some(row(endpoint))), refused] });
    let address = paths::endpoint_example(endpoint);
    let example: Option<Value> = examples::answer(&address).and_then(|text| serde_json::from_str(text).ok());
    let mut content = json!({ "application/json": { "schema": given } });
    if let Some(example) = example {
        content["application/json"]["examples"] =
            json!({ "sample": { "summary": format!("GET {address}"), "value": example } });
    }
    let headers = json!({
        "x-history-since": { "description": "Since when events are known, where that is not the chain's beginning.", "schema": { "type": "string", "format": "date" } },
        "x-receipts": receipts_header(),
    });
    json!({ "description": "The rows, or why there are none.", "content": content, "headers": headers })
}

/// A row of an endpoint.
fn row(endpoint: Endpoint) -> Value {
    let mut properties = Map::from_iter([
        (
            "stat_date".to_owned(),
            json!({ "type": "string", "format": "date-time", "description": "The UTC day, at its beginning." }),
        ),
        ("miner_id".to_owned(), json!({ "type": "string", "description": "The storage provider." })),
    ]);
    let headings: Vec<ColumnSpec> = endpoint.columns().map(ColumnSpec::from).collect();
    properties.extend(headings.iter().map(|heading| (heading.name.to_string(), property(heading))));
    let required: Vec<&String> = properties.keys().collect();
    json!({ "type": "object", "required": required, "properties": properties, "additionalProperties": false })
}

/// The envelope with such a code, and with rows of that schema if it has any.
fn envelope(code: Value, row: Option<Value>) -> Value {
    let mut members = json!({
        "request_id": { "type": "string" },
        "code": code,
        "message": { "type": "string" },
    });
    let mut required = vec!["request_id", "code", "message"];
    if let (Some(row), Value::Object(members)) = (row, &mut members) {
        members.insert("data".to_owned(), json!({ "type": "array", "items": row }));
        required.push("data");
    }
    json!({ "type": "object", "properties": members, "required": required, "additionalProperties": false })
}

/// The responses with another status.
fn errors() -> Map<String, Value> {
    let content = json!({ "application/json": { "schema": envelope(json!({ "type": "integer" }), None) } });
    let of = |(status, doc): (&str, &str)| {
        (status.to_owned(), json!({ "description": doc, "content": content.clone() }))
    };
    [
        ("401", "No valid token."),
        ("413", "The request is too large."),
        ("414", "The request is too large."),
        ("503", "Too many requests, or the answer took too long."),
    ]
    .map(of)
    .into_iter()
    .collect()
}
