//! How does it get in?
//!
//! One module per source. Each brings finished days to the lake, in order and without gaps, goes on where the
//! lake stops, and refuses what contradicts what is already there.

mod day_reader;
mod error;
mod snapshots;
mod start;

pub use error::{Error, Result};
pub use snapshots::{Options, Report, Source, ingest_snapshots};
