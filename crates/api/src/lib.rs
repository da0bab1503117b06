//! How is it served?
//!
//! An HTTP server over a published lake. A request goes through the door (`door.rs`), which gives it an id and
//! keeps the limits, then to the route its path names (`routes.rs`). What the route says, or why it refuses
//! (`refusal.rs`), is written in one envelope (`envelope.rs`).
//!
//! `/v1` (`v1/`) is declared once, in `v1/operations.rs`; its routes, `/openapi.json` and the page at `/docs` are made from
//! that.
//!
//! `/v2` is frozen: programs written for the hosted original work on it with only the base address changed.

mod auth;
mod config;
mod connection;
mod door;
mod envelope;
mod examples;
mod health;
mod openapi;
mod parameters;
mod path;
mod reference;
mod refusal;
mod request_id;
mod routes;
mod serve;
mod server;
mod v1;
mod v2;

pub use config::Config;
pub use routes::router;
pub use serve::{Error, serve};
pub use server::Server;
