//! `/v1`: true status codes, problems as RFC 9457 has them, and any format.
//!
//! A request is parsed by its path's declaration (`operations.rs`), resolved to days that its sender may see
//! (`resolved_query.rs`), answered by its path's handler, and written in the format that it prefers (`response.rs`). Slow
//! queries run on threads of the lake, a few at a time.

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
mod reconciliation;
mod resolved_query;
mod response;
mod row_stream;
mod sectors;
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

use self::context::Context;
use self::dispatch::{Request, respond};
use self::operations::OPERATIONS;
use crate::access::auth::Grant;
use crate::errors::problem::Problem;
use crate::gate::{self, ClientAddress};
use crate::http::request_id::RequestId;
use crate::state::Server;

/// The paths of `/v1`.
pub(crate) fn routes(server: &Server) -> Router<Server> {
    let context = Context::new(server);
    let mut routes = Router::new();
    for operation in OPERATIONS {
        let handler = move |State(context): State<Context>,
                            Extension(id): Extension<RequestId>,
                            Extension(grant): Extension<Grant>,
                            Extension(ClientAddress(address)): Extension<ClientAddress>,
                            path: RawPathParams,
                            uri: Uri,
                            headers: HeaderMap| async move {
            let request = Request { grant: &grant, address, path: &path, uri: &uri, headers: &headers };
            match respond(&context, operation, &request).await {
                Ok(response) => response,
                Err(problem) => problem.response(&id),
            }
        };
        routes = routes.route(operation.path, get(handler).fallback(wrong_method));
    }
    routes
        .layer(middleware::from_fn_with_state(context.clone(), enforce_timeout))
        .route_layer(middleware::from_fn_with_state(server.clone(), gate::require_authorization))
        .route("/v1", get(unknown_path).fallback(unknown_path))
        .route("/v1/{*rest}", get(unknown_path).fallback(unknown_path))
        .with_state(context)
}

/// Keeps the time that a request has; a panic is an internal error.
async fn enforce_timeout(
    State(context): State<Context>,
    Extension(id): Extension<RequestId>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    // A little less than what the application grants, so that the response is in the format of /v1.
    let time = context.server.shared.config.request_timeout.mul_f64(0.9);
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(time, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(request_id = %id, "a handler of /v1 panicked");
            Problem::Internal.response(&id)
        }
        Err(_) => {
            tracing::warn!(request_id = %id, "a request to /v1 took too long and was given up");
            Problem::TooSlow.response(&id)
        }
    }
}

async fn unknown_path(Extension(id): Extension<RequestId>) -> Response {
    Problem::unknown_path().response(&id)
}

async fn wrong_method(Extension(id): Extension<RequestId>) -> Response {
    Problem::WrongMethod.response(&id)
}
