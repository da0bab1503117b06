//! Checks that numbers fit their columns: Delta has 64-bit signed integers and decimals of 38 digits.
//! What does not fit is an error; nothing wraps.

use chain::Day;

use crate::error::{Error, Result};
use crate::schema::MAX_DECIMAL;

/// Checks the numbers of one day.
#[derive(Clone, Copy)]
pub(crate) struct RangeCheck(pub(crate) Day);

impl RangeCheck {
    /// A 64-bit integer.
    pub(crate) fn integer(self, what: &str, value: u64) -> Result<i64> {
        i64::try_from(value).map_err(|_| self.too_large(what, value, "a 64-bit integer"))
    }

    /// An integer of 38 decimal digits.
    pub(crate) fn wide(self, what: &str, value: i128) -> Result<i128> {
        if (-MAX_DECIMAL..=MAX_DECIMAL).contains(&value) {
            Ok(value)
        } else {
            Err(self.too_large(what, value, "38 decimal digits"))
        }
    }

    /// The error that says so.
    pub(crate) fn too_large(self, what: &str, value: impl std::fmt::Display, holder: &'static str) -> Error {
        Error::TooLarge { day: self.0, what: what.to_owned(), value: value.to_string(), holder }
    }
}
