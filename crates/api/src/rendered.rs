//! The cache of rendered days, in the content codings that were asked for, bounded in bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chain::MinerId;
use futures::future::BoxFuture;
use lake::{CacheStats, DayRows, DayVersion, Reader};
use ledger::columns::Endpoint;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::http::coding::{ContentCoding, EncodedSuffix};
use crate::http::response_memory::ByteCounter;

/// Bytes that an answer of a middling network takes; only the cache's first size depends on it.
const TYPICAL_BYTES: usize = 1 << 20;

/// How long to wait until answers are taken, and how often to look.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What is rendered: it stays true for ever, since another edition has another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct CacheKey {
    edition: DayVersion,
    endpoint: Endpoint,
    coding: ContentCoding,
}

/// All miners' rows of a day, as the suffix of a response.
#[derive(Debug)]
pub(crate) struct RenderedDay {
    /// The array and the envelope's closing brace.
    suffix: EncodedSuffix,
    /// Each miner and where its row ends, in the plain rendering; nothing in the others.
    rows: Box<[(MinerId, usize)]>,
}

impl RenderedDay {
    /// Writes the rows of a day.
    fn of(rows: &DayRows, endpoint: Endpoint, byte_counter: &ByteCounter) -> Self {
        let mut text = String::new();
        let ends = rows.write_indexed_json(endpoint, &mut text);
        text.push('}');
        text.shrink_to_fit();
        let rows = rows.miners().iter().copied().zip(ends).collect();
        Self { suffix: EncodedSuffix::plain(text.into()).counted(byte_counter), rows }
    }

    /// The same in another coding.
    fn coded(&self, coding: ContentCoding, byte_counter: &ByteCounter) -> io::Result<Self> {
        Ok(Self {
            suffix: EncodedSuffix::new(coding, self.suffix.bytes())?.counted(byte_counter),
            rows: Box::default(),
        })
    }

    /// The answer's end: the array of every miner's row, and the closing brace.
    pub(crate) fn suffix(&self) -> &EncodedSuffix {
        &self.suffix
    }

    /// A miner's row; `None` if it has none that day. Only of the plain rendering.
    pub(crate) fn row(&self, miner: MinerId) -> Option<&[u8]> {
        let at = self.rows.binary_search_by_key(&miner, |(miner, _)| *miner).ok()?;
        let (_, end) = self.rows.get(at)?;
        // After the bracket, or after the comma behind the row before.
        let before = at.checked_sub(1).and_then(|before| self.rows.get(before)).map_or(0, |(_, end)| *end);
        self.suffix.bytes().get(before + 1..*end)
    }

    /// Its size in memory, in bytes.
    fn size(&self) -> usize {
        size_of::<Self>() + self.suffix.bytes().len() + size_of_val(&*self.rows)
    }
}

/// Weighs what is held by its bytes.
#[derive(Clone, Debug)]
struct BySize;

impl Weighter<CacheKey, Arc<RenderedDay>> for BySize {
    fn weight(&self, _: &CacheKey, rendered: &Arc<RenderedDay>) -> u64 {
        rendered.size() as u64
    }
}

/// Why a day could not be rendered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenderError {
    #[error("there is a newer edition of the day")]
    Replaced,
    #[error("the day could not be read")]
    Lake(#[from] lake::Error),
    #[error("the day could not be compressed")]
    Compression(#[from] io::Error),
    #[error("the rendering of the day did not end")]
    Task(#[from] tokio::task::JoinError),
    #[error("too many answers wait to be taken")]
    OutOfMemory,
}

/// The cache of rendered days.
pub(crate) struct RenderedCache {
    cache: Cache<CacheKey, Arc<RenderedDay>, BySize>,
    /// Bytes of all there are: what is held, and what is being sent and is held no more.
    byte_counter: ByteCounter,
    /// How many of them there may be when another is made.
    max_bytes: usize,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl RenderedCache {
    /// ColumnType up to `bytes`, and makes none while `beyond` more are being sent.
    pub(crate) fn new(bytes: usize, beyond: usize) -> Self {
        // One shard: several would each hold its part of the bytes, and a network's answer may be larger than that.
        let (items, weight) = (bytes / TYPICAL_BYTES + 1, bytes as u64);
        let options =
            OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(weight).shards(1).build();
        let (hash, life) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let cache = match options {
            Ok(options) => Cache::with_options(options, BySize, hash, life),
            Err(_) => Cache::with(items, weight, BySize, hash, life),
        };
        let max_bytes = bytes.saturating_add(beyond);
        Self {
            cache,
            byte_counter: ByteCounter::default(),
            max_bytes,
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        }
    }

    /// All miners' rows, if they are cached.
    pub(crate) fn get_cached(&self, edition: DayVersion, endpoint: Endpoint) -> Option<Arc<RenderedDay>> {
        self.count_lookup(self.cache.get(&CacheKey { edition, endpoint, coding: ContentCoding::Identity }))
    }

    /// The hits, misses and bytes of the cache.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats {
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            bytes: usize::try_from(self.cache.weight()).unwrap_or(usize::MAX),
        }
    }

    /// Counts a hit or a miss.
    fn count_lookup<T>(&self, held: Option<T>) -> Option<T> {
        let count = if held.is_some() { &self.hits } else { &self.misses };
        count.fetch_add(1, Ordering::Relaxed);
        held
    }

    /// Every miner's rows of that edition of a day, rendered if they are not held. Who asks for what is being rendered
    /// for another waits for that.
    pub(crate) async fn get(
        &self,
        reader: &Reader,
        edition: DayVersion,
        endpoint: Endpoint,
        coding: ContentCoding,
    ) -> Result<Arc<RenderedDay>, RenderError> {
        match self.count_lookup(self.cache.get(&CacheKey { edition, endpoint, coding })) {
            Some(rendered) => Ok(rendered),
            // Boxed, so that no request carries it that finds what it asks for.
            None => Box::pin(self.render(reader, edition, endpoint, coding)).await,
        }
    }

    /// Waits until there may be another. Clients that take nothing keep what was made for them; it is a matter of seconds
    /// until they are given up.
    async fn wait_for_memory(&self) -> Result<(), RenderError> {
        let mut waited = Duration::ZERO;
        while self.byte_counter.bytes() > self.max_bytes {
            if waited >= MEMORY_TIMEOUT {
                return Err(RenderError::OutOfMemory);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
            waited += POLL_INTERVAL;
        }
        Ok(())
    }

    /// The rows of that edition of a day, rendered now if they are not held.
    pub(crate) async fn render(
        &self,
        reader: &Reader,
        edition: DayVersion,
        endpoint: Endpoint,
        coding: ContentCoding,
    ) -> Result<Arc<RenderedDay>, RenderError> {
        let plain = CacheKey { edition, endpoint, coding: ContentCoding::Identity };
        let render = async {
            self.wait_for_memory().await?;
            let rows = rows(reader, edition).await?;
            let byte_counter = self.byte_counter.clone();
            let rendering =
                tokio::task::spawn_blocking(move || RenderedDay::of(&rows, endpoint, &byte_counter));
            Ok::<_, RenderError>(Arc::new(rendering.await?))
        };
        if coding == ContentCoding::Identity {
            return self.cache.get_or_insert_async(&plain, render).await;
        }
        let compress = async {
            let plain = self.cache.get_or_insert_async(&plain, render).await?;
            let byte_counter = self.byte_counter.clone();
            let compression = tokio::task::spawn_blocking(move || plain.coded(coding, &byte_counter));
            Ok::<_, RenderError>(Arc::new(compression.await??))
        };
        self.cache.get_or_insert_async(&CacheKey { edition, endpoint, coding }, compress).await
    }
}

/// The rows of that edition of a day. Boxed, because reading a lake is a future of many kilobytes and of a type that
/// nobody should have to look into.
pub(crate) fn rows(reader: &Reader, edition: DayVersion) -> BoxFuture<'_, Result<Arc<DayRows>, RenderError>> {
    Box::pin(async move {
        let read = reader.day_with_version(edition.day()).await?;
        read.and_then(|(read, rows)| (read == edition).then_some(rows)).ok_or(RenderError::Replaced)
    })
}
