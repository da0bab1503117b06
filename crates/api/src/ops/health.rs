//! `/healthz`: liveness, and the latest closed day. `/readyz`: readiness.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::json;

use crate::http::envelope::{self, ResponseCode};
use crate::state::Server;

/// `{"status":"ok","latest_day":"YYYY-MM-DD"}`; `latest_day` is `null` while no day is closed.
pub(crate) async fn healthz(State(server): State<Server>) -> Response {
    answer(StatusCode::OK, format!(r#"{{"status":"ok","latest_day":{}}}"#, latest(&server)))
}

/// `{"status":"ready","latest_day":"YYYY-MM-DD"}`, or 503 and why not.
pub(crate) async fn readyz(State(server): State<Server>) -> Response {
    let latest = latest(&server);
    match server.unready() {
        None => answer(StatusCode::OK, format!(r#"{{"status":"ready","latest_day":{latest}}}"#)),
        Some(why) => {
            let why = json!(why.to_string());
            let text = format!(r#"{{"status":"not ready","message":{why},"latest_day":{latest}}}"#);
            answer(StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}

fn latest(server: &Server) -> serde_json::Value {
    json!(server.shared.reader.days().map(|days| days.end().to_string()))
}

fn answer(status: StatusCode, text: String) -> Response {
    let code = if status == StatusCode::OK { 0 } else { status.as_u16() };
    let mut response = envelope::json_response(status, Body::from(text), ResponseCode(code));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
