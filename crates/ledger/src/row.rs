//! A miner's row of a day.

use crate::columns::{COLUMNS, Column, Storage, position};
use crate::value::Value;

/// The positions of the columns that each column is made from; the first `parts` of them count.
pub(crate) static PARTS: [(usize, [usize; MOST_PARTS]); COLUMNS.len()] = {
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

/// A miner's row of a day: a value for each column, in the order of [`COLUMNS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub(crate) Vec<Value>);

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

    /// The columns that the one at `position` is made from, with their values; none for a sum.
    pub(crate) fn parts(&self, position: usize) -> impl Iterator<Item = (usize, i128)> + '_ {
        let (count, parts) = PARTS[position];
        parts.into_iter().take(count).map(|part| (part, self.integer(part).unwrap_or_default()))
    }

    /// The statistic at `position`, made from its parts in this row; `None` if it is none or cannot be computed.
    pub(crate) fn statistic(&self, position: usize) -> Option<f64> {
        let mut values = [0; MOST_PARTS];
        let count = self.parts(position).zip(&mut values).map(|((_, part), value)| *value = part).count();
        COLUMNS[position].definition.statistic(&values[..count])
    }
}
