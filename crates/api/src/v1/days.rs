//! The days that a request means.

use std::ops::RangeInclusive;

use chain::{Clock, Day};
use serde_json::{Value, json};

use super::V1;
use super::parameters::{Asked, When};
use super::problem::Problem;

/// The closed days, as of one moment.
pub(super) struct Closed {
    pub(super) first: Day,
    pub(super) latest: Day,
}

impl V1 {
    /// The closed days.
    pub(super) fn closed(&self) -> Result<Closed, Problem> {
        let days = self.reader().days().ok_or(Problem::NothingClosed)?;
        Ok(Closed { first: *days.start(), latest: *days.end() })
    }

    /// The closed days from `from` to `to`: to the latest by default, and of one day by default. Before the first closed
    /// day there is nothing, so a range may begin there.
    pub(super) async fn days(&self, asked: &Asked) -> Result<RangeInclusive<Day>, Problem> {
        let closed = self.closed()?;
        let to = asked.when("to").map_or(closed.latest, |to| closed.day(to));
        let from = asked.when("from").map_or(to, |from| closed.day(from));
        if from > closed.latest {
            return Err(self.missing(&closed, from).await);
        }
        if from > to {
            return Err(Problem::EmptyRange { from, to });
        }
        self.check(&closed, to).await?;
        let from = from.max(closed.first);
        self.may_see(from, closed.latest)?;
        Ok(from..=to)
    }

    /// The closed day `day`, by default the latest.
    pub(super) async fn day(&self, asked: &Asked) -> Result<Day, Problem> {
        let closed = self.closed()?;
        let day = asked.when("day").map_or(closed.latest, |day| closed.day(day));
        self.check(&closed, day).await?;
        self.may_see(day, closed.latest)?;
        Ok(day)
    }

    /// Refuses a day that is older than the key may see.
    fn may_see(&self, day: Day, latest: Day) -> Result<(), Problem> {
        match &self.pass {
            Some(pass) => pass.may_see(day, latest).map_err(Problem::Denied),
            None => Ok(()),
        }
    }

    /// Refuses a day that is not closed: what is not known is never answered as nothing.
    async fn check(&self, closed: &Closed, day: Day) -> Result<(), Problem> {
        if (closed.first..=closed.latest).contains(&day) {
            return Ok(());
        }
        Err(self.missing(closed, day).await)
    }

    /// Why a day is not there: a gap, or not closed yet.
    pub(super) async fn missing(&self, closed: &Closed, day: Day) -> Problem {
        let not_closed = Problem::DayNotClosed { day, first: closed.first, latest: closed.latest };
        if (closed.first..=closed.latest).contains(&day) {
            // A hole inside history.
            return Problem::Gap { day, gaps: Vec::new() };
        }
        let (Ok(clock), Ok(gaps)) = (self.clock().await, lake::gaps(self.reader().directory())) else {
            return not_closed;
        };
        let inside =
            |gap: &&lake::Gap| (clock.day_of(gap.first_epoch)..=clock.day_of(gap.last_epoch)).contains(&day);
        let gaps: Vec<Value> = gaps.iter().filter(inside).map(|gap| told(gap, Some(clock))).collect();
        if gaps.is_empty() { not_closed } else { Problem::Gap { day, gaps } }
    }
}

impl Closed {
    fn day(&self, when: When) -> Day {
        match when {
            When::Day(day) => day,
            When::Before(days) => {
                let days = i32::try_from(days).unwrap_or(i32::MAX);
                Day::from_unix_days(self.latest.unix_days().saturating_sub(days))
            }
        }
    }
}

/// A gap as it is told.
pub(super) fn told(gap: &lake::Gap, clock: Option<Clock>) -> Value {
    let days = clock.map(|clock| span(clock.day_of(gap.first_epoch), clock.day_of(gap.last_epoch)));
    json!({
        "first_epoch": gap.first_epoch.0,
        "last_epoch": gap.last_epoch.0,
        "days": days,
        "reason": gap.reason,
    })
}

/// First and last day, and how many there are.
pub(super) fn span(first: Day, last: Day) -> Value {
    json!({ "first": first.to_string(), "last": last.to_string(), "days": count(&(first..=last)) })
}

/// How many days there are.
pub(super) fn count(days: &RangeInclusive<Day>) -> u64 {
    let days = i64::from(days.end().unix_days()) - i64::from(days.start().unix_days()) + 1;
    u64::try_from(days).unwrap_or_default()
}

/// The days, the latest first if `down`.
pub(super) fn each(days: &RangeInclusive<Day>, down: bool) -> impl Iterator<Item = Day> + use<> {
    let numbers = days.start().unix_days()..=days.end().unix_days();
    let (mut up, mut downwards) = (numbers.clone(), numbers.rev());
    std::iter::from_fn(move || if down { downwards.next() } else { up.next() }).map(Day::from_unix_days)
}
