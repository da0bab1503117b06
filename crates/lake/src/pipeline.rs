//! Closing a day while its events are being written.

use std::iter::Peekable;
use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use ledger::checks::{DayChecks, Failure};
use ledger::{AnomalySignals, Opening};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::changes::{self, EventCounts};
use crate::close::{Closer, Closing};
use crate::day_files::DayFiles;
use crate::disk::Disk;
use crate::events::{self, Positioned, ROWS_AT_ONCE};
use crate::file::FileWriter;
use crate::schema::TableName;
use crate::writer::FinishedDay;
use crate::{Error, Result};

/// Batches of events that wait to be written.
const WAITING: usize = 16;

/// Checks a day's events, makes rows of them, adds them up, and compresses them, all at once, some batches at a time, so
/// that a day is never held twice.
pub(crate) struct Pipeline<'l> {
    pub(crate) closer: &'l Closer,
    pub(crate) disk: &'l Disk,
    /// The directory of the events' files.
    pub(crate) directory: &'l Path,
    /// Whether events are counted by kind and cause.
    pub(crate) counts: bool,
}

/// What a day's events come to.
pub(crate) struct Closed {
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

impl Closed {
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
    ) -> (Result<Closed>, Option<JoinHandle<Result<DayFiles>>>) {
        let (batches, mut arriving) = mpsc::channel::<RecordBatch>(WAITING);
        let (disk, directory) = (self.disk.clone(), self.directory.to_owned());
        let most = opening.as_ref().map_or(0, Opening::max_events);
        let count = finished.events.len().saturating_add(usize::try_from(most).unwrap_or(usize::MAX));
        let day = finished.day;
        let write = move || {
            let mut file = FileWriter::begin(&disk, &directory, TableName::Events, (day, day), count)?;
            while let Some(batch) = arriving.blocking_recv() {
                file.write(&batch)?;
            }
            Ok(DayFiles::of(TableName::Events, file.end()?))
        };
        let (writing, to) = match held {
            true => (None, EventsTo::Held(Vec::new())),
            false => (Some(tokio::task::spawn_blocking(write)), EventsTo::File(batches)),
        };
        let rows = async {
            let mut feed = Feed {
                finished,
                closing: self.closer.begin(day, previous)?,
                checks: DayChecks::new(finished.epochs()),
                seen: AnomalySignals::default(),
                counts: self.counts.then(EventCounts::new),
                to,
            };
            let sorted = events::Sorted::new(day, &finished.events)?;
            let mut rest = sorted.of(&finished.events).peekable();
            let opened = match opening {
                Some(opening) => feed.open(opening, &mut rest).await?,
                None => 0,
            };
            let mut rows = Vec::with_capacity(ROWS_AT_ONCE);
            loop {
                rows.clear();
                rows.extend(rest.by_ref().take(ROWS_AT_ONCE).map(|row| after(most, row)));
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
fn after(most: u64, (position, event): Positioned<'_>) -> Positioned<'_> {
    (position.saturating_add(i64::try_from(most).unwrap_or(i64::MAX)), event)
}

/// Hands a day's events on.
struct Feed<'d> {
    finished: &'d FinishedDay,
    closing: Closing,
    checks: DayChecks,
    seen: AnomalySignals,
    counts: Option<EventCounts>,
    to: EventsTo,
}

/// Where a day's events go.
enum EventsTo {
    /// To who writes their file.
    File(mpsc::Sender<RecordBatch>),
    /// Here.
    Held(Vec<RecordBatch>),
}

impl Feed<'_> {
    /// Hands on an opening's events and, in their places by miner and sector, the `rest` of the day's; how many the opening
    /// had.
    async fn open<'e>(
        &mut self,
        opening: Opening<'_>,
        rest: &mut Peekable<impl Iterator<Item = Positioned<'e>>>,
    ) -> Result<u64> {
        let (most, mut opened) = (opening.max_events(), 0);
        for batch in opening {
            let batch = batch.map_err(|source| Error::Opening { source })?;
            let mut rows: Vec<Positioned<'_>> = Vec::with_capacity(batch.len());
            for event in &batch {
                // What happens to a sector after it came comes after it.
                while let Some(before) = rest.next_if(|(_, other)| events::key(other) < events::key(event)) {
                    rows.push(after(most, before));
                }
                rows.push((opened, event));
                opened += 1;
            }
            for rows in rows.chunks(ROWS_AT_ONCE) {
                self.add(rows).await?;
            }
        }
        Ok(opened.unsigned_abs())
    }

    /// Hands on events, which come by miner, sector and position.
    async fn add(&mut self, rows: &[Positioned<'_>]) -> Result<()> {
        let Self { finished, closing, checks, seen, counts, to } = self;
        let batch = events::batch(finished.day, rows, |events| {
            checks.observe(events);
            events.iter().for_each(|event| seen.observe(event));
        })?;
        if let Some(counts) = counts {
            changes::count(&batch, counts)?;
        }
        closing.add(&batch).await?;
        match to {
            // If the writer has gone, it says why in the end.
            EventsTo::File(batches) => drop(batches.send(batch).await),
            EventsTo::Held(held) => held.push(batch),
        }
        Ok(())
    }

    async fn end(self, opened: u64) -> Result<Closed> {
        let Self { closing, checks, seen, counts, to, .. } = self;
        let events = match to {
            EventsTo::File(_) => Vec::new(),
            EventsTo::Held(events) => events,
        };
        Ok(Closed { events, rows: closing.finish().await?, failed: checks.finish(), seen, opened, counts })
    }
}
