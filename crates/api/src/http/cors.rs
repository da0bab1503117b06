//! Cross-origin resource sharing: whose pages may read responses, by GET and HEAD, in a browser that can reach the server.

use std::fmt;
use std::str::FromStr;

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ALLOW,
};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;

/// The origin whose pages may read responses, or any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(HeaderValue);

/// What is wrong with an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no origin: expected * for any, or scheme, host and port, such as https://example.org or http://localhost:3000"
)]
pub struct OriginError(String);

impl AllowedOrigin {
    /// Those of any origin.
    #[must_use]
    pub const fn any() -> Self {
        Self(HeaderValue::from_static("*"))
    }
}

impl FromStr for AllowedOrigin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if text == "*" {
            return Ok(Self::any());
        }
        let read = || {
            let uri: Uri = text.parse().ok()?;
            let (scheme, host) = (uri.scheme_str()?, uri.authority()?);
            // Browsers spell an origin in lower case, and without a path.
            let plain = format!("{scheme}://{host}").to_ascii_lowercase();
            let bare = !host.as_str().contains('@') && ["http", "https"].contains(&scheme);
            (bare && text.eq_ignore_ascii_case(&plain)).then_some(plain)
        };
        let origin = read().and_then(|plain| HeaderValue::try_from(plain).ok());
        origin.map(Self).ok_or_else(|| OriginError(text.to_owned()))
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

/// The answer to a browser that asks what it may ask. The headers a request may carry are those it names: `*` would leave
/// `authorization` out.
pub(crate) fn preflight(headers: &HeaderMap, for_pages: bool) -> Response {
    let mut response = Response::new(Body::empty());
    let said = response.headers_mut();
    if !for_pages {
        said.insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    said.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,HEAD"));
    if let Some(asked) = headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        said.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// Sets the headers that let these pages read the response.
pub(crate) fn allow_origin(headers: &mut HeaderMap, allowed_origin: AllowedOrigin) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed_origin.0);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        for (text, header) in [
            ("*", "*"),
            ("https://example.org", "https://example.org"),
            ("HTTP://LocalHost:3000", "http://localhost:3000"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ] {
            assert_eq!(
                text.parse::<AllowedOrigin>().map(|allowed_origin| allowed_origin.to_string()),
                Ok(header.to_owned())
            );
        }
        for wrong in [
            "",
            "example.org",
            "https://",
            "https://example.org/",
            "https://example.org/page",
            "ftp://example.org",
            "https://a@example.org",
            "https://a.org,https://b.org",
            "**",
            "null",
            "https://example.org?x",
            "https://exa mple.org",
        ] {
            assert!(wrong.parse::<AllowedOrigin>().is_err(), "{wrong}");
        }
    }
}
