//! What the server knows of its own state and work.

pub(crate) mod health;
pub(crate) mod metrics;
