//! How is it served?
//!
//! An HTTP server over a published lake. Each request passes the application (`serve/app.rs`), which gives it an id, finds
//! out whose key it carries (`access/auth.rs`) and keeps the rates (`gate.rs`). The gate then checks its key's scope and
//! quota, and `/v2` (`v2/`) or the route of its path (`serve/routes.rs`) answers it. What goes wrong becomes an error of the
//! interface that was asked (`errors/`). Each response is counted (`telemetry/metrics.rs`) and logged.
//!
//! `/v1` (`v1/`) is declared once, in `v1/operations.rs`; its routes, `/openapi.json` and the page at `/docs` (`docs/`) are
//! made from that.
//!
//! `/v2` is frozen: programs written for the hosted original work on it with only the base address changed.
//!
//! The folders are layers, and none imports one above it: `serve`; `docs`; `v1`; `v2`, `gate` and `ops`; `state`, `errors`
//! and `config`; `rendered`, `access` and `telemetry`; `http` and `paths`. `crates/ledger/tests/architecture.rs` checks it.

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
pub use http::cors::{AllowedOrigin, OriginError};
pub use serve::open_files::connections_allowed;
pub use serve::routes::router;
pub use serve::{Error, serve};
pub use state::Server;
