//! Where is it kept, and how is it queried?
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
//! `sp_sector_daily` last; that one publishes them, and names the versions of the others that it depends on. If a writer
//! dies between commits, readers ignore its unpublished commits, and the next writer rolls them back.
//! What a commit names is flushed to the disk before the commit, and the commit before [`Lake::close_days`] returns.
//! [`Reader`] reads closed days.
//!
//! Each folder imports only from those below it in this table:
//!
//! | folder | question |
//! |---|---|
//! | `backup` | How is a lake copied, and restored? |
//! | `writer` | How are days closed and re-closed, and their files compacted and vacuumed? |
//! | `reader`, `query`, `audit` | How are closed days served, queried in SQL, and audited? |
//! | `close`, `catalog` | How are a day's rows computed? Which tables, versions and days are there? |
//! | `resume` | What of the stored days does the next close need? |
//! | `delta` | How does a Delta table keep its log, its files and its rows? |
//! | `records` | How do the ledger's values become rows of a table, and values again? |
//! | `rows`, `data_files`, `formats` | How are rows held in memory, kept in files, and encoded for others? |
//! | `schema`, `storage` | Which columns are there? How are files written durably, and which may be opened? |
//! | `error` | What can go wrong? |

mod audit;
mod backup;
mod catalog;
mod close;
mod data_files;
mod delta;
mod error;
mod formats;
mod query;
mod reader;
mod records;
mod resume;
mod rows;
mod schema;
mod storage;
mod writer;

pub use audit::deep::deep_audit;
pub use audit::recorded::audit;
pub use audit::report::{AuditReport, AuditScope, Finding, OnFinding};
pub use backup::restore::restore;
pub use backup::{BackupReport, backup};
pub use catalog::gaps::{Gap, gaps};
pub use catalog::manifest::{Manifest, ManifestFile};
pub use catalog::receipts::ReceiptSummary;
pub use close::day_changes::{ColumnChange, DayChange, EventChange};
pub use close::standalone::DayClose;
pub use error::{Error, Result};
pub use formats::column_spec::{ColumnSpec, ColumnType};
pub use formats::encoded_chunks::EncodedChunks;
pub use formats::explanation::ExplanationBody;
pub use formats::format::{IntegerStyle, OutputFormat};
pub use formats::row_set::{Cell, RowSet, RowSetBuilder};
pub use query::export::{Dataset, Export, ExportSelection};
pub use query::queries::activity::ActivePeriod;
pub use query::queries::events::{EventCursor, EventFilter, event_columns};
pub use query::queries::expirations::{ExpirationSchedule, ScheduledExpiration, SectorSum};
pub use query::queries::reconciliation::{ReconciliationFilter, reconciliation_columns};
pub use query::queries::{Page, Queries};
pub use query::session::{QueryLimits, ResultPreview, SqlSession};
pub use reader::provenance::Provenance;
pub use reader::status::{SourceStatus, Status, TableStatus};
pub use reader::{CacheStats, PublishedVersion, Reader};
pub use records::day_source::DaySource;
pub use records::finished_day::FinishedDay;
pub use rows::day_rows::DayRows;
pub use rows::day_version::DayVersion;
pub use rows::miner_rows::MinerRows;
pub use rows::network_day::NetworkDay;
pub use storage::disk::{Disk, DiskStep};
pub use storage::file_identity::FileIdentity;
pub use writer::compact_months::CompactionReport;
pub use writer::lake::Lake;
pub use writer::reclosing::LaterDays;
pub use writer::vacuum::VacuumReport;
