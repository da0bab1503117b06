//! What the requests to `/v1` share: the lake, permits to work on it, and what was computed before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::{Clock, Day, MinerId};
use lake::{Calendar, Life, Limits, NetworkDay, Questions, Reader};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::errors::problem::Problem;
use crate::http::response_memory::Room;
use crate::state::Server;

/// What one question may take of the lake.
const LIMITS: Limits = Limits { time: Duration::from_secs(20), memory: 256 << 20, disk: 2 << 30 };
/// Questions that are worked on at once; others wait.
const AT_ONCE: usize = 3;
/// Calendars of expirations that are kept.
const CALENDARS: usize = 128;
/// Network days that are kept: ten years.
const NETWORK_DAYS: usize = 3660;

/// What the requests to `/v1` share.
#[derive(Clone)]
pub(super) struct V1 {
    pub(super) server: Server,
    pub(super) held: Arc<Held>,
}

pub(super) struct Held {
    pub(super) questions: Questions,
    /// A permit per question that the lake works on.
    at_once: Semaphore,
    /// A permit per answer that is made of many days held in memory.
    many_days: Semaphore,
    pub(super) lives: Cache<u64, Arc<HashMap<MinerId, Life>>>,
    clocks: Cache<u64, Clock>,
    pub(super) calendars: Cache<(u64, Option<MinerId>, Day), Arc<Calendar>>,
    pub(super) network: Cache<(u64, Day), Arc<NetworkDay>>,
}

impl V1 {
    pub(super) fn new(server: &Server) -> Self {
        let held = Held {
            questions: Questions::new(server.shared.reader.directory().to_owned(), LIMITS),
            at_once: Semaphore::new(AT_ONCE),
            many_days: Semaphore::new(1),
            lives: Cache::new(1),
            clocks: Cache::new(1),
            calendars: Cache::new(CALENDARS),
            network: Cache::new(NETWORK_DAYS),
        };
        Self { server: server.clone(), held: Arc::new(held) }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.server.shared.reader
    }

    /// Leave to put a question to the lake, or to do what takes as much.
    pub(super) async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_time(async { self.held.at_once.acquire().await.ok() }).await
    }

    /// Leave to make rows of many days that are held in memory.
    pub(super) async fn many_days(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.in_time(async { self.held.many_days.acquire().await.ok() }).await
    }

    /// Room for an answer of so many bytes to that address.
    pub(super) async fn room(&self, address: Option<IpAddr>, bytes: usize) -> Result<Room, Problem> {
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
    pub(super) async fn clock(&self) -> Result<Clock, Problem> {
        let version = self.reader().version();
        let clock = async {
            let status = lake::Status::of(self.reader().directory()).await.map_err(Problem::from)?;
            let last = status.sources.last().ok_or(Problem::NothingClosed)?;
            Ok(Clock::new(last.genesis))
        };
        self.held.clocks.get_or_insert_async(&version, clock).await
    }
}
