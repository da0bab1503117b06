//! A query resolved: its days and its cursor, checked against what its sender may see.
//!
//! This is the one place where days and cursors of a request are read. Paths are given the outcome, so none can ask the lake
//! for a day that the request may not see.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::Day;
use lake::Published;
use ledger::columns::COLUMNS;
use serde_json::Value;

use super::context::Context;
use super::days::{GapFormatter, day_count};
use super::operations::{DEFAULT_ROWS, DaySelection, Operation, OperationId, ResponseType};
use super::parameters::{Cursor, DayRef, QueryParameters};
use crate::access::history_window::HistoryWindow;
use crate::errors::problem::Problem;

/// Bytes that a value of a row takes in memory, about: of the widest kinds that are common.
const BYTES_PER_VALUE: usize = 16;
/// Bytes that a row of an object's lists takes as text, about.
const BYTES_PER_LISTED_ROW: usize = 600;
/// Rows of a calendar of expirations at most, about: sectors live five years and a half.
const MAX_PERIODS: u64 = 2_000;

/// A parsed request whose days and cursor are resolved.
pub(super) struct ResolvedQuery<'q> {
    pub(super) context: &'q Context,
    pub(super) parameters: &'q QueryParameters,
    /// The version that was published when it came.
    pub(super) published: Arc<Published>,
    /// What may be seen.
    pub(super) window: HistoryWindow,
    /// The days that are meant. All of them are closed and may be seen.
    pub(super) days: RangeInclusive<Day>,
    /// Where the page continues. If that is at a day, it is one of these.
    pub(super) after: Option<Cursor>,
}

impl<'q> ResolvedQuery<'q> {
    /// Reads what a request to the path means.
    ///
    /// # Errors
    /// If a day is not closed or may not be seen, or the cursor is invalid.
    pub(super) async fn new(
        context: &'q Context,
        operation: &Operation,
        parameters: &'q QueryParameters,
        published: Arc<Published>,
        window: HistoryWindow,
    ) -> Result<Self, Problem> {
        let days = window.days();
        let mut query = Self { context, parameters, published, window, days, after: None };
        query.days = query.selected_days(operation.days).await?;
        query.after = match parameters.cursor()? {
            Some(Cursor::After(day, _)) if !query.days.contains(&day) => return Err(Problem::StaleCursor),
            after => after,
        };
        Ok(query)
    }

    /// The days that a path's parameters mean.
    async fn selected_days(&self, days: DaySelection) -> Result<RangeInclusive<Day>, Problem> {
        let (day, from, to) =
            (self.parameters.day_ref("day"), self.parameters.day_ref("from"), self.parameters.day_ref("to"));
        match days {
            DaySelection::One => self.one(day).await,
            DaySelection::Range => self.range(from, to).await,
            DaySelection::OneOrRange => match (day, from.or(to)) {
                (Some(_), Some(_)) => {
                    Err(Problem::Conflicting("The parameter day stands in the place of from and to."))
                }
                (Some(_), None) => self.one(day).await,
                (None, _) => self.range(from, to).await,
            },
            DaySelection::Latest => Ok(self.window.latest()..=self.window.latest()),
            DaySelection::All => Ok(self.window.days()),
        }
    }

    /// One closed day, by default the latest.
    async fn one(&self, day: Option<DayRef>) -> Result<RangeInclusive<Day>, Problem> {
        let day = day.map_or(self.window.latest(), |day| self.day(day));
        self.check(day).await?;
        Ok(day..=day)
    }

    /// The closed days from `from` to `to`: to the latest by default, and of one day by default. Before the first closed
    /// day there is nothing, so a range may begin there.
    async fn range(&self, from: Option<DayRef>, to: Option<DayRef>) -> Result<RangeInclusive<Day>, Problem> {
        let to = to.map_or(self.window.latest(), |to| self.day(to));
        let from = from.map_or(to, |from| self.day(from));
        self.check_visible(from)?;
        if from > self.window.latest() {
            return Err(self.missing_day(from).await);
        }
        if from > to {
            return Err(Problem::EmptyRange { from, to });
        }
        self.check(to).await?;
        Ok(self.window.clamp(from)..=to)
    }

    fn day(&self, when: DayRef) -> Day {
        match when {
            DayRef::Day(day) => day,
            DayRef::Before(days) => {
                let days = i32::try_from(days).unwrap_or(i32::MAX);
                Day::from_unix_days(self.window.latest().unix_days().saturating_sub(days))
            }
        }
    }

    /// Refuses a day before the window, where that hides anything. Before all days nothing is hidden.
    fn check_visible(&self, day: Day) -> Result<(), Problem> {
        if self.window.hides_days() { self.window.check(day).map_err(Problem::Denied) } else { Ok(()) }
    }

    /// Refuses a day that may not be seen, and one that is not closed: what is not known is never answered as nothing.
    async fn check(&self, day: Day) -> Result<(), Problem> {
        self.check_visible(day)?;
        if self.window.days().contains(&day) {
            return Ok(());
        }
        Err(self.missing_day(day).await)
    }

    /// The problem of a day that is missing: it is in a gap, or not closed yet.
    pub(super) async fn missing_day(&self, day: Day) -> Problem {
        let (first, latest) = (self.window.first(), self.window.latest());
        let not_closed = Problem::DayNotClosed { day, first, latest };
        if self.window.days().contains(&day) {
            // A hole inside history.
            return Problem::Gap { day, gaps: Vec::new() };
        }
        let (Ok(clock), Ok(gaps)) =
            (self.context.clock().await, lake::gaps(self.context.reader().directory()))
        else {
            return not_closed;
        };
        let gap_formatter = GapFormatter { clock: Some(clock), window: Some(self.window) };
        let inside =
            |gap: &&lake::Gap| (clock.day_of(gap.first_epoch)..=clock.day_of(gap.last_epoch)).contains(&day);
        let gaps: Vec<Value> =
            gaps.iter().filter(inside).filter_map(|gap| gap_formatter.to_json(gap)).collect();
        if gaps.is_empty() { not_closed } else { Problem::Gap { day, gaps } }
    }

    /// The version of the data.
    pub(super) fn version(&self) -> u64 {
        self.published.version()
    }

    /// The maximum number of rows.
    pub(super) fn max_rows(&self) -> usize {
        self.parameters.limit(DEFAULT_ROWS)
    }

    /// An upper estimate of the memory that the rows take, in bytes.
    pub(super) fn estimated_bytes(&self, operation: &Operation) -> usize {
        let (columns, always) = match operation.response {
            ResponseType::Object(_) => return self.max_rows().saturating_mul(BYTES_PER_LISTED_ROW),
            ResponseType::Rows(headings) => (headings().len(), None),
            ResponseType::SomeRows(headings, always) => (headings().len(), Some(always)),
        };
        let columns = always.map_or(columns, |always| {
            // Each column that is chosen stands there as often as where all are given.
            let each = columns.saturating_sub(always).div_ceil(COLUMNS.len().max(1));
            always + self.parameters.selected_columns().len() * each
        });
        let rows = usize::try_from(self.estimated_rows(operation.id)).unwrap_or(usize::MAX);
        rows.saturating_mul(columns * BYTES_PER_VALUE)
    }

    /// An upper estimate of the number of rows.
    fn estimated_rows(&self, id: OperationId) -> u64 {
        let of_days = match (id, self.parameters.miners("miner").len()) {
            (OperationId::Miner, _) => return 1,
            (OperationId::MinerExpirations | OperationId::NetworkExpirations, _) => return MAX_PERIODS,
            (OperationId::NetworkDaily, _) => day_count(&self.days),
            (OperationId::SectorsDaily | OperationId::Reconciliation | OperationId::Miners, 0) => {
                self.published.rows_at_most(&self.days)
            }
            (OperationId::SectorsDaily | OperationId::Reconciliation, miners) => {
                day_count(&self.days).saturating_mul(miners as u64)
            }
            _ => u64::MAX,
        };
        of_days.min(self.max_rows() as u64)
    }
}
