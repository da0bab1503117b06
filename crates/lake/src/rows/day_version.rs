//! Versions of closed days.

use std::fmt;

use chain::Day;
use sha2::{Digest as _, Sha256};

/// Which version of a closed day: another one whenever the day was closed again or brought into another file, so
/// whatever was made from one version stays true for it. Readers of the same lake have the same versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DayVersion {
    day: Day,
    /// The beginning of the SHA-256 of the name of the day's file; no two files ever have the same.
    file: u128,
}

impl DayVersion {
    pub(crate) fn of(day: Day, file: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(file.as_bytes()).into();
        let file = digest.first_chunk().map_or(0, |first| u128::from_be_bytes(*first));
        Self { day, file }
    }

    /// The day.
    #[must_use]
    pub fn day(self) -> Day {
        self.day
    }
}

impl fmt::Display for DayVersion {
    /// 32 hexadecimal digits, which tell versions of the same day apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.file)
    }
}
