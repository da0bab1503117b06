//! One file per command.

pub(crate) mod columns;
pub(crate) mod events;
pub(crate) mod ingest;
pub(crate) mod serve;
pub(crate) mod stats;
pub(crate) mod up;
