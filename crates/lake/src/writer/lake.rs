//! The writer: closes days and commits them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chain::{Day, DayRange, Epoch, MinerId, SectorNumber};
use datafusion::arrow::array::RecordBatch;
use ledger::{AnomalyHistory, Opening};
use tokio::task::JoinHandle;

use crate::catalog::gaps::{self, Gap};
use crate::catalog::layout;
use crate::catalog::migration;
use crate::catalog::tables::Tables;
use crate::close::day_changes::DayChange;
use crate::close::day_files::{self, DayBatch, DayFiles, SMALL_DAY, SmallDays};
use crate::close::engine::{self, DayCloseEngine};
use crate::close::failures::CheckInput;
use crate::close::pipeline::{ClosedDay, Pipeline};
use crate::close::reconciliation;
use crate::delta::table::Table;
use crate::error::{Error, Result};
use crate::records::day_source;
use crate::records::day_source::DaySource;
use crate::records::finished_day::FinishedDay;
use crate::resume::activations;
use crate::resume::carried;
use crate::schema::TableName;
use crate::storage::disk::Disk;
use crate::storage::lock::WriterLock;
use crate::writer::last_day::LastDay;
use crate::writer::reclosing::Reclosing;

/// The writer of a lake. There is one to a lake at a time: it holds the lake's lock until it is dropped.
pub struct Lake {
    pub(crate) directory: PathBuf,
    pub(crate) disk: Disk,
    _lock: Arc<WriterLock>,
    pub(crate) tables: Tables,
    pub(crate) engine: DayCloseEngine,
    /// The last closed day, once read or made.
    last: Option<LastDay>,
    pub(crate) reclosing: Option<Reclosing>,
}

impl Lake {
    /// Opens the lake in `dir` for writing, making directory and tables where they are absent, and bringing a lake of
    /// an older layout to this version's.
    ///
    /// # Errors
    /// If another process is writing to it, a table cannot be made or read, or was made by another version of the
    /// program.
    pub async fn open(dir: &Path) -> Result<Self> {
        Self::open_with_disk(dir, Disk::default()).await
    }

    /// As [`Lake::open`], of a lake that is there.
    ///
    /// # Errors
    /// As [`Lake::open`], and if there is none.
    pub async fn open_existing(dir: &Path) -> Result<Self> {
        if !Table::exists(dir, TableName::Rows)? {
            return Err(Error::NoLake { dir: dir.to_owned() });
        }
        Self::open(dir).await
    }

    /// As [`Lake::open`], writing through `disk`.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub async fn open_with_disk(dir: &Path, disk: Disk) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        let lock = Arc::new(WriterLock::acquire(dir)?);
        let disk = disk.guarded_by(&lock);
        let is_older = layout::is_older(dir)?;
        let mut tables = Tables::open(dir, &disk).await?;
        if is_older || migration::is_needed(&tables)? {
            migration::migrate(&mut tables, &disk).await?;
        }
        layout::write(dir, &disk)?;
        tables.remove_orphans().await?;
        Ok(Self {
            directory: dir.to_owned(),
            tables,
            engine: DayCloseEngine::new().await?,
            last: None,
            reclosing: None,
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
        self.rows().files().days().map(DayRange::first)
    }

    /// Closes consecutive days that follow the last closed one (or are the first ever): all of them or, on an error,
    /// none. Each table gets one commit; `sp_sector_daily` comes last and makes the days visible. After
    /// [`Lake::begin_reclose`], the days follow the last one closed again, and nothing is committed yet.
    ///
    /// # Errors
    /// If the days are not consecutive, a number does not fit, a day contradicts itself, the disk fails, or another
    /// program writes to the lake.
    pub async fn close_days(&mut self, days: &[FinishedDay]) -> Result<()> {
        self.close(days, None).await.map(drop)
    }

    /// Closes a day as [`Lake::close_days`] does, whose events begin with those of an opening: all sectors of a state, which
    /// are read while the day is closed and never held. Returns how many there were.
    ///
    /// # Errors
    /// As [`Lake::close_days`]; or if the state does not read.
    pub async fn close_opening_day(&mut self, day: &FinishedDay, opening: Opening<'_>) -> Result<u64> {
        self.close(std::slice::from_ref(day), Some(opening)).await
    }

    /// Closes days, the first of which may open the ledger; how many events that has.
    async fn close(&mut self, days: &[FinishedDay], opening: Option<Opening<'_>>) -> Result<u64> {
        let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(0) };
        let mut expected = self.next_day().unwrap_or(first.day);
        for finished in days {
            check(finished, expected)?;
            expected = expected.next();
        }
        let previous = self.previous_day(first.day).await?;
        let mut writing = Vec::with_capacity(days.len());
        let closed = self.close_each(days, opening, previous, &mut writing).await;
        let files = day_files::await_files(writing).await;
        let ClosedDays { last: closed, opened, changes } = closed?;
        let files = files?;
        if let Some(reclosing) = &mut self.reclosing {
            reclosing.files.extend(files);
            reclosing.changes.extend(changes);
            reclosing.last = Some((closed, last.source.state_root.clone()));
            return Ok(opened);
        }
        self.tables.commit(day_files::file_changes(&files)).await?;
        self.last = Some(closed);
        tracing::debug!(first = %first.day, last = %last.day, "days closed");
        Ok(opened)
    }

    /// Closes day after day, and gives their files to other cores to compress and write; what they
    /// come to.
    async fn close_each(
        &self,
        days: &[FinishedDay],
        mut opening: Option<Opening<'_>>,
        mut previous: LastDay,
        writing: &mut Vec<JoinHandle<Result<DayFiles>>>,
    ) -> Result<ClosedDays> {
        let pipeline = Pipeline {
            engine: &self.engine,
            disk: &self.disk,
            directory: self.tables.get(TableName::Events).directory(),
            counts: self.reclosing.is_some(),
        };
        let (mut all_opened, mut changes) = (0, Vec::new());
        let mut small_days = SmallDays::default();
        for finished in days {
            let day = finished.day;
            let opening = opening.take();
            let quiet = opening.is_none() && finished.events.is_empty();
            let size = finished.events.len() + previous.rows.num_rows();
            // Days that are closed again come into the place of single ones.
            let small = opening.is_none() && size <= SMALL_DAY && self.reclosing.is_none();
            if !small || small_days.ends_before(day) {
                writing.extend(self.write_small(&mut small_days)?);
            }
            let (closed, events) = match quiet && previous.quiet && small {
                true => (Ok(ClosedDay::quiet(engine::repeat_rows(day, &previous.rows)?)), None),
                false => pipeline.close(finished, opening, previous.rows.clone(), small).await,
            };
            writing.extend(events);
            let ClosedDay { events, rows, failed, seen, opened, counts } = closed?;
            all_opened += opened;
            if let Some(counts) = counts {
                let receipts = finished.source.receipts;
                changes.extend(self.day_change(day, &rows, Some(&counts), receipts).await?);
            }
            let of_day = vec![(TableName::Rows, rows.clone())];
            if small {
                let events = events.into_iter().map(|rows| (TableName::Events, rows));
                small_days.add(day, of_day.into_iter().chain(events));
            } else {
                writing.push(self.write(day.into(), of_day));
            }
            let input = CheckInput { finished, seen: &seen, carried: &previous.carried };
            let found = input.findings(failed, &previous.rows, &rows)?;
            let reconciled = reconciliation::batch(finished, &rows, &found)?;
            let progress = day_source::batch(std::slice::from_ref(&finished.source))?;
            let others = vec![(TableName::Reconciliation, reconciled), (TableName::Progress, progress)];
            match small {
                true => small_days.add(day, others),
                false => writing.push(self.write(day.into(), others)),
            }
            previous =
                LastDay { day, rows, carried: Arc::new(AnomalyHistory::from(found.anomalous, seen)), quiet };
        }
        writing.extend(self.write_small(&mut small_days)?);
        Ok(ClosedDays { last: previous, opened: all_opened, changes })
    }

    /// Writes the files of small days on another core, if there are any.
    fn write_small(&self, days: &mut SmallDays) -> Result<Option<JoinHandle<Result<DayFiles>>>> {
        Ok(days.take()?.map(|(days, mut batches)| {
            // On no day of them may there have been an event, and each table has its files of each day.
            if !batches.iter().any(|(table, _)| *table == TableName::Events) {
                batches.push((TableName::Events, RecordBatch::new_empty(TableName::Events.schema())));
            }
            self.write(days, batches)
        }))
    }

    /// Writes the files of some days on another core.
    pub(crate) fn write(
        &self,
        days: DayRange,
        batches: Vec<(TableName, RecordBatch)>,
    ) -> JoinHandle<Result<DayFiles>> {
        let disk = self.disk.clone();
        let batch = |(table, rows)| DayBatch {
            table,
            directory: self.tables.get(table).directory().to_owned(),
            rows,
        };
        let batches: Vec<DayBatch> = batches.into_iter().map(batch).collect();
        tokio::task::spawn_blocking(move || DayFiles::write(&disk, days, &batches))
    }

    /// The day that can be closed next; `None` if any can.
    fn next_day(&self) -> Option<Day> {
        match &self.reclosing {
            None => self.last_closed().map(Day::next),
            Some(reclosing) => {
                Some(reclosing.last.as_ref().map_or(reclosing.from, |(last, _)| last.day.next()))
            }
        }
    }

    /// Where the closed days came from, ordered by day.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn day_sources(&self) -> Result<Vec<DaySource>> {
        self.tables.get(TableName::Progress).day_sources().await
    }

    /// Activations first seen of those sectors whose state may show another one by now: a snap from actors v7 to v11
    /// overwrites it. What goes on from the last closed day, or from before the first day closed again, needs them.
    ///
    /// # Errors
    /// If the events cannot be read.
    pub async fn first_activations(&self) -> Result<Vec<(MinerId, SectorNumber, Epoch)>> {
        let table = self.tables.get(TableName::Events);
        let before = self.next_day();
        let files = table.files().iter().filter(|file| before.is_none_or(|day| file.days.first() < day));
        activations::read(table, files.cloned().collect(), before).await
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
    pub fn record_gap(&self, gap: Gap) -> Result<()> {
        let mut gaps = self.gaps()?;
        gaps.retain(|known| known.last_epoch < gap.first_epoch || known.first_epoch > gap.last_epoch);
        gaps.push(gap);
        gaps::write(&self.directory, &self.disk, gaps)
    }

    /// Forgets what was noted of gaps up to this epoch, over which days are closed now.
    ///
    /// # Errors
    /// If the disk does not take it.
    pub fn clear_gaps(&self, epoch: Epoch) -> Result<()> {
        let mut gaps = self.gaps()?;
        let before = gaps.clone();
        gaps.retain(|gap| gap.last_epoch > epoch);
        for gap in &mut gaps {
            gap.first_epoch = gap.first_epoch.max(epoch + 1);
        }
        if gaps == before { Ok(()) } else { gaps::write(&self.directory, &self.disk, gaps) }
    }

    /// The day before a day; an empty one before the first day ever.
    async fn previous_day(&self, day: Day) -> Result<LastDay> {
        if let Some((last, _)) = self.reclosing.as_ref().and_then(|reclosing| reclosing.last.as_ref()) {
            return Ok(last.clone());
        }
        let before = day.previous();
        if let Some(last) = self.last.as_ref().filter(|last| last.day == before) {
            return Ok(last.clone());
        }
        let reconciled = self.tables.get(TableName::Reconciliation).day(before).await?;
        let carried = carried::read(before, &reconciled, self.tables.get(TableName::Events)).await?;
        let rows = self.rows().day(before).await?;
        Ok(LastDay { day: before, rows, carried: Arc::new(carried), quiet: false })
    }

    /// Drops what is remembered of the last closed day.
    pub(crate) fn forget_last_day(&mut self) {
        self.last = None;
    }

    pub(crate) fn rows(&self) -> &Table {
        self.tables.get(TableName::Rows)
    }
}

/// What days closed in turn come to.
struct ClosedDays {
    /// The last day.
    last: LastDay,
    /// How many events the opening had.
    opened: u64,
    /// What they change, where they are closed again.
    changes: Vec<DayChange>,
}

/// What can be wrong with a day before anything is counted.
fn check(finished: &FinishedDay, expected: Day) -> Result<()> {
    let day = finished.day;
    if day != expected {
        return Err(Error::NotConsecutive { expected, got: day });
    }
    let said = finished.source.day;
    if said != day {
        return Err(Error::Inconsistent { day, problem: format!("its progress says {said}") });
    }
    Ok(())
}
