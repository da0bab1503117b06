//! Descriptions of parameter types: in words, and as JSON schemas.

use ledger::columns::COLUMNS;
use serde_json::{Value, json};

use super::names::{column_names, groups};
use super::types::{DIGITS, MAX_MINERS, MAX_ROWS, ParameterType};

impl ParameterType {
    /// What is expected, in words.
    pub(crate) fn expected(self) -> String {
        match self {
            Self::Day => "YYYY-MM-DD, latest, or -30d for the thirtieth day up to the latest".to_owned(),
            Self::Miner => "f0 (or t0) and a decimal number, such as f01000".to_owned(),
            Self::Miners => {
                format!("up to {MAX_MINERS} ID addresses such as f01000, each once, separated by commas")
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
            Self::Limit(_) => format!("a number from 1 to {MAX_ROWS}"),
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
            Self::Miners => list(address(), MAX_MINERS),
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
                json!({ "type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": default })
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
