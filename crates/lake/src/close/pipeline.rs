//! Closes a day while its events are being written.

use std::iter::Peekable;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use ledger::checks::{DayChecks, Failure};
use ledger::{AnomalySignals, Opening};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::close::day_changes::{self, EventCounts};
use crate::close::day_files::DayFiles;
use crate::close::engine::{DayCloseEngine, DayCloseRun};
use crate::data_files::writer::FileWriter;
use crate::error::{Error, Result};
use crate::records::event_encoder::{self, BATCH_ROWS, PositionedEvent};
use crate::records::finished_day::FinishedDay;
use crate::schema::TableName;
use crate::storage::disk::Disk;

/// Batches of events that wait to be written.
const QUEUED_BATCHES: usize = 16;

/// Checks a day's events, makes rows of them, adds them up, and compresses them, all at once, some batches at a time, so
/// that a day is never held twice.
pub(crate) struct Pipeline<'l> {
    pub(crate) engine: &'l DayCloseEngine,
    pub(crate) disk: &'l Disk,
    /// The directory of the events' files.
    pub(crate) directory: &'l Path,
    /// Whether events are counted by kind and cause.
    pub(crate) counts: bool,
}

/// What a day's events come to.
pub(crate) struct ClosedDay {
    /// The events, if they are held: those of a small day.
    pub(crate) events: Vec<RecordBatch>,
    pub(crate) rows: RecordBatch,
    /// What its events fail.
    pub(crate) failed: Vec<Failure>,
    /// What they say that anomalies can begin with, and whose ledger they open.
    pub(crate) seen: AnomalySignals,
    /// How many events came from the opening that was handed over beside the day.
    pub(crate) opened: u64,
    /// How many events of each kind and cause there are, if they were to be counted.
    pub(crate) counts: Option<EventCounts>,
}

impl ClosedDay {
    /// Of a day without events, which has these rows.
    pub(crate) fn quiet(rows: RecordBatch) -> Self {
        Self {
            events: Vec::new(),
            rows,
            failed: Vec::new(),
            seen: AnomalySignals::default(),
            opened: 0,
            counts: None,
        }
    }
}

impl Pipeline<'_> {
    /// The day's rows and what its events fail, and the file of its events, which is being written, unless they are
    /// few and `held`. It must be waited for whatever comes of the rows: nothing may still be writing when the lake's
    /// lock is let go.
    ///
    /// An opening's events come before all others of the day. They are never held: each is let go when its row is made.
    pub(crate) async fn close(
        &self,
        finished: &FinishedDay,
        opening: Option<Opening<'_>>,
        previous: RecordBatch,
        held: bool,
    ) -> (Result<ClosedDay>, Option<JoinHandle<Result<DayFiles>>>) {
        let (batches, mut arriving) = mpsc::channel::<RecordBatch>(QUEUED_BATCHES);
        let (disk, directory) = (self.disk.clone(), self.directory.to_owned());
        let most = opening.as_ref().map_or(0, Opening::max_events);
        let count = finished.events.len().saturating_add(usize::try_from(most).unwrap_or(usize::MAX));
        let day = finished.day;
        let write = move || {
            let mut file = FileWriter::create(&disk, &directory, TableName::Events, day.into(), count)?;
            while let Some(batch) = arriving.blocking_recv() {
                file.write(&batch)?;
            }
            Ok(DayFiles::of(TableName::Events, file.finish()?))
        };
        let (writing, to) = match held {
            true => (None, EventSink::Held(Vec::new())),
            false => (Some(tokio::task::spawn_blocking(write)), EventSink::File(batches)),
        };
        let rows = async {
            let mut feed = EventFeed {
                finished,
                run: self.engine.start(day, previous)?,
                checks: DayChecks::new(finished.epochs()),
                seen: AnomalySignals::default(),
                counts: self.counts.then(EventCounts::new),
                to,
            };
            let sorted = event_encoder::EventOrder::new(day, &finished.events)?;
            let mut rest = sorted.apply(&finished.events).peekable();
            let opened = match opening {
                Some(opening) => feed.open(opening, &mut rest).await?,
                None => 0,
            };
            let mut rows = Vec::with_capacity(BATCH_ROWS);
            loop {
                rows.clear();
                rows.extend(rest.by_ref().take(BATCH_ROWS).map(|row| shifted(most, row)));
                if rows.is_empty() {
                    break;
                }
                feed.add(&rows).await?;
            }
            feed.end(opened).await
        };
        (rows.await, writing)
    }
}

/// An event that comes after an opening of that many.
fn shifted(most: u64, (position, event): PositionedEvent<'_>) -> PositionedEvent<'_> {
    (position.saturating_add(i64::try_from(most).unwrap_or(i64::MAX)), event)
}

/// Hands a day's events on.
struct EventFeed<'d> {
    finished: &'d FinishedDay,
    run: DayCloseRun,
    checks: DayChecks,
    seen: AnomalySignals,
    counts: Option<EventCounts>,
    to: EventSink,
}

/// Where a day's events go.
enum EventSink {
    /// To who writes their file.
    File(mpsc::Sender<RecordBatch>),
    /// Here.
    Held(Vec<RecordBatch>),
}

impl EventFeed<'_> {
    /// Hands on an opening's events and, in their places by miner and sector, the `rest` of the day's; how many the opening
    /// had.
    async fn open<'e>(
        &mut self,
        opening: Opening<'_>,
        rest: &mut Peekable<impl Iterator<Item = PositionedEvent<'e>>>,
    ) -> Result<u64> {
        let (most, mut opened) = (opening.max_events(), 0);
        for batch in opening {
            let batch = batch.map_err(|source| Error::OpeningState { source })?;
            let mut rows: Vec<PositionedEvent<'_>> = Vec::with_capacity(batch.len());
            for event in &batch {
                // What happens to a sector after it came comes after it.
                while let Some(before) =
                    rest.next_if(|(_, other)| event_encoder::sort_key(other) < event_encoder::sort_key(event))
                {
                    rows.push(shifted(most, before));
                }
                rows.push((opened, event));
                opened += 1;
            }
            for rows in rows.chunks(BATCH_ROWS) {
                self.add(rows).await?;
            }
        }
        Ok(opened.unsigned_abs())
    }

    /// Hands on events, which come by miner, sector and position.
    async fn add(&mut self, rows: &[PositionedEvent<'_>]) -> Result<()> {
        let Self { finished, run, checks, seen, counts, to } = self;
        let batch = event_encoder::batch(finished.day, rows, |events| {
            checks.observe(events);
            events.iter().for_each(|event| seen.observe(event));
        })?;
        if let Some(counts) = counts {
            day_changes::count_events(&batch, counts)?;
        }
        run.add(&batch).await?;
        match to {
            // If the writer has gone, it says why in the end.
            EventSink::File(batches) => drop(batches.send(batch).await),
            EventSink::Held(held) => held.push(batch),
        }
        Ok(())
    }

    async fn end(self, opened: u64) -> Result<ClosedDay> {
        let Self { run, checks, seen, counts, to, .. } = self;
        let events = match to {
            EventSink::File(_) => Vec::new(),
            EventSink::Held(events) => events,
        };
        Ok(ClosedDay { events, rows: run.finish().await?, failed: checks.finish(), seen, opened, counts })
    }
}
