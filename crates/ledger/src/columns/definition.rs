//! What a column is: which events it adds up, or which columns it is made from.

use std::fmt;

use crate::event::{Cause, Kind, Status};

/// The sums from which the statistics of durations are computed.
pub(super) const ACTIVE_COUNT: &str = "active_sector_count";
pub(super) const ACTIVE_DURATION: &str = "active_duration_epochs";
pub(super) const ACTIVE_DURATION_SQUARED: &str = "active_duration_epochs_squared";

/// What a sum adds up for each event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// One.
    Count,
    /// Sector size.
    Rbp,
    /// QAP, before or after the event as its kind says ([`Kind::valued_before`]).
    Qap,
    /// QAP after less QAP before.
    QapChange,
    /// One, if the sector is gone afterwards.
    Departure,
    /// Sector size, if the sector is gone afterwards.
    DepartureRbp,
}

impl Measure {
    const fn words(self) -> &'static str {
        match self {
            Self::Count => "number",
            Self::Rbp => "raw bytes",
            Self::Qap => "quality-adjusted power",
            Self::QapChange => "change of quality-adjusted power",
            Self::Departure => "number of departures",
            Self::DepartureRbp => "raw bytes of departures",
        }
    }
}

/// What is added up over the sectors of a [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BalanceMeasure {
    /// One.
    Count,
    /// Sector size.
    Rbp,
    /// QAP.
    Qap,
    /// Expiration less activation, in epochs.
    Duration,
    /// The square of that.
    DurationSquared,
}

impl BalanceMeasure {
    const fn words(self) -> &'static str {
        match self {
            Self::Count => "number",
            Self::Rbp => "raw bytes",
            Self::Qap => "quality-adjusted power",
            Self::Duration => "sum of expiration less activation",
            Self::DurationSquared => "sum of the square of expiration less activation",
        }
    }
}

/// Events of one kind, of some causes or (where empty) of any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSelector {
    /// The kind.
    pub kind: Kind,
    /// The causes; empty for any.
    pub causes: &'static [Cause],
}

/// What a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Definition {
    /// The sum over the day's events.
    Flow(&'static [EventSelector], Measure),
    /// The sum over every event up to the day's end: yesterday's value and the day's.
    Total(&'static [EventSelector], Measure),
    /// How many distinct messages caused such events up to the day's end.
    Messages(&'static [EventSelector]),
    /// A sum over the sectors that stand so at the day's end.
    State(&'static [Status], BalanceMeasure),
    /// One column divided by another, 0 where that is 0.
    Quotient {
        /// The column above the line.
        of: &'static str,
        /// The column below the line.
        by: &'static str,
    },
    /// Mean duration of the active sectors in days, 0 without any.
    MeanDuration,
    /// Sample standard deviation (n − 1) of the same, 0 below two sectors.
    DeviationDuration,
}

impl Definition {
    /// The names of the columns that a statistic is made from, from first to last; none for what is made from events.
    #[must_use]
    pub const fn parts(&self) -> [Option<&'static str>; 3] {
        match self {
            Self::Quotient { of, by } => [Some(*of), Some(*by), None],
            Self::MeanDuration => [Some(ACTIVE_COUNT), Some(ACTIVE_DURATION), None],
            Self::DeviationDuration => {
                [Some(ACTIVE_COUNT), Some(ACTIVE_DURATION), Some(ACTIVE_DURATION_SQUARED)]
            }
            Self::Flow(..) | Self::Total(..) | Self::Messages(_) | Self::State(..) => [None; 3],
        }
    }
}

impl fmt::Display for Definition {
    /// In words, as the reference page has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow(over, measure) => {
                write!(f, "{} of the day's {} events", measure.words(), Events(over))
            }
            Self::Total(over, measure) => {
                write!(f, "{} of all {} events so far", measure.words(), Events(over))
            }
            Self::Messages(over) => write!(f, "distinct messages that caused {} events so far", Events(over)),
            Self::State(statuses, holding) => {
                let statuses: Vec<_> = statuses.iter().map(|status| status.name()).collect();
                write!(
                    f,
                    "{} of the sectors that are {} at the day's end",
                    holding.words(),
                    statuses.join(" or ")
                )
            }
            Self::Quotient { of, by } => write!(f, "`{of}` ÷ `{by}`; 0 where that is 0"),
            Self::MeanDuration => {
                write!(f, "`{ACTIVE_DURATION}` ÷ `{ACTIVE_COUNT}` ÷ 2880; 0 without active sectors")
            }
            Self::DeviationDuration => write!(
                f,
                "√((n·Σd² − (Σd)²) ÷ (n·(n − 1))) ÷ 2880, n = `{ACTIVE_COUNT}`, Σd = `{ACTIVE_DURATION}`, \
                 Σd² = `{ACTIVE_DURATION_SQUARED}`; 0 below two sectors",
            ),
        }
    }
}

/// Kinds and causes, in words.
struct Events<'s>(&'s [EventSelector]);

impl fmt::Display for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, select) in self.0.iter().enumerate() {
            write!(f, "{}{}", if at == 0 { "" } else { " and " }, select.kind)?;
            if !select.causes.is_empty() {
                let causes: Vec<_> = select.causes.iter().map(|cause| cause.name()).collect();
                write!(f, " ({})", causes.join(", "))?;
            }
        }
        Ok(())
    }
}
