//! The day close as one SQL statement, made from the column registry.
//!
//! It reads two tables, `events` (the day's) and `previous` (the rows of the day before), and gives the day's rows:
//!
//! ```sql
//! WITH measured AS (SELECT …, expiration - activation AS duration, … FROM events),
//!      classes  AS (SELECT miner_id, kind, cause, …, count(*) AS n, sum(rbp) AS rbp, … FROM measured GROUP BY …),
//!      valued   AS (SELECT …, qap, qap_change FROM classes),              -- what a class counts for
//!      day      AS (SELECT miner_id, sum(…) FILTER (WHERE …) AS d0, … FROM valued GROUP BY miner_id),
//!      totals   AS (SELECT …, previous.x + day.d7 AS x, … FROM day FULL OUTER JOIN previous …)
//! SELECT miner_id, …, quotients … FROM totals ORDER BY miner_id
//! ```
//!
//! Events that no column tells apart are added up first, so that the many conditions are tried on classes of events
//! instead of on each event. Where a column counts messages, each message is a class of its own.
//!
//! The join is full, so a miner once seen keeps its row, and a new one gets one. Columns that add up the same thing
//! share one sum.

use ledger::columns::{BalanceMeasure, COLUMNS, Column, Definition, EventSelector, Measure, Storage};
use ledger::{Kind, Status};

use crate::error::{Error, Result};

/// Exact sums: DataFusion would add 64-bit integers with wrapping.
const WIDE: &str = "DECIMAL(38, 0)";

/// The statement.
///
/// # Errors
/// If the registry lacks a column that a statistic is made from.
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
         classes AS (\n  SELECT {keys},\n    {classes}\n  FROM measured\n  GROUP BY {keys}\n),\n\
         valued AS (\n  SELECT {valued}\n  FROM classes\n),\n\
         day AS (\n  SELECT miner_id,\n    {sums}\n  FROM valued GROUP BY miner_id\n),\n\
         totals AS (\n  SELECT coalesce(day.miner_id, previous.miner_id) AS miner_id,\n    {totals}\n  \
         FROM day FULL OUTER JOIN previous ON day.miner_id = previous.miner_id\n)\n\
         SELECT miner_id,\n  {outer}\nFROM totals ORDER BY miner_id",
        measured = measured().join(",\n    "),
        keys = KEYS.join(", "),
        classes = classes().join(",\n    "),
        valued = valued().join(",\n    "),
        sums = sums.select().join(",\n    "),
        totals = totals.join(",\n    "),
        outer = outer.join(",\n  "),
    ))
}

/// What tells classes of events apart.
const KEYS: [&str; 6] = ["miner_id", "kind", "cause", "status_before", "status_after", "message"];
/// What is added up in each class, beside the number of its events, by name.
const MEASURES: [(&str, &str); 7] = [
    ("rbp", "rbp"),
    ("qap_before", "qap_before"),
    ("qap_after", "qap_after"),
    ("duration_before", "duration_before"),
    ("duration_after", "duration_after"),
    ("square_before", "duration_before * duration_before"),
    ("square_after", "duration_after * duration_after"),
];

/// What is measured of each event.
fn measured() -> Vec<String> {
    let duration = |side: &str| {
        format!("CAST(expiration_{side} AS {WIDE}) - CAST(activation AS {WIDE}) AS duration_{side}")
    };
    let counted = COLUMNS.iter().filter_map(|column| match column.definition {
        Definition::Messages(select) => Some(condition(select)),
        _ => None,
    });
    let message =
        format!("CASE WHEN {} THEN message END AS message", counted.collect::<Vec<_>>().join(" OR "));
    let mut columns: Vec<String> =
        ["miner_id", "kind", "cause", "status_before", "status_after"].map(str::to_owned).into();
    columns.extend([message, "sector_size AS rbp".to_owned()]);
    columns.extend(["qap_before", "qap_after"].map(str::to_owned));
    columns.extend(["before", "after"].map(duration));
    columns
}

/// The sums over each class; what a state lacks counts nothing.
fn classes() -> Vec<String> {
    let sum = |(name, value)| format!("coalesce(sum({value}), {}) AS {name}", zero(Storage::Wide));
    std::iter::once("count(*) AS n".to_owned()).chain(MEASURES.map(sum)).collect()
}

/// The classes with what their kind counts for.
fn valued() -> Vec<String> {
    let before = list(Kind::ALL.iter().filter(|kind| kind.valued_before()).map(|kind| kind.name()));
    let measures = MEASURES.iter().map(|(name, _)| *name);
    let mut columns: Vec<String> = KEYS.into_iter().chain(["n"]).chain(measures).map(str::to_owned).collect();
    columns.push(format!("CASE WHEN kind IN ({before}) THEN qap_before ELSE qap_after END AS qap"));
    columns.push("qap_after - qap_before AS qap_change".to_owned());
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
    let (day, runs) = match column.definition {
        Definition::Flow(select, measure) => (sums.value(flow(select, measure), storage), false),
        Definition::Total(select, measure) => (sums.value(flow(select, measure), storage), true),
        Definition::Messages(select) => {
            let messages = format!("count(DISTINCT message) FILTER (WHERE {})", condition(select));
            (sums.value(messages, storage), true)
        }
        Definition::State(statuses, holding) => {
            let [came, went] =
                ["after", "before"].map(|side| sums.value(held(statuses, holding, side), storage));
            (format!("{came} - {went}"), true)
        }
        Definition::Quotient { .. } | Definition::MeanDuration | Definition::DeviationDuration => {
            return None;
        }
    };
    let name = column.name;
    Some(if runs {
        format!("coalesce(previous.{name}, {}) + {day} AS {name}", zero(storage))
    } else {
        format!("{day} AS {name}")
    })
}

/// The sum of a measure over the selected events.
fn flow(select: &[EventSelector], measure: Measure) -> String {
    let value = match measure {
        Measure::Count => "n",
        Measure::Rbp => "rbp",
        Measure::Qap => "qap",
        Measure::QapChange => "qap_change",
        Measure::Departure => "CASE WHEN status_after = 'none' THEN n END",
        Measure::DepartureRbp => "CASE WHEN status_after = 'none' THEN rbp END",
    };
    format!("sum({value}) FILTER (WHERE {})", condition(select))
}

/// What the selected events have in common.
fn condition(select: &[EventSelector]) -> String {
    let one = |select: &EventSelector| {
        let kind = format!("kind = '{}'", select.kind.name());
        if select.causes.is_empty() {
            return kind;
        }
        let causes = list(select.causes.iter().map(|cause| cause.name()));
        format!("({kind} AND cause IN ({causes}))")
    };
    select.iter().map(one).collect::<Vec<_>>().join(" OR ")
}

/// The balance of the sectors that have one of these statuses on that side of their events. The holding changes by what came in less what
/// went out: a sector that stays is taken out at its old value and put in at its new one.
fn held(statuses: &[Status], holding: BalanceMeasure, side: &str) -> String {
    let value = match holding {
        BalanceMeasure::Count => "n".to_owned(),
        BalanceMeasure::Rbp => "rbp".to_owned(),
        BalanceMeasure::Qap => format!("qap_{side}"),
        BalanceMeasure::Duration => format!("duration_{side}"),
        BalanceMeasure::DurationSquared => format!("square_{side}"),
    };
    let statuses = list(statuses.iter().map(|status| status.name()));
    format!("sum({value}) FILTER (WHERE status_{side} IN ({statuses}))")
}

/// The column in the outer projection, in the type it is kept in.
fn outer(column: &Column) -> Result<String> {
    let name = column.name;
    let value = match column.definition {
        Definition::Quotient { of, by } => quotient(of, by),
        Definition::MeanDuration => {
            let (n, sum) = (active(BalanceMeasure::Count)?, active(BalanceMeasure::Duration)?);
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
    let n = format!("CAST({} AS {WIDE})", active(BalanceMeasure::Count)?);
    let sum = active(BalanceMeasure::Duration)?;
    let squares = active(BalanceMeasure::DurationSquared)?;
    Ok(format!(
        "CASE WHEN {n} > 1 THEN sqrt(CAST({n} * {squares} - {sum} * {sum} AS DOUBLE) \
         / CAST({n} * ({n} - 1) AS DOUBLE)) / {day} ELSE 0.0 END",
        day = chain::EPOCHS_PER_DAY,
    ))
}

/// The column that holds this of the active sectors.
pub(crate) fn active(holding: BalanceMeasure) -> Result<&'static str> {
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
