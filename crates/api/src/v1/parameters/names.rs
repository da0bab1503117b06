//! The names that parameters take: of columns, groups, kinds and causes.

use ledger::columns::{COLUMNS, Column, Definition, Endpoint};
use ledger::{Cause, Kind};

/// The group of the columns that say what a storage provider has at the day's end.
const PROVIDER: &str = "provider";

/// The columns of a group: an endpoint of `/v2`, or what a storage provider has.
pub(super) fn group(name: &str) -> Vec<&'static Column> {
    match Endpoint::from_name(name) {
        Some(endpoint) => endpoint.columns().collect(),
        None => COLUMNS.iter().filter(|column| matches!(column.definition, Definition::State(..))).collect(),
    }
}

pub(super) fn groups() -> Vec<&'static str> {
    std::iter::once(PROVIDER).chain(Endpoint::ALL.iter().map(|endpoint| endpoint.name())).collect()
}

pub(super) fn column_names() -> Vec<&'static str> {
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
