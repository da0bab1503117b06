//! `/v1`: true status codes, problems as RFC 9457 has them, and any format.
//!
//! A request is read by its path's declaration (`operations.rs`), asked of the lake, and answered in the form it likes
//! best (`answer.rs`). What takes long runs on threads of the lake's own, a few at a time.

mod answer;
mod context;
mod daily;
mod days;
mod dispatch;
mod expirations;
mod explain;
mod format;
mod miners;
mod network;
pub(crate) mod operations;
pub(crate) mod parameters;
mod question;
mod reconciliation;
mod sectors;
mod sending;
mod status;

use std::panic::AssertUnwindSafe;

use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use futures::FutureExt as _;

pub(crate) use format::FORMATS;

use self::context::V1;
use self::dispatch::{Request, respond};
use self::operations::OPERATIONS;
use crate::access::auth::Pass;
use crate::errors::problem::Problem;
use crate::gate::{self, Sender};
use crate::http::request_id::RequestId;
use crate::state::Server;

/// The paths of `/v1`.
pub(crate) fn routes(server: &Server) -> Router<Server> {
    let v1 = V1::new(server);
    let mut routes = Router::new();
    for operation in OPERATIONS {
        let handler = move |State(v1): State<V1>,
                            Extension(id): Extension<RequestId>,
                            Extension(pass): Extension<Pass>,
                            Extension(Sender(address)): Extension<Sender>,
                            path: RawPathParams,
                            uri: Uri,
                            headers: HeaderMap| async move {
            let request = Request { pass: &pass, address, path: &path, uri: &uri, headers: &headers };
            match respond(&v1, operation, &request).await {
                Ok(response) => response,
                Err(problem) => problem.answer(&id),
            }
        };
        routes = routes.route(operation.path, get(handler).fallback(wrong_method));
    }
    routes
        .layer(middleware::from_fn_with_state(v1.clone(), guard))
        .route_layer(middleware::from_fn_with_state(server.clone(), gate::gate))
        .route("/v1", get(unknown_path).fallback(unknown_path))
        .route("/v1/{*rest}", get(unknown_path).fallback(unknown_path))
        .with_state(v1)
}

/// Keeps the time that a request has; a panic is an internal error.
async fn guard(
    State(v1): State<V1>,
    Extension(id): Extension<RequestId>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    // A little less than what the door grants, so that the answer is ours.
    let time = v1.server.shared.config.request_timeout.mul_f64(0.9);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(time, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(request_id = %id, "a handler of /v1 panicked");
            Problem::Internal.answer(&id)
        }
        Err(_) => {
            tracing::warn!(request_id = %id, "a request to /v1 took too long and was given up");
            Problem::TooSlow.answer(&id)
        }
    }
}

async fn unknown_path(Extension(id): Extension<RequestId>) -> Response {
    Problem::unknown_path().answer(&id)
}

async fn wrong_method(Extension(id): Extension<RequestId>) -> Response {
    Problem::WrongMethod.answer(&id)
}
