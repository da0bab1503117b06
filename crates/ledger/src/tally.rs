//! A miner's row, added up from the row before and the day's events.
//!
//! The lake adds up its days by SQL. This does the same again, from the same registry and by other means, so that each
//! number can be compared with a second computation. Integers are exact or an error; doubles come out of exact integers by
//! the same few operations in the same order as there, so they are the same to the last bit.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use chain::Cid;

use crate::columns::{COLUMNS, Column, Definition};
use crate::contribution::SumOverflow;
use crate::event::{Event, Kind};
use crate::row::{PARTS, Row};
use crate::value::Value;

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
                if column.carries_over() {
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
    pub fn add(&mut self, event: &Event) -> Result<(), SumOverflow> {
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

    fn increase(&mut self, at: usize, amount: i128) -> Result<(), SumOverflow> {
        if let Some(Value::Integer(value)) = self.row.0.get_mut(at) {
            *value = value.checked_add(amount).ok_or(SumOverflow { column: COLUMNS[at].name })?;
        }
        Ok(())
    }

    /// The row, now that the day is over: with what is made from other columns.
    ///
    /// # Errors
    /// If a number on the way passes 128 bits.
    pub fn close(mut self) -> Result<Row, SumOverflow> {
        for (at, column) in COLUMNS.iter().enumerate() {
            if PARTS[at].0 > 0 {
                let statistic = self.row.statistic(at).ok_or(SumOverflow { column: column.name })?;
                self.row.0[at] = Value::Double(statistic);
            }
        }
        Ok(self.row)
    }
}

impl Row {
    /// Adds up the row of a miner's day from that of the day before (none on its first) and the day's events.
    ///
    /// # Errors
    /// If a sum passes 128 bits.
    pub fn of<'e>(
        previous: Option<&Self>,
        events: impl IntoIterator<Item = &'e Event>,
    ) -> Result<Self, SumOverflow> {
        let mut tally = Tally::after(previous);
        for event in events {
            tally.add(event)?;
        }
        tally.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::column;
    use crate::event::{Cause, Status};
    use chain::{Bytes, Epoch, MinerId, SectorNumber};

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
