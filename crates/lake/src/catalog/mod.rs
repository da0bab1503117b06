//! Which tables, versions and days are there?

pub(crate) mod consistency;
pub(crate) mod day_range;
pub(crate) mod gaps;
pub(crate) mod history_start;
pub(crate) mod layout;
pub(crate) mod manifest;
pub(crate) mod migration;
pub(crate) mod receipts;
pub(crate) mod snapshot;
pub(crate) mod tables;
