//! The context of requests to `/v1`: the lake, permits to query it, and caches.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use chain::{Clock, Day, MinerId};
use lake::{ActivePeriod, ExpirationSchedule, NetworkDay, Queries, QueryLimits, Reader};
use quick_cache::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::errors::problem::Problem;
use crate::http::response_memory::MemoryPermit;
use crate::state::Server;

/// What one query may take of the lake.
const QUERY_LIMITS: QueryLimits =
    QueryLimits { time: Duration::from_secs(20), memory: 256 << 20, disk: 2 << 30 };
/// Queries that are worked on at once; others wait.
const CONCURRENT_QUERIES: usize = 3;
/// Calendars of expirations that are kept.
const CACHED_CALENDARS: usize = 128;
/// Network days that are kept: ten years.
const CACHED_NETWORK_DAYS: usize = 3660;

/// The context of requests to `/v1`: the server, and what they share.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) server: Server,
    pub(super) resources: Arc<Resources>,
}

pub(super) struct Resources {
    pub(super) questions: Queries,
    /// A permit per query that the lake works on.
    query_permits: Semaphore,
    /// A permit per answer that is made of many days held in memory.
    row_permits: Semaphore,
    pub(super) lives: Cache<u64, Arc<HashMap<MinerId, ActivePeriod>>>,
    clocks: Cache<u64, Clock>,
    pub(super) calendars: Cache<(u64, Option<MinerId>, Day), Arc<ExpirationSchedule>>,
    pub(super) network: Cache<(u64, Day), Arc<NetworkDay>>,
}

impl Context {
    pub(super) fn new(server: &Server) -> Self {
        let resources = Resources {
            questions: Queries::new(server.shared.reader.directory().to_owned(), QUERY_LIMITS),
            query_permits: Semaphore::new(CONCURRENT_QUERIES),
            row_permits: Semaphore::new(1),
            lives: Cache::new(1),
            clocks: Cache::new(1),
            calendars: Cache::new(CACHED_CALENDARS),
            network: Cache::new(CACHED_NETWORK_DAYS),
        };
        Self { server: server.clone(), resources: Arc::new(resources) }
    }

    pub(super) fn reader(&self) -> &Reader {
        &self.server.shared.reader
    }

    /// A permit to query the lake, or to do what takes as much.
    pub(super) async fn query_permit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.within_timeout(async { self.resources.query_permits.acquire().await.ok() }).await
    }

    /// A permit to make rows of many days that are held in memory.
    pub(super) async fn row_permit(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.within_timeout(async { self.resources.row_permits.acquire().await.ok() }).await
    }

    /// Memory for a response of so many bytes to that address.
    pub(super) async fn memory_permit(
        &self,
        address: Option<IpAddr>,
        bytes: usize,
    ) -> Result<MemoryPermit, Problem> {
        self.within_timeout(self.server.shared.response_memory.reserve(address, bytes)).await
    }

    /// Waits for something for half the time that a request has.
    async fn within_timeout<T>(&self, wanted: impl Future<Output = Option<T>>) -> Result<T, Problem> {
        match tokio::time::timeout(self.server.shared.config.request_timeout / 2, wanted).await {
            Ok(Some(got)) => Ok(got),
            Ok(None) | Err(_) => Err(Problem::Busy),
        }
    }

    /// The chain's clock.
    pub(super) async fn clock(&self) -> Result<Clock, Problem> {
        let version = self.reader().version();
        let clock = async {
            let status = lake::Status::read(self.reader().directory()).await.map_err(Problem::from)?;
            let last = status.sources.last().ok_or(Problem::NothingClosed)?;
            Ok(Clock::new(last.genesis))
        };
        self.resources.clocks.get_or_insert_async(&version, clock).await
    }
}
