//! The whole server, spoken to over a socket.

mod caching;
mod client;
mod contract;
mod examples;
mod failing;
mod figures;
mod keys;
mod life;
mod limits;
mod malformed;
#[path = "../../../ledger/tests/common/outside.rs"]
mod outside;
mod pages;
mod replaced;
mod server;
mod token;
mod transport;
mod trouble;
mod unsent;
mod v1;
mod windows;
