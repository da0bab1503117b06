//! How does a Delta table keep its log, its files and its rows?

pub(crate) mod checkpoint;
pub(crate) mod file_changes;
pub(crate) mod log;
pub(crate) mod object_store;
pub(crate) mod recovery;
pub(crate) mod table;
pub(crate) mod table_provider;
pub(crate) mod table_rows;
