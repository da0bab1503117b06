//! How are the rows of a day, a miner and the network held in memory?

pub(crate) mod cache;
pub(crate) mod day_rows;
pub(crate) mod day_version;
pub(crate) mod miner_rows;
pub(crate) mod network_day;
