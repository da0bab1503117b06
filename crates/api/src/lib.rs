//! How is it served?
//!
//! An HTTP server over a published lake. A request goes through the door (`door.rs`), which gives it an id, finds out
//! who asks (`auth.rs`) and keeps the rates (`limits.rs`); then through the gate, which holds it against its key's
//! scope and quota; then to the route its path names (`routes.rs`). What the route says, or why it refuses
//! (`refusal.rs`), is written in one envelope (`envelope.rs`), counted (`metrics.rs`) and logged.
//!
//! `/v2` is frozen: programs written for the hosted original work on it with only the base address changed.

mod auth;
mod bodies;
mod coding;
mod config;
mod connection;
mod cross_origin;
mod door;
mod envelope;
mod files;
mod freshness;
mod health;
pub mod keys;
mod limits;
mod metrics;
mod parameters;
mod path;
mod rate;
mod refusal;
mod request_id;
mod routes;
mod serve;
mod server;
mod v2;

pub use config::Config;
pub use files::connections_allowed;
pub use rate::{Rate, RateError};
pub use routes::router;
pub use serve::{Error, serve};
pub use server::Server;
