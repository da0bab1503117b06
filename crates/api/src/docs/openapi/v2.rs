//! `/v2` in OpenAPI.

use lake::ColumnSpec;
use ledger::columns::Endpoint;
use serde_json::{Map, Value, json};

use super::columns::{property, receipts_header};
use crate::docs::examples;
use crate::paths;

/// A path of `/v2`.
pub(super) fn path_item(endpoint: Endpoint) -> Value {
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
    let data = json!({
        "type": "object", "required": required, "properties": properties, "additionalProperties": false,
    });
    let envelope = |code: Value, data: Option<Value>| {
        let mut members = json!({
            "request_id": { "type": "string" },
            "code": code,
            "message": { "type": "string" },
        });
        let mut required = vec!["request_id", "code", "message"];
        if let (Some(data), Value::Object(members)) = (data, &mut members) {
            members.insert("data".to_owned(), json!({ "type": "array", "items": data }));
            required.push("data");
        }
        json!({ "type": "object", "properties": members, "required": required, "additionalProperties": false })
    };
    let refused = envelope(
        json!({ "enum": [30001, 30002, 30003, 30004], "description": "30001 quota, history or scope; 30002 a bad parameter; 30003 internal; 30004 not closed." }),
        None,
    );
    let given = json!({ "oneOf": [envelope(json!({ "const": 0 }), Some(data)), refused] });
    let failed = envelope(json!({ "type": "integer" }), None);
    let json = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let address = paths::endpoint_example(endpoint);
    let example: Option<Value> = examples::answer(&address).and_then(|text| serde_json::from_str(text).ok());
    let mut content = json!({ "application/json": { "schema": given } });
    if let Some(example) = example {
        content["application/json"]["examples"] =
            json!({ "sample": { "summary": format!("GET {address}"), "value": example } });
    }
    let parameter = |name: &str, doc: &str| json!({ "name": name, "in": "query", "required": false, "description": doc, "schema": { "type": "string" } });
    let headers = json!({
        "x-history-since": { "description": "Since when events are known, where that is not the chain's beginning.", "schema": { "type": "string", "format": "date" } },
        "x-receipts": receipts_header(),
    });
    let responses: Map<String, Value> = [
        ("401", "No valid token."),
        ("413", "The request is too large."),
        ("414", "The request is too large."),
        ("503", "Too many requests, or the answer took too long."),
    ]
    .into_iter()
    .map(|(status, doc)| (status.to_owned(), json!({ "description": doc, "content": json(&failed) })))
    .chain([
        ("200".to_owned(), json!({ "description": "The rows, or why there are none.", "content": content, "headers": headers })),
        ("304".to_owned(), json!({ "description": "The same as under the tag." })),
    ])
    .collect();
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
