//! The whole server, spoken to over a socket.

mod client;
mod contract;
mod life;
mod limits;
mod server;
mod token;
mod transport;
mod v1;
