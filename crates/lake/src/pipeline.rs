//! Closing a day while its events are being written.

use std::path::Path;

use datafusion::arrow::array::RecordBatch;
use tokio::sync::mpsc;

use crate::close::Closer;
use crate::disk::Disk;
use crate::file::{DataFile, FileWriter};
use crate::schema::TableName;
use crate::writer::FinishedDay;
use crate::{Error, Result, events};

/// Batches of events that wait to be written.
const WAITING: usize = 4;

/// The day's rows, and the file of its events. Making rows of the events, adding them up, and compressing them go on at
/// once, some batches at a time, so that a day is never held twice.
pub(crate) async fn close_day(
    closer: &Closer,
    disk: &Disk,
    directory: &Path,
    finished: &FinishedDay,
    previous: RecordBatch,
) -> Result<(RecordBatch, DataFile)> {
    let (day, count) = (finished.day, finished.events.len());
    let (batches, mut arriving) = mpsc::channel::<RecordBatch>(WAITING);
    let (disk, directory) = (disk.clone(), directory.to_owned());
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = FileWriter::begin(&directory, TableName::Events, day, count)?;
        while let Some(batch) = arriving.blocking_recv() {
            file.write(&batch)?;
        }
        file.end(&disk)
    });
    let closed = async {
        let mut closing = closer.begin(day, previous)?;
        for batch in events::Rows::new(day, &finished.events)? {
            let batch = batch?;
            closing.add(&batch).await?;
            // If the writer has gone, it says why in the end.
            let _ = batches.send(batch).await;
        }
        drop(batches);
        closing.finish().await
    };
    let closed = closed.await;
    // Whatever went wrong, nothing may still be writing when the lake's lock is let go.
    let file = writing.await.map_err(|source| Error::Task { doing: "writing a day's files", source })?;
    Ok((closed?, file?))
}
