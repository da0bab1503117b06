//! What does a day, a miner or the network show of its rows?

pub(crate) mod cache;
pub(crate) mod day_rows;
pub(crate) mod day_version;
pub(crate) mod miner_rows;
pub(crate) mod network_day;
