//! What requests may say, declared once: from a declaration come the reading of a value, the refusal of what does not
//! fit, and its description in OpenAPI.

use std::collections::BTreeSet;

use chain::{Day, MinerId, SectorNumber};
use ledger::columns::{COLUMNS, Column, Definition, Endpoint, column};
use ledger::{Cause, Kind};
use serde_json::{Value, json};

use crate::errors::problem::Problem;
use crate::http::query::{Quote, decode};

/// Storage providers in one request.
pub(crate) const MOST_MINERS: usize = 100;
/// Rows in an answer.
pub(crate) const MOST_ROWS: u64 = 10_000;
/// Digits of a number: what stays below 2^63 whatever they are.
const DIGITS: usize = 18;
/// Furthest back that `-Nd` reaches.
const MOST_DAYS: u32 = 9999;
/// How far from a known name one may be to be taken for a slip of it.
const SLIP: usize = 4;
/// The group of the columns that say what a storage provider has at the day's end.
const PROVIDER: &str = "provider";

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
    /// Where to go on.
    Cursor,
}

/// A reference to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DayRef {
    Day(Day),
    /// The day this many before the latest closed one.
    Before(u32),
}

/// Where a page goes on.
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
enum ParameterValue {
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

/// The parsed parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryParameters(Vec<(&'static Parameter, String, ParameterValue)>);

impl QueryParameters {
    /// Reads the segments of the path and the query by the parameters that a path takes.
    ///
    /// # Errors
    /// If a parameter is not known, is there twice, is missing, or its value does not fit.
    pub(crate) fn parse<'s>(
        known: &'static [Parameter],
        segments: impl Iterator<Item = (&'s str, &'s str)>,
        query: &str,
    ) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in segments {
            parameters.take(known, true, name, value)?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let shown = decode(name).map_or_else(|| name.to_owned(), |name| name.into_owned());
            let parameter = known.iter().find(|known| !known.in_path && known.name == shown);
            match (parameter, decode(value)) {
                (Some(parameter), None) => {
                    return Err(bad(parameter, value, "percent-encoded UTF-8"));
                }
                (_, value) => parameters.take(known, false, &shown, &value.unwrap_or_default())?,
            }
        }
        let missing = known.iter().find(|known| known.required && parameters.given(known.name).is_none());
        match missing {
            Some(missing) => Err(Problem::BadParameter {
                name: missing.name,
                problem: format!("is missing: expected {}", missing.value_type.expected()),
            }),
            None => Ok(parameters),
        }
    }

    fn take(
        &mut self,
        known: &'static [Parameter],
        in_path: bool,
        name: &str,
        value: &str,
    ) -> Result<(), Problem> {
        let Some(parameter) = known.iter().find(|known| known.in_path == in_path && known.name == name)
        else {
            let names = known.iter().filter(|known| !known.in_path).map(|known| known.name);
            return Err(Problem::UnknownParameter { nearest: nearest(name, names), name: cut(name) });
        };
        if self.given(parameter.name).is_some() {
            let problem = "is given twice: expected once".to_owned();
            return Err(Problem::BadParameter { name: parameter.name, problem });
        }
        let given = parameter.value_type.read(value).map_err(|expected| {
            bad(parameter, value, &expected.unwrap_or_else(|| parameter.value_type.expected()))
        })?;
        self.0.push((parameter, value.to_owned(), given));
        Ok(())
    }

    fn given(&self, name: &str) -> Option<&ParameterValue> {
        self.0.iter().find(|(parameter, ..)| parameter.name == name).map(|(.., given)| given)
    }

    /// The names and values of the query, as they were given.
    pub(crate) fn query(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let query = self.0.iter().filter(|(parameter, ..)| !parameter.in_path);
        query.map(|(parameter, value, _)| (parameter.name, value.as_str()))
    }

    pub(crate) fn when(&self, name: &str) -> Option<DayRef> {
        match self.given(name)? {
            ParameterValue::Day(when) => Some(*when),
            _ => None,
        }
    }

    pub(crate) fn miner(&self, name: &str) -> Option<MinerId> {
        match self.given(name)? {
            ParameterValue::Miner(miner) => Some(*miner),
            _ => None,
        }
    }

    /// By number, each once; none if the parameter is not given.
    pub(crate) fn miners(&self, name: &str) -> Vec<MinerId> {
        match self.given(name) {
            Some(ParameterValue::Miners(miners)) => miners.clone(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.given(name)? {
            ParameterValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn sector(&self, name: &str) -> Option<SectorNumber> {
        match self.given(name)? {
            ParameterValue::Sector(sector) => Some(*sector),
            _ => None,
        }
    }

    /// None if the parameter is not given.
    pub(crate) fn columns(&self, name: &str) -> &[&'static Column] {
        match self.given(name) {
            Some(ParameterValue::Columns(columns)) => columns,
            _ => &[],
        }
    }

    /// By what to sort, and whether downwards.
    pub(crate) fn sort(&self, name: &str) -> Option<(&'static str, bool)> {
        match self.given(name)? {
            ParameterValue::Sort { name, down } => Some((name, *down)),
            _ => None,
        }
    }

    /// None if the parameter is not given.
    pub(crate) fn names(&self, name: &str) -> &[&'static str] {
        match self.given(name) {
            Some(ParameterValue::Names(names)) => names,
            _ => &[],
        }
    }

    /// How many rows at most: the parameter `limit`.
    pub(crate) fn limit(&self, default: u64) -> usize {
        let limit = match self.given("limit") {
            Some(ParameterValue::Limit(limit)) => *limit,
            _ => default,
        };
        usize::try_from(limit.min(MOST_ROWS)).unwrap_or_default()
    }

    /// Where to go on: the parameter `cursor`.
    ///
    /// # Errors
    /// If it names no place.
    pub(crate) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        match self.given("cursor") {
            Some(ParameterValue::Cursor(cursor)) => cursor.map(Some).ok_or(Problem::StaleCursor),
            _ => Ok(None),
        }
    }

    /// The columns asked for by `columns` and `group`; all if neither is given.
    pub(crate) fn chosen(&self) -> Vec<&'static Column> {
        let (columns, groups) = (self.columns("columns"), self.columns("group"));
        if columns.is_empty() && groups.is_empty() {
            return COLUMNS.iter().collect();
        }
        let mut seen = BTreeSet::new();
        columns.iter().chain(groups).copied().filter(|column| seen.insert(column.name)).collect()
    }
}

fn bad(parameter: &'static Parameter, value: &str, expected: &str) -> Problem {
    let problem = format!("is {}: expected {expected}", Quote(value));
    Problem::BadParameter { name: parameter.name, problem }
}

fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The known name that looks most like `name`, if one does.
fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = cut(name).to_ascii_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&name, known);
    let nearest = known.min_by_key(|known| distance(known))?;
    let slip = SLIP.min(nearest.len().max(2) - 1);
    (distance(nearest) <= slip || name.starts_with(nearest) || nearest.starts_with(&name)).then_some(nearest)
}

/// The columns of a group: an endpoint of `/v2`, or what a storage provider has.
fn group(name: &str) -> Vec<&'static Column> {
    match Endpoint::from_name(name) {
        Some(endpoint) => endpoint.columns().collect(),
        None => COLUMNS.iter().filter(|column| matches!(column.definition, Definition::State(..))).collect(),
    }
}

fn groups() -> Vec<&'static str> {
    std::iter::once(PROVIDER).chain(Endpoint::ALL.iter().map(|endpoint| endpoint.name())).collect()
}

fn column_names() -> Vec<&'static str> {
    COLUMNS.iter().map(|column| column.name).collect()
}

/// The kinds of events.
pub(crate) fn kinds() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

/// The causes of events.
pub(crate) fn causes() -> Vec<&'static str> {
    Cause::ALL.iter().map(|cause| cause.name()).collect()
}

/// A number of at most [`DIGITS`] digits.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn miner(text: &str) -> Option<MinerId> {
    text.strip_prefix("f0").or_else(|| text.strip_prefix("t0")).and_then(number).map(MinerId)
}

fn when(text: &str) -> Option<DayRef> {
    if text == "latest" {
        return Some(DayRef::Before(0));
    }
    match text.strip_prefix('-').and_then(|rest| rest.strip_suffix('d')) {
        Some(days) if !days.starts_with('0') => {
            let days = number(days).and_then(|days| u32::try_from(days).ok());
            days.filter(|days| (1..=MOST_DAYS).contains(days)).map(|days| DayRef::Before(days - 1))
        }
        Some(_) => None,
        None => text.parse().ok().map(DayRef::Day),
    }
}

/// A cursor by its looks; inside, `None` for one that names no place.
fn cursor(text: &str) -> Option<Option<Cursor>> {
    let (at, number_of) = text.split_once('.')?;
    let rows = number(number_of)?;
    if let Some(version) = number(at) {
        return Some(Some(Cursor::Offset { version, rows }));
    }
    let looks = at.len() == 10
        && at.bytes().enumerate().all(|(place, byte)| match place {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    looks.then(|| at.parse().ok().map(|day| Cursor::After(day, rows)))
}

/// The parts of a list, none of them twice.
fn list<T: PartialEq>(text: &str, most: usize, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let mut parts = Vec::new();
    for part in text.split(',') {
        let part = read(part)?;
        if parts.len() == most || parts.contains(&part) {
            return None;
        }
        parts.push(part);
    }
    Some(parts)
}

fn named(names: Vec<&'static str>, text: &str) -> Option<&'static str> {
    names.into_iter().find(|name| *name == text)
}

impl ParameterType {
    /// The value that a text is; else what was expected, where more can be said than always.
    fn read(self, text: &str) -> Result<ParameterValue, Option<String>> {
        let unknown = |names: Vec<&'static str>, of: &str| {
            let near = text.split(',').find(|part| !names.contains(part));
            let near = near.and_then(|part| nearest(part, names.iter().copied()));
            near.map(|near| format!("{of}, perhaps {near:?}"))
        };
        match self {
            Self::Day => when(text).map(ParameterValue::Day).ok_or(None),
            Self::Miner => miner(text).map(ParameterValue::Miner).ok_or(None),
            Self::Miners => {
                // One address may be spelled in several ways.
                let spelled = |part: &str| Some((part.to_owned(), miner(part)?));
                let miners = list(text, MOST_MINERS, spelled).ok_or(None)?;
                let miners: BTreeSet<MinerId> = miners.into_iter().map(|(_, miner)| miner).collect();
                Ok(ParameterValue::Miners(miners.into_iter().collect()))
            }
            Self::Prefix => {
                let rest = text.strip_prefix("f0").filter(|rest| rest.is_empty() || number(rest).is_some());
                rest.map(|rest| ParameterValue::Text(rest.to_owned())).ok_or(None)
            }
            Self::Sector => {
                number(text).map(|sector| ParameterValue::Sector(SectorNumber(sector))).ok_or(None)
            }
            Self::Column => column(text)
                .map(|column| ParameterValue::Columns(vec![column]))
                .ok_or_else(|| unknown(column_names(), "a column's name")),
            Self::Columns => list(text, COLUMNS.len(), |name| named(column_names(), name))
                .map(|names| ParameterValue::Columns(names.into_iter().filter_map(column).collect()))
                .ok_or_else(|| unknown(column_names(), "names of columns, each once, separated by commas")),
            Self::Groups => list(text, groups().len(), |name| named(groups(), name))
                .map(|names| ParameterValue::Columns(names.into_iter().flat_map(group).collect()))
                .ok_or_else(|| unknown(groups(), "names of groups, each once, separated by commas")),
            Self::Sort(names) => {
                let (down, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
                let found = named(names(), name).map(|name| ParameterValue::Sort { name, down });
                found.ok_or_else(|| {
                    nearest(name, names().into_iter()).map(|near| {
                        format!("a column's name, with a minus before it for downwards, perhaps {near:?}")
                    })
                })
            }
            Self::AnyOf(names) => {
                list(text, names().len(), |name| named(names(), name)).map(ParameterValue::Names).ok_or(None)
            }
            Self::OneOf(names) => {
                let found = names.iter().find(|name| **name == text);
                found.map(|name| ParameterValue::Names(vec![name])).ok_or(None)
            }
            Self::Limit(_) => {
                let limit = number(text).filter(|limit| (1..=MOST_ROWS).contains(limit));
                limit.map(ParameterValue::Limit).ok_or(None)
            }
            Self::Cursor => cursor(text).map(ParameterValue::Cursor).ok_or(None),
        }
    }

    /// What is expected, in words.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Day => "YYYY-MM-DD, latest, or -30d for the thirtieth day up to the latest".to_owned(),
            Self::Miner => "f0 (or t0) and a decimal number, such as f01000".to_owned(),
            Self::Miners => {
                format!("up to {MOST_MINERS} ID addresses such as f01000, each once, separated by commas")
            }
            Self::Prefix => "the beginning of an ID address, such as f01".to_owned(),
            Self::Sector => format!("a number of up to {DIGITS} digits"),
            Self::Column => "a column's name".to_owned(),
            Self::Columns => "names of columns, each once, separated by commas".to_owned(),
            Self::Groups => format!("some of {}, each once, separated by commas", groups().join(", ")),
            Self::Sort(names) => {
                format!("one of {}, with a minus before it for downwards", names().join(", "))
            }
            Self::AnyOf(names) => format!("some of {}, each once, separated by commas", names().join(", ")),
            Self::OneOf(names) => format!("one of {}", names.join(", ")),
            Self::Limit(_) => format!("a number from 1 to {MOST_ROWS}"),
            Self::Cursor => "what a page before has given as `next`".to_owned(),
        }
    }

    /// The JSON schema of its values.
    pub(crate) fn schema(self) -> Value {
        let list = |items: Value, most: usize| json!({ "type": "array", "items": items, "minItems": 1, "maxItems": most, "uniqueItems": true });
        let names = |names: Vec<&'static str>| json!({ "type": "string", "enum": names });
        let address = || json!({ "type": "string", "pattern": format!("^[ft]0[0-9]{{1,{DIGITS}}}$") });
        match self {
            Self::Day => json!({
                "anyOf": [
                    { "type": "string", "format": "date" },
                    { "type": "string", "pattern": "^(latest|-[1-9][0-9]{0,3}d)$" },
                ],
            }),
            Self::Miner => address(),
            Self::Miners => list(address(), MOST_MINERS),
            Self::Prefix => json!({ "type": "string", "pattern": format!("^f0[0-9]{{0,{DIGITS}}}$") }),
            Self::Sector => {
                json!({ "type": "integer", "minimum": 0, "maximum": 10_u64.pow(DIGITS as u32) - 1 })
            }
            Self::Column => names(column_names()),
            Self::Columns => list(names(column_names()), COLUMNS.len()),
            Self::Groups => list(names(groups()), groups().len()),
            Self::Sort(of) => {
                let both = of().into_iter().flat_map(|name| [name.to_owned(), format!("-{name}")]);
                json!({ "type": "string", "enum": both.collect::<Vec<_>>() })
            }
            Self::AnyOf(of) => list(names(of()), of().len()),
            Self::OneOf(of) => names(of.to_vec()),
            Self::Limit(default) => {
                json!({ "type": "integer", "minimum": 1, "maximum": MOST_ROWS, "default": default })
            }
            Self::Cursor => {
                let pattern =
                    format!("^([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}|[0-9]{{1,{DIGITS}}})\\.[0-9]{{1,{DIGITS}}}$");
                json!({ "type": "string", "pattern": pattern })
            }
        }
    }

    /// Whether its values are lists.
    pub(crate) fn is_list(self) -> bool {
        matches!(self, Self::Miners | Self::Columns | Self::Groups | Self::AnyOf(_))
    }
}
