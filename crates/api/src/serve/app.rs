//! The request pipeline: each request gets an id, its path is normalized, its caller identified, its size and rate checked.
//!
//! `/v2` is asked most, so it is called directly. All other paths go through a router, whose layers cost some twenty
//! allocations for each request.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request};
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;
use hyper::body::{Body as _, Frame, SizeHint};
use tower_service::Service as _;

use crate::access::auth::Caller;
use crate::access::denial::DenialKind;
use crate::access::keys::Key;
use crate::access::rate_headers;
use crate::errors::v2_error::V2Error;
use crate::gate::ClientAddress;
use crate::http::coding::ContentCoding;
use crate::http::cors;
use crate::http::envelope::ResponseCode;
use crate::http::normalize;
use crate::http::request_id::RequestId;
use crate::state::Server;
use crate::telemetry::metrics::Route;
use crate::{gate, paths, v2};

/// The log target of requests, which `docs/OPERATION.md` names.
const LOG_TARGET: &str = "api::door";
/// Longest part of a client's own request id that is logged, in bytes.
const MAX_LOGGED_ID: usize = 128;

/// The whole application: the pipeline and the routes. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Application {
    server: Server,
    /// All that is not `/v2`'s.
    routes: Router,
}

impl Application {
    /// The application of a server with these routes.
    pub(crate) fn new(server: Server, routes: Router) -> Self {
        Self { server, routes }
    }

    /// Answers a request from `peer`, whatever happens: a panic becomes an internal error, and
    /// what takes too long is given up.
    pub(crate) async fn answer<B>(&self, request: hyper::Request<B>, peer: Option<IpAddr>) -> Response
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let (server, started) = (&self.server, Instant::now());
        let id = server.shared.request_ids.next();
        let (mut head, body) = request.into_parts();
        let (method, uri) = (head.method.clone(), head.uri.clone());
        let client_request_id = client_request_id(&head.headers);
        let now = server.shared.config.clock.unix_seconds();
        let caller = server.shared.authenticator.caller(&head.headers, now);
        let key = caller.key().cloned();
        let coding = ContentCoding::negotiate(&head.headers);
        let allowed_origin = server.shared.config.origin_for(matches!(caller, Caller::Anonymous)).cloned();
        let address = gate::client_address(server, &head.headers, peer);
        let admitted = check_and_normalize(server, &mut head)
            .and_then(|()| gate::take_token(server, &caller, &head, address).map_err(V2Error::from));
        let mut response = match admitted {
            Ok(_) if method == Method::OPTIONS => cors::preflight(&head.headers, allowed_origin.is_some()),
            Ok(rate_limit) => {
                let sender = ClientAddress(address);
                let mut response = self.run(head, body, caller, sender, &uri, &id).await;
                // A quota that the key has is said already, and matters more.
                if let Some(rate_limit) =
                    rate_limit.filter(|_| !rate_headers::has_rate_headers(response.headers()))
                {
                    rate_headers::set_rate_headers(rate_limit, response.headers_mut());
                }
                response
            }
            Err(error) => error.response_at(uri.path(), &id),
        };
        let route = response.extensions_mut().remove::<Route>().unwrap_or_default();
        let answered = ResponseLog {
            status: response.status(),
            code: response.extensions().get::<ResponseCode>().map(|code| code.0),
            denied: response.extensions().get::<DenialKind>().map(|denied| denied.0),
            server: server.clone(),
            id,
            client_request_id,
            key,
            method,
            uri,
            route,
            started,
        };
        if let Some(allowed_origin) = allowed_origin {
            cors::allow_origin(response.headers_mut(), allowed_origin);
        }
        answered.with(coding.apply(response))
    }

    async fn run<B>(
        &self,
        head: Parts,
        body: B,
        caller: Caller,
        sender: ClientAddress,
        uri: &Uri,
        id: &RequestId,
    ) -> Response
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        let work = AssertUnwindSafe(self.route(head, body, caller, sender, id)).catch_unwind();
        match tokio::time::timeout(self.server.shared.config.request_timeout, work).await {
            Ok(Ok(response)) => response,
            Ok(Err(panic)) => {
                let panic = panic
                    .downcast_ref::<&str>()
                    .copied()
                    .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
                    .unwrap_or("of a kind that has no text");
                tracing::error!(target: LOG_TARGET, request_id = %id, panic, "a handler panicked");
                V2Error::Internal.response_at(uri.path(), id)
            }
            Err(_) => {
                tracing::warn!(target: LOG_TARGET, request_id = %id, "a request took too long and was given up");
                V2Error::TimedOut.response_at(uri.path(), id)
            }
        }
    }

    /// What the path leads to.
    async fn route<B>(
        &self,
        head: Parts,
        body: B,
        caller: Caller,
        sender: ClientAddress,
        id: &RequestId,
    ) -> Response
    where
        B: hyper::body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        if let Some(endpoint) = paths::endpoint(head.uri.path()) {
            let mut response = if head.method == Method::GET {
                let rows = async |grant| v2::rows(&self.server, endpoint, id, grant, &head).await;
                gate::authorized(&self.server, id, (&caller, sender.0), head.uri.path(), rows).await
            } else {
                V2Error::WrongMethod.response(id)
            };
            response.extensions_mut().insert(Route::Endpoint(endpoint));
            return response;
        }
        let mut request = Request::from_parts(head, Body::new(body));
        request.extensions_mut().insert(id.clone());
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(sender);
        // Boxed, so that what is not on the way to `/v2` makes no request larger.
        let answer = Box::pin(async {
            let Ok(response) = self.routes.clone().call(request).await;
            response
        });
        answer.await
    }
}

/// Leaves the route beside its answer, for the counts.
pub(crate) async fn attach_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned().map(Route::Path).unwrap_or_default();
    let mut response = next.run(request).await;
    response.extensions_mut().insert(route);
    response
}

/// A response, to be counted and logged when its body has been sent.
struct ResponseLog {
    server: Server,
    id: RequestId,
    client_request_id: Option<String>,
    key: Option<Arc<Key>>,
    method: Method,
    uri: Uri,
    route: Route,
    status: StatusCode,
    code: Option<u16>,
    denied: Option<&'static str>,
    started: Instant,
}

impl ResponseLog {
    /// Counts now if it is known how long the body is, else when its end is there. A `HEAD` is answered as a `GET`, but
    /// for the body.
    fn with(self, mut response: Response) -> Response {
        let length = response.body().size_hint().exact();
        if self.method == Method::HEAD {
            if let Some(length) = length {
                response.headers_mut().entry(CONTENT_LENGTH).or_insert(HeaderValue::from(length));
            }
            self.end(0);
            return response.map(|_| Body::empty());
        }
        match length {
            Some(bytes) => {
                self.end(bytes);
                response
            }
            None => response.map(|body| Body::new(CountedBody { body, bytes: 0, answered: Some(self) })),
        }
    }

    fn end(self, bytes: u64) {
        let time = self.started.elapsed();
        if let Some(key) = &self.key {
            key.counters.record_request(self.server.shared.config.clock.unix_seconds());
            key.counters.record_bytes(bytes);
            if self.denied.is_some() {
                key.counters.record_denial();
            }
        }
        // The path alone: what follows it may hold what its sender would not have logged.
        tracing::info!(
            target: LOG_TARGET,
            request_id = %self.id,
            client_request_id = self.client_request_id,
            key = self.key.as_ref().map(|key| key.name.as_str()),
            method = %self.method,
            path = self.uri.path(),
            status = self.status.as_u16(),
            code = self.code,
            denied = self.denied,
            bytes,
            microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
            "answered"
        );
        let code = self.code.unwrap_or_default();
        self.server.shared.metrics.record_response(self.route, self.status, code, self.denied, bytes, time);
    }
}

/// A body whose bytes are counted as they are sent.
struct CountedBody {
    body: Body,
    bytes: u64,
    answered: Option<ResponseLog>,
}

impl hyper::body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for CountedBody {
    /// The end of the body, or of a client's patience.
    fn drop(&mut self) {
        if let Some(answered) = self.answered.take() {
            answered.end(self.bytes);
        }
    }
}

/// Checks the request's sizes and normalizes its path and method for the routes.
fn check_and_normalize(server: &Server, head: &mut Parts) -> Result<(), V2Error> {
    let length = head.uri.path_and_query().map_or(0, |text| text.as_str().len());
    let limit = server.shared.config.max_uri;
    if length > limit {
        return Err(V2Error::UriTooLong { length, limit });
    }
    // No body is ever read, so one of unknown length does no harm.
    let announced =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let limit = server.shared.config.body_limit;
    if announced.is_some_and(|size| size > limit) {
        return Err(V2Error::BodyTooLarge { limit });
    }
    if let Some(plain) = normalize::normalized_uri(&head.uri) {
        head.uri = plain;
    }
    // A HEAD is answered as a GET; its body is taken away at the end, after compression had its say.
    if head.method == Method::HEAD {
        head.method = Method::GET;
    }
    Ok(())
}

/// The id the client gave its request, to be logged beside ours. Only visible ASCII, so that it cannot forge a
/// line of the log.
fn client_request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get("x-request-id")?.to_str().ok()?;
    Some(text.get(..MAX_LOGGED_ID).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use axum::body::to_bytes;
    use axum::middleware;
    use axum::routing::get;

    use super::*;
    use crate::config::Config;

    /// The response of the application with that handler.
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
            .route_layer(middleware::from_fn_with_state(server.clone(), gate::require_authorization));
        let app = Application::new(server.clone(), routes);
        let _taken = if slots_taken { server.shared.request_permits.acquire(None, 1).await } else { None };
        let response = app.answer(Request::new(Body::empty()), None).await;
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
