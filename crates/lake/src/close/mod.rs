//! How are a day's rows computed, checked and written?

pub(crate) mod day_changes;
pub(crate) mod day_files;
pub(crate) mod engine;
pub(crate) mod engine_input;
pub(crate) mod failures;
pub(crate) mod pipeline;
pub(crate) mod reconciliation;
pub(crate) mod standalone;
pub(crate) mod statement;
