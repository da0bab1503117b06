//! The headers that say how far a limit is used up.

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};

use crate::access::rate::Meter;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Says how far a limit is used up.
pub(crate) fn tell(meter: Meter, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(meter.limit));
    headers.insert(REMAINING, HeaderValue::from(meter.remaining));
    headers.insert(RESET, HeaderValue::from(meter.reset));
}

/// Whether a limit is said already.
pub(crate) fn is_told(headers: &HeaderMap) -> bool {
    headers.contains_key(LIMIT)
}
