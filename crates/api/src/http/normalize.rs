//! Normalization of paths: runs of slashes count as one, and a slash at the end as none.
//!
//! A client in public use asks for `/v2//storage_provider/...`; it is answered directly, without a redirect.

use axum::http::Uri;
use axum::http::uri::PathAndQuery;

/// The address with its path spelled plainly; `None` if it already is, or has no path.
pub(crate) fn normalized_uri(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    if !path.starts_with('/') || (!path.contains("//") && (path.len() == 1 || !path.ends_with('/'))) {
        return None;
    }
    let mut plain = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        plain.push('/');
        plain.push_str(segment);
    }
    if plain.is_empty() {
        plain.push('/');
    }
    if let Some(query) = uri.query() {
        plain.push('?');
        plain.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(plain).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::normalized_uri;

    #[test]
    fn slashes_are_made_single_and_the_last_dropped() {
        for (asked, plain) in [
            ("/v2//a///b", Some("/v2/a/b")),
            ("//v2/a/", Some("/v2/a")),
            ("/v2/a/?x=//&y=/", Some("/v2/a?x=//&y=/")),
            ("///", Some("/")),
            ("//?", Some("/?")),
            ("/", None),
            ("/v2/a", None),
            ("*", None),
        ] {
            let uri = asked.parse().expect("an address");
            let result = normalized_uri(&uri).map(|uri| uri.to_string());
            assert_eq!(result.as_deref(), plain, "{asked}");
        }
    }
}
