//! JSON schemas of responses that are objects, and of metadata beside rows.

use ledger::Receipts;
use serde_json::{Value, json};

use crate::v1::parameters::kinds;

fn nullable(of: &str) -> Value {
    json!({ "type": [of, "null"] })
}

fn day_or_null() -> Value {
    json!({ "type": ["string", "null"], "format": "date" })
}

fn object(members: Value) -> Value {
    let required: Vec<Value> = members
        .as_object()
        .map(|members| members.keys().map(|name| json!(name)).collect())
        .unwrap_or_default();
    json!({ "type": "object", "properties": members, "required": required, "additionalProperties": false })
}

/// The schema of an explanation, whose parts are explanations, too.
pub(crate) fn explanation_part_schema() -> Value {
    let previous = object(json!({
        "stat_date": { "type": "string", "format": "date" },
        "value": { "type": "number" },
    }));
    let contribution = object(json!({
        "amount": { "type": "integer", "description": "What the event adds, in the column's unit." },
        "epoch": { "type": "integer" },
        "sector": { "type": "integer" },
        "kind": { "type": "string", "enum": kinds() },
        "cause": nullable("string"),
        "message": { "type": ["string", "null"], "description": "CID of the message that caused it." },
        "method": nullable("integer"),
        "message_sectors": nullable("integer"),
        "uncertain": { "type": "boolean", "description": "Whether the event was inferred without receipts and is of a kind that the outcome cannot tell for sure." },
    }));
    object(json!({
        "column": { "type": "string" },
        "doc": { "type": "string" },
        "definition": { "type": "string", "description": "How the parts make the number." },
        "unit": { "type": "string" },
        "value": { "type": "number" },
        "previous": { "anyOf": [previous, { "type": "null" }], "description": "The total of the day before, on which the number stands; null if there is none, or the key may not see that day." },
        "contributions": { "type": "array", "items": contribution },
        "contributions_total": { "type": "integer", "description": "How many events contribute, listed or not." },
        "contributions_sum": { "type": "integer", "description": "What all of them add, listed or not." },
        "contributions_uncertain": { "type": "integer", "description": "How many of them are of uncertain events, listed or not." },
        "parts": { "type": "array", "items": { "$ref": "#/components/schemas/ExplanationPart" } },
        "closes": { "type": "boolean", "description": "Whether the parts make the number, to the last bit." },
    }))
}

pub(crate) const MESSAGES_INFERRED: &str =
    "Messages of these days whose outcome was inferred, since their tipsets' receipts are in no file.";
pub(crate) const MESSAGES_REFUTED: &str =
    "Of these, those that the calendar or the outcome refutes: they failed.";
pub(crate) const EVENTS_UNCERTAIN: &str =
    "Events of these days that were inferred and are of kinds that the outcome cannot tell for sure.";

/// The schema of how days' messages are known, in a word.
pub(crate) fn receipts_schema() -> Value {
    let words: Vec<&str> = Receipts::ALL.iter().map(|word| word.name()).collect();
    json!({
        "type": "string",
        "enum": words,
        "description": "How the outcomes of the messages of these days are known: read from receipts, inferred from the states \
                        where there were none, or the one for some tipsets and the other for others.",
    })
}

/// The schema of how days' messages are known.
fn receipts() -> Value {
    let count = |doc: &str| json!({ "type": "integer", "description": doc });
    object(json!({
        "receipts": receipts_schema(),
        "days_read": count("Days all of whose receipts were read."),
        "days_inferred": count("Days without receipts."),
        "days_mixed": count("Days with receipts for some of their tipsets."),
        "tipsets_read": count("Tipsets with messages whose receipts were read, of days closed since layout 4."),
        "tipsets_inferred": count("Tipsets with messages whose receipts are in no file."),
        "messages_inferred": count(MESSAGES_INFERRED),
        "messages_refuted": count(MESSAGES_REFUTED),
        "events_uncertain": count(EVENTS_UNCERTAIN),
    }))
}

pub(super) fn explanation() -> Value {
    object(json!({
        "stat_date": { "type": "string", "format": "date" },
        "miner_id": { "type": "string" },
        "history_since": day_or_null(),
        "receipts": receipts_schema(),
        "messages_inferred": { "type": "integer", "description": MESSAGES_INFERRED },
        "messages_refuted": { "type": "integer", "description": MESSAGES_REFUTED },
        "events_uncertain": { "type": "integer", "description": EVENTS_UNCERTAIN },
        "anomaly": { "type": ["string", "null"], "description": "Why the provider's claim is not the sum of its active sectors at the day's end, where the chain itself does not close." },
        "version": { "type": "integer" },
        "explanation": { "$ref": "#/components/schemas/ExplanationPart" },
    }))
}

pub(super) fn status() -> Value {
    let days = |nullable: bool| {
        let days = object(json!({
            "first": { "type": "string", "format": "date" },
            "last": { "type": "string", "format": "date" },
            "days": { "type": "integer" },
        }));
        if nullable { json!({ "anyOf": [days, { "type": "null" }] }) } else { days }
    };
    let gap = object(json!({
        "first_epoch": { "type": "integer" },
        "last_epoch": { "type": "integer" },
        "days": days(true),
        "reason": { "type": "string" },
    }));
    let source = object(json!({
        "source": { "type": "string" },
        "network": { "type": "string" },
        "closed": days(false),
        "first_epoch": { "type": "integer" },
        "last_epoch": { "type": "integer" },
        "tipset_key": { "type": "string" },
        "state_root": { "type": "string" },
        "version": { "type": "string", "description": "The program's, that closed the last of these days." },
        "receipts": receipts(),
        "closed_at": { "type": ["string", "null"], "format": "date-time" },
    }));
    object(json!({
        "network": nullable("string"),
        "genesis": { "type": ["string", "null"], "format": "date-time", "description": "Time of epoch 0." },
        "closed": days(true),
        "latest_day": day_or_null(),
        "final_day": { "type": ["string", "null"], "format": "date", "description": "The last day that the chain can no longer take back: 900 epochs and more lie between its end and the chain's head when it was read." },
        "finality_epochs": { "type": "integer" },
        "lag_seconds": { "type": ["integer", "null"], "description": "From the end of the latest closed day to this machine's clock; negative where the chain is ahead of the clock." },
        "history_since": day_or_null(),
        "receipts": receipts(),
        "gaps": { "type": "array", "items": gap },
        "sources": { "type": "array", "items": source },
        "version": { "type": "integer", "description": "The published version of the data." },
        "layout": { "type": "integer", "description": "The lake's layout." },
        "program": { "type": "string", "description": "This program's version." },
    }))
}
