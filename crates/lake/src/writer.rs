//! The writer: closes days and commits them.

use std::path::{Path, PathBuf};

use chain::{Day, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::RecordBatch;
use ledger::{Claim, Event};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::close::Closer;
use crate::disk::Disk;
use crate::file::DataFile;
use crate::lock::WriterLock;
use crate::pipeline::close_day;
use crate::progress::Progress;
use crate::schema::TableName;
use crate::table::Table;
use crate::{Error, Result, activations, file, progress, reconciliation};

/// One finished day of the chain, as ingest hands it over.
#[derive(Clone, Debug)]
pub struct FinishedDay {
    /// The day.
    pub day: Day,
    /// Its events in chain order.
    pub events: Vec<Event>,
    /// The claims of every miner at the day's end.
    pub claims: Vec<Claim>,
    /// What the day came from.
    pub progress: Progress,
}

/// The writer of a lake. There is one to a lake at a time: it holds the lake's lock until it is dropped.
pub struct Lake {
    disk: Disk,
    _lock: WriterLock,
    events: Table,
    reconciliation: Table,
    progress: Table,
    rows: Table,
    closer: Closer,
    /// The last closed day's rows, once read or made.
    last: Option<(Day, RecordBatch)>,
}

/// A day's files, one to a table.
struct DayFiles {
    events: DataFile,
    reconciliation: DataFile,
    progress: DataFile,
    rows: DataFile,
}

impl Lake {
    /// Opens the lake in `dir` for writing, making directory and tables where they are absent.
    ///
    /// # Errors
    /// If another process is writing to it, a table cannot be made or read, or was made by another version of the
    /// program.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::open_on(dir, Disk::default()).await
    }

    /// As [`Lake::open`], writing through `disk`.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_on(dir: &Path, disk: Disk) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = WriterLock::take(dir)?;
        Ok(Self {
            events: Table::open_or_create(dir, TableName::Events, &disk).await?,
            reconciliation: Table::open_or_create(dir, TableName::Reconciliation, &disk).await?,
            progress: Table::open_or_create(dir, TableName::Progress, &disk).await?,
            rows: Table::open_or_create(dir, TableName::Rows, &disk).await?,
            closer: Closer::new().await?,
            last: None,
            disk,
            _lock: lock,
        })
    }

    /// The last closed day; `None` for an empty lake.
    #[must_use]
    pub fn last_closed(&self) -> Option<Day> {
        self.rows.days().last_key_value().map(|(day, _)| *day)
    }

    /// Closes consecutive days that follow the last closed one (or are the first ever): all of them or, on an error,
    /// none. Each table gets one commit; `sp_sector_daily` comes last and makes the days visible.
    ///
    /// # Errors
    /// If the days are not consecutive, a number does not fit, a day contradicts itself, the disk fails, or another
    /// program writes to the lake.
    pub async fn close_days(&mut self, days: &[FinishedDay]) -> Result<()> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
        let mut expected = self.last_closed().map_or(first.day, Day::next);
        for finished in days {
            check(finished, expected)?;
            expected = expected.next();
        }

        let previous = self.last_rows().await?;
        let mut writing = Vec::with_capacity(days.len());
        let closed = self.close_in_turn(days, previous, &mut writing).await;
        // Whatever went wrong, nothing may still be writing when the lake's lock is let go.
        let mut written = Vec::with_capacity(days.len());
        for task in writing {
            written.push(task.await.map_err(|source| Error::Task { doing: "writing a day's files", source }));
        }
        let previous = closed?;
        let files =
            written.into_iter().map(|task| task.and_then(|files| files)).collect::<Result<Vec<_>>>()?;
        self.commit(&files).await?;
        self.last = Some((last.day, previous));
        tracing::debug!(first = %first.day, last = %last.day, "days closed");
        Ok(())
    }

    /// Closes day after day, and gives their files to other cores to compress and write; returns the last day's rows.
    async fn close_in_turn(
        &self,
        days: &[FinishedDay],
        mut previous: RecordBatch,
        writing: &mut Vec<JoinHandle<Result<DayFiles>>>,
    ) -> Result<RecordBatch> {
        for finished in days {
            let day = finished.day;
            let directories = self.directories();
            let (rows, events) =
                close_day(&self.closer, &self.disk, &directories[0], finished, previous).await?;
            previous = rows.clone();
            let batches = [
                (TableName::Reconciliation, reconciliation::batch(day, &rows, &finished.claims)?),
                (TableName::Progress, progress::batch(&finished.progress)?),
                (TableName::Rows, rows),
            ];
            let disk = self.disk.clone();
            writing
                .push(tokio::task::spawn_blocking(move || write(&disk, &directories, day, events, &batches)));
        }
        Ok(previous)
    }

    /// Where the closed days came from, ordered by day.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn progress(&self) -> Result<Vec<Progress>> {
        let Some(last) = self.last_closed() else { return Ok(Vec::new()) };
        let directory = self.progress.directory();
        let paths: Vec<PathBuf> =
            self.progress.days().range(..=last).map(|(_, stored)| directory.join(&stored.name)).collect();
        let read = move || {
            let rows = paths
                .iter()
                .map(|path| file::read(path, TableName::Progress).and_then(|batch| progress::rows(&batch)));
            rows.collect::<Result<Vec<_>>>().map(|rows| rows.concat())
        };
        tokio::task::spawn_blocking(read)
            .await
            .map_err(|source| Error::Task { doing: "reading progress", source })?
    }

    /// Activations first seen of those sectors whose state may show another one by now: a snap from actors v7 to v11
    /// overwrites it. What goes on from the last closed day needs them.
    ///
    /// # Errors
    /// If the events cannot be read.
    pub async fn first_activations(&self) -> Result<Vec<(MinerId, SectorNumber, Epoch)>> {
        let Some(last) = self.last_closed() else { return Ok(Vec::new()) };
        let directory = self.events.directory();
        let files = self.events.days().range(..=last).map(|(_, stored)| directory.join(&stored.name));
        activations::read(files.collect()).await
    }

    /// The rows that the next day stands on; none for the first day ever.
    async fn last_rows(&self) -> Result<RecordBatch> {
        let Some((day, stored)) = self.rows.days().last_key_value() else {
            return Ok(RecordBatch::new_empty(TableName::Rows.schema()));
        };
        if let Some((_, rows)) = self.last.as_ref().filter(|(last, _)| last == day) {
            return Ok(rows.clone());
        }
        let path = self.rows.directory().join(&stored.name);
        tokio::task::spawn_blocking(move || file::read(&path, TableName::Rows))
            .await
            .map_err(|source| Error::Task { doing: "reading the last closed day", source })?
    }

    /// The tables' directories, in the order in which they are committed.
    fn directories(&self) -> [PathBuf; 4] {
        [&self.events, &self.reconciliation, &self.progress, &self.rows]
            .map(|table| table.directory().to_owned())
    }

    /// One commit to each table. The last one publishes, and names the versions of the others that it stands on.
    async fn commit(&mut self, files: &[DayFiles]) -> Result<()> {
        let of = |pick: fn(&DayFiles) -> &DataFile| -> Vec<DataFile> {
            files.iter().map(|day| pick(day).clone()).collect()
        };
        let events = self.events.commit(&of(|day| &day.events), Map::new()).await?;
        let reconciliation = self.reconciliation.commit(&of(|day| &day.reconciliation), Map::new()).await?;
        let progress = self.progress.commit(&of(|day| &day.progress), Map::new()).await?;
        let stands_on = json!({
            TableName::Events.name(): events,
            TableName::Reconciliation.name(): reconciliation,
            TableName::Progress.name(): progress,
        });
        let notes: Map<String, Value> = Map::from_iter([("standsOn".to_owned(), stands_on)]);
        self.rows.commit(&of(|day| &day.rows), notes).await?;
        Ok(())
    }
}

/// What can be wrong with a day before anything is counted.
fn check(finished: &FinishedDay, expected: Day) -> Result<()> {
    let day = finished.day;
    if day != expected {
        return Err(Error::NotConsecutive { expected, got: day });
    }
    let said = finished.progress.day;
    if said != day {
        return Err(Error::Inconsistent { day, problem: format!("its progress says {said}") });
    }
    Ok(())
}

/// Writes a day's other three files, given in the order of [`Lake::directories`].
fn write(
    disk: &Disk,
    directories: &[PathBuf; 4],
    day: Day,
    events: DataFile,
    batches: &[(TableName, RecordBatch); 3],
) -> Result<DayFiles> {
    let file = |at: usize| {
        let (table, rows) = &batches[at];
        file::write(disk, &directories[at + 1], *table, day, rows)
    };
    Ok(DayFiles { events, reconciliation: file(0)?, progress: file(1)?, rows: file(2)? })
}
