//! How is the lake queried, in SQL, by the API and for export?

pub(crate) mod export;
mod memory_guard;
pub(crate) mod queries;
pub(crate) mod session;
