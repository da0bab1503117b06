//! Auditing a lake: what was found not to hold when days were closed, and, deeper, whether what is stored comes out of
//! the stored events.

pub(crate) mod deep;
pub(crate) mod events_by_miner;
pub(crate) mod reconciliation_rows;
pub(crate) mod recorded;
pub(crate) mod report;
pub(crate) mod stored_day;
