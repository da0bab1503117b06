//! Closing days again, and with them the days after them that stand on what they change.

use std::sync::Arc;

use chain::Day;
use datafusion::arrow::array::RecordBatch;
use ledger::checks::check_day;
use ledger::{AnomalyHistory, AnomalySignals, ReceiptCounts};
use tokio::task::JoinHandle;

use crate::changes::{self, DayChange, EventCounts};
use crate::day::DayRows;
use crate::day_files::{self, DayFiles};
use crate::failures::Held;
use crate::replacing::{Later, Replacing};
use crate::schema::TableName;
use crate::table::Change;
use crate::writer::{Lake, Last, written};
use crate::{Error, Result, file, reconciliation, stored_day};

impl Lake {
    /// Begins to close days again from `from` on, a closed day or the one after the last. The days that
    /// [`Lake::close_days`] gets from now on take the place of the closed ones once [`Lake::finish_closing_again`]
    /// commits them all at once; if that never comes, nothing has happened.
    ///
    /// # Errors
    /// If days before `from` are not closed.
    pub fn close_again(&mut self, from: Day) -> Result<()> {
        let closed = self.rows().files().days();
        let expected = closed.clone().map(|days| days.end().next());
        let reachable = closed.is_none_or(|days| *days.start() <= from && from <= days.end().next());
        if !reachable {
            return Err(Error::NotConsecutive { expected: expected.unwrap_or(from), got: from });
        }
        self.replacing = Some(Replacing { from, files: Vec::new(), last: None, changes: Vec::new() });
        Ok(())
    }

    /// Commits the days that were closed again. The days after them keep their events, and get new rows, if the state
    /// that they stand on is still the same; else they are given up if `give_up` allows it.
    ///
    /// # Errors
    /// As [`Lake::close_days`]; or if later days stand on another state and may not be given up. Nothing has changed
    /// then.
    pub async fn finish_closing_again(&mut self, give_up: bool) -> Result<Later> {
        let Some(Replacing { from, mut files, last, changes }) = self.replacing.take() else {
            return Ok(Later::default());
        };
        let Some((before, state_root)) = last else { return Ok(Later::default()) };
        let last = before.day;
        let end = self.last_closed().unwrap_or(last).max(last);
        let mut later = Later { changes, ..Later::default() };
        let count =
            u64::try_from(i64::from(end.unix_days()) - i64::from(last.unix_days())).unwrap_or_default();
        if count > 0 {
            if self.stands_on(last, &state_root).await? {
                later.kept = count;
            } else if give_up {
                later.dropped = count;
            } else {
                return Err(Error::LaterDays { last, first_later: last.next(), end });
            }
        }
        let kept = later.kept > 0;
        if kept {
            files.extend(self.close_stored(before, end, &mut later.changes).await?);
        }
        let mut changes = day_files::changes(&files);
        for name in TableName::ALL {
            // The days after the ones closed again keep their events and where these came from.
            let own = matches!(name, TableName::Events | TableName::Progress);
            let replaced = if kept && own { last } else { end };
            let change = self.take_out(name, from, replaced).await?;
            let changes = changes.entry(name).or_default();
            changes.remove = change.remove;
            changes.add.extend(change.add);
        }
        self.tables.commit(changes).await?;
        self.forget_last();
        Ok(later)
    }

    /// Whether the state at the end of a closed day was this.
    async fn stands_on(&self, day: Day, state_root: &str) -> Result<bool> {
        let progress = self.progress().await?;
        Ok(progress.iter().any(|row| row.day == day && row.state_root == state_root))
    }

    /// Closes the days after `previous` up to `end` from their stored events, on other rows of the day before.
    async fn close_stored(
        &self,
        mut previous: Last,
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
                let finished = stored_day::finished(day, &stored, &powers, &progress)?;
                let mut closing = self.closer.begin(day, previous.rows.clone())?;
                closing.add(&stored).await?;
                let rows = closing.finish().await?;
                let seen = AnomalySignals::of(&finished.events);
                let held = Held { finished: &finished, seen: &seen, carried: &previous.carried };
                let failed = check_day(&finished.events, finished.epochs());
                let found = held.against(failed, &previous.rows, &rows)?;
                let reconciled = reconciliation::batch(&finished, &rows, &found)?;
                let receipts = finished.progress.receipts;
                changes.extend(self.change(day, &rows, None, receipts).await?);
                let carried = Arc::new(AnomalyHistory::from(found.anomalous, seen));
                let quiet = finished.events.is_empty();
                previous = Last { day, rows: rows.clone(), carried, quiet };
                writing.push(self.write(
                    (day, day),
                    vec![(TableName::Reconciliation, reconciled), (TableName::Rows, rows)],
                ));
            }
            Ok(())
        };
        let closed: Result<()> = closing().await;
        let files = written(writing).await;
        closed?;
        files
    }

    /// What closing a day again changes: its new rows beside the stored ones and, where its events are new, these; `None` if
    /// nothing does, or the day was not closed.
    pub(crate) async fn change(
        &self,
        day: Day,
        rows: &RecordBatch,
        events: Option<&EventCounts>,
        receipts: ReceiptCounts,
    ) -> Result<Option<DayChange>> {
        if self.rows().files().of(day).is_none() {
            return Ok(None);
        }
        let before = DayRows::new(day, &self.rows().day(day).await?)?;
        let columns = changes::of_rows(&before, &DayRows::new(day, rows)?);
        let events = match events {
            Some(now) => {
                changes::of_events(&changes::stored(self.tables.get(TableName::Events), day).await?, now)
            }
            None => Vec::new(),
        };
        let progress = self.tables.get(TableName::Progress).day(day).await?;
        let receipts = (stored_day::progress(day, &progress)?.receipts, receipts);
        let change = DayChange { day, receipts, columns, events };
        Ok(Some(change).filter(|change| !change.is_none() || change.receipts.0 != change.receipts.1))
    }

    /// The change that takes days out of a table. A file that holds others, too, is replaced by one for each of these.
    async fn take_out(&self, name: TableName, first: Day, last: Day) -> Result<Change> {
        let table = self.tables.get(name);
        let mut change = Change::default();
        for held in table.files().touching(first..=last) {
            change.remove.push(held.clone());
            if name == TableName::History {
                // Its months are made anew from the daily rows when they are compacted.
                continue;
            }
            let mut day = held.days.0;
            while day <= held.days.1 {
                if day < first || day > last {
                    let rows = table.day(day).await?;
                    change.add.push(file::write(&self.disk, table.directory(), name, (day, day), &rows)?);
                }
                day = day.next();
            }
        }
        Ok(change)
    }
}
