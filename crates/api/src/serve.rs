//! The server's life: accept, keep the data fresh, drain.

use std::convert::Infallible;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use futures::FutureExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lake::Reader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower_service::Service as _;

use crate::bodies::keep_warm;
use crate::config::Config;
use crate::connection::{Activity, Impatient, Patience};
use crate::health::Reconciled;
use crate::keys;
use crate::limits::Peer;
use crate::refusal::Refusal;
use crate::server::Server;

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How often idle connections are looked for while others wait for a place.
const CROWDED_PAUSE: Duration = Duration::from_millis(200);
/// How often addresses that ask no more are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(10);
/// Least size of a head that hyper can be told.
const LEAST_HEAD: usize = 8 << 10;

/// Why a server ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket cannot accept connections.
    #[error("the listening socket accepts no connections; give a socket that is bound and listening: {0}")]
    Listen(#[source] io::Error),
}

/// Serves the lake on `listener` until `shutdown` is done, then lets open requests end, for at most
/// [`Config::drain_timeout`]. Meanwhile looks for newer published versions.
///
/// # Errors
/// Fails when the socket cannot accept connections at all. What goes wrong with a connection, or while looking for
/// newer data, is logged, and the server goes on.
pub async fn serve(
    listener: TcpListener,
    reader: Arc<Reader>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    Server::new(reader, config).serve(listener, shutdown).await
}

impl Server {
    /// Serves on `listener` until `shutdown` is done; see [`serve`](crate::serve()).
    ///
    /// # Errors
    /// As [`serve`](crate::serve()).
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), Error> {
        // Dropped, and so ended, with this future.
        let mut background = JoinSet::new();
        background.spawn(keep_fresh(self.clone()));
        background.spawn(keep_warm(self.clone(), self.shared.config.refresh_every));
        background.spawn(keep_reconciled(self.clone()));
        background.spawn(keep_keys(self.clone()));
        background.spawn(forget_addresses(self.clone()));

        let (signal, signals) = watch::channel(Signal::default());
        let mut connections = JoinSet::new();
        let outcome = accept_all(self, listener, shutdown, &mut connections, &signal, &signals).await;

        tracing::info!(connections = connections.len(), "shutting down: letting open requests end");
        self.shared.health.drain();
        signal.send_modify(|signal| signal.stopped = true);
        let drained = timeout(self.shared.config.drain_timeout, async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connections = connections.len(), "cut the connections that did not end in time");
        }
        // What was asked for last is counted, too.
        step_keys(self).await;
        outcome
    }
}

/// What connections are told.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    /// The server stops: end what is open, and begin nothing.
    stopped: bool,
    /// Counts how often others had to wait for a place.
    crowded: u64,
}

/// Accepts until the shutdown; each connection is a task.
async fn accept_all(
    server: &Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    connections: &mut JoinSet<()>,
    signal: &watch::Sender<Signal>,
    signals: &watch::Receiver<Signal>,
) -> Result<(), Error> {
    let router = server.router();
    let places = server.shared.config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(places));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (place, stream) = tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &places) => accepted?,
            never = crowd(&places, signal) => match never {},
        };
        connections.spawn(connection(server.clone(), router.clone(), stream, signals.clone(), place));
    }
}

/// While there is no place left, tells the connections so, over and over.
async fn crowd(places: &Semaphore, signal: &watch::Sender<Signal>) -> Infallible {
    loop {
        sleep(CROWDED_PAUSE).await;
        if places.available_permits() == 0 {
            signal.send_modify(|signal| signal.crowded = signal.crowded.wrapping_add(1));
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Result<(Option<OwnedSemaphorePermit>, TcpStream), Error> {
    // The semaphore is never closed, so there always is a permit to come.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Ok((place, stream)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Error::Listen(error));
            }
            Err(error) if gone(error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again in a second");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the peer hung up before it was accepted.
fn gone(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// One more open connection, for as long as this lives.
struct Open(Server);

impl Open {
    fn new(server: Server) -> Self {
        server.shared.metrics.connections.inc();
        server.shared.metrics.open.fetch_add(1, Ordering::Relaxed);
        Self(server)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.shared.metrics.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves one connection until it ends, or, once the server stops, until its open request is answered.
async fn connection(
    server: Server,
    router: Router,
    stream: TcpStream,
    mut signals: watch::Receiver<Signal>,
    _place: Option<OwnedSemaphorePermit>,
) {
    let _open = Open::new(server.clone());
    // Answers are written whole; waiting to fill packets would only delay their ends.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
    let config = &server.shared.config;
    let (head, idle, max_head) = (config.header_timeout, config.idle_timeout, config.max_head);
    let patience = Patience { head, write: config.write_timeout };
    let activity = Activity::new();
    let explain = Box::new(move |status| malformed(&server, status));
    let stream = Impatient::new(stream, patience, Arc::clone(&activity), explain);
    let asked = Arc::clone(&activity);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        asked.asked();
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        let (mut router, asked) = (router.clone(), Arc::clone(&asked));
        async move {
            let response = router.call(request.map(Body::new)).await;
            asked.answered();
            response
        }
    });
    let max_head = max_head.max(LEAST_HEAD);
    let served = http1::Builder::new()
        .max_buf_size(max_head)
        .max_header_size(max_head)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let mut wake = idle;
    let outcome = loop {
        tokio::select! {
            outcome = &mut served => break outcome,
            changed = signals.changed() => {
                if changed.is_err() || signals.borrow_and_update().stopped {
                    // One that has asked for nothing yet, and is not about to, has nothing to end.
                    if activity.idle_for().is_some() {
                        return;
                    }
                    served.as_mut().graceful_shutdown();
                    break served.await;
                }
                // Others wait: who idles for long must go.
                if activity.idle_for().is_some_and(|time| time >= head) {
                    return;
                }
            }
            () = sleep(wake) => {
                match activity.idle_for() {
                    Some(time) if time >= idle => return,
                    Some(time) => wake = idle - time,
                    None => wake = idle,
                }
            }
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Explains what hyper answers by itself, and counts and logs it as an answer.
fn malformed(server: &Server, status: u16) -> Option<String> {
    let limit = server.shared.config.max_head.max(LEAST_HEAD);
    let message = match status {
        400 => {
            "This is not a well-formed HTTP/1.1 request: its first line or one of its headers cannot be read."
                .to_owned()
        }
        414 => "The address is far too long.".to_owned(),
        431 => format!(
            "The request's head is too large: expected at most {limit} bytes and 100 headers; or it announces too long a body."
        ),
        _ => return None,
    };
    let id = server.shared.ids.next();
    tracing::info!(request_id = %id, status, "answered something malformed");
    let of = StatusCode::from_u16(status).unwrap_or_default();
    let body = Refusal::malformed(&id, status, &message);
    let bytes = body.len() as u64;
    server.shared.metrics.answered(Default::default(), of, status, None, bytes, Duration::ZERO);
    Some(body)
}

/// A connection's task does not panic, since the door catches; if it does all the same, it is said.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

/// Takes in changed keys and writes down what was counted, for ever.
async fn keep_keys(server: Server) {
    let mut ticks = ticks(server.shared.config.keys_every);
    loop {
        ticks.tick().await;
        step_keys(&server).await;
    }
}

/// Once.
async fn step_keys(server: &Server) {
    let shared = Arc::clone(&server.shared);
    let step = tokio::task::spawn_blocking(move || {
        if let Some(keeper) = &shared.keeper {
            let mut keeper = keeper.lock().unwrap_or_else(PoisonError::into_inner);
            keeper.step_or_say(&shared.gate.ring, keys::now());
        }
    });
    if let Err(error) = step.await {
        tracing::error!(%error, "looking after the keys failed");
    }
}

/// Forgets addresses that ask no more, for ever.
async fn forget_addresses(server: Server) {
    let mut ticks = ticks(FORGET_EVERY);
    loop {
        ticks.tick().await;
        if let Some(addresses) = &server.shared.addresses {
            addresses.forget_idle();
        }
    }
}

/// Looks for newer published versions, for ever. While looking fails, what is there is served on.
async fn keep_fresh(server: Server) {
    let (reader, health) = (&server.shared.reader, &server.shared.health);
    let mut ticks = ticks(server.shared.config.refresh_every);
    let mut failing = false;
    loop {
        ticks.tick().await;
        match AssertUnwindSafe(reader.refresh()).catch_unwind().await {
            Ok(Ok(newer)) => {
                if newer {
                    let latest = reader.days().map(|days| days.end().to_string());
                    tracing::info!(version = reader.version(), latest, "serving a newer version of the lake");
                }
                if failing {
                    tracing::info!("the lake can be read again");
                }
                failing = false;
            }
            // Once is enough: the same would be said every few seconds.
            Ok(Err(_)) | Err(_) if failing => {}
            Ok(Err(error)) => {
                failing = true;
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "no newer version could be looked for; serving what there is");
            }
            Err(_) => {
                failing = true;
                tracing::error!("looking for a newer version panicked; serving what there is");
            }
        }
        health.looked(!failing);
        health.read(latest_day_reads(reader).await);
    }
}

/// Whether the latest closed day, if there is one, can be read.
async fn latest_day_reads(reader: &Reader) -> bool {
    let Some(latest) = reader.days().map(|days| *days.end()) else { return true };
    matches!(AssertUnwindSafe(reader.day(latest)).catch_unwind().await, Ok(Ok(Some(_))))
}

/// Finds out, once for each published version, whether the latest day's numbers close.
async fn keep_reconciled(server: Server) {
    let (reader, health) = (&server.shared.reader, &server.shared.health);
    let mut ticks = ticks(server.shared.config.refresh_every);
    loop {
        ticks.tick().await;
        let version = reader.version();
        let Some(latest) = reader.days().map(|days| *days.end()) else { continue };
        if health.reconciled().is_some_and(|of| of.version == version) {
            continue;
        }
        let scope = lake::Scope { from: Some(latest), to: Some(latest), ..Default::default() };
        let mut unclosed = std::collections::BTreeSet::new();
        let mut found = |finding: lake::Finding| {
            unclosed.insert(finding.miner);
        };
        let audit = lake::audit(reader.directory(), &scope, &chain::NoProgress, &mut found);
        let audited = AssertUnwindSafe(audit).catch_unwind().await;
        match audited {
            Ok(Ok(audited)) => {
                let (miner_days, unclosed) = (audited.miner_days, unclosed.len() as u64);
                health.reconciles(Reconciled { version, miner_days, unclosed });
                if unclosed > 0 {
                    tracing::warn!(%latest, unclosed, "numbers of the latest day do not close; see `reconcile`");
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "the reconciliation could not be read"),
            Err(_) => tracing::debug!("reading the reconciliation panicked"),
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    // An interval of zero is refused by the timer.
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
