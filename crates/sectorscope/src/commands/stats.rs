//! `sectorscope stats`

use std::io::Write;

use anyhow::bail;
use lake::{DayRows, Reader};
use ledger::columns::Column;

use crate::cli::{RowFormat, Stats};
use crate::human;
use crate::output::{self, Align};

pub(crate) async fn run(arguments: Stats) -> anyhow::Result<()> {
    let reader = Reader::open(&arguments.data.lake()?).await?;
    let Some(days) = reader.days() else {
        bail!("the lake has no closed day yet; take in a source with `sectorscope ingest car FILE`");
    };
    let date = arguments.date.unwrap_or(*days.end());
    let Some(rows) = reader.day(date).await? else {
        bail!("{date} is not closed; the closed days are {} to {}", days.start(), days.end());
    };
    match arguments.format {
        RowFormat::Json => {
            let mut text = String::new();
            rows.write_json(arguments.endpoint, arguments.miner, &mut text);
            let mut out = output::out();
            writeln!(out, "{text}")?;
            out.flush()?;
        }
        RowFormat::Csv => csv(&arguments, &rows)?,
        RowFormat::Table => table(&arguments, &rows)?,
    }
    Ok(())
}

/// Indices of the rows asked for.
fn chosen(arguments: &Stats, rows: &DayRows) -> Vec<usize> {
    match arguments.miner {
        Some(miner) => rows.find(miner).into_iter().collect(),
        None => (0..rows.miners().len()).collect(),
    }
}

fn csv(arguments: &Stats, rows: &DayRows) -> anyhow::Result<()> {
    let columns: Vec<&Column> = arguments.endpoint.columns().collect();
    let mut out = csv::Writer::from_writer(output::out());
    out.write_record(["stat_date", "miner_id"].into_iter().chain(columns.iter().map(|column| column.name)))?;
    for row in chosen(arguments, rows) {
        let mut record = vec![rows.day().to_string(), rows.miners()[row].to_string()];
        record.extend(columns.iter().map(|column| rows.value(row, column).to_string()));
        out.write_record(record)?;
    }
    out.flush()?;
    Ok(())
}

fn table(arguments: &Stats, rows: &DayRows) -> anyhow::Result<()> {
    let columns: Vec<&Column> = arguments.endpoint.columns().collect();
    let mut header = vec![("stat_date", Align::Left), ("miner_id", Align::Left)];
    header.extend(columns.iter().map(|column| (column.name, Align::Right)));
    let lines = chosen(arguments, rows).into_iter().map(|row| {
        let mut line = vec![rows.day().to_string(), rows.miners()[row].to_string()];
        line.extend(columns.iter().map(|column| human::value(rows.value(row, column), column.unit)));
        line
    });
    output::table(&header, lines)?;
    Ok(())
}
