//! Columns in OpenAPI.

use lake::{ColumnSpec, ColumnType};
use ledger::identities::IDENTITIES;
use serde_json::{Map, Value, json};

use crate::v1::operations::receipts_schema;

/// The schema of a column's values.
pub(super) fn property(heading: &ColumnSpec) -> Value {
    let (kind, format) = match heading.column_type {
        ColumnType::Text => ("string", None),
        ColumnType::Miner => ("string", Some(("pattern", "^f0[0-9]+$"))),
        ColumnType::Day => ("string", Some(("format", "date"))),
        ColumnType::Integer | ColumnType::Wide => ("integer", None),
        ColumnType::Double => ("number", None),
        ColumnType::Boolean => ("boolean", None),
    };
    let kind = if heading.nullable { json!([kind, "null"]) } else { json!(kind) };
    let mut told = Map::new();
    told.insert("type".to_owned(), kind);
    told.insert("description".to_owned(), column_description(heading).into());
    if let Some((name, value)) = format {
        told.insert(name.to_owned(), value.into());
    }
    if !heading.unit.is_empty() {
        told.insert("x-unit".to_owned(), heading.unit.into());
    }
    told.into()
}

/// The description of a column, with its unit.
pub(crate) fn column_description(heading: &ColumnSpec) -> String {
    let mut doc = heading.doc.to_string();
    if heading.name == "failed" {
        let identities: Vec<String> =
            IDENTITIES.iter().map(|identity| format!("`{}`: {identity}", identity.name)).collect();
        doc += " The identities are: ";
        doc += &identities.join("; ");
        doc.push('.');
    }
    match heading.unit {
        "" => doc,
        unit => format!("{doc} In {unit}."),
    }
}

/// The header that says in every form how the messages of the answer's days are known.
pub(super) fn receipts_header() -> Value {
    json!({ "description": "How the outcomes of the messages of the answer's days are known.", "schema": receipts_schema() })
}
