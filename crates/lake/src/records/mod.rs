//! How do the ledger's values become rows of a table, and values again?

pub(crate) mod cid_column;
pub(crate) mod day_source;
pub(crate) mod decoder;
pub(crate) mod event_encoder;
pub(crate) mod field_decoder;
pub(crate) mod field_encoder;
pub(crate) mod finished_day;
