//! The whole server, spoken to over a socket.

mod caching;
mod client;
mod contract;
mod failing;
mod examples;
mod life;
mod limits;
mod malformed;
mod replaced;
mod server;
mod token;
mod transport;
