//! Human-readable figures.

use chain::Day;
use ledger::columns::Unit;
use ledger::{Event, ReceiptCounts, Receipts, Value};

const STEPS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Bytes in the largest unit that leaves at least one of it: `32 GiB`, `1.25 PiB`.
pub(crate) fn bytes(bytes: i128) -> String {
    let magnitude = bytes.unsigned_abs();
    let step = (0..STEPS.len()).rev().find(|step| magnitude >> (10 * step) > 0).unwrap_or(0);
    let one = 1_u128 << (10 * step);
    let sign = if bytes < 0 { "-" } else { "" };
    // Three digits are enough to read; the exact figure is in JSON and CSV.
    let hundredths = (magnitude % one) * 100 / one;
    let fraction = match hundredths {
        0 => String::new(),
        _ => format!(".{hundredths:02}").trim_end_matches('0').to_owned(),
    };
    format!("{sign}{}{fraction} {}", magnitude / one, STEPS[step])
}

/// An amount of attoFIL as FIL with four decimals, or as it is where these would be zeros: `1.25 FIL`, `12 attoFIL`.
pub(crate) fn fil(atto: i128) -> String {
    const FIL: u128 = 1_000_000_000_000_000_000;
    const SHOWN: u128 = FIL / 10_000;
    let magnitude = atto.unsigned_abs();
    if magnitude > 0 && magnitude < SHOWN {
        return format!("{atto} attoFIL");
    }
    let sign = if atto < 0 { "-" } else { "" };
    let fraction = format!(".{:04}", magnitude % FIL / SHOWN);
    format!("{sign}{}{} FIL", magnitude / FIL, fraction.trim_end_matches('0').trim_end_matches('.'))
}

/// What totals lack whose ledger was opened in mid-history.
pub(crate) fn history_since(since: Day) -> String {
    format!("history: since {since}; what was onboarded and left before is in no total")
}

/// How the outcomes of the messages of a day or of several are known, where not all were read from receipts.
pub(crate) fn receipts(of: Receipts, counts: &ReceiptCounts) -> Option<String> {
    let ReceiptCounts {
        tipsets_read,
        tipsets_inferred,
        messages_inferred,
        messages_refuted,
        events_uncertain,
    } = *counts;
    (of != Receipts::Read).then(|| {
        format!(
            "receipts: {of}; of {} tipsets with messages {tipsets_inferred} have none: {messages_inferred} messages \
             inferred from the states, {messages_refuted} of them as failed; {events_uncertain} events are uncertain",
            tipsets_read + tipsets_inferred
        )
    })
}

/// What happened: `terminate (passive)`, `extend, uncertain`.
pub(crate) fn event_label(event: &Event) -> String {
    let uncertain = if event.uncertain { ", uncertain" } else { "" };
    match event.cause {
        Some(cause) => format!("{} ({cause}){uncertain}", event.kind),
        None => format!("{}{uncertain}", event.kind),
    }
}

/// A column's value in its unit.
pub(crate) fn value(value: Value, unit: Unit) -> String {
    match (value, unit) {
        (Value::Integer(0), _) => "0".to_owned(),
        (Value::Integer(value), Unit::Bytes) => bytes(value),
        (Value::Integer(value), _) => value.to_string(),
        (Value::Double(value), _) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{bytes, fil};

    #[test]
    fn pledges_are_shown_in_fil_or_as_they_are_where_they_are_tiny() {
        let cases = [
            (0, "0 FIL"),
            (1, "1 attoFIL"),
            (-99_999_999_999_999, "-99999999999999 attoFIL"),
            (100_000_000_000_000, "0.0001 FIL"),
            (1_250_000_000_000_000_000, "1.25 FIL"),
            (-2_000_000_000_000_000_001, "-2 FIL"),
        ];
        for (atto, shown) in cases {
            assert_eq!(fil(atto), shown);
        }
    }

    #[test]
    fn bytes_are_shown_in_the_largest_unit_that_fits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(32 << 30), "32 GiB");
        assert_eq!(bytes((5 << 50) / 4), "1.25 PiB");
        assert_eq!(bytes(-(3 << 40)), "-3 TiB");
        assert_eq!(bytes(1 << 75), "32768 EiB");
    }
}
