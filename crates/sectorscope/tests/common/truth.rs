//! Lines of the truth files.

use chain::Day;
use serde_json::Value;

/// Unix time of mainnet's epoch 0, which is that of the chains, too.
const GENESIS: i64 = 1_598_306_400;

/// The UTC day of an epoch.
pub(crate) fn day_of(epoch: i64) -> Day {
    Day::from_unix_days(i32::try_from((GENESIS + 30 * epoch).div_euclid(86_400)).unwrap())
}

/// The day to which the definitions date an event: that of the tipset whose state shows it first.
pub(crate) fn day(event: &Value) -> Day {
    day_of(event["tipset_height"].as_i64().unwrap())
}

/// A text; `None` where it is absent or null.
pub(crate) fn text<'a>(line: &'a Value, key: &str) -> Option<&'a str> {
    line[key].as_str()
}

/// An integer, bare or in quotes; `None` where it is absent or null.
pub(crate) fn number(line: &Value, key: &str) -> Option<i128> {
    match &line[key] {
        Value::Null => None,
        Value::String(text) => Some(text.parse().expect("an integer")),
        other => Some(other.to_string().parse().expect("an integer")),
    }
}

/// Whether a line of `.events.jsonl` is an event by the definitions: `data/README.md` names those that are not.
pub(crate) fn is_event(line: &Value) -> bool {
    !matches!(
        text(line, "event").expect("a name"),
        "provecommit_single"
            | "provecommit_batch"
            | "recovery_declared"
            | "recovery_failed"
            | "info_removed"
            | "partitions_compacted"
    ) && !is_idle(line)
}

/// Whether an `extended` changed neither the date nor the power, which is no event.
fn is_idle(line: &Value) -> bool {
    text(line, "event") == Some("extended") && !moved(line) && text(line, "qap") == text(line, "old_qap")
}

/// Whether an `extended` moved the date.
pub(crate) fn moved(event: &Value) -> bool {
    number(event, "expiration") != number(event, "old_expiration")
}
