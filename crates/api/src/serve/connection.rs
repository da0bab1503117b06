//! One connection: its requests, and its end.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::access::connection_limits::ConnectionPermit;
use crate::http::connection::{Activity, ActivityStream, Patience};
use crate::serve::app::Application;
use crate::state::Server;

/// Least limit on the size of a head that hyper accepts.
const MIN_HEAD_LIMIT: usize = 8 << 10;

/// What is signalled to connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Signal {
    /// The server stops: end what is open, and begin nothing.
    pub(super) stopped: bool,
    /// Counts how often others had to wait for a place.
    pub(super) crowded: u64,
}

/// One more open connection, for as long as this lives.
struct OpenConnection(Server);

impl OpenConnection {
    fn new(server: Server) -> Self {
        server.shared.metrics.connections.inc();
        server.shared.metrics.open.fetch_add(1, Ordering::Relaxed);
        Self(server)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.shared.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one connection until it ends, until patience with it does, or, once the server stops, until its open request is
/// answered.
pub(super) async fn serve_connection(
    server: Server,
    application: Application,
    (stream, peer): (TcpStream, IpAddr),
    signals: watch::Receiver<Signal>,
    _permits: (Option<OwnedSemaphorePermit>, ConnectionPermit),
) {
    let _open = OpenConnection::new(server.clone());
    // Answers are written whole; waiting to fill packets would only delay their ends.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let config = &server.shared.config;
    let activity = Activity::new();
    let stream = ActivityStream::new(stream, config.write_timeout, Arc::clone(&activity));
    let asked = Arc::clone(&activity);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        asked.request_received();
        let (application, asked) = (application.clone(), Arc::clone(&asked));
        async move {
            let response = application.answer(request, Some(peer)).await;
            asked.response_ready();
            Ok::<_, Infallible>(response)
        }
    });
    let max_head = config.max_head.max(MIN_HEAD_LIMIT);
    let served = http1::Builder::new()
        .max_buf_size(max_head)
        .max_header_size(max_head)
        .serve_connection(TokioIo::new(stream), service);
    let patience = Patience { head: config.header_timeout, idle: config.idle_timeout };
    if let Some(Err(error)) = run(served, &activity, patience, signals).await {
        record_malformed(&server, &error);
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Runs a connection to its end; `None` if it is given up before.
async fn run<S>(
    served: http1::Connection<TokioIo<ActivityStream<TcpStream>>, S>,
    activity: &Activity,
    patience: Patience,
    mut signals: watch::Receiver<Signal>,
) -> Option<hyper::Result<()>>
where
    S: hyper::service::HttpService<Incoming>,
    S::Error: Into<axum::BoxError>,
    S::ResBody: 'static,
    <S::ResBody as hyper::body::Body>::Error: Into<axum::BoxError>,
{
    let mut served = std::pin::pin!(served);
    let mut outlasted = std::pin::pin!(activity.outlasted(patience));
    let mut stopping = false;
    loop {
        tokio::select! {
            // The connection first: what happens to it decides how long patience lasts.
            biased;
            outcome = &mut served => return Some(outcome),
            () = &mut outlasted => return None,
            changed = signals.changed(), if !stopping => {
                if changed.is_err() || signals.borrow_and_update().stopped {
                    // One that has asked for nothing yet, and is not about to, has nothing to end.
                    if activity.idle_for().is_some() {
                        return None;
                    }
                    served.as_mut().graceful_shutdown();
                    stopping = true;
                // Others wait: who idles for long must go.
                } else if activity.idle_for().is_some_and(|time| time >= patience.head) {
                    return None;
                }
            }
        }
    }
}

/// Counts and logs what hyper answers by itself, because it was no request: a status line without a body.
fn record_malformed(server: &Server, error: &hyper::Error) {
    // An HTTP/2 preface is not answered at all.
    if !error.is_parse() || error.is_parse_version_h2() {
        return;
    }
    let status = match error.is_parse_too_large() {
        true => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        false => StatusCode::BAD_REQUEST,
    };
    tracing::info!(status = status.as_u16(), "answered something malformed");
    let metrics = &server.shared.metrics;
    metrics.record_response(Default::default(), status, status.as_u16(), None, 0, Duration::ZERO);
}
