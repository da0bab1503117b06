//! The headers that say how far a limit is used up.

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};

use crate::access::rate::RateLimitStatus;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Sets the headers that say how far a limit is used up.
pub(crate) fn set_rate_headers(rate_limit: RateLimitStatus, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(rate_limit.limit));
    headers.insert(REMAINING, HeaderValue::from(rate_limit.remaining));
    headers.insert(RESET, HeaderValue::from(rate_limit.reset));
}

/// Whether the headers are set already.
pub(crate) fn has_rate_headers(headers: &HeaderMap) -> bool {
    headers.contains_key(LIMIT)
}
