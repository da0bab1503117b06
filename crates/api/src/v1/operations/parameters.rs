//! The parameters that operations share.

use crate::v1::format;
use crate::v1::parameters::{Parameter, ParameterType, causes, kinds};

/// Rows of a page where nothing else is asked for.
pub(crate) const DEFAULT_ROWS: u64 = 1000;

pub(super) const fn path_parameter(
    name: &'static str,
    value_type: ParameterType,
    doc: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter { name, value_type, in_path: true, required: true, doc, example }
}

pub(super) const fn query_parameter(
    name: &'static str,
    value_type: ParameterType,
    doc: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter { name, value_type, in_path: false, required: false, doc, example }
}

pub(super) const FORMAT: Parameter = query_parameter(
    "format",
    ParameterType::OneOf(format::NAMES),
    "The answer's format; goes before the header `Accept`.",
    "csv",
);
pub(super) const FROM: Parameter = query_parameter(
    "from",
    ParameterType::Day,
    "First day: a date, `latest`, or `-30d` for the thirtieth day up to the latest. By default the last day.",
    "-7d",
);
pub(super) const TO: Parameter =
    query_parameter("to", ParameterType::Day, "Last day, by default the latest closed one.", "latest");
pub(super) const DAY: Parameter =
    query_parameter("day", ParameterType::Day, "The day, by default the latest closed one.", "latest");
pub(super) const MINERS: Parameter = query_parameter(
    "miner",
    ParameterType::Miners,
    "Storage providers, up to 100, separated by commas; by default all.",
    "f0107,f0113",
);
pub(super) const LIMIT: Parameter =
    query_parameter("limit", ParameterType::Limit(DEFAULT_ROWS), "Rows of a page.", "10");
pub(super) const CURSOR: Parameter = query_parameter(
    "cursor",
    ParameterType::Cursor,
    "Where to go on: what the page before gives as `next`.",
    "2026-09-20.113",
);
pub(super) const SELECTED_COLUMNS: Parameter = query_parameter(
    "columns",
    ParameterType::Columns,
    "Columns, separated by commas. Without `columns` and `group` all are given.",
    "total_num_sector,live_sector_count",
);
pub(super) const GROUP: Parameter = query_parameter(
    "group",
    ParameterType::Groups,
    "Groups of columns, separated by commas: those of an endpoint of `/v2` by its name, and `provider`, what the \
     storage provider has at the day's end. Goes together with `columns`.",
    "provider,terminate",
);
pub(super) const ID: Parameter = path_parameter("id", ParameterType::Miner, "The storage provider.", "f0113");
pub(super) const KIND: Parameter =
    query_parameter("kind", ParameterType::AnyOf(kinds), "Only events of these kinds.", "extend,fault");
pub(super) const CAUSE: Parameter =
    query_parameter("cause", ParameterType::AnyOf(causes), "Only events of these causes.", "declared,missed");
pub(super) const BY: Parameter = query_parameter(
    "by",
    ParameterType::OneOf(&["day", "month"]),
    "A row for each day or for each month; by default months.",
    "day",
);
