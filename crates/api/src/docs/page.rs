//! `/docs`: the interface to be read in a browser. It is made from the same declarations as OpenAPI, holds no script, and
//! loads nothing but a stylesheet of this server.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::Response;
use axum::routing::get;
use lake::ColumnSpec;
use ledger::columns::Endpoint;

use crate::docs::examples;
use crate::docs::openapi::columns::column_description;
use crate::docs::openapi::{FIXED_PATHS, openapi};
use crate::errors::problem::PROBLEM_TYPES;
use crate::paths::{self, DOCS, DOCS_STYLE, OPENAPI};
use crate::state::Server;
use crate::v1::operations::{OPERATIONS, Operation, ResponseType};

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem}\
code,pre{font:14px/1.45 ui-monospace,monospace}\
pre{overflow:auto;padding:.75rem;border:1px solid #8884;border-radius:.3rem;max-height:24rem}\
table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #8884}\
section{margin:2.5rem 0}\
summary{cursor:pointer}\
nav li{margin:.15rem 0}";

/// Nothing from elsewhere, and no script at all.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths for those who want to know what there is.
pub(crate) fn routes() -> Router<Server> {
    Router::new().route(OPENAPI, get(openapi)).route(DOCS, get(page)).route(DOCS_STYLE, get(style))
}

/// The page.
async fn page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(write);
    answer(PAGE.as_str(), "text/html; charset=utf-8")
}

/// Its stylesheet.
async fn style() -> Response {
    answer(STYLE, "text/css; charset=utf-8")
}

fn answer(text: &'static str, media_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn write() -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Sectorscope</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"{DOCS_STYLE}\"></head>\
         <body><h1>Sectorscope</h1><p>Statistics of Filecoin storage providers' sectors. For programs: \
         <a href=\"/openapi.json\">OpenAPI</a>. Integers are exact and of any length: sums of bytes pass 2<sup>63</sup>, so \
         read JSON with a parser that keeps integers, or take CSV, Parquet or Arrow.</p><nav><ul>"
    );
    for operation in OPERATIONS {
        let _ = write!(
            page,
            "<li><a href=\"#{0}\"><code>{1}</code></a> {2}</li>",
            operation.name,
            escaped(operation.path),
            escaped(operation.summary)
        );
    }
    for endpoint in Endpoint::ALL {
        let path = paths::of_endpoint(*endpoint);
        let _ = write!(
            page,
            "<li><a href=\"#v2_{0}\"><code>{path}</code></a> {1}</li>",
            endpoint.name(),
            escaped(endpoint.summary())
        );
    }
    for plain in FIXED_PATHS {
        let _ = write!(
            page,
            "<li><a href=\"{0}\"><code>{0}</code></a> {1}</li>",
            plain.path,
            escaped(plain.summary)
        );
    }
    page += "<li><a href=\"#problems\">Problems</a></li></ul></nav>";
    for operation in OPERATIONS {
        of_v1(&mut page, operation);
    }
    for endpoint in Endpoint::ALL {
        of_v2(&mut page, *endpoint);
    }
    page += "<section id=\"problems\"><h2>Problems</h2><p>What <code>/v1</code> cannot give it says as \
             <code>application/problem+json</code> (RFC 9457).</p><table><tr><th>type</th><th>status</th><th></th></tr>";
    for kind in PROBLEM_TYPES {
        let _ = write!(
            page,
            "<tr id=\"{0}\"><td><code>/docs#{0}</code></td><td>{1}</td><td>{2}. {3}</td></tr>",
            kind.name,
            kind.status,
            escaped(kind.title),
            coded(kind.doc)
        );
    }
    page += "</table></section></body></html>";
    page
}

fn of_v1(page: &mut String, operation: &Operation) {
    let _ = write!(
        page,
        "<section id=\"{}\"><h2><code>GET {}</code></h2><p>{}</p><p>{}</p>",
        operation.name,
        escaped(operation.path),
        escaped(operation.summary),
        coded(operation.doc)
    );
    if !operation.parameters.is_empty() {
        *page += "<table><tr><th>parameter</th><th>takes</th><th></th></tr>";
        for parameter in operation.parameters {
            let needed = if parameter.required { " (needed)" } else { "" };
            let _ = write!(
                page,
                "<tr><td><code>{}</code>{needed}</td><td>{}</td><td>{} Such as <code>{}</code>.</td></tr>",
                parameter.name,
                shortened(&parameter.value_type.expected()),
                coded(parameter.doc),
                escaped(parameter.example)
            );
        }
        *page += "</table>";
    }
    if let ResponseType::Rows(headings) | ResponseType::SomeRows(headings, _) = operation.response {
        columns(page, &headings());
    }
    example(page, operation.example);
    *page += "</section>";
}

fn of_v2(page: &mut String, endpoint: Endpoint) {
    let _ = write!(
        page,
        "<section id=\"v2_{}\"><h2><code>GET {}</code></h2><p>{}</p><p>Takes <code>state_date</code> (YYYY-MM-DD, by default \
         the latest closed day) and <code>miner_id</code> (by default all).</p>",
        endpoint.name(),
        paths::of_endpoint(endpoint),
        escaped(endpoint.summary())
    );
    columns(page, &endpoint.columns().map(ColumnSpec::from).collect::<Vec<_>>());
    example(page, &paths::endpoint_example(endpoint));
    *page += "</section>";
}

fn columns(page: &mut String, headings: &[ColumnSpec]) {
    let _ = write!(
        page,
        "<details><summary>{} columns</summary><table><tr><th>column</th><th></th></tr>",
        headings.len()
    );
    for heading in headings {
        let _ = write!(
            page,
            "<tr><td><code>{}</code></td><td>{}</td></tr>",
            heading.name,
            coded(&column_description(heading))
        );
    }
    *page += "</table></details>";
}

fn example(page: &mut String, address: &str) {
    let _ = write!(page, "<p>Try <a href=\"{0}\"><code>{0}</code></a></p>", escaped(address));
    if let Some(answer) = examples::answer(address) {
        let _ = write!(
            page,
            "<details><summary>Over the bundled sample it gives</summary><pre>{}</pre></details>",
            escaped(answer)
        );
    }
}

/// Long lists of names are in OpenAPI.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text),
    }
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text for HTML, with code where the text has backquotes.
fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(at, part)| match at % 2 {
        0 => escaped(part),
        _ => format!("<code>{}</code>", escaped(part)),
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::{STYLE, write};

    #[test]
    fn the_page_holds_no_script_and_names_no_other_host() {
        let page = write();
        for from_elsewhere in ["<script", "http:", "https:", "src=", "@import", "url(", "javascript:"] {
            assert!(!page.contains(from_elsewhere) && !STYLE.contains(from_elsewhere), "{from_elsewhere}");
        }
        // The one thing it loads.
        assert_eq!(page.matches("<link").count(), 1);
    }
}
