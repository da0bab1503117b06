//! `/v1`: true status codes, problems as RFC 9457 has them, and any format.
//!
//! A request is read by its path's declaration (`operations.rs`), asked of the lake, and answered in the form it likes
//! best (`answer.rs`). What takes long runs on threads of the lake's own, a few at a time.

mod answer;
mod daily;
mod days;
mod expirations;
mod explain;
mod format;
mod miners;
mod network;
pub(crate) mod operations;
pub(crate) mod parameters;
pub(crate) mod problem;
mod question;
mod reconciliation;
mod sectors;
mod sending;
mod status;

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use chain::{Clock, Day, MinerId};
use futures::FutureExt as _;
use lake::{ActivePeriod, ExpirationSchedule, NetworkDay, PublishedVersion, Queries, QueryLimits, Reader};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use format::{FORMATS, Format};

use self::answer::{Answer, Tag};
use self::operations::{Gives, Id, OPERATIONS, Operation};
use self::parameters::Asked;
use self::problem::Problem;
use self::question::Question;
use crate::auth::Pass;
use crate::coding::Coding;
use crate::limits::{self, Sender};
use crate::request_id::RequestId;
use crate::server::Server;
use crate::unsent::Room;
use crate::window::Window;

/// What one question may take of the lake.
const LIMITS: QueryLimits = QueryLimits { time: Duration::from_secs(20), memory: 256 << 20, disk: 2 << 30 };
/// Questions that are worked on at once; others wait.
const AT_ONCE: usize = 3;
/// Bytes of rows that a request may have without room of its own: no more than a connection takes by itself.
const SMALL: usize = 16 << 10;
/// Calendars of expirations that are kept.
const CALENDARS: usize = 128;
/// Network days that are kept: ten years.
const NETWORK_DAYS: usize = 3660;

/// What the requests to `/v1` share.
#[derive(Clone)]
struct V1 {
    server: Server,
    held: Arc<Held>,
}

struct Held {
    questions: Queries,
    /// A permit per question that the lake works on.
    at_once: Semaphore,
    /// A permit per answer that is made of many days held in memory.
    many_days: Semaphore,
    lives: Cache<u64, Arc<HashMap<MinerId, ActivePeriod>>>,
    clocks: Cache<u64, Clock>,
    calendars: Cache<(u64, Option<MinerId>, Day), Arc<ExpirationSchedule>>,
    network: Cache<(u64, Day), Arc<NetworkDay>>,
}

/// The paths of `/v1`.
pub(crate) fn routes(server: &Server) -> Router<Server> {
    let held = Held {
        questions: Queries::new(server.shared.reader.directory().to_owned(), LIMITS),
        at_once: Semaphore::new(AT_ONCE),
        many_days: Semaphore::new(1),
        lives: Cache::new(1),
        clocks: Cache::new(1),
        calendars: Cache::new(CALENDARS),
        network: Cache::new(NETWORK_DAYS),
    };
    let v1 = V1 { server: server.clone(), held: Arc::new(held) };
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
        .route_layer(middleware::from_fn_with_state(server.clone(), limits::gate))
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

/// A request that has passed the gate.
struct Request<'r> {
    pass: &'r Pass,
    address: Option<IpAddr>,
    path: &'r RawPathParams,
    uri: &'r Uri,
    headers: &'r HeaderMap,
}

async fn respond(v1: &V1, operation: &'static Operation, request: &Request<'_>) -> Result<Response, Problem> {
    let Request { pass, uri, headers, .. } = request;
    let asked = Asked::parse(operation.parameters, request.path.iter(), uri.query().unwrap_or_default())?;
    let offered: &'static [Format] = match operation.gives {
        Gives::Rows(_) | Gives::SomeRows(..) => &FORMATS,
        Gives::Object(_) => &FORMATS[..1],
    };
    let format = format::choose(offered, asked.names("format").first().copied(), headers)?;
    let published = v1.reader().published();
    let window = published.days().map(|closed| pass.window(&closed));
    if operation.id == Id::Status {
        return status::answer(v1, &published, window.as_ref()).await;
    }
    let window = window.ok_or(Problem::NothingClosed)?;
    let answered = answer(v1, operation, &asked, format, published, window, request).await;
    answered.map_err(|problem| problem.within(&window))
}

/// The answer of a path that tells of days. What may not be seen is refused before the tag is looked at.
async fn answer(
    v1: &V1,
    operation: &'static Operation,
    asked: &Asked,
    format: Format,
    published: Arc<PublishedVersion>,
    window: Window,
    request: &Request<'_>,
) -> Result<Response, Problem> {
    let Request { uri, headers, .. } = request;
    // Of the version that was published when the request came: an answer of newer data under an older tag is asked for
    // again, not the other way.
    let tag = Tag::new(published.version(), uri, format, &window);
    let question = Question::new(v1, operation, asked, published, window).await?;
    if tag.matches(headers) {
        return Ok(tag.not_modified());
    }
    let weight = question.weight(operation);
    let room = match weight {
        0..=SMALL => None,
        _ => {
            let beside = sending::BESIDE + Coding::asked(headers).weight();
            Some(v1.room(request.address, weight.saturating_add(beside)).await?)
        }
    };
    let answer = question.answer(operation.id).await?;
    if Tag::matches_any(headers) {
        return Ok(tag.not_modified());
    }
    answer.respond(operation, uri.path(), asked, format, &tag, room).await
}

impl Question<'_> {
    async fn answer(&self, id: Id) -> Result<Answer, Problem> {
        match id {
            Id::SectorsDaily => daily::answer(self).await,
            Id::NetworkDaily => network::answer(self).await,
            Id::Miners => miners::list(self).await,
            Id::Miner => miners::one(self).await,
            Id::Events => sectors::events(self).await,
            Id::Sector => sectors::life(self).await,
            Id::MinerExpirations | Id::NetworkExpirations => expirations::answer(self).await,
            Id::Explain => explain::answer(self).await,
            Id::Reconciliation => reconciliation::answer(self).await,
            // It is asked while no day is closed, too.
            Id::Status => Err(Problem::Internal),
        }
    }
}

impl V1 {
    fn reader(&self) -> &Reader {
        &self.server.shared.reader
    }

    /// Leave to put a question to the lake, or to do what takes as much.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_time(async { self.held.at_once.acquire().await.ok() }).await
    }

    /// Leave to make rows of many days that are held in memory.
    async fn many_days(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_time(async { self.held.many_days.acquire().await.ok() }).await
    }

    /// Room for an answer of so many bytes to that address.
    async fn room(&self, address: Option<IpAddr>, bytes: usize) -> Result<Room, Problem> {
        self.in_time(self.server.shared.unsent.room(address, bytes)).await
    }

    /// Waits for something for half the time that a request has.
    async fn in_time<T>(&self, wanted: impl Future<Output = Option<T>>) -> Result<T, Problem> {
        match tokio::time::timeout(self.server.shared.config.request_timeout / 2, wanted).await {
            Ok(Some(got)) => Ok(got),
            Ok(None) | Err(_) => Err(Problem::Busy),
        }
    }

    /// The chain's clock.
    async fn clock(&self) -> Result<Clock, Problem> {
        let version = self.reader().version();
        let clock = async {
            let status = lake::Status::read(self.reader().directory()).await.map_err(Problem::from)?;
            let last = status.sources.last().ok_or(Problem::NothingClosed)?;
            Ok(Clock::new(last.genesis))
        };
        self.held.clocks.get_or_insert_async(&version, clock).await
    }
}

impl From<lake::Error> for Problem {
    /// What the asker cannot help goes to the log, not to the asker.
    fn from(error: lake::Error) -> Self {
        match error {
            lake::Error::NothingClosed => Self::NothingClosed,
            lake::Error::DayNotClosed { day, first, last } => Self::DayNotClosed { day, first, latest: last },
            lake::Error::NoRow { miner, day } => Self::NoSuchMiner { miner, day },
            error if error.is_limit() => {
                tracing::warn!(%error, "a question to the lake was given up");
                Self::TooSlow
            }
            error => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "the lake could not be asked");
                Self::Internal
            }
        }
    }
}
