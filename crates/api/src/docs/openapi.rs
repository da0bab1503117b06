//! `/openapi.json`: the interface as OpenAPI 3.1 has it, made from the declarations that requests are read by, the column
//! registry, and the examples of `docs/API.md`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use lake::{Heading, Holds};
use ledger::columns::Endpoint;
use ledger::identities::IDENTITIES;
use serde_json::{Map, Value, json};

use crate::docs::examples;
use crate::errors::problem::{PROBLEM_JSON, PROBLEM_TYPES};
use crate::paths;
use crate::v1::FORMATS;
use crate::v1::operations::{
    EVENTS_UNCERTAIN, MESSAGES_INFERRED, MESSAGES_REFUTED, OPERATIONS, Operation, ResponseType,
    explanation_part, receipts_word,
};
use crate::v1::parameters::Parameter;

/// A path that takes nothing and answers with something fixed in form.
pub(crate) struct Plain {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) schema: fn() -> Value,
}

/// The paths beside `/v1` and `/v2`.
pub(crate) const PLAIN: &[Plain] = &[
    Plain {
        path: paths::HEALTHZ,
        name: "healthz",
        summary: "Whether the process lives, and the latest closed day.",
        media_type: "application/json",
        schema: || {
            json!({
                "type": "object",
                "properties": {
                    "status": { "const": "ok" },
                    "latest_day": { "type": ["string", "null"], "format": "date" },
                },
                "required": ["status", "latest_day"],
            })
        },
    },
    Plain {
        path: paths::OPENAPI,
        name: "openapi",
        summary: "This document.",
        media_type: "application/json",
        schema: || json!({ "type": "object" }),
    },
    Plain {
        path: paths::DOCS,
        name: "docs",
        summary: "The reference, to be read in a browser.",
        media_type: "text/html; charset=utf-8",
        schema: || json!({ "type": "string" }),
    },
];

/// The document.
pub(crate) async fn openapi() -> Response {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());
    let mut response = Response::new(Body::from(DOCUMENT.as_str()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        paths.insert(operation.path.to_owned(), json!({ "get": of_v1(operation) }));
    }
    for endpoint in Endpoint::ALL {
        paths.insert(paths::of_endpoint(*endpoint), json!({ "get": of_v2(*endpoint) }));
    }
    for plain in PLAIN {
        let content = json!({ plain.media_type: { "schema": (plain.schema)() } });
        let answers = json!({ "200": { "description": plain.summary, "content": content } });
        let get = json!({
            "operationId": plain.name, "tags": ["server"], "summary": plain.summary, "responses": answers,
            "security": [],
        });
        paths.insert(plain.path.to_owned(), json!({ "get": get }));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Sectorscope",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Statistics of Filecoin storage providers' sectors, each number of which can be walked back to \
                the chain. Integers are exact, and of any length: sums of bytes pass 2^63 (and the 2^53 that JavaScript's \
                numbers hold), so read them with a parser that keeps integers, or take CSV, Parquet or Arrow.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "v1", "description": "Everything there is, in any format." },
            { "name": "v2", "description": "What programs written for the hosted original use. Frozen." },
            { "name": "server", "description": "The server itself." },
        ],
        "security": [{}, { "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "Where the server asks for one." },
            },
            "schemas": { "Problem": problem(), "ExplanationPart": explanation_part() },
        },
    })
}

/// RFC 9457, with what ours add.
fn problem() -> Value {
    let types: Vec<String> =
        PROBLEM_TYPES.iter().map(|kind| crate::errors::problem::type_uri(*kind)).collect();
    json!({
        "type": "object",
        "properties": {
            "type": { "type": "string", "enum": types, "description": "Stable." },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "request_id": { "type": "string" },
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    })
}

fn of_v1(operation: &Operation) -> Value {
    let mut responses = Map::new();
    let rows = |headings: &[Heading], always: usize| {
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
        content.collect::<Map<_, _>>()
    };
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
    let text = json!({ "schema": { "type": "string" } });
    let headers = json!({
        "etag": { "description": "Changes with the data: send it as `If-None-Match`.", "schema": { "type": "string" } },
        "link": { "description": "Where there is a next page, its address.", "schema": { "type": "string" } },
        "x-receipts": of_receipts(),
    });
    let mut given = Map::new();
    given.insert("description".to_owned(), operation.summary.into());
    given.insert("content".to_owned(), content.into());
    if matches!(operation.response, ResponseType::Rows(_) | ResponseType::SomeRows(..)) {
        given.insert("headers".to_owned(), headers);
    }
    responses.insert("200".to_owned(), given.into());
    responses.insert("304".to_owned(), json!({ "description": "The same as under the tag." }));
    let mut kinds: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for kind in PROBLEM_TYPES {
        kinds.entry(kind.status).or_default().push(format!("`{}`: {}", kind.name, kind.title));
    }
    for (status, kinds) in kinds {
        let content = json!({ PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } });
        let answer = json!({ "description": kinds.join("; "), "content": content });
        responses.insert(status.to_string(), answer);
    }
    // By the door, before the path is known.
    for status in ["413", "414"] {
        let answer =
            json!({ "description": "The request is too large.", "content": { "application/json": text } });
        responses.insert(status.to_owned(), answer);
    }
    json!({
        "operationId": operation.name,
        "tags": ["v1"],
        "summary": operation.summary,
        "description": operation.doc,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses,
    })
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
fn row(headings: &[Heading], always: usize) -> Value {
    let properties: Map<String, Value> =
        headings.iter().map(|heading| (heading.name.to_string(), property(heading))).collect();
    let required: Vec<&str> = headings.iter().take(always).map(|heading| heading.name.as_ref()).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn property(heading: &Heading) -> Value {
    let (kind, format) = match heading.holds {
        Holds::Text => ("string", None),
        Holds::Miner => ("string", Some(("pattern", "^f0[0-9]+$"))),
        Holds::Day => ("string", Some(("format", "date"))),
        Holds::Integer | Holds::Wide => ("integer", None),
        Holds::Double => ("number", None),
        Holds::Flag => ("boolean", None),
    };
    let kind = if heading.nullable { json!([kind, "null"]) } else { json!(kind) };
    let mut told = Map::new();
    told.insert("type".to_owned(), kind);
    told.insert("description".to_owned(), described(heading).into());
    if let Some((name, value)) = format {
        told.insert(name.to_owned(), value.into());
    }
    if !heading.unit.is_empty() {
        told.insert("x-unit".to_owned(), heading.unit.into());
    }
    told.into()
}

/// What a column tells, and its unit.
pub(crate) fn described(heading: &Heading) -> String {
    let mut doc = heading.doc.to_string();
    if heading.name == "failed" {
        let identities: Vec<String> =
            IDENTITIES.iter().map(|identity| format!("`{}`: {identity}", identity.name)).collect();
        doc += " The identities are: ";
        doc += &identities.join("; ");
        doc.push('.');
    }
    match heading.unit {
        "" => doc,
        unit => format!("{doc} In {unit}."),
    }
}

/// The header that says in every form how the messages of the answer's days are known.
fn of_receipts() -> Value {
    json!({ "description": "How the outcomes of the messages of the answer's days are known.", "schema": receipts_word() })
}

/// What stands beside the rows: always the version and where to go on, and what else the path knows.
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
            "receipts": receipts_word(),
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

fn of_v2(endpoint: Endpoint) -> Value {
    let mut properties = Map::from_iter([
        (
            "stat_date".to_owned(),
            json!({ "type": "string", "format": "date-time", "description": "The UTC day, at its beginning." }),
        ),
        ("miner_id".to_owned(), json!({ "type": "string", "description": "The storage provider." })),
    ]);
    let headings: Vec<Heading> = endpoint.columns().map(Heading::from).collect();
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
        "x-receipts": of_receipts(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_every_answer_has_a_description_and_numbers_have_units() {
        for operation in OPERATIONS {
            let headings = match operation.response {
                ResponseType::Rows(headings) | ResponseType::SomeRows(headings, _) => headings(),
                ResponseType::Object(_) => continue,
            };
            for heading in headings.iter() {
                assert!(heading.doc.len() > 3, "{}", heading.name);
                if matches!(heading.holds, Holds::Wide) {
                    assert!(!heading.unit.is_empty(), "{}", heading.name);
                }
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_every_answer_an_example() {
        let document = document();
        let paths = document["paths"].as_object().expect("paths");
        let mut names = std::collections::HashSet::new();
        for (path, item) in paths {
            let get = &item["get"];
            assert!(names.insert(get["operationId"].as_str().expect("a name").to_owned()), "{path}");
            if path.starts_with("/v") {
                let json = &get["responses"]["200"]["content"]["application/json"];
                assert!(json["examples"]["sample"]["value"].is_object(), "{path}");
            }
        }
        assert_eq!(paths.len(), OPERATIONS.len() + Endpoint::ALL.len() + PLAIN.len());
    }
}
