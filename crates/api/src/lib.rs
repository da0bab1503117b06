//! How is it served?
//!
//! An HTTP server over a published lake. A request goes through the door (`door.rs`), which gives it an id, finds out
//! who asks (`auth.rs`) and keeps the rates (`limits.rs`); then through the gate, which holds it against its key's scope
//! and quota; then to `/v2` (`v2.rs`), or to the route its path names (`routes.rs`). What the route says, or why it
//! refuses (`refusal.rs`), is written in one envelope (`envelope.rs`), counted (`metrics.rs`) and logged.
//!
//! `/v1` (`v1/`) is declared once, in `v1/operations.rs`; its routes, `/openapi.json` and the page at `/docs` are made from
//! that.
//!
//! `/v2` is frozen: programs written for the hosted original work on it with only the base address changed.

mod access;
mod auth;
mod background;
mod bodies;
mod coding;
mod config;
mod connection;
mod cross_origin;
mod door;
mod envelope;
mod errors;
mod examples;
pub mod exposure;
mod files;
mod freshness;
mod health;
mod http;
pub mod keys;
mod limits;
mod metrics;
mod openapi;
mod ops;
mod parameters;
mod path;
mod paths;
mod places;
mod rate;
mod reference;
mod refusal;
mod request_id;
mod routes;
mod serve;
mod server;
mod unsent;
mod v1;
mod v2;
mod window;

pub use config::Config;
pub use cross_origin::{OriginError, Pages};
pub use files::connections_allowed;
pub use rate::{Rate, RateError};
pub use routes::router;
pub use serve::{Error, serve};
pub use server::Server;
