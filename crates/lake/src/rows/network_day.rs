//! A day of all storage providers together.

use chain::Day;
use ledger::columns::{COLUMNS, Column, Storage};
use ledger::{SumOverflow, Value};

use crate::error::{Error, Result};
use crate::rows::day_rows::{DayRows, position};

/// A closed day of the whole network: each column of the registry summed over all storage providers. Quotients and
/// statistics are computed anew, from the sums that they are made of.
#[derive(Clone, Debug)]
pub struct NetworkDay {
    day: Day,
    miners: usize,
    /// By column, its value, and how many storage providers have one other than zero.
    columns: Vec<(Value, usize)>,
}

impl DayRows {
    /// The day of the whole network.
    ///
    /// # Errors
    /// If a sum passes 128 bits.
    pub fn network(&self) -> Result<NetworkDay> {
        let rows = 0..self.miners().len();
        let too_large = |column: &'static Column| Error::Overflow {
            day: self.day(),
            source: SumOverflow { column: column.name },
        };
        let summed = |column: &'static Column| {
            let (mut sum, mut with) = (0_i128, 0);
            for row in rows.clone() {
                match self.value(row, column) {
                    Value::Integer(0) => {}
                    Value::Integer(value) => {
                        sum = sum.checked_add(value).ok_or_else(|| too_large(column))?;
                        with += 1;
                    }
                    Value::Double(value) => with += usize::from(value != 0.0),
                }
            }
            Ok((Value::Integer(sum), with))
        };
        let mut columns = COLUMNS.iter().map(summed).collect::<Result<Vec<_>>>()?;
        for (at, column) in COLUMNS.iter().enumerate() {
            if column.unit.storage() != Storage::Double {
                continue;
            }
            let part = |name: &'static str| {
                let at = COLUMNS.iter().position(|part| part.name == name)?;
                match columns.get(at)?.0 {
                    Value::Integer(value) => Some(value),
                    Value::Double(_) => None,
                }
            };
            let parts: Vec<i128> = column.definition.parts().into_iter().flatten().filter_map(part).collect();
            let statistic = column.definition.statistic(&parts).ok_or_else(|| too_large(column))?;
            columns[at].0 = Value::Double(statistic);
        }
        Ok(NetworkDay { day: self.day(), miners: self.miners().len(), columns })
    }
}

impl NetworkDay {
    /// The day.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// How many storage providers have a row.
    #[must_use]
    pub fn miners(&self) -> usize {
        self.miners
    }

    /// The network's value in a column of the registry, and how many storage providers have one other than zero.
    #[must_use]
    pub fn value(&self, column: &Column) -> (Value, usize) {
        let found = position(column).and_then(|at| self.columns.get(at));
        found.copied().unwrap_or((Value::Double(f64::NAN), 0))
    }
}
