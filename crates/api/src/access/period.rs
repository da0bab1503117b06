//! The periods in which quotas and rates count requests.

use strum::{Display, EnumString, VariantArray};

/// A period that requests are counted in. Periods begin at midnight UTC and at each whole hour, minute or second.
///
/// Its text is its name. It is read from its name or the first letter of it, a minute from `minute` or `min`.
#[derive(Clone, Copy, Debug, Display, EnumString, PartialEq, Eq, VariantArray)]
pub enum Period {
    /// A second.
    #[strum(to_string = "second", serialize = "s")]
    Second,
    /// 60 seconds.
    #[strum(to_string = "minute", serialize = "min")]
    Minute,
    /// 3,600 seconds.
    #[strum(to_string = "hour", serialize = "h")]
    Hour,
    /// 86,400 seconds.
    #[strum(to_string = "day", serialize = "d")]
    Day,
}

impl Period {
    /// How long it is.
    #[must_use]
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    pub(crate) fn from_seconds(seconds: u32) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|period| period.seconds() == seconds)
    }
}
