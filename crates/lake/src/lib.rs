//! Where is it kept, and how is it asked?
//!
//! A lake is a directory with four Delta tables, which other programs can read as they are:
//!
//! | table | one row is |
//! |---|---|
//! | `sector_events` | something that happened to a sector |
//! | `sp_sector_daily` | a miner's day: every column of [`ledger::columns::COLUMNS`] |
//! | `reconciliation` | a miner's day: the ledger's power beside the power actor's claim |
//! | `progress` | a day of a source that was taken in |
//!
//! [`Lake`] writes: it closes days, in order and whole. Each table gets one commit for the days closed together,
//! `sp_sector_daily` last; that one publishes them. A writer that dies in between leaves days behind in the other
//! tables, which nobody is shown and which the next commit replaces. What a commit names is flushed to the disk before
//! the commit, and the commit before [`Lake::close_days`] returns. [`Reader`] reads closed days.

mod activations;
mod cache;
mod close;
mod day;
mod day_close;
mod disk;
mod error;
mod events;
mod file;
mod fit;
mod lock;
mod measured;
mod mend;
mod pipeline;
mod progress;
mod reader;
mod reconciliation;
mod schema;
mod sql;
mod store;
mod table;
mod writer;

pub use day::DayRows;
pub use day_close::DayClose;
pub use disk::{Disk, Step};
pub use error::{Error, Result};
pub use progress::Progress;
pub use reader::Reader;
pub use writer::{FinishedDay, Lake};
