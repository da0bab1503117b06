//! Every path of `/v1`, declared once: from a declaration come the route, the reading of a request, and OpenAPI.

use std::sync::{Arc, LazyLock};

use lake::{Heading, Holds, event_headings, reconciliation_headings};
use ledger::Receipts;
use ledger::columns::{COLUMNS, Column, column};
use serde_json::{Value, json};

use super::parameters::{Parameter, ParameterType, causes, kinds};
use crate::paths;

/// Rows of a page where nothing else is asked for.
pub(crate) const ROWS: u64 = 1000;

/// A path and what it takes and responds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    /// Its name in OpenAPI.
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) parameters: &'static [Parameter],
    pub(crate) days: DaySelection,
    pub(crate) response: ResponseType,
    /// An address that gives something over the bundled sample.
    pub(crate) example: &'static str,
}

/// Identifies an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperationId {
    SectorsDaily,
    NetworkDaily,
    Miners,
    Miner,
    Events,
    Sector,
    MinerExpirations,
    NetworkExpirations,
    Explain,
    Reconciliation,
    Status,
}

/// The days that an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DaySelection {
    /// The one that `day` names, by default the latest.
    One,
    /// Those from `from` to `to`, by default the latest.
    Range,
    /// Either.
    OneOrRange,
    /// The latest.
    Latest,
    /// All that may be seen.
    All,
}

/// The type of a path's response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResponseType {
    /// Rows under these headings, in any format.
    Rows(fn() -> Arc<[Heading]>),
    /// Rows under some of these headings, in any format: the first ones always, the others as asked for.
    SomeRows(fn() -> Arc<[Heading]>, usize),
    /// A JSON object of this schema.
    Object(fn() -> Value),
}

const fn segment(
    name: &'static str,
    value_type: ParameterType,
    doc: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter { name, value_type, in_path: true, required: true, doc, example }
}

const fn optional(
    name: &'static str,
    value_type: ParameterType,
    doc: &'static str,
    example: &'static str,
) -> Parameter {
    Parameter { name, value_type, in_path: false, required: false, doc, example }
}

const FORMAT: Parameter = optional(
    "format",
    ParameterType::OneOf(super::format::NAMES),
    "The answer's format; goes before the header `Accept`.",
    "csv",
);
const FROM: Parameter = optional(
    "from",
    ParameterType::Day,
    "First day: a date, `latest`, or `-30d` for the thirtieth day up to the latest. By default the last day.",
    "-7d",
);
const TO: Parameter =
    optional("to", ParameterType::Day, "Last day, by default the latest closed one.", "latest");
const DAY: Parameter =
    optional("day", ParameterType::Day, "The day, by default the latest closed one.", "latest");
const MINERS: Parameter = optional(
    "miner",
    ParameterType::Miners,
    "Storage providers, up to 100, separated by commas; by default all.",
    "f0107,f0113",
);
const LIMIT: Parameter = optional("limit", ParameterType::Limit(ROWS), "Rows of a page.", "10");
const CURSOR: Parameter = optional(
    "cursor",
    ParameterType::Cursor,
    "Where to go on: what the page before gives as `next`.",
    "2026-09-20.113",
);
const COLUMNS_ASKED: Parameter = optional(
    "columns",
    ParameterType::Columns,
    "Columns, separated by commas. Without `columns` and `group` all are given.",
    "total_num_sector,live_sector_count",
);
const GROUP: Parameter = optional(
    "group",
    ParameterType::Groups,
    "Groups of columns, separated by commas: those of an endpoint of `/v2` by its name, and `provider`, what the \
     storage provider has at the day's end. Goes together with `columns`.",
    "provider,terminate",
);
const ID: Parameter = segment("id", ParameterType::Miner, "The storage provider.", "f0113");
const KIND: Parameter =
    optional("kind", ParameterType::AnyOf(kinds), "Only events of these kinds.", "extend,fault");
const CAUSE: Parameter =
    optional("cause", ParameterType::AnyOf(causes), "Only events of these causes.", "declared,missed");
const BY: Parameter = optional(
    "by",
    ParameterType::OneOf(&["day", "month"]),
    "A row for each day or for each month; by default months.",
    "day",
);

/// What `/v1/miners` shows, from the registry: what of a storage provider's day tells whether it is well.
const SHOWN: [&str; 10] = [
    "live_sector_count",
    "live_sector_rbp",
    "live_sector_qap",
    "active_sector_count",
    "active_sector_rbp",
    "active_sector_qap",
    "active_fault_count",
    "active_fault_rbp",
    "active_fault_qap",
    "unproven_sector_count",
];

/// The registry's columns that `/v1/miners` shows.
pub(crate) fn shown() -> impl Iterator<Item = &'static Column> {
    SHOWN.iter().filter_map(|name| column(name))
}

fn miners_sort() -> Vec<&'static str> {
    let own = ["miner_id", "first_day", "last_active_day", "sector_size", "fault_rate"];
    own.into_iter().chain(SHOWN).collect()
}

fn daily_sort() -> Vec<&'static str> {
    ["stat_date"].into_iter().chain(COLUMNS.iter().map(|column| column.name)).collect()
}

const STAT_DATE: Heading = Heading::new("stat_date", Holds::Day, "", "The UTC day.");
const MINER_ID: Heading = Heading::new("miner_id", Holds::Miner, "", "The storage provider.");

/// Day, storage provider, and these columns.
pub(crate) fn daily_headings(columns: &[&'static Column]) -> Arc<[Heading]> {
    let columns = columns.iter().map(|column| Heading::from(*column));
    [STAT_DATE, MINER_ID].into_iter().chain(columns).collect()
}

/// Day, storage providers, and each of these columns with how many storage providers have it.
pub(crate) fn network_headings(columns: &[&'static Column]) -> Arc<[Heading]> {
    let both = columns.iter().flat_map(|column| {
        let with = Heading {
            name: format!("{}_miners", column.name).into(),
            holds: Holds::Integer,
            nullable: false,
            unit: "storage providers",
            doc: format!("Storage providers whose {} is not 0.", column.name).into(),
        };
        let mut sum = Heading::from(*column);
        sum.doc = format!("Over all storage providers: {}", column.doc).into();
        [sum, with]
    });
    let miners = Heading::new(
        "miners",
        Holds::Integer,
        "storage providers",
        "Storage providers that have a row on the day.",
    );
    [STAT_DATE, miners].into_iter().chain(both).collect()
}

/// What is told of a storage provider.
pub(crate) fn miner_headings() -> Arc<[Heading]> {
    static HEADINGS: LazyLock<Arc<[Heading]>> = LazyLock::new(|| {
        let first = [
            MINER_ID,
            Heading::new(
                "first_day",
                Holds::Day,
                "",
                "The day of its first sector event, but no earlier than the first one that the key may see.",
            ),
            Heading::new(
                "last_active_day",
                Holds::Day,
                "",
                "The last day that ended with live sectors; absent if none did, or none that the key may see.",
            )
            .or_absent(),
            Heading::new(
                "sector_size",
                Holds::Integer,
                "bytes",
                "Raw bytes of each of its sectors; absent before its first sector.",
            )
            .or_absent(),
        ];
        let rate = Heading::new(
            "fault_rate",
            Holds::Double,
            "",
            "Raw bytes of its faulty sectors ÷ those of its live sectors; 0 without live sectors.",
        );
        first.into_iter().chain(shown().map(Heading::from)).chain([rate]).collect()
    });
    Arc::clone(&HEADINGS)
}

/// The calendar of expirations.
pub(crate) fn expiration_headings() -> Arc<[Heading]> {
    static HEADINGS: LazyLock<Arc<[Heading]>> = LazyLock::new(|| {
        let sectors = |name, doc| Heading::new(name, Holds::Integer, "sectors", doc);
        let bytes = |name, doc| Heading::new(name, Holds::Wide, "bytes", doc);
        [
            Heading::new("period", Holds::Text, "", "The UTC day (YYYY-MM-DD) or month (YYYY-MM) of expiration."),
            sectors("sectors", "Live sectors whose expiration is then, faulty and unproven ones included."),
            bytes("rbp", "Their raw bytes."),
            bytes("qap", "Their quality-adjusted power."),
            sectors("verified_sectors", "Those of them with verified deals."),
            bytes("verified_rbp", "Raw bytes of those."),
            bytes("verified_qap", "Quality-adjusted power of those."),
            sectors(
                "cc_sectors",
                "Those without deals: committed capacity. This and what follows is absent where days were closed by a \
                 version that did not keep what sectors hold; close them again to have it.",
            )
            .or_absent(),
            bytes("cc_rbp", "Raw bytes of those.").or_absent(),
            bytes("cc_qap", "Quality-adjusted power of those.").or_absent(),
            sectors("deal_sectors", "Those with unverified deals alone.").or_absent(),
            bytes("deal_rbp", "Raw bytes of those.").or_absent(),
            bytes("deal_qap", "Quality-adjusted power of those.").or_absent(),
            Heading::new("initial_pledge", Holds::Wide, "attoFIL", "Initial pledge of all of them.").or_absent(),
            sectors(
                "full_quality_sectors",
                "Those of full quality by their flag, from actors v19; they are among none of the groups before.",
            )
            .or_absent(),
            bytes("full_quality_rbp", "Raw bytes of those.").or_absent(),
            bytes("full_quality_qap", "Quality-adjusted power of those.").or_absent(),
            Heading::new(
                "daily_fee",
                Holds::Wide,
                "attoFIL",
                "What all of them pay a day; absent where days were closed by a version that did not keep it.",
            )
            .or_absent(),
        ]
        .into()
    });
    Arc::clone(&HEADINGS)
}

fn every_daily() -> Arc<[Heading]> {
    daily_headings(&COLUMNS.iter().collect::<Vec<_>>())
}

fn every_network() -> Arc<[Heading]> {
    network_headings(&COLUMNS.iter().collect::<Vec<_>>())
}

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

/// The schema of an explanation, told apart in parts that are explanations, too.
pub(crate) fn explanation_part() -> Value {
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
pub(crate) fn receipts_word() -> Value {
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
        "receipts": receipts_word(),
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

fn explanation() -> Value {
    object(json!({
        "stat_date": { "type": "string", "format": "date" },
        "miner_id": { "type": "string" },
        "history_since": day_or_null(),
        "receipts": receipts_word(),
        "messages_inferred": { "type": "integer", "description": MESSAGES_INFERRED },
        "messages_refuted": { "type": "integer", "description": MESSAGES_REFUTED },
        "events_uncertain": { "type": "integer", "description": EVENTS_UNCERTAIN },
        "anomaly": { "type": ["string", "null"], "description": "Why the provider's claim is not the sum of its active sectors at the day's end, where the chain itself does not close." },
        "version": { "type": "integer" },
        "explanation": { "$ref": "#/components/schemas/ExplanationPart" },
    }))
}

fn status() -> Value {
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

/// All of them, in the order of the reference.
pub(crate) static OPERATIONS: &[Operation] = &[
    Operation {
        id: OperationId::SectorsDaily,
        name: "sectorsDaily",
        path: paths::SECTORS_DAILY,
        summary: "A storage provider's numbers, day by day.",
        doc: "A row for each closed day and storage provider, ordered by day and then by provider, or by any column. A \
              provider has a row for every closed day from its first sector event on, zeros included.",
        parameters: &[
            MINERS,
            FROM,
            TO,
            COLUMNS_ASKED,
            GROUP,
            optional(
                "sort",
                ParameterType::Sort(daily_sort),
                "By which column to sort, with a minus before it downwards; by default `stat_date`.",
                "-live_sector_count",
            ),
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::Range,
        response: ResponseType::SomeRows(every_daily, 2),
        example: "/v1/sectors/daily?miner=f0113&from=2026-09-19&to=2026-09-20&columns=total_num_sector,avg_active_sector_duration_days&group=terminate",
    },
    Operation {
        id: OperationId::NetworkDaily,
        name: "networkDaily",
        path: paths::NETWORK_DAILY,
        summary: "The same numbers, summed over all storage providers.",
        doc: "A row for each closed day. Beside each column stands, as `<column>_miners`, how many storage providers have \
              it other than 0. Quotients and statistics are reckoned over the whole network, not averaged.",
        parameters: &[
            FROM,
            TO,
            COLUMNS_ASKED,
            GROUP,
            optional(
                "sort",
                ParameterType::Sort(|| vec!["stat_date"]),
                "`-stat_date` for the latest day first.",
                "-stat_date",
            ),
            LIMIT,
            optional(
                "cursor",
                ParameterType::Cursor,
                "Where to go on: what the page before gives as `next`.",
                "2026-09-20.0",
            ),
            FORMAT,
        ],
        days: DaySelection::Range,
        response: ResponseType::SomeRows(every_network, 2),
        example: "/v1/network/daily?from=2026-09-19&to=2026-09-20&columns=live_sector_count,active_fault_rbp,active_sector_qap",
    },
    Operation {
        id: OperationId::Miners,
        name: "miners",
        path: paths::MINERS,
        summary: "The storage providers there are.",
        doc: "A row for each storage provider that has ever had a sector event, as of the latest closed day.",
        parameters: &[
            optional("prefix", ParameterType::Prefix, "Only those whose address begins so.", "f011"),
            optional(
                "sort",
                ParameterType::Sort(miners_sort),
                "By which column to sort, with a minus before it downwards; by default `miner_id`.",
                "-active_sector_qap",
            ),
            LIMIT,
            optional(
                "cursor",
                ParameterType::Cursor,
                "Where to go on: what the page before gives as `next`. Good until the next day is closed.",
                "7.100",
            ),
            FORMAT,
        ],
        days: DaySelection::Latest,
        response: ResponseType::Rows(miner_headings),
        example: "/v1/miners?prefix=f011&sort=-active_sector_qap&limit=2",
    },
    Operation {
        id: OperationId::Miner,
        name: "miner",
        path: paths::MINER,
        summary: "One storage provider.",
        doc: "Its row of `/v1/miners`.",
        parameters: &[ID, FORMAT],
        days: DaySelection::Latest,
        response: ResponseType::Rows(miner_headings),
        example: "/v1/miners/f0113",
    },
    Operation {
        id: OperationId::Events,
        name: "events",
        path: paths::MINER_EVENTS,
        summary: "The events behind a storage provider's numbers.",
        doc: "A row for each sector event, in the order of execution. Each names its tipset's height and, where a message \
              caused it, the message.",
        parameters: &[
            ID,
            optional("day", ParameterType::Day, "One day, in the place of `from` and `to`.", "2026-09-20"),
            FROM,
            TO,
            KIND,
            CAUSE,
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::OneOrRange,
        response: ResponseType::Rows(event_headings),
        example: "/v1/miners/f0107/events?from=2026-06-12&to=2026-09-20&kind=fault,terminate&limit=2",
    },
    Operation {
        id: OperationId::Sector,
        name: "sector",
        path: paths::MINER_SECTOR,
        summary: "One sector's life, event by event.",
        doc: "A row for each of its events in all closed days, in the order of execution.",
        parameters: &[
            ID,
            segment("n", ParameterType::Sector, "The sector's number.", "85"),
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::All,
        response: ResponseType::Rows(event_headings),
        example: "/v1/miners/f0113/sectors/85",
    },
    Operation {
        id: OperationId::MinerExpirations,
        name: "minerExpirations",
        path: paths::MINER_EXPIRATIONS,
        summary: "When a storage provider's live sectors expire.",
        doc: "A row for each day or month in which sectors expire that live at the day's end, in order. A period that lies \
              before the day is of sectors that are due: a sector leaves when its deadline next ends. A sector with any \
              verified deal is among the verified, one with only unverified deals among the deals, and one with neither is \
              committed capacity (CC); from actors v19 one with the flag of full quality is by itself, whatever it holds.",
        parameters: &[ID, DAY, BY, FORMAT],
        days: DaySelection::One,
        response: ResponseType::Rows(expiration_headings),
        example: "/v1/miners/f0113/expirations?day=2026-06-20",
    },
    Operation {
        id: OperationId::NetworkExpirations,
        name: "networkExpirations",
        path: paths::NETWORK_EXPIRATIONS,
        summary: "When all live sectors expire.",
        doc: "The same, over all storage providers.",
        parameters: &[DAY, BY, FORMAT],
        days: DaySelection::One,
        response: ResponseType::Rows(expiration_headings),
        example: "/v1/network/expirations?day=2026-06-14",
    },
    Operation {
        id: OperationId::Explain,
        name: "explain",
        path: paths::EXPLAIN,
        summary: "A number taken apart.",
        doc: "Its definition, the total of the day before that it stands on, and what each of the day's events adds; of a \
              quotient or statistic, the columns it is made of, each explained. `closes` says whether the parts make the \
              number.",
        parameters: &[
            Parameter {
                required: true,
                ..optional("column", ParameterType::Column, "The number's column.", "total_terminate_rbp")
            },
            Parameter {
                required: true,
                ..optional("miner", ParameterType::Miner, "The storage provider.", "f0107")
            },
            DAY,
            optional(
                "limit",
                ParameterType::Limit(ROWS),
                "Contributions listed; all are counted and summed, and the events path lists all.",
                "10",
            ),
        ],
        days: DaySelection::One,
        response: ResponseType::Object(explanation),
        example: "/v1/explain?column=total_terminate_rbp&miner=f0113&day=2026-07-10",
    },
    Operation {
        id: OperationId::Reconciliation,
        name: "reconciliation",
        path: paths::RECONCILIATION,
        summary: "The ledger held against the chain.",
        doc: "A row for each day and storage provider: the power of its active sectors by the ledger, the power actor's \
              claim, their difference, and whether all identities hold. In JSON, `meta.identities` lists these.",
        parameters: &[
            MINERS,
            FROM,
            TO,
            optional(
                "status",
                ParameterType::OneOf(&["holds", "fails", "anomaly"]),
                "Only what holds, what does not, or what does not for the chain's own anomalies alone.",
                "fails",
            ),
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::Range,
        response: ResponseType::Rows(reconciliation_headings),
        example: "/v1/reconciliation?miner=f0113&from=2026-09-20&to=2026-09-20",
    },
    Operation {
        id: OperationId::Status,
        name: "status",
        path: paths::STATUS,
        summary: "How far the data go, and where they come from.",
        doc: "The latest closed day, what the chain can no longer take back, gaps, sources, and the version of the data.",
        parameters: &[],
        days: DaySelection::All,
        response: ResponseType::Object(status),
        example: "/v1/status",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_v1_has_an_operation() {
        assert!(OPERATIONS.iter().map(|operation| operation.path).eq(paths::V1));
    }

    #[test]
    fn the_columns_shown_are_in_the_registry_and_sorts_are_by_headings() {
        assert_eq!(shown().count(), SHOWN.len());
        let headings = miner_headings();
        for name in miners_sort() {
            assert!(headings.iter().any(|heading| heading.name == name), "{name}");
        }
    }
}
