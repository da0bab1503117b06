//! Re-closes days, and recomputes the later days that depend on them.

use std::sync::Arc;

use chain::{Day, DayRange};
use datafusion::arrow::array::RecordBatch;
use ledger::checks::check_day;
use ledger::{AnomalyHistory, AnomalySignals, ReceiptCounts};
use tokio::task::JoinHandle;

use crate::close::day_changes::{self, DayChange, EventCounts};
use crate::close::day_files::{self, DayFiles};
use crate::close::failures::CheckInput;
use crate::close::reconciliation;
use crate::data_files::writer;
use crate::delta::file_changes::FileChanges;
use crate::error::{Error, Result};
use crate::records::decoder;
use crate::rows::day_rows::DayRows;
use crate::schema::TableName;
use crate::writer::lake::Lake;
use crate::writer::last_day::LastDay;
use crate::writer::reclosing::{LaterDays, Reclosing};

impl Lake {
    /// Begins to re-close days from `from` on, a closed day or the one after the last. The days that are passed to
    /// [`Lake::close_days`] from now on replace the closed ones in one commit of [`Lake::commit_reclose`]; without it the
    /// lake stays as it is.
    ///
    /// # Errors
    /// If days before `from` are not closed.
    pub fn begin_reclose(&mut self, from: Day) -> Result<()> {
        let closed = self.rows().files().days();
        let expected = closed.map(|days| days.last().next());
        let reachable = closed.is_none_or(|days| days.including(days.last().next()).contains(from));
        if !reachable {
            return Err(Error::NotConsecutive { expected: expected.unwrap_or(from), got: from });
        }
        self.reclosing = Some(Reclosing { from, files: Vec::new(), last: None, changes: Vec::new() });
        Ok(())
    }

    /// Commits the re-closed days. Later days are recomputed from their events if the state that they depend on is
    /// unchanged; else they are dropped if `drop_later` allows it.
    ///
    /// # Errors
    /// As [`Lake::close_days`]; or if later days depend on another state and may not be dropped: then nothing has
    /// changed.
    pub async fn commit_reclose(&mut self, drop_later: bool) -> Result<LaterDays> {
        let Some(Reclosing { from, mut files, last, changes }) = self.reclosing.take() else {
            return Ok(LaterDays::default());
        };
        let Some((before, state_root)) = last else { return Ok(LaterDays::default()) };
        let last = before.day;
        let end = self.last_closed().unwrap_or(last).max(last);
        let mut later = LaterDays { changes, ..LaterDays::default() };
        if let Some(days) = DayRange::new(last.next(), end) {
            if self.has_state_root(last, &state_root).await? {
                later.kept = days.len();
            } else if drop_later {
                later.dropped = days.len();
            } else {
                return Err(Error::LaterDaysDepend { last, first_later: days.first(), end });
            }
        }
        let kept = later.kept > 0;
        if kept {
            files.extend(self.reclose_later_days(before, end, &mut later.changes).await?);
        }
        let mut changes = day_files::file_changes(&files);
        for name in TableName::ALL {
            // The days after the ones closed again keep their events and where these came from.
            let own = matches!(name, TableName::Events | TableName::Progress);
            let replaced = if kept && own { last } else { end };
            let change = self.remove_days(name, DayRange::from(from).including(replaced)).await?;
            let changes = changes.entry(name).or_default();
            changes.remove = change.remove;
            changes.add.extend(change.add);
        }
        self.tables.commit(changes).await?;
        self.forget_last_day();
        Ok(later)
    }

    /// Whether the state at the end of a closed day was this.
    async fn has_state_root(&self, day: Day, state_root: &str) -> Result<bool> {
        let progress = self.day_sources().await?;
        Ok(progress.iter().any(|row| row.day == day && row.state_root == state_root))
    }

    /// Closes the days after `previous` up to `end` from their stored events, on other rows of the day before.
    async fn reclose_later_days(
        &self,
        mut previous: LastDay,
        end: Day,
        changes: &mut Vec<DayChange>,
    ) -> Result<Vec<DayFiles>> {
        let mut writing: Vec<JoinHandle<Result<DayFiles>>> = Vec::new();
        let mut closing = async || {
            while previous.day < end {
                let day = previous.day.next();
                let stored = self.tables.get(TableName::Events).day(day).await?;
                let powers = self.tables.get(TableName::Reconciliation).day(day).await?;
                let progress = self.tables.get(TableName::Progress).day(day).await?;
                let finished = decoder::finished(day, &stored, &powers, &progress)?;
                let mut closing = self.engine.start(day, previous.rows.clone())?;
                closing.add(&stored).await?;
                let rows = closing.finish().await?;
                let seen = AnomalySignals::of(&finished.events);
                let input = CheckInput { finished: &finished, seen: &seen, carried: &previous.carried };
                let failed = check_day(&finished.events, finished.epochs());
                let found = input.findings(failed, &previous.rows, &rows)?;
                let reconciled = reconciliation::batch(&finished, &rows, &found)?;
                let receipts = finished.source.receipts;
                changes.extend(self.day_change(day, &rows, None, receipts).await?);
                let carried = Arc::new(AnomalyHistory::from(found.anomalous, seen));
                let quiet = finished.events.is_empty();
                previous = LastDay { day, rows: rows.clone(), carried, quiet };
                writing.push(self.write(
                    day.into(),
                    vec![(TableName::Reconciliation, reconciled), (TableName::Rows, rows)],
                ));
            }
            Ok(())
        };
        let closed: Result<()> = closing().await;
        let files = day_files::await_files(writing).await;
        closed?;
        files
    }

    /// What closing a day again changes: its new rows beside the stored ones and, where its events are new, these; `None` if
    /// nothing does, or the day was not closed.
    pub(crate) async fn day_change(
        &self,
        day: Day,
        rows: &RecordBatch,
        events: Option<&EventCounts>,
        receipts: ReceiptCounts,
    ) -> Result<Option<DayChange>> {
        if self.rows().files().containing(day).is_none() {
            return Ok(None);
        }
        let before = DayRows::new(day, &self.rows().day(day).await?)?;
        let columns = day_changes::changed_columns(&before, &DayRows::new(day, rows)?);
        let events = match events {
            Some(now) => day_changes::changed_events(
                &day_changes::count_stored_events(self.tables.get(TableName::Events), day).await?,
                now,
            ),
            None => Vec::new(),
        };
        let progress = self.tables.get(TableName::Progress).day(day).await?;
        let receipts = (decoder::day_source(day, &progress)?.receipts, receipts);
        let change = DayChange { day, receipts, columns, events };
        Ok(Some(change).filter(|change| !change.is_none() || change.receipts.0 != change.receipts.1))
    }

    /// The change that takes days out of a table. A file that holds others, too, is replaced by one for each of these.
    async fn remove_days(&self, name: TableName, days: DayRange) -> Result<FileChanges> {
        let table = self.tables.get(name);
        let mut change = FileChanges::default();
        for held in table.files().overlapping(days) {
            change.remove.push(held.clone());
            if name == TableName::History {
                // Its months are made anew from the daily rows when they are compacted.
                continue;
            }
            for day in held.days.iter().filter(|day| !days.contains(*day)) {
                let rows = table.day(day).await?;
                change.add.push(writer::write(&self.disk, table.directory(), name, day.into(), &rows)?);
            }
        }
        Ok(change)
    }
}
