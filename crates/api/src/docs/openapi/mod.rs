//! `/openapi.json`: the interface as OpenAPI 3.1 has it, made from the declarations that requests are read by, the column
//! registry, and the examples of `docs/API.md`.

pub(super) mod columns;
mod v1;
mod v2;

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use ledger::columns::Endpoint;
use serde_json::{Map, Value, json};

use crate::errors::problem::{PROBLEM_TYPES, type_uri};
use crate::paths;
use crate::v1::operations::{OPERATIONS, explanation_part_schema};

/// A path that takes nothing and answers with something fixed in form.
pub(crate) struct FixedPath {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) media_type: &'static str,
    pub(crate) schema: fn() -> Value,
}

/// The paths beside `/v1` and `/v2`.
pub(crate) const FIXED_PATHS: &[FixedPath] = &[
    FixedPath {
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
    FixedPath {
        path: paths::OPENAPI,
        name: "openapi",
        summary: "This document.",
        media_type: "application/json",
        schema: || json!({ "type": "object" }),
    },
    FixedPath {
        path: paths::DOCS,
        name: "docs",
        summary: "This document, to read and to try in a browser.",
        media_type: "text/html; charset=utf-8",
        schema: || json!({ "type": "string" }),
    },
    FixedPath {
        path: paths::DOCS_REFERENCE,
        name: "reference",
        summary: "The reference in plain HTML, without scripts.",
        media_type: "text/html; charset=utf-8",
        schema: || json!({ "type": "string" }),
    },
    FixedPath {
        path: paths::HOME,
        name: "home",
        summary: "What this server is, and where to go on.",
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
        paths.insert(operation.path.to_owned(), json!({ "get": v1::path_item(operation) }));
    }
    for endpoint in Endpoint::ALL {
        paths.insert(paths::of_endpoint(*endpoint), json!({ "get": v2::path_item(*endpoint) }));
    }
    for plain in FIXED_PATHS {
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
            "schemas": { "Problem": problem(), "ExplanationPart": explanation_part_schema() },
        },
    })
}

/// RFC 9457, with what ours add.
fn problem() -> Value {
    let types: Vec<String> = PROBLEM_TYPES.iter().map(|kind| type_uri(*kind)).collect();
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

#[cfg(test)]
mod tests {
    use lake::ColumnType;

    use super::*;
    use crate::v1::operations::ResponseType;

    #[test]
    fn every_column_of_every_answer_has_a_description_and_numbers_have_units() {
        for operation in OPERATIONS {
            let headings = match operation.response {
                ResponseType::Rows(headings) | ResponseType::SomeRows(headings, _) => headings(),
                ResponseType::Object(_) => continue,
            };
            for heading in headings.iter() {
                assert!(heading.doc.len() > 3, "{}", heading.name);
                if matches!(heading.column_type, ColumnType::Wide) {
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
        assert_eq!(paths.len(), OPERATIONS.len() + Endpoint::ALL.len() + FIXED_PATHS.len());
    }
}
