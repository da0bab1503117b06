//! The day close as one SQL statement, made from the column registry.
//!
//! It reads two tables, `events` (the day's) and `previous` (the rows of the day before), and gives the day's rows:
//!
//! ```sql
//! WITH measured AS (SELECT …, qap, qap_change, … FROM events),            -- what an event counts for
//!      day      AS (SELECT miner_id, sum(…) FILTER (WHERE …) AS d0, … FROM measured GROUP BY miner_id),
//!      totals   AS (SELECT …, previous.x + day.d7 AS x, … FROM day FULL OUTER JOIN previous …)
//! SELECT miner_id, …, quotients … FROM totals ORDER BY miner_id
//! ```
//!
//! The join is full, so a miner once seen keeps its row, and a new one gets one. Columns that add up the same thing
//! share one sum.

use ledger::columns::{COLUMNS, Column, Definition, Holding, Measure, Select, Storage};
use ledger::{Kind, Status};

use crate::{Error, Result};

/// Exact sums: DataFusion would add 64-bit integers with wrapping.
const WIDE: &str = "DECIMAL(38, 0)";

/// The statement.
///
/// # Errors
/// If the registry lacks a column that a statistic stands on.
pub(crate) fn day_close() -> Result<String> {
    let mut sums = Sums::default();
    let mut totals = Vec::new();
    for column in COLUMNS {
        if let Some(total) = total(column, &mut sums) {
            totals.push(total);
        }
    }
    let outer = COLUMNS.iter().map(outer).collect::<Result<Vec<_>>>()?;
    Ok(format!(
        "WITH measured AS (\n  SELECT {measured}\n  FROM events\n),\n\
         day AS (\n  SELECT miner_id,\n    {sums}\n  FROM measured GROUP BY miner_id\n),\n\
         totals AS (\n  SELECT coalesce(day.miner_id, previous.miner_id) AS miner_id,\n    {totals}\n  \
         FROM day FULL OUTER JOIN previous ON day.miner_id = previous.miner_id\n)\n\
         SELECT miner_id,\n  {outer}\nFROM totals ORDER BY miner_id",
        measured = measured().join(",\n    "),
        sums = sums.select().join(",\n    "),
        totals = totals.join(",\n    "),
        outer = outer.join(",\n  "),
    ))
}

/// What each event counts for, by name; what a state lacks counts nothing.
fn measured() -> Vec<String> {
    let before = list(Kind::ALL.iter().filter(|kind| kind.valued_before()).map(|kind| kind.name()));
    let or_zero = |value: &str| format!("coalesce({value}, CAST(0 AS {WIDE}))");
    let duration =
        |side: &str| or_zero(&format!("CAST(expiration_{side} AS {WIDE}) - CAST(activation AS {WIDE})"));
    let mut columns: Vec<String> =
        ["miner_id", "kind", "cause", "status_before", "status_after", "message"].map(str::to_owned).into();
    let mut add = |value: String, name: &str| columns.push(format!("{value} AS {name}"));
    add("sector_size".to_owned(), "rbp");
    add(or_zero(&format!("CASE WHEN kind IN ({before}) THEN qap_before ELSE qap_after END")), "qap");
    add(format!("{} - {}", or_zero("qap_after"), or_zero("qap_before")), "qap_change");
    for side in ["before", "after"] {
        add(or_zero(&format!("qap_{side}")), &format!("qap_{side}"));
        add(duration(side), &format!("duration_{side}"));
    }
    columns
}

/// The sums over the day's events, each once.
#[derive(Default)]
struct Sums(Vec<String>);

impl Sums {
    /// The value of that sum in `totals`; 0 for a miner without events on the day.
    fn value(&mut self, sum: String, storage: Storage) -> String {
        let at = self.0.iter().position(|known| *known == sum).unwrap_or_else(|| {
            self.0.push(sum);
            self.0.len() - 1
        });
        format!("coalesce(day.d{at}, {})", zero(storage))
    }

    fn select(&self) -> Vec<String> {
        self.0.iter().enumerate().map(|(at, sum)| format!("{sum} AS d{at}")).collect()
    }
}

/// The column in `totals`; `None` for a statistic, which is made from others afterwards.
fn total(column: &Column, sums: &mut Sums) -> Option<String> {
    let storage = column.unit.storage();
    let (sum, runs) = match column.definition {
        Definition::Flow(select, measure) => (flow(select, measure), false),
        Definition::Total(select, measure) => (flow(select, measure), true),
        Definition::Messages(select) => {
            (format!("count(DISTINCT message) FILTER (WHERE {})", condition(select)), true)
        }
        Definition::State(statuses, holding) => (state(statuses, holding), true),
        Definition::Quotient { .. } | Definition::MeanDuration | Definition::DeviationDuration => {
            return None;
        }
    };
    let day = sums.value(sum, storage);
    let name = column.name;
    Some(if runs {
        format!("coalesce(previous.{name}, {}) + {day} AS {name}", zero(storage))
    } else {
        format!("{day} AS {name}")
    })
}

/// The sum of a measure over the selected events.
fn flow(select: &[Select], measure: Measure) -> String {
    let value = match measure {
        Measure::Count => "CAST(1 AS BIGINT)",
        Measure::Rbp => "rbp",
        Measure::Qap => "qap",
        Measure::QapChange => "qap_change",
    };
    format!("sum({value}) FILTER (WHERE {})", condition(select))
}

/// What the selected events have in common.
fn condition(select: &[Select]) -> String {
    let one = |select: &Select| {
        let kind = format!("kind = '{}'", select.kind.name());
        if select.causes.is_empty() {
            return kind;
        }
        let causes = list(select.causes.iter().map(|cause| cause.name()));
        format!("({kind} AND cause IN ({causes}))")
    };
    select.iter().map(one).collect::<Vec<_>>().join(" OR ")
}

/// How the holding of the sectors that stand so changes: what came in less what went out. A sector that stays is
/// taken out at its old value and put in at its new one.
fn state(statuses: &[Status], holding: Holding) -> String {
    let (storage, value): (Storage, fn(&str) -> String) = match holding {
        Holding::Count => (Storage::Integer, |_| "CAST(1 AS BIGINT)".to_owned()),
        Holding::Rbp => (Storage::Wide, |_| "rbp".to_owned()),
        Holding::Qap => (Storage::Wide, |side| format!("qap_{side}")),
        Holding::Duration => (Storage::Wide, |side| format!("duration_{side}")),
        Holding::DurationSquared => (Storage::Wide, |side| format!("duration_{side} * duration_{side}")),
    };
    let statuses = list(statuses.iter().map(|status| status.name()));
    let held = |side: &str| {
        let (value, zero) = (value(side), zero(storage));
        format!("CASE WHEN status_{side} IN ({statuses}) THEN {value} ELSE {zero} END")
    };
    format!("sum({} - {})", held("after"), held("before"))
}

/// The column in the outer projection, in the type it is kept in.
fn outer(column: &Column) -> Result<String> {
    let name = column.name;
    let value = match column.definition {
        Definition::Quotient { of, by } => quotient(of, by),
        Definition::MeanDuration => {
            let (n, sum) = (active(Holding::Count)?, active(Holding::Duration)?);
            format!(
                "CASE WHEN {n} > 0 THEN CAST({sum} AS DOUBLE) / CAST({n} * {day} AS DOUBLE) ELSE 0.0 END",
                day = chain::EPOCHS_PER_DAY,
            )
        }
        Definition::DeviationDuration => deviation()?,
        _ => name.to_owned(),
    };
    Ok(format!("CAST({value} AS {}) AS {name}", sql_type(column.unit.storage())))
}

fn quotient(of: &str, by: &str) -> String {
    format!("CASE WHEN {by} = 0 THEN 0.0 ELSE CAST({of} AS DOUBLE) / CAST({by} AS DOUBLE) END")
}

/// √((n·Σd² − (Σd)²) ÷ (n·(n − 1))) in days. The difference is of two nearly equal large numbers, so it is taken
/// in exact integers and only then becomes a double.
fn deviation() -> Result<String> {
    let n = format!("CAST({} AS {WIDE})", active(Holding::Count)?);
    let sum = active(Holding::Duration)?;
    let squares = active(Holding::DurationSquared)?;
    Ok(format!(
        "CASE WHEN {n} > 1 THEN sqrt(CAST({n} * {squares} - {sum} * {sum} AS DOUBLE) \
         / CAST({n} * ({n} - 1) AS DOUBLE)) / {day} ELSE 0.0 END",
        day = chain::EPOCHS_PER_DAY,
    ))
}

/// The column that holds this of the active sectors.
pub(crate) fn active(holding: Holding) -> Result<&'static str> {
    let wanted = |column: &&Column| matches!(column.definition, Definition::State([Status::Active], held) if held == holding);
    COLUMNS
        .iter()
        .find(wanted)
        .map(|column| column.name)
        .ok_or_else(|| Error::Registry { what: format!("state of active sectors in {holding:?}") })
}

fn sql_type(storage: Storage) -> &'static str {
    match storage {
        Storage::Integer => "BIGINT",
        Storage::Wide => WIDE,
        Storage::Double => "DOUBLE",
    }
}

fn zero(storage: Storage) -> String {
    format!("CAST(0 AS {})", sql_type(storage))
}

/// Names as a list of SQL texts. The names are the registry's own: none has a quote in it.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
