//! `/`: what this server is, and where to go on.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use chain::Day;

use super::html::{escaped, head};
use crate::paths::{DOCS, DOCS_REFERENCE, DOCS_STYLE, METRICS, OPENAPI, READYZ, STATUS};

/// Where to go on, and what is there.
const LINKS: [(&str, &str); 6] = [
    (DOCS, "The API, to read and to try"),
    (DOCS_REFERENCE, "The same without scripts, with all columns"),
    (OPENAPI, "The API for programs (OpenAPI 3.1)"),
    (STATUS, "Closed days, gaps and sources of the data"),
    (READYZ, "Whether the server is ready"),
    (METRICS, "Metrics for Prometheus"),
];

/// The page. `days` are the closed days, first to latest; `None` if there are none, or if they are not public.
pub(super) fn page(days: Option<RangeInclusive<Day>>) -> String {
    let mut page = head("Sectorscope", &[DOCS_STYLE]);
    page += "<body><main><h1>Sectorscope</h1><p>This server has statistics of Filecoin storage providers' sectors: one row \
             for each provider and UTC day, derived from the chain.";
    // Writing to a String cannot fail.
    if let Some(days) = days {
        let _ = write!(page, " The days from {} to {} are closed.", days.start(), days.end());
    }
    page += "</p><ul>";
    for (path, text) in LINKS {
        let _ = write!(page, "<li><a href=\"{path}\"><code>{path}</code></a> {}</li>", escaped(text));
    }
    page + "</ul></main></body></html>"
}

#[cfg(test)]
mod tests {
    use chain::Day;

    use super::page;

    #[test]
    fn the_page_at_the_root_names_days_only_where_it_is_given_them() {
        let days = Day::from_unix_days(18_262)..=Day::from_unix_days(18_263);
        assert!(page(Some(days)).contains("from 2020-01-01 to 2020-01-02"));
        assert!(!page(None).contains("closed."));
    }
}
