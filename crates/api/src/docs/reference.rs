//! `/docs/reference`: the interface in plain HTML, with every column and the example answers. It is made from the same
//! declarations as OpenAPI, has no script, and loads nothing but a stylesheet of this server.

use std::fmt::Write as _;

use lake::ColumnSpec;
use ledger::columns::Endpoint;

use super::examples;
use super::html::{coded, escaped, head};
use super::openapi::FIXED_PATHS;
use super::openapi::columns::column_description;
use crate::paths::{self, DOCS, DOCS_STYLE, OPENAPI};
use crate::v1::operations::{OPERATIONS, Operation, ResponseType};

/// The stylesheet of the plain pages.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:0 auto;padding:1rem}\
code,pre{font:14px/1.45 ui-monospace,monospace}\
pre{overflow:auto;padding:.75rem;border:1px solid #8884;border-radius:.3rem;max-height:24rem}\
table{border-collapse:collapse;width:100%}\
td,th{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #8884}\
section{margin:2.5rem 0}\
summary{cursor:pointer}\
nav li{margin:.15rem 0}";

/// The page.
pub(super) fn page() -> String {
    let mut page = head("Sectorscope API reference", &[DOCS_STYLE]);
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<body><h1>Sectorscope API reference</h1><p>Statistics of Filecoin storage providers' sectors. For programs: \
         <a href=\"{OPENAPI}\">OpenAPI</a>. To try requests: <a href=\"{DOCS}\">the viewer</a>. Integers are exact and of \
         any length: sums of bytes pass 2<sup>63</sup>, so read JSON with a parser that keeps integers, or take CSV, \
         Parquet or Arrow.</p><nav><ul>"
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
    let _ = write!(page, "<li><a href=\"{DOCS}#problems\">Problems</a></li></ul></nav>");
    for operation in OPERATIONS {
        of_v1(&mut page, operation);
    }
    for endpoint in Endpoint::ALL {
        of_v2(&mut page, *endpoint);
    }
    page + "</body></html>"
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

#[cfg(test)]
mod tests {
    use super::{STYLE, page};

    #[test]
    fn the_page_holds_no_script_and_names_no_other_host() {
        let page = page();
        for from_elsewhere in ["<script", "http:", "https:", "src=", "@import", "url(", "javascript:"] {
            assert!(!page.contains(from_elsewhere) && !STYLE.contains(from_elsewhere), "{from_elsewhere}");
        }
        // The one thing it loads; the other link keeps the browser from asking for an icon.
        assert_eq!(page.matches("<link").count(), 2);
    }
}
