//! The envelope of `/v2`: `request_id`, `code`, `message`, and on success `data`, in this order.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::http::request_id::RequestId;

/// The `code` of an answer's envelope, left beside the answer for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseCode(pub(crate) u16);

/// What a success begins with: its data array follows, then a closing brace. There is room for `more` bytes.
pub(crate) fn success_prefix(id: &RequestId, more: usize) -> String {
    let mut text = String::with_capacity(more.saturating_add(128));
    // Writing to a string cannot fail.
    let _ = write!(text, r#"{{"request_id":"{id}","code":0,"message":"success.","data":"#);
    text
}

/// An error's answer. It has no `data` key: clients in public use raise on its absence and ask again, where
/// `null` or `[]` would make them drop the day for ever. `extra` is further members, each with its comma before it.
pub(crate) fn error_response(
    id: &RequestId,
    status: StatusCode,
    code: u16,
    message: &str,
    extra: &str,
) -> Response {
    let text = error_body(id, code, message, extra);
    let mut response = json_response(status, Body::from(text), ResponseCode(code));
    // The next one to ask may be luckier, and the id is this one's.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The body of an error's answer.
pub(crate) fn error_body(id: &RequestId, code: u16, message: &str, extra: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(r#"{{"request_id":"{id}","code":{code},"message":{message}{extra}}}"#)
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: Body, code: ResponseCode) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(code);
    response
}
