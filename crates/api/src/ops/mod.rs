//! Endpoints for operators: liveness, readiness and metrics.

pub(crate) mod health;
pub(crate) mod metrics;
