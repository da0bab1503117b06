//! Parsing of values.

use std::collections::BTreeSet;

use chain::{MinerId, SectorNumber};
use ledger::columns::{COLUMNS, column};

use super::names::{column_names, group, groups};
use super::types::{Cursor, DIGITS, DayRef, MAX_DAYS, MAX_MINERS, MAX_ROWS, ParameterType, ParameterValue};

/// How far from a known name one may be to be taken for a slip of it.
const MAX_TYPO_DISTANCE: usize = 4;

pub(super) fn cut(name: &str) -> String {
    name.chars().take(64).collect()
}

/// The known name that looks most like `name`, if one does.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let name = cut(name).to_ascii_lowercase();
    let distance = |known: &str| strsim::damerau_levenshtein(&name, known);
    let nearest = known.min_by_key(|known| distance(known))?;
    let slip = MAX_TYPO_DISTANCE.min(nearest.len().max(2) - 1);
    (distance(nearest) <= slip || name.starts_with(nearest) || nearest.starts_with(&name)).then_some(nearest)
}

/// A number of at most [`DIGITS`] digits.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn miner(text: &str) -> Option<MinerId> {
    text.strip_prefix("f0").or_else(|| text.strip_prefix("t0")).and_then(number).map(MinerId)
}

fn day_ref(text: &str) -> Option<DayRef> {
    if text == "latest" {
        return Some(DayRef::Before(0));
    }
    match text.strip_prefix('-').and_then(|rest| rest.strip_suffix('d')) {
        Some(days) if !days.starts_with('0') => {
            let days = number(days).and_then(|days| u32::try_from(days).ok());
            days.filter(|days| (1..=MAX_DAYS).contains(days)).map(|days| DayRef::Before(days - 1))
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
    pub(super) fn parse(self, text: &str) -> Result<ParameterValue, Option<String>> {
        let unknown = |names: Vec<&'static str>, of: &str| {
            let near = text.split(',').find(|part| !names.contains(part));
            let near = near.and_then(|part| nearest(part, names.iter().copied()));
            near.map(|near| format!("{of}, perhaps {near:?}"))
        };
        match self {
            Self::Day => day_ref(text).map(ParameterValue::Day).ok_or(None),
            Self::Miner => miner(text).map(ParameterValue::Miner).ok_or(None),
            Self::Miners => {
                // One address may be spelled in several ways.
                let spelled = |part: &str| Some((part.to_owned(), miner(part)?));
                let miners = list(text, MAX_MINERS, spelled).ok_or(None)?;
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
                let limit = number(text).filter(|limit| (1..=MAX_ROWS).contains(limit));
                limit.map(ParameterValue::Limit).ok_or(None)
            }
            Self::Cursor => cursor(text).map(ParameterValue::Cursor).ok_or(None),
        }
    }
}
