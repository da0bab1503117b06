//! What an event adds to a column, and a miner's row added up from the row before and the day's events.
//!
//! The lake adds up its days by SQL. This does the same again, from the same registry and by other means, so that each
//! number can be held against a second reckoning. Integers are exact or an error; doubles come out of exact integers by
//! the same few operations in the same order as there, so they are the same to the last bit.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chain::{Bytes, Cid, EPOCHS_PER_DAY, Epoch};

use crate::columns::{COLUMNS, Column, Definition, Holding, Measure, Select, Storage, position};
use crate::event::{Event, Kind, Status};
use crate::value::Value;

/// A sum passes 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{column} passes what 128 bits hold: no real sectors add up to that, so the events or the row before are damaged"
)]
pub struct TooLarge {
    /// The column's name.
    pub column: &'static str,
}

/// The positions of the columns that each column is made from; the first `parts` of them count.
static PARTS: [(usize, [usize; MOST_PARTS]); COLUMNS.len()] = {
    let (mut table, mut at) = ([(0, [0; MOST_PARTS]); COLUMNS.len()], 0);
    while at < COLUMNS.len() {
        let (names, mut part) = (COLUMNS[at].definition.parts(), 0);
        while part < names.len() {
            if let Some(name) = names[part] {
                table[at].1[part] = position(name);
                table[at].0 = part + 1;
            }
            part += 1;
        }
        at += 1;
    }
    table
};
const MOST_PARTS: usize = 3;

/// By kind, the columns to which its events can add anything: a fifth to a third of all.
static TOUCHED: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let touched = |kind: Kind, column: &Column| match column.definition {
        Definition::Flow(select, _) | Definition::Total(select, _) | Definition::Messages(select) => {
            select.iter().any(|select| select.kind == kind)
        }
        Definition::State(..) => true,
        Definition::Quotient { .. } | Definition::MeanDuration | Definition::DeviationDuration => false,
    };
    let of = |kind| (0..COLUMNS.len()).filter(|at| touched(kind, &COLUMNS[*at])).collect();
    Kind::ALL.iter().map(|kind| of(*kind)).collect()
});

impl Select {
    /// Whether the event is one of these.
    #[must_use]
    pub fn takes(&self, event: &Event) -> bool {
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

impl Holding {
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
    pub fn contribution(&self, event: &Event) -> Result<Option<i128>, TooLarge> {
        let sum = match self.definition {
            Definition::Flow(select, measure) | Definition::Total(select, measure) => {
                if !select.iter().any(|select| select.takes(event)) || !measure.has(event) {
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
        sum.map(Some).ok_or(TooLarge { column: self.name })
    }

    /// The message that the column counts because of this event, if it counts messages and this event's.
    #[must_use]
    pub fn counted_message(&self, event: &Event) -> Option<Cid> {
        match self.definition {
            Definition::Messages(select) if select.iter().any(|select| select.takes(event)) => {
                event.message.as_ref().map(|message| message.cid)
            }
            _ => None,
        }
    }

    /// Whether the column goes on from its value of the day before; others begin each day at nothing.
    #[must_use]
    pub const fn runs_on(&self) -> bool {
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

/// A miner's row of a day: a value for each column, in the order of [`COLUMNS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row(Vec<Value>);

impl Row {
    /// A row of these values; `None` unless there is one for each column, an integer where the column holds integers and
    /// a double where it holds doubles.
    #[must_use]
    pub fn new(values: Vec<Value>) -> Option<Self> {
        let fits = |(column, value): (&Column, &Value)| {
            (column.unit.storage() == Storage::Double) == matches!(value, Value::Double(_))
        };
        (values.len() == COLUMNS.len() && COLUMNS.iter().zip(&values).all(fits)).then_some(Self(values))
    }

    /// The row of a miner of which nothing is known yet.
    #[must_use]
    pub fn zero() -> Self {
        let zero = |column: &Column| match column.unit.storage() {
            Storage::Double => Value::Double(0.0),
            Storage::Integer | Storage::Wide => Value::Integer(0),
        };
        Self(COLUMNS.iter().map(zero).collect())
    }

    /// The values, in the order of [`COLUMNS`].
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The value in a column of the registry.
    #[must_use]
    pub fn value(&self, column: &Column) -> Option<Value> {
        let at = COLUMNS.iter().position(|known| known.name == column.name)?;
        self.0.get(at).copied()
    }

    /// The integer at a [`position`]; `None` for a double, or if there is no such column.
    #[must_use]
    pub(crate) fn integer(&self, position: usize) -> Option<i128> {
        match self.0.get(position)? {
            Value::Integer(value) => Some(*value),
            Value::Double(_) => None,
        }
    }

    /// Adds up the row of a miner's day from that of the day before (none on its first) and the day's events.
    ///
    /// # Errors
    /// If a sum passes 128 bits.
    pub fn of<'e>(
        previous: Option<&Self>,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<Self, TooLarge> {
        let mut tally = Tally::after(previous);
        for event in events {
            tally.add(event)?;
        }
        tally.close()
    }

    /// The columns that the one at `position` is made from, with their values; none for a sum.
    pub(crate) fn parts(&self, position: usize) -> impl Iterator<Item = (usize, i128)> + '_ {
        let (count, parts) = PARTS[position];
        parts.into_iter().take(count).map(|part| (part, self.integer(part).unwrap_or_default()))
    }

    /// The statistic at `position`, made from its parts in this row; `None` if it is none or cannot be reckoned.
    pub(crate) fn statistic(&self, position: usize) -> Option<f64> {
        let mut values = [0; MOST_PARTS];
        let count = self.parts(position).zip(&mut values).map(|((_, part), value)| *value = part).count();
        COLUMNS[position].definition.statistic(&values[..count])
    }
}

/// A miner's row while its day's events are added up.
#[derive(Clone, Debug)]
pub struct Tally {
    row: Row,
    /// By column, the messages of the day that it counts.
    messages: BTreeSet<(usize, Cid)>,
}

impl Tally {
    /// Begins with the row of the day before, or with nothing.
    #[must_use]
    pub fn after(previous: Option<&Row>) -> Self {
        let mut row = Row::zero();
        if let Some(previous) = previous {
            for ((column, value), before) in COLUMNS.iter().zip(&mut row.0).zip(&previous.0) {
                if column.runs_on() {
                    *value = *before;
                }
            }
        }
        Self { row, messages: BTreeSet::new() }
    }

    /// Adds an event of the day; in which order does not matter.
    ///
    /// # Errors
    /// If a sum passes 128 bits.
    pub fn add(&mut self, event: &Event) -> Result<(), TooLarge> {
        for &at in &TOUCHED[event.kind as usize] {
            let column = &COLUMNS[at];
            if let Some(amount) = column.contribution(event)? {
                self.increase(at, amount)?;
            } else if let Some(message) = column.counted_message(event)
                && self.messages.insert((at, message))
            {
                self.increase(at, 1)?;
            }
        }
        Ok(())
    }

    fn increase(&mut self, at: usize, amount: i128) -> Result<(), TooLarge> {
        if let Some(Value::Integer(value)) = self.row.0.get_mut(at) {
            *value = value.checked_add(amount).ok_or(TooLarge { column: COLUMNS[at].name })?;
        }
        Ok(())
    }

    /// The row, now that the day is over: with what is made from other columns.
    ///
    /// # Errors
    /// If a number on the way passes 128 bits.
    pub fn close(mut self) -> Result<Row, TooLarge> {
        for (at, column) in COLUMNS.iter().enumerate() {
            if PARTS[at].0 > 0 {
                let statistic = self.row.statistic(at).ok_or(TooLarge { column: column.name })?;
                self.row.0[at] = Value::Double(statistic);
            }
        }
        Ok(self.row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::column;
    use crate::event::Cause;
    use chain::{MinerId, SectorNumber};

    const SIZE: i128 = 32 << 30;

    fn onboard(epochs: i64, qap: i128) -> Event {
        Event {
            epoch: Epoch(0),
            miner: MinerId(1000),
            sector: SectorNumber(0),
            kind: Kind::Onboard,
            cause: Some(Cause::Batch),
            sector_size: Bytes(SIZE),
            qap_before: None,
            qap_after: Some(Bytes(qap)),
            activation: Some(Epoch(0)),
            expiration_before: None,
            expiration_after: Some(Epoch(epochs)),
            backing_before: None,
            backing_after: None,
            status_before: Status::None,
            status_after: Status::Active,
            message: None,
            uncertain: false,
        }
    }

    fn value(row: &Row, name: &str) -> Value {
        row.value(column(name).unwrap()).unwrap()
    }

    #[test]
    fn a_flow_begins_anew_and_a_total_and_a_state_run_on() {
        let first = Row::of(None, &[onboard(1, SIZE), onboard(1, 2 * SIZE)]).unwrap();
        let second = Row::of(Some(&first), &[onboard(1, SIZE)]).unwrap();
        let third = Row::of(Some(&second), &[]).unwrap();
        let seen = |name| [&first, &second, &third].map(|row| value(row, name));
        let integers = |values: [i128; 3]| values.map(Value::Integer);
        assert_eq!(seen("daily_sector_onboarding_count"), integers([2, 1, 0]));
        assert_eq!(seen("total_sector_qap"), integers([3 * SIZE, 4 * SIZE, 4 * SIZE]));
        assert_eq!(seen("live_sector_count"), integers([2, 3, 3]));
    }

    #[test]
    fn statistics_are_made_from_exact_integers() {
        let lasting = [1_000_000, 1_500_001, 540].map(|epochs| onboard(epochs, SIZE));
        let row = Row::of(None, &lasting).unwrap();
        let duration = |of| value(&row, &format!("{of}_active_sector_duration_days"));
        // Python: sum / (n * 2880), math.sqrt((n * squares - sum * sum) / (n * (n - 1))) / 2880
        assert_eq!(duration("avg"), Value::Double(289.4144675925926));
        assert_eq!(duration("std"), Value::Double(265.09321700726645));
        let none = Row::of(Some(&Row::zero()), &[]).unwrap();
        assert_eq!(none, Row::zero());
    }

    #[test]
    fn a_sum_that_passes_128_bits_is_an_error() {
        let heavy = onboard(1, i128::MAX);
        let row = Row::of(None, std::slice::from_ref(&heavy)).unwrap();
        assert_eq!(Row::of(Some(&row), &[heavy]).unwrap_err().column, "total_sector_qap");
        let longest = Event { activation: Some(Epoch(i64::MIN)), ..onboard(i64::MAX, SIZE) };
        assert_eq!(Row::of(None, &[longest]).unwrap_err().column, "active_duration_epochs_squared");
    }

    #[test]
    fn a_row_has_a_fitting_value_for_each_column() {
        let mut values = Row::zero().values().to_vec();
        assert_eq!(Row::new(values.clone()), Some(Row::zero()));
        values[0] = Value::Double(0.0);
        assert_eq!(Row::new(values.clone()), None);
        values.clear();
        assert_eq!(Row::new(values), None);
    }

    #[test]
    fn an_event_counts_where_the_registry_says() {
        let event = onboard(1, SIZE);
        let counts = |name: &str| column(name).unwrap().contribution(&event).unwrap();
        assert_eq!(counts("provecommit_batch_sector_count"), Some(1));
        assert_eq!(counts("provecommit_sector_count"), None);
        assert_eq!(counts("active_sector_rbp"), Some(SIZE));
        assert_eq!(counts("active_fault_rbp"), None);
        assert_eq!(counts("avg_provecommit_batch_sector_count"), None);
    }
}
