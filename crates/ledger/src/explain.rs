//! What a number of a miner's day is made of.

use std::collections::BTreeSet;

use crate::columns::{COLUMNS, Column};
use crate::contribution::SumOverflow;
use crate::event::Event;
use crate::row::Row;
use crate::value::Value;

/// What an event adds to a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Contribution<'e> {
    /// The event. Where messages are counted, the first that its message caused.
    pub event: &'e Event,
    /// What it adds, in the column's unit.
    pub amount: i128,
}

/// A number and what it is made of: the number of the day before and what each event of the day added; or, for a
/// quotient or statistic, the columns it is computed from.
#[derive(Clone, Debug)]
pub struct Explanation<'e> {
    /// The column, whose definition says how the parts make the number.
    pub column: &'static Column,
    /// The number.
    pub value: Value,
    /// The number of the day before, for a column that runs on from it and a miner that had a row then.
    pub previous: Option<Value>,
    /// What the day's events added, in the chain's order.
    pub contributions: Vec<Contribution<'e>>,
    /// For a quotient or statistic, the columns that it is made from, in the order of its definition.
    pub parts: Vec<Explanation<'e>>,
}

/// Explains the number that `row` has in a column of the registry, by the row of the day before (none on the miner's
/// first) and the miner's events of the day. Whether they do make it is said by [`Explanation::adds_up`].
///
/// # Errors
/// If an event is damaged and adds more than 128 bits hold.
pub fn explain<'e>(
    column: &'static Column,
    previous: Option<&Row>,
    row: &Row,
    events: &'e [Event],
) -> Result<Explanation<'e>, SumOverflow> {
    let (mut contributions, mut counted) = (Vec::new(), BTreeSet::new());
    for event in events {
        let amount = match column.contribution(event)? {
            None if column.counted_message(event).is_some_and(|message| counted.insert(message)) => Some(1),
            amount => amount,
        };
        contributions.extend(amount.map(|amount| Contribution { event, amount }));
    }
    let parts = column.definition.parts().into_iter().flatten();
    let parts = parts.filter_map(|name| COLUMNS.iter().find(|part| part.name == name));
    Ok(Explanation {
        column,
        value: row.value(column).unwrap_or(Value::Integer(0)),
        previous: previous.filter(|_| column.carries_over()).and_then(|row| row.value(column)),
        contributions,
        parts: parts.map(|part| explain(part, previous, row, events)).collect::<Result<_, _>>()?,
    })
}

impl Explanation<'_> {
    /// Whether the parts make the number: integers exactly, doubles to the last bit.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        match self.value {
            Value::Integer(value) => self.sum() == Some(value),
            Value::Double(value) => {
                let made = self.statistic().is_some_and(|made| made.to_bits() == value.to_bits());
                made && self.parts.iter().all(Self::adds_up)
            }
        }
    }

    /// What the number of the day before and the contributions come to; `None` if that passes 128 bits.
    #[must_use]
    pub fn sum(&self) -> Option<i128> {
        let before = match self.previous {
            Some(Value::Integer(before)) => before,
            Some(Value::Double(_)) => return None,
            None => 0,
        };
        self.contributions.iter().try_fold(before, |sum, contribution| sum.checked_add(contribution.amount))
    }

    /// How many of the contributions are of events that were inferred without receipts and are not sure; those of its parts
    /// are theirs.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        self.contributions.iter().filter(|contribution| contribution.event.uncertain).count()
    }

    /// What the parts come to; `None` for a sum over events.
    #[must_use]
    pub fn statistic(&self) -> Option<f64> {
        let integer = |part: &Self| match part.value {
            Value::Integer(value) => Some(value),
            Value::Double(_) => None,
        };
        let parts: Option<Vec<i128>> = self.parts.iter().map(integer).collect();
        self.column.definition.statistic(&parts?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::columns::{Definition, column};
    use crate::event::Kind;
    use crate::testing::{SyntheticHistory, SyntheticOptions};

    /// The events of a made-up miner, day by day.
    fn days(standing: usize) -> Vec<Vec<Event>> {
        let options = SyntheticOptions { miners: 1, initial_sectors: standing, ..Default::default() };
        SyntheticHistory::new(options).take(20).map(|day| day.events).collect()
    }

    #[test]
    fn the_parts_of_every_column_add_up_to_it() {
        for standing in [0, 40] {
            let mut previous: Option<Row> = None;
            for events in days(standing) {
                let row = Row::of(previous.as_ref(), &events).unwrap();
                for column in COLUMNS {
                    let explanation = explain(column, previous.as_ref(), &row, &events).unwrap();
                    assert!(explanation.adds_up(), "{}: {explanation:?}", column.name);
                    let made_of_columns = column.definition.parts()[0].is_some();
                    assert_eq!(made_of_columns, !explanation.parts.is_empty(), "{}", column.name);
                    assert_eq!(explanation.previous.is_some(), column.carries_over() && previous.is_some());
                }
                previous = Some(row);
            }
        }
    }

    #[test]
    fn a_number_that_is_not_what_its_parts_make_does_not_close() {
        let days = days(0);
        let before = Row::of(None, &days[0]).unwrap();
        let row = Row::of(Some(&before), &days[1]).unwrap();
        for (at, column) in COLUMNS.iter().enumerate() {
            let mut values = row.values().to_vec();
            values[at] = match values[at] {
                Value::Integer(value) => Value::Integer(value + 1),
                Value::Double(value) => Value::Double(value.next_up()),
            };
            let wrong = Row::new(values).unwrap();
            assert!(!explain(column, Some(&before), &wrong, &days[1]).unwrap().adds_up(), "{}", column.name);
        }
        // A statistic does not close either if a part of it does not.
        let column = column("avg_precommit_batch_sector_count").unwrap();
        let explanation = explain(column, None, &row, &days[1]).unwrap();
        assert!(explanation.statistic().is_some() && !explanation.adds_up());
    }

    #[test]
    fn a_message_is_counted_once_and_shown_with_its_first_event() {
        let messages = column("precommit_batch_messages").unwrap();
        assert!(matches!(messages.definition, Definition::Messages(_)));
        let events = &days(0)[0];
        let row = Row::of(None, events).unwrap();
        let explanation = explain(messages, None, &row, events).unwrap();
        let shown: Vec<_> = explanation.contributions.iter().map(|of| of.event).collect();
        assert!(shown.iter().all(|event| event.kind == Kind::Precommit));
        let cids: BTreeSet<_> = shown.iter().filter_map(|event| Some(event.message.as_ref()?.cid)).collect();
        assert_eq!(cids.len(), shown.len());
        assert!(shown.iter().any(|event| event.message.as_ref().unwrap().sectors > 1));
    }
}
