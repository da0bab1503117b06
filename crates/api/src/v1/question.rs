//! What a request means: its days and its place among them, held against what who asks may see.
//!
//! This is the one place where days and cursors of a request are read. Paths are given the outcome, so none can ask the lake
//! for a day that the request may not see.

use std::ops::RangeInclusive;
use std::sync::Arc;

use chain::Day;
use lake::Published;
use ledger::columns::COLUMNS;
use serde_json::Value;

use super::context::V1;
use super::days::{Told, count};
use super::operations::{Days, Gives, Id, Operation, ROWS};
use super::parameters::{Asked, Cursor, When};
use crate::access::history_window::Window;
use crate::errors::problem::Problem;

/// Bytes that a value of a row takes in memory, about: of the widest kinds that are common.
const VALUE: usize = 16;
/// Bytes that a row of an object's lists takes as text, about.
const LISTED: usize = 600;
/// Rows of a calendar of expirations at most, about: sectors live five years and a half.
const PERIODS: u64 = 2_000;

/// A request that was read.
pub(super) struct Question<'q> {
    pub(super) v1: &'q V1,
    pub(super) asked: &'q Asked,
    /// The version that was published when it came.
    pub(super) published: Arc<Published>,
    /// What may be seen.
    pub(super) window: Window,
    /// The days that are meant. All of them are closed and may be seen.
    pub(super) days: RangeInclusive<Day>,
    /// Where to go on. If that is at a day, it is one of these.
    pub(super) after: Option<Cursor>,
}

impl<'q> Question<'q> {
    /// Reads what a request to the path means.
    ///
    /// # Errors
    /// If a day is not closed or may not be seen, or the place to go on is none.
    pub(super) async fn new(
        v1: &'q V1,
        operation: &Operation,
        asked: &'q Asked,
        published: Arc<Published>,
        window: Window,
    ) -> Result<Self, Problem> {
        let days = window.days();
        let mut question = Self { v1, asked, published, window, days, after: None };
        question.days = question.meant(operation.days).await?;
        question.after = match asked.cursor()? {
            Some(Cursor::After(day, _)) if !question.days.contains(&day) => return Err(Problem::StaleCursor),
            after => after,
        };
        Ok(question)
    }

    /// The days that a path's parameters mean.
    async fn meant(&self, days: Days) -> Result<RangeInclusive<Day>, Problem> {
        let (day, from, to) = (self.asked.when("day"), self.asked.when("from"), self.asked.when("to"));
        match days {
            Days::One => self.one(day).await,
            Days::Range => self.range(from, to).await,
            Days::OneOrRange => match (day, from.or(to)) {
                (Some(_), Some(_)) => {
                    Err(Problem::Conflicting("The parameter day stands in the place of from and to."))
                }
                (Some(_), None) => self.one(day).await,
                (None, _) => self.range(from, to).await,
            },
            Days::Latest => Ok(self.window.latest()..=self.window.latest()),
            Days::All => Ok(self.window.days()),
        }
    }

    /// One closed day, by default the latest.
    async fn one(&self, day: Option<When>) -> Result<RangeInclusive<Day>, Problem> {
        let day = day.map_or(self.window.latest(), |day| self.day(day));
        self.check(day).await?;
        Ok(day..=day)
    }

    /// The closed days from `from` to `to`: to the latest by default, and of one day by default. Before the first closed
    /// day there is nothing, so a range may begin there.
    async fn range(&self, from: Option<When>, to: Option<When>) -> Result<RangeInclusive<Day>, Problem> {
        let to = to.map_or(self.window.latest(), |to| self.day(to));
        let from = from.map_or(to, |from| self.day(from));
        self.seen(from)?;
        if from > self.window.latest() {
            return Err(self.missing(from).await);
        }
        if from > to {
            return Err(Problem::EmptyRange { from, to });
        }
        self.check(to).await?;
        Ok(self.window.since(from)..=to)
    }

    fn day(&self, when: When) -> Day {
        match when {
            When::Day(day) => day,
            When::Before(days) => {
                let days = i32::try_from(days).unwrap_or(i32::MAX);
                Day::from_unix_days(self.window.latest().unix_days().saturating_sub(days))
            }
        }
    }

    /// Refuses a day before the window, where that hides anything. Before all days nothing is hidden.
    fn seen(&self, day: Day) -> Result<(), Problem> {
        if self.window.hides() { self.window.may_see(day).map_err(Problem::Denied) } else { Ok(()) }
    }

    /// Refuses a day that may not be seen, and one that is not closed: what is not known is never answered as nothing.
    async fn check(&self, day: Day) -> Result<(), Problem> {
        self.seen(day)?;
        if self.window.days().contains(&day) {
            return Ok(());
        }
        Err(self.missing(day).await)
    }

    /// Why a day is not there: a gap, or not closed yet.
    pub(super) async fn missing(&self, day: Day) -> Problem {
        let (first, latest) = (self.window.first(), self.window.latest());
        let not_closed = Problem::DayNotClosed { day, first, latest };
        if self.window.days().contains(&day) {
            // A hole inside history.
            return Problem::Gap { day, gaps: Vec::new() };
        }
        let (Ok(clock), Ok(gaps)) = (self.v1.clock().await, lake::gaps(self.v1.reader().directory())) else {
            return not_closed;
        };
        let told = Told { clock: Some(clock), window: Some(self.window) };
        let inside =
            |gap: &&lake::Gap| (clock.day_of(gap.first_epoch)..=clock.day_of(gap.last_epoch)).contains(&day);
        let gaps: Vec<Value> = gaps.iter().filter(inside).filter_map(|gap| told.gap(gap)).collect();
        if gaps.is_empty() { not_closed } else { Problem::Gap { day, gaps } }
    }

    /// The version of the data.
    pub(super) fn version(&self) -> u64 {
        self.published.version()
    }

    /// How many rows are wanted at most.
    pub(super) fn most(&self) -> usize {
        self.asked.limit(ROWS)
    }

    /// About how many bytes of memory the answer's rows take at most, as far as that is known before they are there.
    pub(super) fn weight(&self, operation: &Operation) -> usize {
        let (columns, always) = match operation.gives {
            Gives::Object(_) => return self.most().saturating_mul(LISTED),
            Gives::Rows(headings) => (headings().len(), None),
            Gives::SomeRows(headings, always) => (headings().len(), Some(always)),
        };
        let columns = always.map_or(columns, |always| {
            // Each column that is chosen stands there as often as where all are given.
            let each = columns.saturating_sub(always).div_ceil(COLUMNS.len().max(1));
            always + self.asked.chosen().len() * each
        });
        let rows = usize::try_from(self.rows_there(operation.id)).unwrap_or(usize::MAX);
        rows.saturating_mul(columns * VALUE)
    }

    /// How many rows there are at most for what is asked.
    fn rows_there(&self, id: Id) -> u64 {
        let of_days = match (id, self.asked.miners("miner").len()) {
            (Id::Miner, _) => return 1,
            (Id::MinerExpirations | Id::NetworkExpirations, _) => return PERIODS,
            (Id::NetworkDaily, _) => count(&self.days),
            (Id::SectorsDaily | Id::Reconciliation | Id::Miners, 0) => {
                self.published.rows_at_most(&self.days)
            }
            (Id::SectorsDaily | Id::Reconciliation, miners) => {
                count(&self.days).saturating_mul(miners as u64)
            }
            _ => u64::MAX,
        };
        of_days.min(self.most() as u64)
    }
}
