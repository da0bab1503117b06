//! The state that all requests share.

use std::sync::Arc;
use std::time::Instant;

use lake::Reader;

use crate::access::auth::Authenticator;
use crate::access::connection_limits::ConnectionLimits;
use crate::access::keys::{KeySet, KeySync};
use crate::access::rate::AddressLimiter;
use crate::config::Config;
use crate::http::fair_share::FairShare;
use crate::http::request_id::RequestIds;
use crate::http::response_memory::ResponseMemory;
use crate::rendered::RenderedCache;
use crate::telemetry::health::{Health, Unready};
use crate::telemetry::metrics::Metrics;

/// A server over a lake: what its requests share. Cloning is cheap and shares all of it.
#[derive(Clone)]
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) reader: Arc<Reader>,
    /// The configuration, without the token.
    pub(crate) config: Config,
    pub(crate) authenticator: Authenticator,
    /// Synchronizes the keys with their file.
    pub(crate) key_sync: Option<std::sync::Mutex<KeySync>>,
    /// The rate limits of addresses, where there are any.
    pub(crate) address_limiter: Option<AddressLimiter>,
    pub(crate) request_ids: RequestIds,
    pub(crate) rendered: RenderedCache,
    /// The memory of responses that are not sent yet.
    pub(crate) response_memory: ResponseMemory,
    /// The connections that addresses have.
    pub(crate) connection_limits: ConnectionLimits,
    /// One permit for each request for data that is worked on.
    pub(crate) request_permits: FairShare,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    /// When the server started.
    pub(crate) started: Instant,
}

impl Server {
    /// A server over what `reader` reads. If there is a file of keys that cannot be read, nobody is let in until it can.
    #[must_use]
    pub fn new(reader: Arc<Reader>, mut config: Config) -> Self {
        // From here on only the token's digest is kept.
        let token = config.token.take();
        if token.as_deref().is_some_and(|token| token.trim().is_empty()) {
            tracing::warn!(
                "the configured token is empty: every request to /v2 will be refused; set a token, or none"
            );
        }
        let authenticator = Authenticator::new(KeySet::new(token.as_deref(), config.key_rate));
        let key_sync = config.keys.clone().map(|path| {
            let mut key_sync = KeySync::new(path, config.key_rate);
            match key_sync.reload(&authenticator.key_set) {
                // What was used of quotas is known before the first request.
                Ok(_) => key_sync.sync_and_log(&authenticator.key_set, config.clock.unix_seconds()),
                Err(error) => {
                    tracing::error!(%error, "the keys cannot be read: only the configured token lets in");
                    authenticator
                        .key_set
                        .store(Arc::new(KeySet::new(token.as_deref(), config.key_rate).requiring_key()));
                }
            }
            std::sync::Mutex::new(key_sync)
        });
        Self {
            shared: Arc::new(Shared {
                reader,
                authenticator,
                key_sync,
                address_limiter: config.address_rate.map(AddressLimiter::new),
                request_ids: RequestIds::new(),
                rendered: RenderedCache::new(config.rendered_cache_bytes, config.response_memory_bytes),
                response_memory: ResponseMemory::new(config.response_memory_bytes),
                connection_limits: ConnectionLimits::new(
                    config.max_connections_per_address,
                    config.count_loopback,
                    config.behind_proxy,
                ),
                request_permits: FairShare::new(u32::try_from(config.max_requests).unwrap_or(u32::MAX)),
                health: Health::default(),
                metrics: Metrics::default(),
                config,
                started: Instant::now(),
            }),
        }
    }

    /// Why no requests should be sent, if so.
    pub(crate) fn unready(&self) -> Option<Unready> {
        let shared = &self.shared;
        shared.health.unready(&shared.reader, shared.config.unready_after)
    }
}
