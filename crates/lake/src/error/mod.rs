//! What can go wrong in the lake, said with the table or file, and with what to do.

pub(crate) mod integrity;

use std::path::PathBuf;

use chain::{Day, MinerId};
use datafusion::arrow::error::ArrowError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use deltalake::DeltaTableError;

use crate::error::integrity::IntegrityError;

/// The result of using the lake.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in the lake.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state that a ledger opens with does not read.
    #[error("the first state's sectors do not read: {source}")]
    OpeningState {
        /// Why.
        source: chain::Error,
    },
    /// There is no lake in the directory.
    #[error(
        "{dir}: there is no lake here yet; make one with `sectorscope up` or `sectorscope ingest car FILE`"
    )]
    NoLake {
        /// The directory that was looked in.
        dir: PathBuf,
    },
    /// A file or directory could not be read, written or made.
    #[error(
        "{path}: {source}; check that the directory is there, may be written, and that the disk is not full"
    )]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Something in a lake or a copy of one is no regular file, or no directory.
    #[error(
        "{path}: it is {what}, and nothing in a lake or in a copy of one is; another program has rewritten it: restore a backup, or ingest into a new lake"
    )]
    UnexpectedFileType {
        /// Where it is.
        path: PathBuf,
        /// What it is, such as a link or a device.
        what: &'static str,
    },
    /// A file of a table is not what the table's log says, or the log says what this program writes into none.
    #[error(
        "{path}: {problem}; another program has rewritten it: restore a backup, or ingest into a new lake"
    )]
    ExternallyModified {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The lock that a writer holds is not the one in the lake.
    #[error(
        "{path}: it was removed or replaced while this process was writing to the lake, so another may be writing, too; nothing was committed since: start the command again, and leave that file alone"
    )]
    LockReplaced {
        /// The lock's file.
        path: PathBuf,
    },
    /// A data file could not be written as, or read from, Parquet.
    #[error("{path}: {source}; if the file is damaged, ingest its day again into a new lake")]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the Parquet library said.
        source: ParquetError,
    },
    /// A table's log could not be read or written.
    #[error("table {table}: could not {doing}: {source}")]
    Delta {
        /// The table.
        table: &'static str,
        /// What was being done.
        doing: &'static str,
        /// What the Delta library said.
        source: Box<DeltaTableError>,
    },
    /// Somebody else wrote to the table while it was open for writing here.
    #[error(
        "table {table}: another program wrote to it at the same time; let only one program write to a lake, and start this one again"
    )]
    OtherWriter {
        /// The table.
        table: &'static str,
    },
    /// Another process has the lake open for writing.
    #[error(
        "{dir}: another process is writing to this lake: {holder}; wait until it has ended, or stop it (its lock ends with it)"
    )]
    Locked {
        /// The lake.
        dir: PathBuf,
        /// Who it is, as it has said itself.
        holder: String,
    },
    /// The lake was made by a newer version of the program.
    #[error(
        "{dir}: this lake has layout {found}, and this version knows layouts up to {known}; use the version that wrote it last, or a newer one"
    )]
    Layout {
        /// The lake.
        dir: PathBuf,
        /// Its layout.
        found: u64,
        /// The newest known one.
        known: u64,
    },
    /// The day's reconciliation is of layout 1, and lacks what partitions state.
    #[error(
        "{day} was closed under layout 1, which kept nothing of what partitions state; close it again from its source with `sectorscope ingest car FILE --from {day}`"
    )]
    NoPartitionPower {
        /// The day.
        day: Day,
    },
    /// Later days depend on a state that re-closing has changed.
    #[error(
        "the state at the end of {last} is another one now, and the closed days {first_later} to {end} stand on the old one; take in a source that reaches {end}, or say --drop-later to give them up"
    )]
    LaterDaysDepend {
        /// The last day that was closed again.
        last: Day,
        /// The day after it.
        first_later: Day,
        /// The last closed day.
        end: Day,
    },
    /// No day is closed yet.
    #[error("the lake has no closed day yet; take in a source with `sectorscope ingest car FILE`")]
    NothingClosed,
    /// A requested day is not closed.
    #[error("{day} is not closed; the closed days are {first} to {last}")]
    DayNotClosed {
        /// The day.
        day: Day,
        /// The first closed day.
        first: Day,
        /// The last closed day.
        last: Day,
    },
    /// The miner has no row on that day.
    #[error(
        "{miner} has no row on {day}: a storage provider has rows from the day of its first sector event on"
    )]
    NoRow {
        /// The miner.
        miner: MinerId,
        /// The day.
        day: Day,
    },
    /// A number of stored events exceeds what can be computed with.
    #[error("{day}: {source}")]
    Overflow {
        /// The day.
        day: Day,
        /// What is too large.
        source: ledger::SumOverflow,
    },
    /// A backup cannot be made or put back.
    #[error("{path}: {problem}; {advice}")]
    Backup {
        /// The directory or file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// A note in the lake does not read.
    #[error("{path}: it does not read; {advice}")]
    InvalidNote {
        /// The file.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// A table holds something this program did not put there.
    #[error("table {table}: {problem}; {advice}")]
    Table {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// A range of days ends before it begins.
    #[error("{from} is after {to}: a range of days goes from the earlier to the later")]
    ReversedRange {
        /// Where it begins.
        from: Day,
        /// Where it ends.
        to: Day,
    },
    /// A table has no column of that name.
    #[error("there is no column {name}; there are {known}")]
    UnknownColumn {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A statement is not one that the engine understands, or fails while it is run.
    #[error("{said}")]
    Sql {
        /// What the engine said.
        said: String,
    },
    /// A statement does more than read.
    #[error("only reading is allowed: SELECT, WITH, VALUES, EXPLAIN, DESCRIBE, SHOW TABLES and SHOW COLUMNS")]
    NotReadOnly,
    /// A statement is too long to be planned.
    #[error("the statement is longer than {longest} bytes; ask in several")]
    LongStatement {
        /// The longest, in bytes.
        longest: usize,
    },
    /// A query exceeded its time limit.
    #[error(
        "the question took longer than {} s; ask for less, or allow it more with --time SECONDS",
        .limit.as_secs()
    )]
    TimeLimit {
        /// How long it may take.
        limit: std::time::Duration,
    },
    /// A query exceeded its memory limit, where no temporary files help.
    #[error(
        "the question holds far more memory than {} MiB; ask for less, or allow it more with --memory MIB",
        .limit >> 20
    )]
    MemoryLimit {
        /// Bytes that it may hold.
        limit: usize,
    },
    /// A query needs more memory or temporary files than its limits allow.
    #[error(
        "the question needs more memory or temporary files than it may; ask for less, or allow it more with --memory MIB or --spill MIB ({said})"
    )]
    ResourcesExhausted {
        /// What the engine said.
        said: String,
    },
    /// The system gives no threads.
    #[error("could not start threads: {source}; let other programs end first")]
    Threads {
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An answer could not be written.
    #[error("writing what was asked for: {source}")]
    Output {
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The query engine failed.
    #[error("{doing}: {source}")]
    Query {
        /// What was being done.
        doing: &'static str,
        /// What the engine said.
        source: Box<DataFusionError>,
    },
    /// Rows could not be put together as a table's.
    #[error("rows for table {table}: {source}")]
    Rows {
        /// The table.
        table: &'static str,
        /// What the Arrow library said.
        source: ArrowError,
    },
    /// A number does not fit where it is to be kept.
    #[error(
        "{day}: {what} is {value}, which does not fit {holder}; the source says something impossible: check it, or fetch it again"
    )]
    TooLarge {
        /// The day that was being closed.
        day: Day,
        /// What the number is.
        what: String,
        /// The number.
        value: String,
        /// Where it should fit: 64 bits, or 38 decimal digits.
        holder: &'static str,
    },
    /// Days were handed over out of order.
    #[error(
        "{got} cannot be closed now: {expected} comes next, because a day's balances come from the day before; ingest the missing days first"
    )]
    NotConsecutive {
        /// The day that may be closed next.
        expected: Day,
        /// The day that was handed over.
        got: Day,
    },
    /// What was handed over as one day contradicts itself.
    #[error("{day}: {problem}; this is a mistake of the source")]
    Inconsistent {
        /// The day.
        day: Day,
        /// What contradicts what.
        problem: String,
    },
    /// The column registry lacks a column that the day close needs.
    #[error("the column registry has no {what}; this is a mistake of this program's version")]
    Registry {
        /// The column that is missing.
        what: String,
    },
    /// Work handed to another thread did not come back.
    #[error("{doing} was broken off: {source}")]
    Task {
        /// What the work was.
        doing: &'static str,
        /// Why it did not come back.
        source: tokio::task::JoinError,
    },
}

impl Error {
    /// Whether a query was ended by a limit, and not by a fault.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        matches!(self, Self::TimeLimit { .. } | Self::MemoryLimit { .. } | Self::ResourcesExhausted { .. })
    }

    /// Wraps a Delta error with the table and what was being done.
    pub(crate) fn delta(table: &'static str, doing: &'static str) -> impl FnOnce(DeltaTableError) -> Self {
        move |source| match IntegrityError::find_in(&source) {
            Some(deep) => deep.into(),
            None => Self::Delta { table, doing, source: Box::new(source) },
        }
    }

    /// Wraps an engine error with what was being done.
    pub(crate) fn query(doing: &'static str) -> impl FnOnce(DataFusionError) -> Self {
        move |source| match IntegrityError::find_in(&source) {
            Some(deep) => deep.into(),
            None => Self::Query { doing, source: Box::new(source) },
        }
    }

    /// Wraps what went wrong with writing an answer.
    pub(crate) fn output(source: std::io::Error) -> Self {
        Self::Output { source }
    }

    /// Wraps an operating system error with the path.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| match source.downcast::<IntegrityError>() {
            Ok(deep) => deep.into(),
            Err(source) => Self::Io { path, source },
        }
    }
}

impl From<IntegrityError> for Error {
    fn from(deep: IntegrityError) -> Self {
        match deep {
            IntegrityError::UnexpectedFileType { path, what } => Self::UnexpectedFileType { path, what },
            IntegrityError::ExternallyModified { path, problem } => {
                Self::ExternallyModified { path, problem }
            }
            IntegrityError::LockReplaced { path } => Self::LockReplaced { path },
        }
    }
}
