//! The periods in which quotas and rates count requests.

use std::fmt;

/// A period that requests are counted in. Periods begin at midnight UTC and at each whole hour, minute or second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// A second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3,600 seconds.
    Hour,
    /// 86,400 seconds.
    Day,
}

impl Period {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

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
        Self::ALL.into_iter().find(|period| period.seconds() == seconds)
    }

    /// Reads its name or the first letter of it; a minute's is `min`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "s" | "second" => Some(Self::Second),
            "min" | "minute" => Some(Self::Minute),
            "h" | "hour" => Some(Self::Hour),
            "d" | "day" => Some(Self::Day),
            _ => None,
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        })
    }
}
