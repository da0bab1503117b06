//! Checks that numbers fit their columns: Delta has 64-bit signed integers and decimals of 38 digits.
//! What does not fit is an error; nothing wraps.

use chain::Day;

use crate::error::{Error, Result};
use crate::schema::MAX_DECIMAL;

/// Checks the numbers of one day.
#[derive(Clone, Copy)]
pub(crate) struct RangeCheck(pub(crate) Day);

impl RangeCheck {
    /// 64-bit integers, of which `what` says what they are.
    pub(crate) fn integers(self, what: impl Fn() -> String, values: Vec<u64>) -> Result<Vec<i64>> {
        let integer =
            |value| i64::try_from(value).map_err(|_| self.too_large(&what(), value, "a 64-bit integer"));
        values.into_iter().map(integer).collect()
    }

    /// Integers of 38 decimal digits, of which `what` says what they are.
    pub(crate) fn wides(self, what: impl FnOnce() -> String, values: &[i128]) -> Result<()> {
        let too_large = |value: &&i128| !(-MAX_DECIMAL..=MAX_DECIMAL).contains(*value);
        match values.iter().find(too_large) {
            None => Ok(()),
            Some(value) => Err(self.too_large(&what(), value, "38 decimal digits")),
        }
    }

    /// The error that says so.
    pub(crate) fn too_large(self, what: &str, value: impl std::fmt::Display, holder: &'static str) -> Error {
        Error::TooLarge { day: self.0, what: what.to_owned(), value: value.to_string(), holder }
    }
}
