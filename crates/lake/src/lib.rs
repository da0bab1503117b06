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
mod ask;
mod cache;
mod close;
mod day;
mod disk;
mod error;
mod events;
mod export;
mod file;
mod fit;
mod form;
mod listing;
mod lock;
mod mend;
mod progress;
mod reader;
mod reconciliation;
mod scan;
mod schema;
mod sql;
mod store;
mod table;
mod writer;

pub use ask::{Answer, Asker, Limits};
pub use day::DayRows;
pub use disk::{Disk, Step};
pub use error::{Error, Result};
pub use export::{Export, Exported, Selection};
pub use form::Form;
pub use listing::{ListedFile, Listing};
pub use progress::Progress;
pub use reader::Reader;
pub use writer::{FinishedDay, Lake};
