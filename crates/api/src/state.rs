//! What all requests share.

use std::sync::Arc;
use std::time::Instant;

use lake::Reader;
use tokio::sync::Semaphore;

use crate::access::auth::Gate;
use crate::access::connection_limits::Places;
use crate::access::keys::{self, Keeper, Ring};
use crate::access::rate::Addresses;
use crate::config::Config;
use crate::http::request_id::RequestIds;
use crate::http::response_memory::Unsent;
use crate::rendered::Bodies;
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
    pub(crate) gate: Gate,
    /// Looks after the gate's keys.
    pub(crate) keeper: Option<std::sync::Mutex<Keeper>>,
    /// Requests that addresses may make, where that is limited.
    pub(crate) addresses: Option<Addresses>,
    pub(crate) ids: RequestIds,
    pub(crate) bodies: Bodies,
    /// Room for answers that are made and not sent.
    pub(crate) unsent: Unsent,
    /// The connections that addresses have.
    pub(crate) places: Places,
    /// One permit per request for data worked on.
    pub(crate) slots: Semaphore,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    /// Since when it is there.
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
        let gate = Gate::new(Ring::new(token.as_deref(), config.key_rate));
        let keeper = config.keys.clone().map(|path| {
            let mut keeper = Keeper::new(path, config.key_rate);
            match keeper.take_in(&gate.ring) {
                // What was used of quotas is known before the first request.
                Ok(_) => keeper.step_or_say(&gate.ring, keys::now()),
                Err(error) => {
                    tracing::error!(%error, "the keys cannot be read: only the configured token lets in");
                    gate.ring.store(Arc::new(Ring::new(token.as_deref(), config.key_rate).closed()));
                }
            }
            std::sync::Mutex::new(keeper)
        });
        Self {
            shared: Arc::new(Shared {
                reader,
                gate,
                keeper,
                addresses: config.address_rate.map(Addresses::new),
                ids: RequestIds::new(),
                bodies: Bodies::new(config.rendered_bytes, config.unsent_bytes),
                unsent: Unsent::new(config.unsent_bytes),
                places: Places::new(
                    config.max_connections_per_address,
                    config.count_loopback,
                    config.behind_proxy,
                ),
                slots: Semaphore::new(config.max_requests.clamp(1, Semaphore::MAX_PERMITS)),
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
