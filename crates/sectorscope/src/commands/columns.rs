//! `sectorscope columns`

use std::fmt::Write as _;
use std::io::Write as _;

use ledger::columns::{COLUMNS, Column, Endpoint};
use serde_json::json;

use crate::cli::{ColumnFormat, Columns};
use crate::output::{self, Align};

const HEADER: [(&str, Align); 4] =
    [("column", Align::Left), ("endpoint", Align::Left), ("unit", Align::Left), ("definition", Align::Left)];

pub(crate) fn run(arguments: &Columns) -> anyhow::Result<()> {
    match arguments.format {
        ColumnFormat::Table => output::table(&HEADER, COLUMNS.iter().map(line))?,
        ColumnFormat::Markdown => write(&page())?,
        ColumnFormat::Json => {
            write(&format!("{:#}\n", json!(COLUMNS.iter().map(column_json).collect::<Vec<_>>())))?
        }
    }
    Ok(())
}

fn write(text: &str) -> std::io::Result<()> {
    let mut out = output::out();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn endpoint(column: &Column) -> &'static str {
    column.endpoint.map_or("", Endpoint::name)
}

fn line(column: &Column) -> Vec<String> {
    vec![
        column.name.to_owned(),
        endpoint(column).to_owned(),
        column.unit.name().to_owned(),
        column.definition.to_string(),
    ]
}

fn column_json(column: &Column) -> serde_json::Value {
    json!({
        "name": column.name,
        "endpoint": column.endpoint.map(Endpoint::name),
        "unit": column.unit.name(),
        "definition": column.definition.to_string(),
        "description": column.doc,
    })
}

/// The reference page.
fn page() -> String {
    let mut page = String::from(
        "# Columns\n\n\
         Made from the column registry by `sectorscope columns --format markdown`; do not edit.\n\n\
         Every row also has `stat_date`, the UTC day it describes, and `miner_id`, the provider's `f0…` address. Counts and \
         bytes are exact integers; bytes may pass 2^63. Days are UTC days; \"so far\" means from the chain's first epoch (or the \
         first state known) to the day's end.\n",
    );
    for endpoint in Endpoint::ALL {
        let _ = write!(page, "\n## {}\n\n{}\n", endpoint.name(), endpoint.summary());
        let _ = write!(page, "\n`GET /v2/storage_provider/sector/{}`\n", endpoint.name());
        section(&mut page, endpoint.columns());
    }
    page.push_str("\n## Kept beside them\n\nIn the lake's `sp_sector_daily`, for the identities and the next day's balances; no endpoint of `/v2` serves these.\n");
    section(&mut page, COLUMNS.iter().filter(|column| column.endpoint.is_none()));
    page
}

fn section<'c>(page: &mut String, columns: impl Iterator<Item = &'c Column>) {
    page.push_str("\n| column | unit | is | tells |\n|---|---|---|---|\n");
    for column in columns {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            column.name,
            column.unit.name(),
            column.definition,
            column.doc
        );
    }
}
