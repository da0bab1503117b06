//! The whole server, spoken to over a socket.

mod client;
mod contract;
mod figures;
mod keys;
mod life;
mod limits;
mod server;
mod token;
mod transport;
mod trouble;
