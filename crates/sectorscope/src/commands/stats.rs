//! `sectorscope stats`

use std::io::Write;
use std::ops::RangeInclusive;
use std::sync::Arc;

use anyhow::bail;
use chain::{Day, MinerId};
use lake::{DayRows, MinerRows, Reader};
use ledger::Value;
use ledger::columns::{Column, Definition};

use crate::cli::{RowFormat, Stats};
use crate::human;
use crate::output::{self, Align};

pub(crate) async fn run(arguments: Stats) -> anyhow::Result<()> {
    let reader = Reader::open(&arguments.data.lake()?).await?;
    let rows = Rows::select(&arguments, &reader).await?;
    match (arguments.format, &rows) {
        (RowFormat::Json, Rows::OfDay(day)) => {
            let mut text = String::new();
            day.write_json(arguments.endpoint, arguments.miner, &mut text);
            let mut out = output::out();
            writeln!(out, "{text}")?;
            out.flush()?;
        }
        (RowFormat::Json, Rows::OfMiner(miner)) => {
            let mut text = String::new();
            miner.write_json(arguments.endpoint, &mut text);
            let mut out = output::out();
            writeln!(out, "{text}")?;
            out.flush()?;
        }
        (RowFormat::Csv, rows) => csv(&arguments, rows)?,
        (RowFormat::Table, rows) => {
            table(&arguments, rows)?;
            let runs_on = |column: &Column| {
                matches!(column.definition, Definition::Total(..) | Definition::Quotient { .. })
            };
            if let Some(since) = reader.history_since()
                && arguments.endpoint.columns().any(runs_on)
            {
                output::print_line(format_args!("\n{}", human::history_since(since)));
            }
            if let Some(days) = rows.days() {
                let receipts = reader.published().receipts_of(&days);
                if let Some(said) = human::receipts(receipts.receipts(), &receipts.counts) {
                    output::print_line(format_args!("\n{said}"));
                }
            }
        }
    }
    Ok(())
}

/// The rows asked for: of one day, or of one miner.
enum Rows {
    OfDay(Arc<DayRows>),
    OfMiner(MinerRows),
}

impl Rows {
    async fn select(arguments: &Stats, reader: &Reader) -> anyhow::Result<Self> {
        let Stats { miner, date, from, to, .. } = *arguments;
        if let (Some(miner), true) = (miner, from.is_some() || to.is_some()) {
            return Ok(Self::OfMiner(reader.miner(miner, reader.days_between(from, to)?).await?));
        }
        let date = *reader.days_between(None, date)?.end();
        match reader.day(date).await? {
            Some(rows) => Ok(Self::OfDay(rows)),
            None => bail!("{date} is not closed any more; ask again"),
        }
    }

    /// Day, miner and place of each row.
    fn positions(&self, miner: Option<MinerId>) -> Vec<(Day, MinerId, usize)> {
        match self {
            Self::OfDay(rows) => {
                let found: Vec<usize> = match miner {
                    Some(miner) => rows.find(miner).into_iter().collect(),
                    None => (0..rows.miners().len()).collect(),
                };
                found.into_iter().map(|row| (rows.day(), rows.miners()[row], row)).collect()
            }
            Self::OfMiner(rows) => {
                rows.days().iter().enumerate().map(|(row, day)| (*day, rows.miner(), row)).collect()
            }
        }
    }

    /// First and last day of the rows; `None` if there are none.
    fn days(&self) -> Option<RangeInclusive<Day>> {
        match self {
            Self::OfDay(rows) => Some(rows.day()..=rows.day()),
            Self::OfMiner(rows) => Some(*rows.days().first()?..=*rows.days().last()?),
        }
    }

    fn value(&self, row: usize, column: &Column) -> Value {
        match self {
            Self::OfDay(rows) => rows.value(row, column),
            Self::OfMiner(rows) => rows.value(row, column),
        }
    }
}

fn csv(arguments: &Stats, rows: &Rows) -> anyhow::Result<()> {
    let columns: Vec<&Column> = arguments.endpoint.columns().collect();
    let mut out = csv::Writer::from_writer(output::out());
    out.write_record(["stat_date", "miner_id"].into_iter().chain(columns.iter().map(|column| column.name)))?;
    for (day, miner, row) in rows.positions(arguments.miner) {
        let mut record = vec![day.to_string(), miner.to_string()];
        record.extend(columns.iter().map(|column| rows.value(row, column).to_string()));
        out.write_record(record)?;
    }
    out.flush()?;
    Ok(())
}

fn table(arguments: &Stats, rows: &Rows) -> anyhow::Result<()> {
    let columns: Vec<&Column> = arguments.endpoint.columns().collect();
    let mut header = vec![("stat_date", Align::Left), ("miner_id", Align::Left)];
    header.extend(columns.iter().map(|column| (column.name, Align::Right)));
    let lines = rows.positions(arguments.miner).into_iter().map(|(day, miner, row)| {
        let mut line = vec![day.to_string(), miner.to_string()];
        line.extend(columns.iter().map(|column| human::value(rows.value(row, column), column.unit)));
        line
    });
    output::table(&header, lines)?;
    Ok(())
}
