//! Telemetry: the health and the counters of the server.

pub(crate) mod health;
pub(crate) mod metrics;
