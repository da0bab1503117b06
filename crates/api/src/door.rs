//! What every request passes: its id, one spelling of its path, the limits, and the log.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;

use crate::coding::Coding;
use crate::cross_origin;
use crate::envelope::Code;
use crate::path;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::server::Server;

/// Longest part of a client's own request id that is logged, in bytes.
const LOGGED: usize = 128;

/// Lets a request in, and always gets an answer out: a panic becomes an internal error, and what takes too long
/// is given up.
pub(crate) async fn door(State(server): State<Server>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = server.shared.ids.next();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let client_id = client_id(request.headers());
    let coding = Coding::asked(request.headers());
    let mut response = match admit(&server, &mut request, &id) {
        Ok(()) if method == Method::OPTIONS => cross_origin::preflight(request.headers()),
        Ok(()) => run(&server, request, next, &id).await,
        Err(refusal) => refusal.answer(&id),
    };
    let code = response.extensions().get::<Code>().map(|code| code.0);
    tracing::info!(
        request_id = %id,
        client_request_id = client_id,
        %method,
        path,
        status = response.status().as_u16(),
        code,
        microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        "answered"
    );
    cross_origin::open(response.headers_mut());
    coding.apply(response)
}

/// Checks the request's sizes and brings it into the one form that the routes know.
fn admit(server: &Server, request: &mut Request, id: &RequestId) -> Result<(), Refusal> {
    let length = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    let limit = server.shared.config.max_uri;
    if length > limit {
        return Err(Refusal::UriTooLong { length, limit });
    }
    // No body is ever read, so one of unknown length does no harm.
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = server.shared.config.body_limit;
    if announced.is_some_and(|size| size > limit) {
        return Err(Refusal::BodyTooLarge { limit });
    }
    if let Some(plain) = path::normalised(request.uri()) {
        *request.uri_mut() = plain;
    }
    // A HEAD is answered as a GET; the outermost router takes the body away, after compression had its say.
    if request.method() == Method::HEAD {
        *request.method_mut() = Method::GET;
    }
    request.extensions_mut().insert(id.clone());
    Ok(())
}

async fn run(server: &Server, request: Request, next: Next, id: &RequestId) -> Response {
    let work = AssertUnwindSafe(async { next.run(request).await }).catch_unwind();
    match tokio::time::timeout(server.shared.config.request_timeout, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            let panic = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("of a kind that has no text");
            tracing::error!(request_id = %id, panic, "a handler panicked");
            Refusal::Internal.answer(id)
        }
        Err(_) => {
            tracing::warn!(request_id = %id, "a request took too long and was given up");
            Refusal::TimedOut.answer(id)
        }
    }
}

/// Lets as many requests for data be worked on at once as the configuration says. Waiting takes at most half the
/// time a request may take, so that who gets in late has time left.
pub(crate) async fn slot(
    State(server): State<Server>,
    Extension(id): Extension<RequestId>,
    request: Request,
    next: Next,
) -> Response {
    match tokio::time::timeout(server.shared.config.request_timeout / 2, server.shared.slots.acquire()).await
    {
        Ok(Ok(_permit)) => next.run(request).await,
        Ok(Err(_)) | Err(_) => Refusal::Busy.answer(&id),
    }
}

/// The id the client gave its request, to be logged beside ours. Only visible ASCII, so that it cannot forge a
/// line of the log.
fn client_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-request-id")?.to_str().ok()?;
    Some(text.get(..LOGGED).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;
    use axum::routing::get;
    use axum::{Router, middleware};
    use tower::ServiceExt as _;

    use super::*;
    use crate::config::Config;

    /// What a handler behind the door makes of a request.
    async fn answer(
        config: Config,
        handler: axum::routing::MethodRouter,
        slots_taken: bool,
    ) -> (StatusCode, String) {
        let lake = tempfile::tempdir().expect("a directory");
        lake::Lake::open(lake.path()).await.expect("a lake");
        let reader = Arc::new(lake::Reader::open(lake.path()).await.expect("a reader"));
        let server = Server::new(reader, config);
        let routes = Router::new()
            .route("/", handler)
            .route_layer(middleware::from_fn_with_state(server.clone(), slot));
        let app = Router::new()
            .fallback_service(routes)
            .layer(middleware::from_fn_with_state(server.clone(), door));
        let _taken = if slots_taken { server.shared.slots.try_acquire().ok() } else { None };
        let request = Request::new(Body::empty());
        let response = app.oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_panic_is_an_internal_error_without_details() {
        let handler = get(|| async {
            if true {
                panic!("the secret of the handler");
            }
        });
        let (status, body) = answer(Config::default(), handler, false).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            body.contains("\"code\":30003") && !body.contains("secret") && !body.contains("data"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        let config = Config { request_timeout: Duration::from_millis(50), ..Config::default() };
        let (status, body) = answer(config, get(std::future::pending::<()>), false).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("took too long"), "{body}");
    }

    #[tokio::test]
    async fn who_finds_no_slot_in_time_is_told_so() {
        let config =
            Config { request_timeout: Duration::from_millis(50), max_requests: 1, ..Config::default() };
        let (status, body) = answer(config, get(|| async {}), true).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("too many requests"), "{body}");
    }
}
