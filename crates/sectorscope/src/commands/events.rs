//! `sectorscope events`

use std::io::Write;
use std::path::PathBuf;

use chain::{CarStore, Chain, Clock};
use ledger::{Backing, Event, EventReader};
use serde::Serialize;

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
            for_each_event(&chain, files, &mut |event| {
                if is_selected(event) {
                    serde_json::to_writer(&mut out, &EventRecord::of(event))?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            })?;
            out.flush()?;
        }
        EventFormat::Csv => {
            let mut out = output::out();
            out.write_all(&csv_header()?)?;
            let mut out = csv::WriterBuilder::new().has_headers(false).from_writer(out);
            for_each_event(&chain, files, &mut |event| {
                if is_selected(event) {
                    out.serialize(EventRecord::of(event))?;
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

/// An event as programs read it: bytes as decimal strings, what is absent as null.
#[derive(Default, Serialize)]
struct EventRecord {
    epoch: i64,
    miner: String,
    sector: u64,
    kind: &'static str,
    cause: Option<&'static str>,
    sector_size: String,
    qap_before: Option<String>,
    qap_after: Option<String>,
    activation: Option<i64>,
    expiration_before: Option<i64>,
    expiration_after: Option<i64>,
    content_before: Option<&'static str>,
    content_after: Option<&'static str>,
    pledge_before: Option<String>,
    pledge_after: Option<String>,
    message: Option<String>,
    method: Option<u64>,
    message_sectors: Option<u32>,
    daily_fee_before: Option<String>,
    daily_fee_after: Option<String>,
    uncertain: bool,
}

impl EventRecord {
    fn of(event: &Event) -> Self {
        let message = event.message.as_deref();
        let content = |backing: Option<Backing>| backing.map(|backing| backing.content.name());
        let pledge = |backing: Option<Backing>| backing.map(|backing| backing.pledge.to_string());
        let daily_fee = |backing: Option<Backing>| backing?.daily_fee.map(|fee| fee.to_string());
        Self {
            epoch: event.epoch.0,
            miner: event.miner.to_string(),
            sector: event.sector.0,
            kind: event.kind.name(),
            cause: event.cause.map(ledger::Cause::name),
            sector_size: event.sector_size.to_string(),
            qap_before: event.qap_before.map(|qap| qap.to_string()),
            qap_after: event.qap_after.map(|qap| qap.to_string()),
            activation: event.activation.map(|epoch| epoch.0),
            expiration_before: event.expiration_before.map(|epoch| epoch.0),
            expiration_after: event.expiration_after.map(|epoch| epoch.0),
            content_before: content(event.backing_before),
            content_after: content(event.backing_after),
            pledge_before: pledge(event.backing_before),
            pledge_after: pledge(event.backing_after),
            message: message.map(|message| message.cid.to_string()),
            method: message.map(|message| message.method),
            message_sectors: message.map(|message| message.sectors),
            daily_fee_before: daily_fee(event.backing_before),
            daily_fee_after: daily_fee(event.backing_after),
            uncertain: event.uncertain,
        }
    }
}

/// The header line. The writer makes one from its first record only, which need not come.
fn csv_header() -> anyhow::Result<Vec<u8>> {
    let mut scratch = csv::Writer::from_writer(Vec::new());
    scratch.serialize(EventRecord::default())?;
    let mut text = scratch.into_inner()?;
    text.truncate(text.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    Ok(text)
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
