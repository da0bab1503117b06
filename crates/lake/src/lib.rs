//! Where is it kept, and how is it asked?
//!
//! A lake is a directory with Delta tables, which other programs can read as they are:
//!
//! | table | one row is |
//! |---|---|
//! | `sector_events` | something that happened to a sector |
//! | `sp_sector_daily` | a miner's day: every column of [`ledger::columns::COLUMNS`] |
//! | `sp_sector_history` | the same again, a miner's days together |
//! | `reconciliation` | a miner's day: the ledger's power beside the chain's, and what does not hold |
//! | `progress` | a day of a source that was taken in |
//!
//! [`Lake`] writes: it closes days, in order and whole. Each table gets one commit for the days closed together,
//! `sp_sector_daily` last; that one publishes them, and names the versions of the others that it stands on. What a
//! writer that dies in between leaves behind in the other tables is shown to nobody, and the next writer takes it back.
//! What a commit names is flushed to the disk before the commit, and the commit before [`Lake::close_days`] returns.
//! [`Reader`] reads closed days.

mod activations;
mod again;
mod ask;
mod audit;
mod backup;
mod below;
mod blocking;
mod by_miner;
mod cache;
mod carried;
mod changes;
mod checkpoint;
mod cid_texts;
mod close;
mod closed;
mod day;
mod day_close;
mod day_files;
mod deep;
mod disk;
mod edition;
mod error;
mod events;
mod export;
mod failures;
mod file;
mod finished_day;
mod fit;
mod form;
mod gaps;
mod history;
mod history_start;
mod last_day;
mod layout;
mod listing;
mod lock;
mod measured;
mod mend;
mod migration;
mod months;
mod names;
mod network;
mod objects;
mod opened;
mod pieces;
mod pipeline;
mod private;
mod progress;
mod provenance;
mod questions;
mod read;
mod reader;
mod receipts;
mod reconciliation;
mod replacing;
mod scan;
mod schema;
mod sheet;
mod snapshot;
mod source;
mod sql;
mod status;
mod store;
mod stored;
mod stored_day;
mod table;
mod tables;
mod told;
mod upkeep;
mod whole;
mod writer;
mod years;

pub use ask::{Answer, Asker, Limits};
pub use audit::{Audited, Finding, Found, Scope, audit, audit_deeply};
pub use backup::{Copied, backup, restore};
pub use changes::{ColumnChange, DayChange, EventChange};
pub use day::DayRows;
pub use day_close::DayClose;
pub use disk::{Disk, Step};
pub use edition::Edition;
pub use error::{Error, Result};
pub use export::{Export, Exported, Selection};
pub use finished_day::FinishedDay;
pub use form::Form;
pub use gaps::{Gap, gaps};
pub use history::MinerRows;
pub use listing::{ListedFile, Listing};
pub use months::Compacted;
pub use network::NetworkDay;
pub use pieces::Pieces;
pub use progress::Progress;
pub use provenance::Provenance;
pub use questions::{
    Calendar, EventPlace, EventsWanted, Expiring, Life, Page, Questions, ReconciliationWanted, SectorSum,
    event_headings, reconciliation_headings,
};
pub use reader::{CacheFigures, Published, Reader};
pub use receipts::DaysReceipts;
pub use replacing::Later;
pub use sheet::{Cell, Heading, Holds, Sheet, SheetBuilder};
pub use status::{SourceStatus, Status, TableStatus};
pub use told::{Spelled, Told};
pub use upkeep::Vacuumed;
pub use writer::Lake;
