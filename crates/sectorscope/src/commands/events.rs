//! `sectorscope events`

use std::io::Write;
use std::path::PathBuf;

use chain::{CarStore, Chain, Clock};
use ledger::fields::{EVENT_FIELDS, Field, Scalar};
use ledger::{Event, EventReader};
use serde::{Serialize, Serializer};

use super::{warn_if_ahead, with_file_context};
use crate::cli::{EventFormat, Events};
use crate::human;
use crate::output::{self, Align};
use crate::progress_bar::ProgressBars;

pub(crate) fn run(arguments: Events) -> anyhow::Result<()> {
    let cars = CarStore::open(&arguments.cars, &arguments.data.cache()?, &ProgressBars::default())?;
    let files = &arguments.cars;
    let way = arguments.rounds.to(arguments.head);
    let chain = with_file_context(Chain::open_at(&cars, cars.roots(), way), files)?;
    warn_if_ahead(&chain);
    let clock = chain.clock();
    let is_selected = |event: &Event| {
        arguments.miner.is_none_or(|miner| event.miner == miner)
            && arguments.day.is_none_or(|day| clock.day_of(event.epoch) == day)
    };
    match arguments.format {
        EventFormat::Ndjson => {
            let mut out = output::out();
            let fields = line_fields();
            for_each_event(&chain, files, &mut |event| {
                if is_selected(event) {
                    serde_json::to_writer(&mut out, &EventLine { fields: &fields, event })?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            out.flush()?;
        }
        EventFormat::Csv => {
            let mut out = csv::Writer::from_writer(output::out());
            let fields = line_fields();
            out.write_record(fields.iter().map(|(key, _)| key))?;
            for_each_event(&chain, files, &mut |event| {
                if is_selected(event) {
                    out.write_record(EventLine { fields: &fields, event }.cells())?;
                }
                Ok(())
            })?;
            out.flush()?;
        }
        EventFormat::Table => {
            let mut table = output::Rows::with_header(&HEADER);
            for_each_event(&chain, files, &mut |event| {
                if is_selected(event) {
                    table.add(line(event, clock))?;
                }
                Ok(())
            })?;
            table.end()?;
        }
    }
    Ok(())
}

/// Reads a chain from its first state on.
fn for_each_event(
    chain: &Chain<'_>,
    files: &[PathBuf],
    visit: &mut dyn FnMut(&Event) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (opening, reading) = with_file_context(EventReader::open(chain, 0), files)?;
    for batch in opening {
        with_file_context(batch, files)?.iter().try_for_each(&mut *visit)?;
    }
    for tipset in reading {
        with_file_context(tipset, files)?.events.iter().try_for_each(&mut *visit)?;
    }
    Ok(())
}

/// The key of a field in lines: that of the declaration, but for the storage provider's. `None` of what only a lake has,
/// and of statuses, which lines do not have.
fn line_key(field: &Field<Event>) -> Option<&'static str> {
    match field.name {
        "miner_id" => Some("miner"),
        "stat_date" | "position" | "status_before" | "status_after" => None,
        name => Some(name),
    }
}

/// The keys of lines and the columns of CSV, with their fields.
fn line_fields() -> Vec<(&'static str, &'static Field<Event>)> {
    EVENT_FIELDS.iter().filter_map(|field| Some((line_key(field)?, field))).collect()
}

/// An event as programs read it: bytes and attoFIL as decimal strings, what is absent as null.
struct EventLine<'e> {
    fields: &'e [(&'static str, &'static Field<Event>)],
    event: &'e Event,
}

impl Serialize for EventLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.fields.iter().map(|(key, field)| (key, field.scalar(self.event).map(LineValue)));
        serializer.collect_map(values)
    }
}

impl EventLine<'_> {
    /// The values as CSV has them: what is absent is empty.
    fn cells(&self) -> impl Iterator<Item = String> {
        let values = self.fields.iter().map(|(_, field)| field.scalar(self.event));
        values.map(|value| value.map_or_else(String::new, |value| value.to_string()))
    }
}

/// A value in JSON.
struct LineValue<'e>(Scalar<'e>);

impl Serialize for LineValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Scalar::Integer(value) => serializer.serialize_i64(*value),
            Scalar::Unsigned(value) => serializer.serialize_u64(*value),
            Scalar::Flag(value) => serializer.serialize_bool(*value),
            text @ (Scalar::Miner(_) | Scalar::Wide(_) | Scalar::Text(_)) => serializer.collect_str(text),
        }
    }
}

const HEADER: [(&str, Align); 9] = [
    ("day", Align::Left),
    ("epoch", Align::Right),
    ("miner", Align::Left),
    ("sector", Align::Right),
    ("event", Align::Left),
    ("size", Align::Right),
    ("QAP", Align::Right),
    ("expiration", Align::Left),
    ("message", Align::Left),
];

fn line(event: &Event, clock: Clock) -> Vec<String> {
    let qap = match (event.qap_before, event.qap_after) {
        (Some(before), Some(after)) if before != after => {
            format!("{} → {}", human::bytes(before.0), human::bytes(after.0))
        }
        _ => human::bytes(event.qap().0),
    };
    let day = |epoch| clock.day_of(epoch).to_string();
    let expiration = match (event.expiration_before, event.expiration_after) {
        (Some(before), Some(after)) if before != after => format!("{} → {}", day(before), day(after)),
        (before, after) => after.or(before).map(day).unwrap_or_default(),
    };
    vec![
        day(event.epoch),
        event.epoch.to_string(),
        event.miner.to_string(),
        event.sector.to_string(),
        human::event_label(event),
        human::bytes(event.sector_size.0),
        qap,
        expiration,
        event.message.as_ref().map(|message| message.cid.to_string()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use ledger::fields::FieldValue;

    use super::*;

    /// The head of the table of keys in `docs/COMMANDS.md`.
    const HEAD: &str = "| key | value | unit | content |\n|---|---|---|---|\n";

    /// The table of keys, as the declaration has it.
    fn key_table() -> String {
        let mut table = HEAD.to_owned();
        for (key, field) in line_fields() {
            let value = match field.value {
                FieldValue::Epoch(_)
                | FieldValue::Sector(_)
                | FieldValue::Number(_)
                | FieldValue::Sectors(_) => "number",
                FieldValue::Flag(_) => "true or false",
                FieldValue::Bytes(_) | FieldValue::AttoFil(_) => "decimal string",
                _ => "string",
            };
            let null = if field.nullable && value != "true or false" { ", null" } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(table, "| `{key}` | {value}{null} | {} | {} |", field.unit(), field.doc);
        }
        table
    }

    #[test]
    fn the_keys_of_lines_are_documented_as_the_fields_of_events_are_declared() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/COMMANDS.md");
        let page = std::fs::read_to_string(path).expect("the page");
        let (before, rest) = page.split_once(HEAD).expect("the table of keys");
        let (rows, after) = rest.split_once("\n\n").expect("the end of the table");
        if std::env::var_os("SECTORSCOPE_BLESS").is_some() {
            std::fs::write(path, format!("{before}{}\n{after}", key_table())).expect("the page is written");
            return;
        }
        let documented = format!("{HEAD}{rows}\n");
        assert_eq!(documented, key_table(), "run this test with SECTORSCOPE_BLESS=1 to write the table anew");
    }
}
