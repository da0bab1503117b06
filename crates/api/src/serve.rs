//! The server's life: accept, keep the data fresh, drain.

use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::FutureExt as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use lake::Reader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::bodies::keep_warm;
use crate::config::Config;
use crate::connection::Impatient;
use crate::server::Server;
use crate::unparsed::Explaining;

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

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
        background.spawn(keep_fresh(Arc::clone(&self.shared.reader), self.shared.config.refresh_every));
        background.spawn(keep_warm(self.clone(), self.shared.config.refresh_every));

        let (stop, stopped) = watch::channel(false);
        let mut connections = JoinSet::new();
        let outcome = accept_all(self, listener, shutdown, &mut connections, &stopped).await;

        tracing::info!(connections = connections.len(), "shutting down: letting open requests end");
        stop.send_replace(true);
        let drained = timeout(self.shared.config.drain_timeout, async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connections = connections.len(), "cut the connections that did not end in time");
        }
        outcome
    }
}

/// Accepts until the shutdown; each connection is a task.
async fn accept_all(
    server: &Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    connections: &mut JoinSet<()>,
    stopped: &watch::Receiver<bool>,
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
        };
        connections.spawn(connection(server.clone(), router.clone(), stream, stopped.clone(), place));
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

/// Serves one connection until it ends, or, once the server stops, until its open request is answered.
async fn connection(
    server: Server,
    router: Router,
    stream: TcpStream,
    mut stopped: watch::Receiver<bool>,
    _place: Option<OwnedSemaphorePermit>,
) {
    // Answers are written whole; waiting to fill packets would only delay their ends.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let stream = Impatient::new(stream, server.shared.config.write_timeout);
    let stream = Explaining::new(stream, server.clone());
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.shared.config.header_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    let outcome = tokio::select! {
        outcome = &mut served => Some(outcome),
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => None,
    };
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// A connection's task does not panic, since the door catches; if it does all the same, it is said.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}

/// Looks for newer published versions, for ever. While looking fails, what is there is served on.
async fn keep_fresh(reader: Arc<Reader>, every: Duration) {
    // An interval of zero is refused by the timer.
    let mut ticks = interval(every.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
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
    }
}
