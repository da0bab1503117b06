//! What all requests share.

use std::sync::Arc;

use lake::Reader;
use tokio::sync::Semaphore;

use crate::auth::Gate;
use crate::bodies::Bodies;
use crate::config::Config;
use crate::request_id::RequestIds;

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
    pub(crate) ids: RequestIds,
    pub(crate) bodies: Bodies,
    /// One permit per request for data worked on.
    pub(crate) slots: Semaphore,
}

impl Server {
    /// A server over what `reader` reads.
    #[must_use]
    pub fn new(reader: Arc<Reader>, mut config: Config) -> Self {
        // From here on only the token's digest is kept.
        let token = config.token.take();
        if token.as_deref().is_some_and(|token| token.trim().is_empty()) {
            tracing::warn!(
                "the configured token is empty: every request to /v2 will be refused; set a token, or none"
            );
        }
        let gate = Gate::new(token.as_deref());
        let slots = Semaphore::new(config.max_requests.clamp(1, Semaphore::MAX_PERMITS));
        let bodies = Bodies::new(config.rendered_bytes);
        Self { shared: Arc::new(Shared { reader, config, gate, ids: RequestIds::new(), bodies, slots }) }
    }
}
