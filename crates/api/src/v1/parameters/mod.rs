//! Parameters of requests. Each is declared once: its parsing, its error and its description in OpenAPI come from that.

mod names;
mod parse;
mod schema;
mod types;

use std::collections::BTreeSet;

use chain::{MinerId, SectorNumber};
use ledger::columns::{COLUMNS, Column};

pub(crate) use names::{causes, kinds};
pub(crate) use types::{Cursor, DayRef, Parameter, ParameterType};

use self::parse::{cut, nearest};
use self::types::{MAX_ROWS, ParameterValue};
use crate::errors::problem::Problem;
use crate::http::query::{Quote, decode};

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
            parameters.add(known, true, name, value)?;
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let shown = decode(name).map_or_else(|| name.to_owned(), |name| name.into_owned());
            let parameter = known.iter().find(|known| !known.in_path && known.name == shown);
            match (parameter, decode(value)) {
                (Some(parameter), None) => {
                    return Err(bad_value(parameter, value, "percent-encoded UTF-8"));
                }
                (_, value) => parameters.add(known, false, &shown, &value.unwrap_or_default())?,
            }
        }
        let missing = known.iter().find(|known| known.required && parameters.value(known.name).is_none());
        match missing {
            Some(missing) => Err(Problem::BadParameter {
                name: missing.name,
                problem: format!("is missing: expected {}", missing.value_type.expected()),
            }),
            None => Ok(parameters),
        }
    }

    fn add(
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
        if self.value(parameter.name).is_some() {
            let problem = "is given twice: expected once".to_owned();
            return Err(Problem::BadParameter { name: parameter.name, problem });
        }
        let given = parameter.value_type.parse(value).map_err(|expected| {
            bad_value(parameter, value, &expected.unwrap_or_else(|| parameter.value_type.expected()))
        })?;
        self.0.push((parameter, value.to_owned(), given));
        Ok(())
    }

    fn value(&self, name: &str) -> Option<&ParameterValue> {
        self.0.iter().find(|(parameter, ..)| parameter.name == name).map(|(.., given)| given)
    }

    /// The names and values of the query, as they were given.
    pub(crate) fn query(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let query = self.0.iter().filter(|(parameter, ..)| !parameter.in_path);
        query.map(|(parameter, value, _)| (parameter.name, value.as_str()))
    }

    pub(crate) fn day_ref(&self, name: &str) -> Option<DayRef> {
        match self.value(name)? {
            ParameterValue::Day(when) => Some(*when),
            _ => None,
        }
    }

    pub(crate) fn miner(&self, name: &str) -> Option<MinerId> {
        match self.value(name)? {
            ParameterValue::Miner(miner) => Some(*miner),
            _ => None,
        }
    }

    /// By number, each once; none if the parameter is not given.
    pub(crate) fn miners(&self, name: &str) -> Vec<MinerId> {
        match self.value(name) {
            Some(ParameterValue::Miners(miners)) => miners.clone(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            ParameterValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn sector(&self, name: &str) -> Option<SectorNumber> {
        match self.value(name)? {
            ParameterValue::Sector(sector) => Some(*sector),
            _ => None,
        }
    }

    /// None if the parameter is not given.
    pub(crate) fn columns(&self, name: &str) -> &[&'static Column] {
        match self.value(name) {
            Some(ParameterValue::Columns(columns)) => columns,
            _ => &[],
        }
    }

    /// By what to sort, and whether downwards.
    pub(crate) fn sort(&self, name: &str) -> Option<(&'static str, bool)> {
        match self.value(name)? {
            ParameterValue::Sort { name, down } => Some((name, *down)),
            _ => None,
        }
    }

    /// None if the parameter is not given.
    pub(crate) fn names(&self, name: &str) -> &[&'static str] {
        match self.value(name) {
            Some(ParameterValue::Names(names)) => names,
            _ => &[],
        }
    }

    /// The maximum number of rows: the parameter `limit`.
    pub(crate) fn limit(&self, default: u64) -> usize {
        let limit = match self.value("limit") {
            Some(ParameterValue::Limit(limit)) => *limit,
            _ => default,
        };
        usize::try_from(limit.min(MAX_ROWS)).unwrap_or_default()
    }

    /// Where the page continues: the parameter `cursor`.
    ///
    /// # Errors
    /// If it names no place.
    pub(crate) fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        match self.value("cursor") {
            Some(ParameterValue::Cursor(cursor)) => cursor.map(Some).ok_or(Problem::StaleCursor),
            _ => Ok(None),
        }
    }

    /// The columns that `columns` and `group` select; all if neither is given.
    pub(crate) fn selected_columns(&self) -> Vec<&'static Column> {
        let (columns, groups) = (self.columns("columns"), self.columns("group"));
        if columns.is_empty() && groups.is_empty() {
            return COLUMNS.iter().collect();
        }
        let mut seen = BTreeSet::new();
        columns.iter().chain(groups).copied().filter(|column| seen.insert(column.name)).collect()
    }
}

fn bad_value(parameter: &'static Parameter, value: &str, expected: &str) -> Problem {
    let problem = format!("is {}: expected {expected}", Quote(value));
    Problem::BadParameter { name: parameter.name, problem }
}
