//! `/healthz`: whether the process lives, and how far its data go.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::envelope::{self, Code};
use crate::server::Server;

/// `{"status":"ok","latest_day":"YYYY-MM-DD"}`; `latest_day` is `null` while no day is closed.
pub(crate) async fn healthz(State(server): State<Server>) -> Response {
    let latest = server.shared.reader.days().map(|days| days.end().to_string());
    let text = format!(r#"{{"status":"ok","latest_day":{}}}"#, json!(latest));
    let mut response = envelope::json(StatusCode::OK, Body::from(text), Code(0));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
