//! Which failures were found when days were closed, and do the stored rows follow from the stored events?

pub(crate) mod deep;
pub(crate) mod events_by_miner;
pub(crate) mod reconciliation_rows;
pub(crate) mod recorded;
pub(crate) mod report;
pub(crate) mod stored_day;
