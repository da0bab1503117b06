//! What those who run the server ask: whether it lives, whether it is ready, and its figures.

pub(crate) mod health;
pub(crate) mod metrics;
