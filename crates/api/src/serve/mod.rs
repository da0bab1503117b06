//! The life cycle of the server: accept, serve, drain.

mod app;
mod background;
mod connection;
pub(crate) mod open_files;
pub(crate) mod routes;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use lake::Reader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::access::connection_limits::{Admission, TOO_MANY_CONNECTIONS};
use crate::config::Config;
use crate::serve::background::Background;
use crate::serve::connection::{Signal, serve_connection};
use crate::state::Server;

/// How long to wait after a connection could not be accepted, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// How often idle connections are looked for while others wait for a place.
const CROWDED_PAUSE: Duration = Duration::from_millis(200);

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
        let background = Background::start(self);
        let (signal, signals) = watch::channel(Signal::default());
        let mut connections = JoinSet::new();
        let outcome = accept_all(self, listener, shutdown, &mut connections, &signal, &signals).await;

        tracing::info!(connections = connections.len(), "shutting down: letting open requests end");
        self.shared.health.drain();
        signal.send_modify(|signal| signal.stopped = true);
        let drained = timeout(self.shared.config.drain_timeout, async {
            while let Some(ended) = connections.join_next().await {
                log_panic(ended);
            }
        });
        if drained.await.is_err() {
            tracing::warn!(connections = connections.len(), "cut the connections that did not end in time");
        }
        background.end(self.shared.config.drain_timeout).await;
        outcome
    }
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
    let application = server.application();
    let permits = server.shared.config.max_connections.clamp(1, Semaphore::MAX_PERMITS);
    let permits = Arc::new(Semaphore::new(permits));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (permit, stream, peer) = tokio::select! {
            () = &mut shutdown => return Ok(()),
            Some(ended) = connections.join_next() => {
                log_panic(ended);
                continue;
            }
            accepted = accept(&listener, &permits) => accepted?,
            never = signal_crowding(&permits, signal) => match never {},
        };
        let of_address = match server.shared.connection_limits.admit(peer) {
            Admission::Granted(of_address) => of_address,
            Admission::Refused => {
                refuse(server, &stream);
                continue;
            }
        };
        let permits = (permit, of_address);
        connections.spawn(serve_connection(
            server.clone(),
            application.clone(),
            (stream, peer),
            signals.clone(),
            permits,
        ));
    }
}

/// Closes a connection of an address that has too many, and says so as far as that costs nothing: if it is not taken at
/// once it is not said.
fn refuse(server: &Server, stream: &TcpStream) {
    server.shared.metrics.refused_connections.inc();
    if let Err(error) = stream.try_write(TOO_MANY_CONNECTIONS) {
        tracing::debug!(%error, "an address with too many connections was not told so");
    }
}

/// While no connection can be accepted for want of a permit, signals that to the connections.
async fn signal_crowding(permits: &Semaphore, signal: &watch::Sender<Signal>) -> Infallible {
    loop {
        sleep(CROWDED_PAUSE).await;
        if permits.available_permits() == 0 {
            signal.send_modify(|signal| signal.crowded = signal.crowded.wrapping_add(1));
        }
    }
}

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Result<(Option<OwnedSemaphorePermit>, TcpStream, IpAddr), Error> {
    // The semaphore is never closed, so there always is a permit to come.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return Ok((permit, stream, peer.ip())),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(Error::Listen(error));
            }
            Err(error) if hung_up(error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again in a second");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the peer hung up before it was accepted.
fn hung_up(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(kind, ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// A connection's task does not panic, since the application catches panics; if it does all the same, it is said.
fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task failed");
    }
}
