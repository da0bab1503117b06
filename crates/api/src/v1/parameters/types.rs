//! Parameters as they are declared, and the types of their values.

use chain::{Day, MinerId, SectorNumber};
use ledger::columns::Column;

/// Storage providers in one request.
pub(crate) const MAX_MINERS: usize = 100;
/// Rows in an answer.
pub(crate) const MAX_ROWS: u64 = 10_000;
/// Digits of a number: what stays below 2^63 whatever they are.
pub(super) const DIGITS: usize = 18;
/// Furthest back that `-Nd` reaches.
pub(super) const MAX_DAYS: u32 = 9999;

/// A parameter of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) value_type: ParameterType,
    /// Whether it is a segment of the path, which is always there.
    pub(crate) in_path: bool,
    /// Whether the query must have it.
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
    pub(crate) example: &'static str,
}

/// The type of a parameter's values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ParameterType {
    /// A date, `latest`, or `-Nd`.
    Day,
    /// A storage provider.
    Miner,
    /// Storage providers, separated by commas.
    Miners,
    /// The beginning of a storage provider's address.
    Prefix,
    /// A sector's number.
    Sector,
    /// One column of the registry.
    Column,
    /// Columns of the registry, separated by commas.
    Columns,
    /// Groups of columns, separated by commas.
    Groups,
    /// One of these names, upwards, or with a minus before it downwards.
    Sort(fn() -> Vec<&'static str>),
    /// Some of these names, separated by commas.
    AnyOf(fn() -> Vec<&'static str>),
    /// One of these names.
    OneOf(&'static [&'static str]),
    /// How many rows at most; by default as many as this says.
    Limit(u64),
    /// Where the page continues.
    Cursor,
}

/// A reference to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayRef {
    Day(Day),
    /// The day this many before the latest closed one.
    Before(u32),
}

/// Where a page continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// After this day's row with that number.
    After(Day, u64),
    /// After so many rows of that version.
    Offset { version: u64, rows: u64 },
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::After(day, number) => write!(f, "{day}.{number}"),
            Self::Offset { version, rows } => write!(f, "{version}.{rows}"),
        }
    }
}

/// A parsed value.
#[derive(Clone, Debug)]
pub(super) enum ParameterValue {
    Day(DayRef),
    Miner(MinerId),
    Miners(Vec<MinerId>),
    Text(String),
    Sector(SectorNumber),
    Columns(Vec<&'static Column>),
    Sort {
        name: &'static str,
        down: bool,
    },
    Names(Vec<&'static str>),
    Limit(u64),
    /// `None` for one that is none of ours, though it looks so.
    Cursor(Option<Cursor>),
}
