//! `sectorscope explain`

use std::process::ExitCode;

use chain::Day;
use lake::{ExplanationBody, IntegerStyle, Provenance, Reader};
use ledger::columns::Unit;
use ledger::{Anomaly, Contribution, Explanation, Value};
use serde::Serialize;

use crate::EXIT_MISMATCH;
use crate::cli::{Explain, ReportFormat};
use crate::human;
use crate::output::{self, Align};

pub(crate) async fn run(arguments: Explain) -> anyhow::Result<ExitCode> {
    let directory = arguments.data.lake()?;
    let day = match arguments.date {
        Some(day) => day,
        None => *Reader::open(&directory).await?.days().ok_or(lake::Error::NothingClosed)?.end(),
    };
    let provenance = Provenance::read(&directory, arguments.miner, day).await?;
    let explanation = provenance.explain(arguments.column)?;
    match arguments.format {
        ReportFormat::Json => output::json(&ExplanationReport {
            stat_date: day.to_string(),
            miner_id: arguments.miner.to_string(),
            history_since: provenance.history_since.map(|since| since.to_string()),
            receipts: provenance.receipts.receipts().name(),
            messages_inferred: provenance.receipts.messages_inferred,
            messages_refuted: provenance.receipts.messages_refuted,
            events_uncertain: provenance.receipts.events_uncertain,
            anomaly: provenance.anomaly.map(Anomaly::name),
            of: ExplanationBody::of(&explanation, day, IntegerStyle::Quoted, usize::MAX),
        })?,
        ReportFormat::Table => print_table(&explanation, &provenance, arguments.events)?,
    }
    Ok(if explanation.adds_up() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_MISMATCH) })
}

#[derive(Serialize)]
struct ExplanationReport {
    stat_date: String,
    miner_id: String,
    history_since: Option<String>,
    receipts: &'static str,
    messages_inferred: u64,
    messages_refuted: u64,
    events_uncertain: u64,
    anomaly: Option<&'static str>,
    #[serde(flatten)]
    of: ExplanationBody,
}

/// The number, how it is made, and the events, each with what it adds.
fn print_table(explanation: &Explanation<'_>, provenance: &Provenance, most: usize) -> anyhow::Result<()> {
    let day = provenance.day;
    output::print_line(format_args!("{} of {} on {day}", explanation.column.name, provenance.miner));
    print_explanation(explanation, day, most, "")?;
    if let Some(since) = provenance.history_since {
        output::print_line(format_args!("\n{}", human::history_since(since)));
    }
    if let Some(receipts) = human::receipts(provenance.receipts.receipts(), &provenance.receipts) {
        output::print_line(format_args!("\n{receipts}"));
    }
    if let Some(anomaly) = provenance.anomaly {
        output::print_line(format_args!(
            "\nthe claim is not the sum of active sectors: {} ({anomaly})",
            anomaly.doc()
        ));
    }
    Ok(())
}

fn print_explanation(
    explanation: &Explanation<'_>,
    day: Day,
    most: usize,
    indent: &str,
) -> anyhow::Result<()> {
    let column = explanation.column;
    let unit = column.unit;
    let figure = |value: Value| figure(value, unit);
    output::print_line(format_args!("{indent}{}", column.doc));
    output::print_line(format_args!("{indent}= {}", column.definition));
    if let Some(previous) = explanation.previous {
        output::print_line(format_args!("{indent}  {}  on {}", figure(previous), day.previous()));
    }
    if explanation.parts.is_empty() {
        let events = explanation.contributions.len();
        let change: i128 = explanation.contributions.iter().map(|of| of.amount).fold(0, i128::saturating_add);
        let (plus, noun) = (
            if explanation.previous.is_some() { "+ " } else { "  " },
            if events == 1 { "event" } else { "events" },
        );
        output::print_line(format_args!(
            "{indent}{plus}{}  by {events} {noun} on {day}{}",
            figure(Value::Integer(change)),
            match explanation.uncertain() {
                0 => String::new(),
                uncertain => format!(", {uncertain} of them uncertain"),
            }
        ));
    }
    let closes = if explanation.adds_up() {
        ""
    } else {
        "  which the parts do not make: the lake is damaged, see `sectorscope reconcile --deep`"
    };
    output::print_line(format_args!("{indent}= {}{closes}", figure(explanation.value)));
    for part in &explanation.parts {
        output::print_line(format_args!("\n{indent}{}", part.column.name));
        print_explanation(part, day, most, &format!("{indent}  "))?;
    }
    if explanation.contributions.is_empty() {
        return Ok(());
    }
    let header = [
        ("epoch", Align::Right),
        ("sector", Align::Right),
        ("event", Align::Left),
        ("adds", Align::Right),
        ("method", Align::Right),
        ("message", Align::Left),
    ];
    output::table(&header, explanation.contributions.iter().take(most).map(|of| line(of, unit)))?;
    let rest = explanation.contributions.len().saturating_sub(most);
    if rest > 0 {
        output::print_line(format_args!("{indent}and {rest} more; --events N shows more, --format json all"));
    }
    Ok(())
}

fn line(of: &Contribution<'_>, unit: Unit) -> Vec<String> {
    let event = of.event;
    vec![
        event.epoch.to_string(),
        event.sector.to_string(),
        human::event_label(event),
        human::value(Value::Integer(of.amount), unit),
        event.message.as_ref().map(|message| message.method.to_string()).unwrap_or_default(),
        event.message.as_ref().map(|message| message.cid.to_string()).unwrap_or_default(),
    ]
}

/// As people read it, with the exact figure behind.
fn figure(value: Value, unit: Unit) -> String {
    let short = human::value(value, unit);
    match (unit, value) {
        (Unit::Bytes, Value::Integer(exact)) => format!("{short} ({exact} B)"),
        (_, Value::Double(_)) => format!("{value} {}", unit.name()),
        _ => format!("{short} {}", unit.name()),
    }
}
