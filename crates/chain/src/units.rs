//! Units as types, so that an epoch is never added to a day by mistake.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};

/// Epochs in a day of 30-second epochs.
pub const EPOCHS_PER_DAY: i64 = 2880;
/// Seconds of an epoch.
pub(crate) const EPOCH_SECONDS: i64 = 30;
/// Seconds of a day.
pub(crate) const DAY_SECONDS: i64 = 86_400;

/// A chain epoch: a height of 30 seconds' length, counted from genesis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub i64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Add<i64> for Epoch {
    type Output = Self;
    fn add(self, epochs: i64) -> Self {
        Self(self.0.saturating_add(epochs))
    }
}

impl Sub for Epoch {
    /// Epochs between the two.
    type Output = i64;
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A UTC day, counted from 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i32);

impl Day {
    /// The day `days` days after 1970-01-01.
    #[must_use]
    pub const fn from_unix_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn unix_days(self) -> i32 {
        self.0
    }

    /// The day after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The day before this one.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// The year and the number of the month (1 to 12) that the day is in; months are in order. A day that no calendar
    /// has is in a month of its own.
    #[must_use]
    pub fn month(self) -> (i32, u32) {
        NaiveDate::from_epoch_days(self.0).map_or((self.0, 0), |date| (date.year(), date.month()))
    }
}

impl fmt::Display for Day {
    /// `YYYY-MM-DD`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NaiveDate::from_epoch_days(self.0) {
            Some(date) => write!(f, "{:04}-{:02}-{:02}", date.year(), date.month(), date.day()),
            None => write!(f, "day {}", self.0),
        }
    }
}

/// A range of days with both its ends; it holds at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DayRange {
    first: Day,
    last: Day,
}

#[expect(clippy::len_without_is_empty, reason = "no range is empty")]
impl DayRange {
    /// The range from `first` to `last`; `None` if `last` is before `first`.
    #[must_use]
    pub fn new(first: Day, last: Day) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// The first day.
    #[must_use]
    pub const fn first(self) -> Day {
        self.first
    }

    /// The last day.
    #[must_use]
    pub const fn last(self) -> Day {
        self.last
    }

    /// The number of days.
    #[must_use]
    pub fn len(self) -> u64 {
        (i64::from(self.last.0) - i64::from(self.first.0)).unsigned_abs() + 1
    }

    /// The days in order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Day> + Clone {
        (self.first.0..=self.last.0).map(Day)
    }

    /// Whether a day is in the range.
    #[must_use]
    pub fn contains(self, day: Day) -> bool {
        self.first <= day && day <= self.last
    }

    /// Whether all days of another range are in this one.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.contains(other.first) && self.contains(other.last)
    }

    /// The days that are in both ranges; `None` if there are none.
    #[must_use]
    pub fn intersect(self, other: Self) -> Option<Self> {
        Self::new(self.first.max(other.first), self.last.min(other.last))
    }

    /// The smallest range that holds this one and a day.
    #[must_use]
    pub fn including(self, day: Day) -> Self {
        Self { first: self.first.min(day), last: self.last.max(day) }
    }
}

impl From<Day> for DayRange {
    /// The range of one day.
    fn from(day: Day) -> Self {
        Self { first: day, last: day }
    }
}

impl fmt::Display for DayRange {
    /// `2022-10-01 to 2022-10-31`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// The text is not a day written `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a date: expected YYYY-MM-DD, such as 2022-10-01")]
pub struct ParseDayError;

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, ParseDayError> {
        let shaped = text.len() == 10
            && text.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if !shaped {
            return Err(ParseDayError);
        }
        let number = |range| text.get(range).and_then(|part: &str| part.parse::<u32>().ok());
        let (Some(year), Some(month), Some(day)) = (number(0..4), number(5..7), number(8..10)) else {
            return Err(ParseDayError);
        };
        i32::try_from(year)
            .ok()
            .and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
            .map(|date| Self(date.to_epoch_days()))
            .ok_or(ParseDayError)
    }
}

/// Turns epochs into days; built from the chain's genesis time, which differs by network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    genesis: i64,
}

impl Clock {
    /// A clock whose epoch 0 is at `genesis`, in unix seconds.
    #[must_use]
    pub const fn new(genesis: i64) -> Self {
        Self { genesis }
    }

    /// The clock by which `epoch` begins at a unix time.
    pub(crate) const fn with(epoch: Epoch, timestamp: i64) -> Self {
        Self::new(timestamp.saturating_sub(epoch.0.saturating_mul(EPOCH_SECONDS)))
    }

    /// Unix time of epoch 0.
    #[must_use]
    pub const fn genesis(self) -> i64 {
        self.genesis
    }

    /// Unix time at which `epoch` begins.
    #[must_use]
    pub const fn timestamp(self, epoch: Epoch) -> i64 {
        self.genesis.saturating_add(epoch.0.saturating_mul(EPOCH_SECONDS))
    }

    /// The UTC day in which `epoch`'s timestamp falls.
    #[must_use]
    pub fn day_of(self, epoch: Epoch) -> Day {
        let days = self.timestamp(epoch).div_euclid(DAY_SECONDS);
        Day(i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX }))
    }

    /// The first epoch whose timestamp falls in `day`; the day ends before `first_epoch(day.next())`.
    #[must_use]
    pub fn first_epoch(self, day: Day) -> Epoch {
        let start = i64::from(day.0) * DAY_SECONDS - self.genesis;
        Epoch(start.div_euclid(EPOCH_SECONDS) + i64::from(start.rem_euclid(EPOCH_SECONDS) != 0))
    }
}

/// The ID of a miner actor, written `f0…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MinerId(pub u64);

impl fmt::Display for MinerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "f0{}", self.0)
    }
}

/// The text is not an ID address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a miner's ID address: expected f0 (or t0) and a decimal number, such as f01000")]
pub struct ParseMinerIdError;

impl FromStr for MinerId {
    type Err = ParseMinerIdError;

    fn from_str(text: &str) -> Result<Self, ParseMinerIdError> {
        let digits = text.strip_prefix("f0").or_else(|| text.strip_prefix("t0")).ok_or(ParseMinerIdError)?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseMinerIdError);
        }
        digits.parse().map(Self).map_err(|_| ParseMinerIdError)
    }
}

/// The number of a sector, unique within its miner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectorNumber(pub u64);

impl fmt::Display for SectorNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A quantity of bytes: raw (RBP) or quality-adjusted (QAP). Exact; network sums pass 2^63.
///
/// It is aligned to 8 bytes, as most else is, so that an event or a sector that has some takes a sixth less memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
pub struct Bytes(pub i128);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        value.fmt(f)
    }
}

/// An amount of the network's token in attoFIL, of which 10^18 are one FIL. Exact; all there is fits 91 bits. Aligned as
/// [`Bytes`] are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(Rust, packed(8))]
pub struct AttoFil(pub i128);

impl fmt::Display for AttoFil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = *self;
        value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// Unix time of mainnet's epoch 0.
    const MAINNET_GENESIS: i64 = 1_598_306_400;

    #[test]
    fn a_mainnet_day_begins_at_an_epoch_of_240_modulo_2880() {
        let clock = Clock::new(MAINNET_GENESIS);
        let day: Day = "2022-10-01".parse().expect("a date");
        assert_eq!(clock.first_epoch(day), Epoch(2_209_200));
        assert_eq!(clock.first_epoch(day.next()), Epoch(2_212_080));
        assert_eq!(clock.day_of(Epoch(2_209_200)), day);
        assert_eq!(clock.day_of(Epoch(2_212_079)), day);
        assert_eq!(clock.day_of(Epoch(2_209_199)), day.previous());
        assert_eq!(day.to_string(), "2022-10-01");
    }

    #[test]
    fn a_range_of_days_holds_both_its_ends() {
        let day = Day::from_unix_days;
        let days = DayRange::new(day(7), day(9)).expect("a range");
        assert_eq!(days.iter().collect::<Vec<_>>(), [day(7), day(8), day(9)]);
        assert_eq!(days.len(), 3);
        assert!(days.contains(day(7)) && days.contains(day(9)));
        assert!(!days.contains(day(6)) && !days.contains(day(10)));
        assert_eq!(DayRange::new(day(7), day(6)), None);
        assert_eq!(DayRange::from(day(7)).including(day(9)), days);
        assert!(days.covers(days) && days.covers(day(8).into()) && !DayRange::from(day(8)).covers(days));
        assert_eq!(days.intersect(days.including(day(20))), Some(days));
        assert_eq!(days.intersect(day(9).into()), Some(day(9).into()));
        assert_eq!(days.intersect(day(10).into()), None);
        assert_eq!(days.to_string(), "1970-01-08 to 1970-01-10");
        let all = DayRange::new(day(i32::MIN), day(i32::MAX)).expect("a range");
        assert_eq!(all.len(), 1 << 32);
    }

    #[test]
    fn malformed_dates_are_refused() {
        for text in [
            "",
            "2022-1-01",
            "2022-02-30",
            "20221001",
            "2022-10-01 ",
            "+022-10-01",
            "2022-13-01",
            "２022-10-1",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }

    #[test]
    fn miner_ids_are_decimal_id_addresses_of_either_network() {
        assert_eq!("f0110804".parse(), Ok(MinerId(110_804)));
        assert_eq!("t01000".parse(), Ok(MinerId(1000)));
        for text in ["", "f0", "f1abc", "0110804", "f0-1", "f0+1", "f018446744073709551616", "f01 "] {
            assert!(text.parse::<MinerId>().is_err(), "{text}");
        }
    }
}
