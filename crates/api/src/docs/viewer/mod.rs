//! `/docs`: the OpenAPI document in Swagger UI, which is part of the program, and below it the problem types, whose `type`
//! is an address of this page.

use std::fmt::Write as _;

use super::html::{coded, escaped, head};
use crate::errors::problem::PROBLEM_TYPES;
use crate::paths::{
    DOCS_LICENSES, DOCS_REFERENCE, OPENAPI, STATUS, SWAGGER_SCRIPT, SWAGGER_STYLE, VIEWER_SCRIPT,
    VIEWER_STYLE,
};

/// Shows the document in Swagger UI.
pub(super) const SCRIPT: &str = include_str!("viewer.js");
/// The style of the page around Swagger UI.
pub(super) const STYLE: &str = include_str!("viewer.css");
/// Swagger UI, with gzip; `vendor/swagger-ui/README.md` says where it is from.
pub(super) const SWAGGER_UI: &[u8] = include_bytes!("../../../vendor/swagger-ui/swagger-ui-bundle.js.gz");
/// Its style, with gzip.
pub(super) const SWAGGER_UI_STYLE: &[u8] = include_bytes!("../../../vendor/swagger-ui/swagger-ui.css.gz");
/// The licences of Swagger UI and of what it contains, which have to come with it.
pub(super) const LICENSES: &str = concat!(
    "Swagger UI\n\n",
    include_str!("../../../vendor/swagger-ui/NOTICE"),
    "\n\n",
    include_str!("../../../vendor/swagger-ui/LICENSE"),
    "\n\nIt contains:\n\n",
    include_str!("../../../vendor/swagger-ui/swagger-ui-bundle.js.LICENSE.txt"),
);

/// Scripts, styles and requests of this server only. Swagger UI needs no inline script and no inline style: what it styles
/// by itself, it styles by script. The arrows in its stylesheet are images in `data:` addresses.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page.
pub(super) fn page() -> String {
    let mut page = head("Sectorscope API", &[SWAGGER_STYLE, VIEWER_STYLE]);
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<body><header><h1>Sectorscope API</h1><p>Statistics of Filecoin storage providers' sectors. Integers are exact \
         and of any length: sums of bytes pass 2<sup>63</sup>, so read JSON with a parser that keeps integers, or take \
         CSV, Parquet or Arrow.</p><p><a href=\"{DOCS_REFERENCE}\">The same without scripts, with all columns</a>. \
         For programs: <a href=\"{OPENAPI}\">OpenAPI</a>. <a href=\"{STATUS}\">Status of the data</a>. \
         <a href=\"#problems\">Problem types</a>.</p></header>\
         <div id=\"viewer\" data-openapi=\"{OPENAPI}\"><noscript><p>The viewer needs a script of this server. \
         <a href=\"{DOCS_REFERENCE}\">The reference</a> needs none.</p></noscript></div>"
    );
    page += &problem_types();
    let _ = write!(
        page,
        "<footer><p>Shown by Swagger UI, Copyright SmartBear Software Inc. \
         (<a href=\"{DOCS_LICENSES}\">licences</a>).</p></footer>\
         <script src=\"{SWAGGER_SCRIPT}\"></script><script src=\"{VIEWER_SCRIPT}\"></script></body></html>"
    );
    page
}

/// What each problem type means; a problem's `type` is the address of its row.
fn problem_types() -> String {
    let mut section = "<section id=\"problems\"><h2>Problems</h2><p>What <code>/v1</code> cannot give it says as \
         <code>application/problem+json</code> (RFC 9457).</p><table><tr><th>type</th><th>status</th><th>meaning</th></tr>"
        .to_owned();
    for kind in PROBLEM_TYPES {
        let _ = write!(
            section,
            "<tr id=\"{0}\"><td><code>/docs#{0}</code></td><td>{1}</td><td>{2}. {3}</td></tr>",
            kind.name,
            kind.status,
            escaped(kind.title),
            coded(kind.doc)
        );
    }
    section + "</table></section>"
}

#[cfg(test)]
mod tests {
    use super::{SCRIPT, STYLE, page};

    #[test]
    fn the_viewers_page_has_no_inline_script_and_names_no_other_host() {
        let page = page();
        for part in [page.as_str(), SCRIPT, STYLE] {
            for from_elsewhere in ["http:", "https:", "\"//", "'//", "@import", "url(", "javascript:"] {
                assert!(!part.contains(from_elsewhere), "{from_elsewhere}");
            }
        }
        for script in page.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/docs/") && script.contains("\"></script>"), "{script}");
        }
        for inline in [" style=", "<style", " onclick=", " onload="] {
            assert!(!page.contains(inline), "{inline}");
        }
    }
}
