//! The writer: closes days and commits them.

use std::ops::Range;
use std::path::{Path, PathBuf};

use chain::{Clock, Day, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::RecordBatch;
use ledger::{ChainPower, Event};
use tokio::task::JoinHandle;

use crate::close::Closer;
use crate::day_files::{self, DayBatch, DayFiles};
use crate::disk::Disk;
use crate::gaps::{self, Gap};
use crate::lock::WriterLock;
use crate::pipeline::Pipeline;
use crate::progress::Progress;
use crate::replacing::Replacing;
use crate::schema::TableName;
use crate::table::Table;
use crate::tables::Tables;
use crate::{Error, Result, activations, progress, reconciliation};

/// One finished day of the chain, as ingest hands it over.
#[derive(Clone, Debug)]
pub struct FinishedDay {
    /// The day.
    pub day: Day,
    /// Its events in chain order.
    pub events: Vec<Event>,
    /// What the chain states of every miner's power at the day's end.
    pub powers: Vec<ChainPower>,
    /// What the day came from.
    pub progress: Progress,
}

impl FinishedDay {
    /// The day's epochs.
    pub(crate) fn epochs(&self) -> Range<Epoch> {
        let clock = Clock::new(self.progress.genesis);
        clock.first_epoch(self.day)..clock.first_epoch(self.day.next())
    }
}

/// The writer of a lake. There is one to a lake at a time: it holds the lake's lock until it is dropped.
pub struct Lake {
    pub(crate) directory: PathBuf,
    pub(crate) disk: Disk,
    _lock: WriterLock,
    pub(crate) tables: Tables,
    pub(crate) closer: Closer,
    /// The last closed day's rows, once read or made.
    last: Option<(Day, RecordBatch)>,
    pub(crate) replacing: Option<Replacing>,
}

impl Lake {
    /// Opens the lake in `dir` for writing, making directory and tables where they are absent, and bringing a lake of
    /// an older layout to this version's.
    ///
    /// # Errors
    /// If another process is writing to it, a table cannot be made or read, or was made by another version of the
    /// program.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::open_on(dir, Disk::default()).await
    }

    /// As [`Lake::open`], of a lake that is there.
    ///
    /// # Errors
    /// As [`Lake::open`], and if there is none.
    pub async fn open_existing(dir: &Path) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows).await? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        Self::open(dir).await
    }

    /// As [`Lake::open`], writing through `disk`.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_on(dir: &Path, disk: Disk) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = WriterLock::take(dir)?;
        Ok(Self {
            directory: dir.to_owned(),
            tables: Tables::open(dir, &disk).await?,
            closer: Closer::new().await?,
            last: None,
            replacing: None,
            disk,
            _lock: lock,
        })
    }

    /// The last closed day; `None` for an empty lake.
    #[must_use]
    pub fn last_closed(&self) -> Option<Day> {
        self.rows().files().last()
    }

    /// The first closed day; `None` for an empty lake.
    #[must_use]
    pub fn first_closed(&self) -> Option<Day> {
        self.rows().files().days().map(|days| *days.start())
    }

    /// Closes consecutive days that follow the last closed one (or are the first ever): all of them or, on an error,
    /// none. Each table gets one commit; `sp_sector_daily` comes last and makes the days visible. After
    /// [`Lake::close_again`], the days follow the last one closed again, and nothing is committed yet.
    ///
    /// # Errors
    /// If the days are not consecutive, a number does not fit, a day contradicts itself, the disk fails, or another
    /// program writes to the lake.
    pub async fn close_days(&mut self, days: &[FinishedDay]) -> Result<()> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
        let mut expected = self.expected().unwrap_or(first.day);
        for finished in days {
            check(finished, expected)?;
            expected = expected.next();
        }
        let previous = self.rows_before(first.day).await?;
        let mut writing = Vec::with_capacity(days.len());
        let closed = self.close_in_turn(days, previous, &mut writing).await;
        let files = written(writing).await;
        let rows = closed?;
        let files = files?;
        if let Some(replacing) = &mut self.replacing {
            replacing.files.extend(files);
            replacing.last = Some((last.day, rows, last.progress.state_root.clone()));
            return Ok(());
        }
        self.tables.commit(day_files::changes(&files)).await?;
        self.last = Some((last.day, rows));
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
        let pipeline = Pipeline {
            closer: &self.closer,
            disk: &self.disk,
            directory: self.tables.get(TableName::Events).directory(),
        };
        for finished in days {
            let day = finished.day;
            let (rows, events) = pipeline.close(finished, previous.clone()).await;
            writing.push(events);
            let (rows, failed) = rows?;
            writing.push(self.write(day, vec![(TableName::Rows, rows.clone())]));
            let reconciled = reconciliation::batch(finished, failed, &previous, &rows)?;
            let progress = progress::batch(std::slice::from_ref(&finished.progress))?;
            let others = vec![(TableName::Reconciliation, reconciled), (TableName::Progress, progress)];
            writing.push(self.write(day, others));
            previous = rows;
        }
        Ok(previous)
    }

    /// Writes a day's files on another core.
    pub(crate) fn write(
        &self,
        day: Day,
        batches: Vec<(TableName, RecordBatch)>,
    ) -> JoinHandle<Result<DayFiles>> {
        let disk = self.disk.clone();
        let batch = |(table, rows)| DayBatch {
            table,
            directory: self.tables.get(table).directory().to_owned(),
            rows,
        };
        let batches: Vec<DayBatch> = batches.into_iter().map(batch).collect();
        tokio::task::spawn_blocking(move || DayFiles::write(&disk, day, &batches))
    }

    /// The day that can be closed next; `None` if any can.
    fn expected(&self) -> Option<Day> {
        match &self.replacing {
            None => self.last_closed().map(Day::next),
            Some(replacing) => {
                Some(replacing.last.as_ref().map_or(replacing.from, |(last, _, _)| last.next()))
            }
        }
    }

    /// Where the closed days came from, ordered by day.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn progress(&self) -> Result<Vec<Progress>> {
        self.tables.get(TableName::Progress).progress().await
    }

    /// Activations first seen of those sectors whose state may show another one by now: a snap from actors v7 to v11
    /// overwrites it. What goes on from the last closed day, or from before the first day closed again, needs them.
    ///
    /// # Errors
    /// If the events cannot be read.
    pub async fn first_activations(&self) -> Result<Vec<(MinerId, SectorNumber, Epoch)>> {
        let table = self.tables.get(TableName::Events);
        let before = self.expected();
        let files = table.files().iter().filter(|file| before.is_none_or(|day| file.days.0 < day));
        activations::read(files.map(|file| table.path(file)).collect(), before).await
    }

    /// Gaps that sources have shown, after the last closed day.
    ///
    /// # Errors
    /// If the note of them does not read.
    pub fn gaps(&self) -> Result<Vec<Gap>> {
        gaps::gaps(&self.directory)
    }

    /// Notes a gap, for `status` to show until days are closed over it.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn note_gap(&self, gap: Gap) -> Result<()> {
        let mut gaps = self.gaps()?;
        gaps.retain(|known| known.last_epoch < gap.first_epoch || known.first_epoch > gap.last_epoch);
        gaps.push(gap);
        gaps::write(&self.directory, &self.disk, gaps)
    }

    /// Forgets what was noted of gaps up to this epoch, over which days are closed now.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn closed_over(&self, epoch: Epoch) -> Result<()> {
        let mut gaps = self.gaps()?;
        let before = gaps.clone();
        gaps.retain(|gap| gap.last_epoch > epoch);
        for gap in &mut gaps {
            gap.first_epoch = gap.first_epoch.max(epoch + 1);
        }
        if gaps == before { Ok(()) } else { gaps::write(&self.directory, &self.disk, gaps) }
    }

    /// The rows that a day stands on; none for the first day ever.
    async fn rows_before(&self, day: Day) -> Result<RecordBatch> {
        if let Some((_, rows, _)) = self.replacing.as_ref().and_then(|replacing| replacing.last.as_ref()) {
            return Ok(rows.clone());
        }
        let before = day.previous();
        if let Some((_, rows)) = self.last.as_ref().filter(|(last, _)| *last == before) {
            return Ok(rows.clone());
        }
        self.rows().day(before).await
    }

    /// Drops what is remembered of the last closed day.
    pub(crate) fn forget_last(&mut self) {
        self.last = None;
    }

    pub(crate) fn rows(&self) -> &Table {
        self.tables.get(TableName::Rows)
    }
}

/// Waits for the files. Whatever went wrong, nothing may still be writing when the lake's lock is let go.
pub(crate) async fn written(writing: Vec<JoinHandle<Result<DayFiles>>>) -> Result<Vec<DayFiles>> {
    let mut files = Vec::with_capacity(writing.len());
    for task in writing {
        files.push(task.await.map_err(|source| Error::Task { doing: "writing a day's files", source }));
    }
    files.into_iter().map(|task| task.and_then(|files| files)).collect()
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
