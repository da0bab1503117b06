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
mod reconciliation;
mod sectors;
mod status;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, Request, State};
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use chain::{Clock, Day, MinerId};
use futures::FutureExt as _;
use lake::{Calendar, Life, Limits, NetworkDay, Questions, Reader};
use quick_cache::sync::Cache;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};

pub(crate) use format::{FORMATS, Format};

use self::answer::Answer;
use self::operations::{Gives, Id, OPERATIONS, Operation, ROWS};
use self::parameters::Asked;
use self::problem::Problem;
use crate::auth::Pass;
use crate::limits;
use crate::request_id::RequestId;
use crate::server::Server;

/// What one question may take of the lake.
const LIMITS: Limits = Limits { time: Duration::from_secs(20), memory: 256 << 20, disk: 2 << 30 };
/// Questions that are worked on at once; others wait.
const AT_ONCE: usize = 3;
/// Rows that are prepared at once, of all requests together; others wait.
const ROWS_AT_ONCE: usize = 50_000;
/// Calendars of expirations that are kept.
const CALENDARS: usize = 128;
/// Network days that are kept: ten years.
const NETWORK_DAYS: usize = 3660;

/// What the requests to `/v1` share.
#[derive(Clone)]
struct V1 {
    server: Server,
    held: Arc<Held>,
    /// How far the one who asks may see; `None` before a request has passed the gate.
    pass: Option<Pass>,
}

struct Held {
    questions: Questions,
    /// A permit per question that the lake works on.
    at_once: Semaphore,
    /// A permit per row that is prepared.
    rows: Semaphore,
    lives: Cache<u64, Arc<HashMap<MinerId, Life>>>,
    clocks: Cache<u64, Clock>,
    calendars: Cache<(u64, Option<MinerId>, Day), Arc<Calendar>>,
    network: Cache<(u64, Day), Arc<NetworkDay>>,
}

/// The paths of `/v1`.
pub(crate) fn routes(server: &Server) -> Router<Server> {
    let held = Held {
        questions: Questions::new(server.shared.reader.directory().to_owned(), LIMITS),
        at_once: Semaphore::new(AT_ONCE),
        rows: Semaphore::new(ROWS_AT_ONCE),
        lives: Cache::new(1),
        clocks: Cache::new(1),
        calendars: Cache::new(CALENDARS),
        network: Cache::new(NETWORK_DAYS),
    };
    let v1 = V1 { server: server.clone(), held: Arc::new(held), pass: None };
    let mut routes = Router::new();
    for operation in OPERATIONS {
        let handler = move |State(v1): State<V1>,
                            Extension(id): Extension<RequestId>,
                            Extension(pass): Extension<Pass>,
                            path: RawPathParams,
                            uri: Uri,
                            headers: HeaderMap| async move {
            let v1 = V1 { pass: Some(pass), ..v1 };
            match respond(&v1, operation, &path, &uri, &headers).await {
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
    request: Request,
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

async fn respond(
    v1: &V1,
    operation: &'static Operation,
    path: &RawPathParams,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let asked = Asked::parse(operation.parameters, path.iter(), uri.query().unwrap_or_default())?;
    let offered: &'static [Format] = match operation.gives {
        Gives::Rows(_) | Gives::SomeRows(..) => &FORMATS,
        Gives::Object(_) => &FORMATS[..1],
    };
    let format = format::choose(offered, asked.names("format").first().copied(), headers)?;
    // Before the data are read: an answer of newer data under an older tag is asked for again, not the other way.
    let tag = answer::Tag::new(v1.reader().version(), uri, format);
    // What the status says of gaps and lag changes without a new version.
    let tagged = operation.id != Id::Status;
    if tagged && tag.matches(headers) {
        return Ok(tag.not_modified());
    }
    let _room = v1.room(asked.limit(ROWS)).await?;
    let answer = v1.answer(operation.id, &asked).await?;
    let mut response = answer.respond(operation, uri.path(), &asked, format, &tag).await?;
    if !tagged {
        response.headers_mut().remove(ETAG);
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

impl V1 {
    async fn answer(&self, id: Id, asked: &Asked) -> Result<Answer, Problem> {
        match id {
            Id::SectorsDaily => daily::answer(self, asked).await,
            Id::NetworkDaily => network::answer(self, asked).await,
            Id::Miners => miners::list(self, asked).await,
            Id::Miner => miners::one(self, asked).await,
            Id::Events => sectors::events(self, asked).await,
            Id::Sector => sectors::life(self, asked).await,
            Id::MinerExpirations | Id::NetworkExpirations => expirations::answer(self, asked).await,
            Id::Explain => explain::answer(self, asked).await,
            Id::Reconciliation => reconciliation::answer(self, asked).await,
            Id::Status => status::answer(self).await,
        }
    }

    /// The first day that may be seen while `latest` is the latest closed one; `None` if all may be.
    fn first_day(&self, latest: Day) -> Option<Day> {
        self.pass.as_ref()?.first_day(latest)
    }

    fn reader(&self) -> &Reader {
        &self.server.shared.reader
    }

    /// Leave to put a question to the lake, or to do what takes as much.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_time(self.held.at_once.acquire()).await
    }

    /// Room for so many rows.
    async fn room(&self, rows: usize) -> Result<SemaphorePermit<'_>, Problem> {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        self.in_time(self.held.rows.acquire_many(rows)).await
    }

    /// Waits for a permit for half the time that a request has.
    async fn in_time<'p>(
        &self,
        permit: impl Future<Output = Result<SemaphorePermit<'p>, AcquireError>>,
    ) -> Result<SemaphorePermit<'p>, Problem> {
        match tokio::time::timeout(self.server.shared.config.request_timeout / 2, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(Problem::Busy),
        }
    }

    /// The chain's clock.
    async fn clock(&self) -> Result<Clock, Problem> {
        let version = self.reader().version();
        let clock = async {
            let status = lake::Status::of(self.reader().directory()).await.map_err(Problem::from)?;
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
