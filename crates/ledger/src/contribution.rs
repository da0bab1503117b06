//! What an event adds to a column, and what a statistic is made from.

use chain::{Bytes, Cid, EPOCHS_PER_DAY, Epoch};

use crate::columns::{BalanceMeasure, Column, Definition, EventSelector, Measure};
use crate::event::{Event, Status};

/// A sum passes 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{column} passes what 128 bits hold: no real sectors add up to that, so the events or the row before are damaged"
)]
pub struct SumOverflow {
    /// The column's name.
    pub column: &'static str,
}

impl EventSelector {
    /// Whether the event is one of these.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.kind == event.kind
            && (self.causes.is_empty() || event.cause.is_some_and(|cause| self.causes.contains(&cause)))
    }
}

impl Measure {
    /// Whether an event has it.
    fn has(self, event: &Event) -> bool {
        !matches!(self, Self::Departure | Self::DepartureRbp) || event.status_after == Status::None
    }

    /// What an event that has it measures; `None` if that passes 128 bits.
    fn of(self, event: &Event) -> Option<i128> {
        match self {
            Self::Count | Self::Departure => Some(1),
            Self::Rbp | Self::DepartureRbp => Some(event.sector_size.0),
            Self::Qap => Some(event.qap().0),
            Self::QapChange => {
                let [before, after] = [event.qap_before, event.qap_after].map(Option::unwrap_or_default);
                after.0.checked_sub(before.0)
            }
        }
    }
}

impl BalanceMeasure {
    /// What a sector holds that is so; `None` if that passes 128 bits.
    fn of(self, event: &Event, qap: Option<Bytes>, expiration: Option<Epoch>) -> Option<i128> {
        let duration = match (expiration, event.activation) {
            (Some(expiration), Some(activation)) => i128::from(expiration.0) - i128::from(activation.0),
            _ => 0,
        };
        match self {
            Self::Count => Some(1),
            Self::Rbp => Some(event.sector_size.0),
            Self::Qap => Some(qap.unwrap_or_default().0),
            Self::Duration => Some(duration),
            Self::DurationSquared => duration.checked_mul(duration),
        }
    }

    /// What an event changes in the sectors of these statuses: a sector that stays is taken out as it was and put in as
    /// it is.
    fn change(self, statuses: &[Status], event: &Event) -> Option<i128> {
        let held = |status: Status, qap, expiration| {
            if statuses.contains(&status) { self.of(event, qap, expiration) } else { Some(0) }
        };
        let after = held(event.status_after, event.qap_after, event.expiration_after)?;
        after.checked_sub(held(event.status_before, event.qap_before, event.expiration_before)?)
    }
}

impl Column {
    /// What one event adds to the column: to a flow or total its measure, if it is one of those that the column adds
    /// up; to a state what it changes in it. `None` where the event does not count, and for numbers that are no sums
    /// over events: distinct messages, quotients and statistics.
    ///
    /// # Errors
    /// If that passes 128 bits.
    pub fn contribution(&self, event: &Event) -> Result<Option<i128>, SumOverflow> {
        let sum = match self.definition {
            Definition::Flow(select, measure) | Definition::Total(select, measure) => {
                if !select.iter().any(|select| select.matches(event)) || !measure.has(event) {
                    return Ok(None);
                }
                measure.of(event)
            }
            Definition::State(statuses, holding) => match holding.change(statuses, event) {
                Some(0) => return Ok(None),
                change => change,
            },
            Definition::Messages(_)
            | Definition::Quotient { .. }
            | Definition::MeanDuration
            | Definition::DeviationDuration => return Ok(None),
        };
        sum.map(Some).ok_or(SumOverflow { column: self.name })
    }

    /// The message that the column counts because of this event, if it counts messages and this event's.
    #[must_use]
    pub fn counted_message(&self, event: &Event) -> Option<Cid> {
        match self.definition {
            Definition::Messages(select) if select.iter().any(|select| select.matches(event)) => {
                event.message.as_ref().map(|message| message.cid)
            }
            _ => None,
        }
    }

    /// Whether the column goes on from its value of the day before; others begin each day at nothing.
    #[must_use]
    pub const fn carries_over(&self) -> bool {
        matches!(self.definition, Definition::Total(..) | Definition::Messages(_) | Definition::State(..))
    }
}

impl Definition {
    /// The statistic over the values of its [`parts`](Self::parts), in their order; `None` if it is none or if a number
    /// on the way passes 128 bits.
    #[must_use]
    pub fn statistic(&self, parts: &[i128]) -> Option<f64> {
        const DAY: i128 = EPOCHS_PER_DAY as i128;
        match (self, parts) {
            (Self::Quotient { .. }, [of, by]) => Some(if *by == 0 { 0.0 } else { *of as f64 / *by as f64 }),
            (Self::MeanDuration, [n, sum]) => {
                Some(if *n > 0 { *sum as f64 / n.checked_mul(DAY)? as f64 } else { 0.0 })
            }
            (Self::DeviationDuration, [n, sum, squares]) => {
                if *n <= 1 {
                    return Some(0.0);
                }
                // Of two nearly equal large numbers: taken in integers, and only then a double.
                let spread = n.checked_mul(*squares)?.checked_sub(sum.checked_mul(*sum)?)?;
                Some((spread as f64 / n.checked_mul(n - 1)? as f64).sqrt() / DAY as f64)
            }
            _ => None,
        }
    }
}
