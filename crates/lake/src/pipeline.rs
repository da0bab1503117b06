//! Closing a day while its events are being written.

use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use ledger::checks::{DayChecks, Failure};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::close::Closer;
use crate::day_files::DayFiles;
use crate::disk::Disk;
use crate::file::FileWriter;
use crate::schema::TableName;
use crate::writer::FinishedDay;
use crate::{Result, events};

/// Batches of events that wait to be written.
const WAITING: usize = 16;

/// Checks a day's events, makes rows of them, adds them up, and compresses them, all at once, some batches at a time, so
/// that a day is never held twice.
pub(crate) struct Pipeline<'l> {
    pub(crate) closer: &'l Closer,
    pub(crate) disk: &'l Disk,
    /// The directory of the events' files.
    pub(crate) directory: &'l Path,
}

impl Pipeline<'_> {
    /// The day's rows and what its events fail, and the file of its events, which is being written. It must be waited
    /// for whatever comes of the rows: nothing may still be writing when the lake's lock is let go.
    pub(crate) async fn close(
        &self,
        finished: &FinishedDay,
        previous: RecordBatch,
    ) -> (Result<(RecordBatch, Vec<Failure>)>, JoinHandle<Result<DayFiles>>) {
        let (batches, mut arriving) = mpsc::channel::<RecordBatch>(WAITING);
        let (disk, directory) = (self.disk.clone(), self.directory.to_owned());
        let (day, count) = (finished.day, finished.events.len());
        let writing = tokio::task::spawn_blocking(move || {
            let mut file = FileWriter::begin(&disk, &directory, TableName::Events, (day, day), count)?;
            while let Some(batch) = arriving.blocking_recv() {
                file.write(&batch)?;
            }
            Ok(DayFiles::of(TableName::Events, file.end()?))
        });
        let rows = async {
            let mut closing = self.closer.begin(day, previous)?;
            let mut checks = DayChecks::new(finished.epochs());
            for positions in events::Sorted::new(day, &finished.events)?.parts() {
                let batch = events::batch(day, &finished.events, positions, |event| checks.see(event))?;
                closing.add(&batch).await?;
                // If the writer has gone, it says why in the end.
                let _ = batches.send(batch).await;
            }
            drop(batches);
            Ok((closing.finish().await?, checks.finish()))
        };
        (rows.await, writing)
    }
}
