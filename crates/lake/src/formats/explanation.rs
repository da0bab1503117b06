//! The JSON of an explanation, on the command line and over HTTP.

use chain::Day;
use ledger::columns::{Storage, Unit};
use ledger::{Contribution, Explanation, Value};
use serde::{Serialize, Serializer};

use crate::formats::format::IntegerStyle;

/// A number and what it is made of.
#[derive(Debug, Serialize)]
pub struct ExplanationBody {
    column: &'static str,
    doc: &'static str,
    definition: String,
    unit: &'static str,
    value: FormattedValue,
    previous: Option<PreviousValue>,
    contributions: Vec<ContributionBody>,
    /// How many there are, those that are not listed included.
    contributions_total: usize,
    /// What all of them add.
    contributions_sum: FormattedValue,
    /// How many of them are of events that were inferred without receipts and are not sure.
    contributions_uncertain: usize,
    parts: Vec<Self>,
    closes: bool,
}

#[derive(Debug, Serialize)]
struct PreviousValue {
    stat_date: String,
    value: FormattedValue,
}

#[derive(Debug, Serialize)]
struct ContributionBody {
    amount: FormattedValue,
    epoch: i64,
    sector: u64,
    kind: &'static str,
    cause: Option<&'static str>,
    message: Option<String>,
    method: Option<u64>,
    message_sectors: Option<u32>,
    uncertain: bool,
}

/// A value, as it is spelled.
#[derive(Clone, Copy, Debug)]
struct FormattedValue {
    value: Value,
    digits: bool,
}

impl Serialize for FormattedValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Integer(value) if self.digits => serializer.collect_str(&value),
            Value::Integer(value) => serializer.serialize_i128(value),
            // Whole doubles as integers are: `0`, not `0.0`.
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 1e15 => {
                serializer.serialize_i64(value as i64)
            }
            Value::Double(value) => serializer.serialize_f64(value),
        }
    }
}

impl ExplanationBody {
    /// The JSON of the explanation of a day's number, with at most so many contributions listed in each part.
    #[must_use]
    pub fn of(explanation: &Explanation<'_>, day: Day, style: IntegerStyle, most: usize) -> Self {
        let column = explanation.column;
        let formatted = |value: Value| FormattedValue { value, digits: is_quoted(column.unit, style) };
        let added = explanation.contributions.iter().map(|of| of.amount).fold(0, i128::saturating_add);
        let contribution = |of: &Contribution<'_>| {
            let message = of.event.message.as_deref();
            ContributionBody {
                amount: formatted(Value::Integer(of.amount)),
                epoch: of.event.epoch.0,
                sector: of.event.sector.0,
                kind: of.event.kind.name(),
                cause: of.event.cause.map(ledger::Cause::name),
                message: message.map(|message| message.cid.to_string()),
                method: message.map(|message| message.method),
                message_sectors: message.map(|message| message.sectors),
                uncertain: of.event.uncertain,
            }
        };
        Self {
            column: column.name,
            doc: column.doc,
            definition: column.definition.to_string(),
            unit: column.unit.name(),
            value: formatted(explanation.value),
            previous: explanation.previous.map(|value| PreviousValue {
                stat_date: day.previous().to_string(),
                value: formatted(value),
            }),
            contributions: explanation.contributions.iter().take(most).map(contribution).collect(),
            contributions_total: explanation.contributions.len(),
            contributions_sum: formatted(Value::Integer(added)),
            contributions_uncertain: explanation.uncertain(),
            parts: explanation.parts.iter().map(|part| Self::of(part, day, style, most)).collect(),
            closes: explanation.adds_up(),
        }
    }
}

impl ExplanationBody {
    /// The same without the totals of the day before: for those who may not see that day.
    #[must_use]
    pub fn without_previous(mut self) -> Self {
        self.previous = None;
        self.parts = self.parts.into_iter().map(Self::without_previous).collect();
        self
    }
}

fn is_quoted(unit: Unit, style: IntegerStyle) -> bool {
    style == IntegerStyle::Quoted && unit.storage() == Storage::Wide
}
