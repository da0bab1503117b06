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
mod config;
mod docs;
mod errors;
mod gate;
mod http;
mod ops;
mod paths;
mod rendered;
mod serve;
mod state;
mod telemetry;
mod v1;
mod v2;

pub use access::file_permissions;
pub use access::keys;
pub use access::rate::{Rate, RateError};
pub use config::Config;
pub use http::cors::{OriginError, Pages};
pub use serve::open_files::connections_allowed;
pub use serve::routes::router;
pub use serve::{Error, serve};
pub use state::Server;
