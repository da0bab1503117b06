//! What is in a lake, and in which condition it is.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use chain::{Day, Epoch};

use crate::catalog::gaps::{self, Gap};
use crate::catalog::history_start::history_start;
use crate::catalog::layout;
use crate::catalog::receipts::ReceiptSummary;
use crate::catalog::snapshot::Snapshot;
use crate::error::Result;
use crate::records::day_source::DaySource;
use crate::schema::TableName;
use crate::storage::lock::WriterLock;

/// A lake at a glance.
#[derive(Clone, Debug)]
pub struct Status {
    /// The lake's directory.
    pub directory: PathBuf,
    /// Its layout's number.
    pub layout: u64,
    /// The published version.
    pub version: u64,
    /// First and last closed day.
    pub days: Option<RangeInclusive<Day>>,
    /// The day from which on events are known, where that is not the day of epoch 0.
    pub history_since: Option<Day>,
    /// How the outcomes of all closed days' messages are known.
    pub receipts: ReceiptSummary,
    /// What is missing before later days can close.
    pub gaps: Vec<Gap>,
    /// The tables, as published.
    pub tables: Vec<TableStatus>,
    /// Bytes of everything in the directory: the tables' files, their logs, and files that were taken out and are kept
    /// for readers of older versions.
    pub bytes: u64,
    /// Where the days came from, in their order.
    pub sources: Vec<SourceStatus>,
    /// Who is writing now, as it says itself; `None` if nobody is.
    pub writer: Option<String>,
}

/// A table at a glance.
#[derive(Clone, Debug)]
pub struct TableStatus {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u64,
    /// Its files.
    pub files: u64,
    /// Their rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Consecutive days that came from one source.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// The source, as its user named it.
    pub source: String,
    /// The network's name.
    pub network: String,
    /// Unix time of its epoch 0, in seconds.
    pub genesis: i64,
    /// The days.
    pub days: RangeInclusive<Day>,
    /// The epochs.
    pub epochs: RangeInclusive<Epoch>,
    /// The last tipset's key, and the state after it.
    pub tipset_key: String,
    /// CID of that state.
    pub state_root: String,
    /// Version of the program that closed the last of them.
    pub version: String,
    /// How the outcomes of their messages are known.
    pub receipts: ReceiptSummary,
    /// When, in Unix seconds.
    pub closed_at: Option<i64>,
}

impl Status {
    /// Looks at the lake in `dir`, whether or not somebody is writing to it.
    ///
    /// # Errors
    /// If there is no lake, or it cannot be read.
    pub async fn read(dir: &Path) -> Result<Self> {
        let snapshot = Snapshot::open(dir).await?;
        let tables: Vec<_> = TableName::ALL.into_iter().filter_map(|name| snapshot.table(name)).collect();
        let progress = match snapshot.table(TableName::Progress) {
            Some(progress) => progress.day_sources().await?,
            None => Vec::new(),
        };
        let mut receipts = ReceiptSummary::default();
        progress.iter().for_each(|row| receipts.add(&row.receipts));
        let table = |table: &&crate::delta::table::Table| TableStatus {
            name: table.name().name(),
            version: table.version(),
            files: table.files().iter().count() as u64,
            rows: table.files().iter().map(|file| file.rows).sum(),
            bytes: table.files().iter().filter_map(|file| u64::try_from(file.size).ok()).sum(),
        };
        Ok(Self {
            directory: dir.to_owned(),
            layout: layout::read(dir)?,
            version: snapshot.version(),
            days: snapshot.table(TableName::Rows).and_then(|rows| rows.files().days()).map(Into::into),
            history_since: history_start(&snapshot).await?,
            receipts,
            gaps: gaps::gaps(dir)?,
            tables: tables.iter().map(table).collect(),
            bytes: bytes(dir),
            sources: sources(progress),
            writer: WriterLock::holder(dir),
        })
    }
}

/// Consecutive days of one source, brought together.
fn sources(progress: Vec<DaySource>) -> Vec<SourceStatus> {
    let mut sources: Vec<SourceStatus> = Vec::new();
    for row in progress {
        let (first_day, first_epoch, mut receipts) = match sources.last() {
            Some(last) if last.source == row.source && last.network == row.network => {
                let began = (*last.days.start(), *last.epochs.start(), last.receipts);
                sources.pop();
                began
            }
            _ => (row.day, row.first_epoch, ReceiptSummary::default()),
        };
        receipts.add(&row.receipts);
        sources.push(SourceStatus {
            source: row.source,
            network: row.network,
            genesis: row.genesis,
            days: first_day..=row.day,
            epochs: first_epoch..=row.last_epoch,
            tipset_key: row.tipset_key,
            state_root: row.state_root,
            version: row.version,
            receipts,
            closed_at: row.closed_at,
        });
    }
    sources
}

/// Bytes of the plain files in a directory and those below it; what cannot be looked at counts nothing.
fn bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => bytes(&entry.path()),
        Ok(about) => about.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}
