//! One guard for the process, over the memory of all running queries.
//!
//! A session's memory pool knows what sorting, grouping and joining hold, and nothing of what decoding and planning take.
//! So the guard looks at what the process holds, too. What it held when the first of the running queries began is not
//! theirs; what has been added since may be as much as all of them are allowed together. Beyond that it ends one query: the
//! one whose pool holds most, and of equal ones the one that began last. A query that stays within its limits is thus not
//! ended for a large one beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation};

/// Bytes that a query may hold beyond twice the memory limit of its session: decoding and planning are not tracked.
const UNTRACKED_BYTES: u64 = 256 << 20;
/// How long the memory of a query that was ended may take to go before another one is ended.
const GRACE: Duration = Duration::from_secs(1);

/// The running queries of the process.
static GUARD: LazyLock<Mutex<MemoryGuard>> = LazyLock::new(Mutex::default);

/// What the running queries may hold, and who they are.
#[derive(Default)]
struct MemoryGuard {
    /// Bytes of the process that are no running query's.
    baseline: u64,
    /// The queries, by number: a later one has a higher number.
    queries: BTreeMap<u64, RunningQuery>,
    next: u64,
    /// When a query was ended last.
    ended: Option<Instant>,
}

/// A query, as the guard sees it.
struct RunningQuery {
    session: SessionMemory,
    reserved: Arc<AtomicUsize>,
    exceeded: Arc<AtomicBool>,
}

/// What the queries of a session may hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SessionMemory {
    number: u64,
    /// Bytes of its pool.
    limit: u64,
}

impl SessionMemory {
    /// Of a new session, whose pool has `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let mut guard = guard();
        guard.next += 1;
        Self { number: guard.next, limit: limit as u64 }
    }
}

/// A query under guard, until it is dropped with all that its work holds.
#[derive(Debug)]
pub(crate) struct GuardedQuery {
    number: u64,
    reserved: Arc<AtomicUsize>,
    exceeded: Arc<AtomicBool>,
}

impl GuardedQuery {
    /// Puts a query of a session under guard.
    pub(crate) fn begin(session: SessionMemory) -> Self {
        let mut guard = guard();
        if guard.queries.is_empty() {
            guard.baseline = resident_bytes().unwrap_or_default();
        }
        guard.next += 1;
        let query = Self { number: guard.next, reserved: Arc::default(), exceeded: Arc::default() };
        let (reserved, exceeded) = (Arc::clone(&query.reserved), Arc::clone(&query.exceeded));
        guard.queries.insert(query.number, RunningQuery { session, reserved, exceeded });
        query
    }

    /// The query's view of the pool of its session, which counts what this query reserves.
    pub(crate) fn pool(&self, pool: Arc<dyn MemoryPool>) -> Arc<dyn MemoryPool> {
        Arc::new(CountedPool { pool, reserved: Arc::clone(&self.reserved) })
    }

    /// Looks what the process holds, and ends a query if that is too much. Whether it is this one, or was.
    pub(crate) fn check(&self) -> bool {
        guard().check(resident_bytes());
        self.exceeded.load(Ordering::Relaxed)
    }
}

impl Drop for GuardedQuery {
    fn drop(&mut self) {
        guard().remove(self.number, resident_bytes());
    }
}

impl MemoryGuard {
    /// Ends a query if the process holds more than all of them are allowed; `held` is what it holds, if that is known.
    fn check(&mut self, held: Option<u64>) {
        if held.is_none_or(|held| held <= self.baseline.saturating_add(self.allowed()))
            || self.ended.is_some_and(|ended| ended.elapsed() < GRACE)
        {
            return;
        }
        let running = self.queries.iter().filter(|(_, query)| !query.exceeded.load(Ordering::Relaxed));
        let largest =
            running.max_by_key(|(number, query)| (query.reserved.load(Ordering::Relaxed), **number));
        if let Some((_, largest)) = largest {
            largest.exceeded.store(true, Ordering::Relaxed);
            self.ended = Some(Instant::now());
        }
    }

    /// Removes a query. What it leaves behind, such as memory that the allocator keeps, is none of the others'.
    fn remove(&mut self, number: u64, held: Option<u64>) {
        self.queries.remove(&number);
        let allowed = self.allowed();
        self.baseline = self.baseline.max(held.unwrap_or_default().saturating_sub(allowed));
    }

    /// Bytes that the running queries may hold together. The queries of one session share its pool.
    fn allowed(&self) -> u64 {
        let sessions: BTreeSet<SessionMemory> = self.queries.values().map(|query| query.session).collect();
        let pools = sessions.iter().map(|session| session.limit.saturating_mul(2));
        let untracked = UNTRACKED_BYTES.saturating_mul(self.queries.len() as u64);
        pools.fold(untracked, u64::saturating_add)
    }
}

fn guard() -> MutexGuard<'static, MemoryGuard> {
    GUARD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of memory that the process holds; `None` where the system does not tell as Linux does.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// A pool that counts what is reserved through it, and leaves the rest to the pool that it stands for.
#[derive(Debug)]
struct CountedPool {
    pool: Arc<dyn MemoryPool>,
    reserved: Arc<AtomicUsize>,
}

impl fmt::Display for CountedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}

impl MemoryPool for CountedPool {
    fn name(&self) -> &str {
        self.pool.name()
    }

    fn register(&self, consumer: &MemoryConsumer) {
        self.pool.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        self.pool.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.pool.grow(reservation, additional);
        self.reserved.fetch_add(additional, Ordering::Relaxed);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.pool.shrink(reservation, shrink);
        self.reserved.fetch_sub(shrink, Ordering::Relaxed);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<(), DataFusionError> {
        self.pool.try_grow(reservation, additional)?;
        self.reserved.fetch_add(additional, Ordering::Relaxed);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.pool.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.pool.memory_limit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// A guard of queries, each of a session with a limit and with what it has reserved, in MiB.
    fn guarding(queries: &[(u64, u64, usize)]) -> MemoryGuard {
        let query = |(session, limit, reserved): &(u64, u64, usize)| RunningQuery {
            session: SessionMemory { number: *session, limit: limit * MIB },
            reserved: Arc::new(AtomicUsize::new(reserved << 20)),
            exceeded: Arc::default(),
        };
        let queries = (0..).zip(queries.iter().map(query)).collect();
        MemoryGuard { baseline: 100 * MIB, queries, ..MemoryGuard::default() }
    }

    fn ended(guard: &MemoryGuard) -> Vec<u64> {
        let ended = guard.queries.iter().filter(|(_, query)| query.exceeded.load(Ordering::Relaxed));
        ended.map(|(number, _)| *number).collect()
    }

    #[test]
    fn the_query_with_the_largest_pool_is_ended_and_none_below_the_sum_of_what_they_may_hold() {
        let mut guard = guarding(&[(1, 10, 3), (2, 1000, 900), (3, 10, 3)]);
        let most = 100 * MIB + 2 * 1020 * MIB + 3 * UNTRACKED_BYTES;
        guard.check(Some(most));
        guard.check(None);
        assert!(ended(&guard).is_empty());
        guard.check(Some(most + 1));
        assert_eq!(ended(&guard), [1]);
        guard.check(Some(most + 1));
        assert_eq!(ended(&guard), [1], "its memory takes a while to go");
        guard.ended = None;
        guard.check(Some(most + 1));
        assert_eq!(ended(&guard), [1, 2], "of equal ones the one that began last");
    }

    #[test]
    fn queries_of_one_session_share_its_pool() {
        let mut guard = guarding(&[(1, 1000, 1), (1, 1000, 1)]);
        guard.check(Some(100 * MIB + 2000 * MIB + 2 * UNTRACKED_BYTES + 1));
        assert_eq!(ended(&guard), [1]);
    }

    #[test]
    fn what_a_query_leaves_behind_is_not_charged_to_those_that_stay() {
        let mut guard = guarding(&[(1, 10, 3), (2, 1000, 900)]);
        guard.remove(1, Some(900 * MIB));
        guard.check(Some(900 * MIB));
        assert!(ended(&guard).is_empty());
        guard.check(Some(900 * MIB + 1));
        assert_eq!(ended(&guard), [0]);
    }
}
