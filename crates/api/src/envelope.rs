//! The envelope of `/v2`: `request_id`, `code`, `message`, and on success `data`, in this order.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::request_id::RequestId;

/// The `code` of an answer's envelope, left beside the answer for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Code(pub(crate) u16);

/// A successful answer: opened, filled with the data array by the caller, and closed.
pub(crate) struct Success(String);

impl Success {
    /// Opens the envelope with room for `size` bytes of data.
    pub(crate) fn open(id: &RequestId, size: usize) -> Self {
        let mut text = String::with_capacity(size.saturating_add(128));
        // Writing to a string cannot fail.
        let _ = write!(text, r#"{{"request_id":"{id}","code":0,"message":"success.","data":"#);
        Self(text)
    }

    /// Where the data array goes.
    pub(crate) fn data(&mut self) -> &mut String {
        &mut self.0
    }

    /// Closes the envelope.
    pub(crate) fn close(mut self) -> Response {
        self.0.push('}');
        json(StatusCode::OK, self.0, Code(0))
    }
}

/// An error's answer. It has no `data` key: clients in public use raise on its absence and ask again, where
/// `null` or `[]` would make them drop the day for ever. `extra` is further members, each with its comma before it.
pub(crate) fn failure(id: &RequestId, status: StatusCode, code: u16, message: &str, extra: &str) -> Response {
    json(status, failure_text(id, code, message, extra), Code(code))
}

/// The body of an error's answer; see [`failure`].
pub(crate) fn failure_text(id: &RequestId, code: u16, message: &str, extra: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(r#"{{"request_id":"{id}","code":{code},"message":{message}{extra}}}"#)
}

/// A JSON answer.
pub(crate) fn json(status: StatusCode, text: String, code: Code) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(code);
    response
}
