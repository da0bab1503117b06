//! Every path of `/v1`, declared once: the route, the parsing of a request and OpenAPI come from that.

mod columns;
mod parameters;
mod schemas;

use std::sync::Arc;

use lake::{ColumnSpec, event_columns, reconciliation_columns};
use serde_json::Value;

pub(crate) use columns::{
    daily_columns, expiration_columns, miner_columns, network_columns, summary_columns,
};
pub(crate) use parameters::DEFAULT_ROWS;
pub(crate) use schemas::{
    EVENTS_UNCERTAIN, MESSAGES_INFERRED, MESSAGES_REFUTED, explanation_part_schema, receipts_schema,
};

use self::columns::{all_daily_columns, all_network_columns, daily_sort_columns, miner_sort_columns};
use self::parameters::{
    BY, CAUSE, CURSOR, DAY, FORMAT, FROM, GROUP, ID, KIND, LIMIT, MINERS, SELECTED_COLUMNS, TO,
    path_parameter, query_parameter,
};
use self::schemas::{explanation, status};
use super::parameters::{Parameter, ParameterType};
use crate::paths;

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
    Rows(fn() -> Arc<[ColumnSpec]>),
    /// Rows under some of these headings, in any format: the first ones always, the others as asked for.
    SomeRows(fn() -> Arc<[ColumnSpec]>, usize),
    /// A JSON object of this schema.
    Object(fn() -> Value),
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
            SELECTED_COLUMNS,
            GROUP,
            query_parameter(
                "sort",
                ParameterType::Sort(daily_sort_columns),
                "By which column to sort, with a minus before it downwards; by default `stat_date`.",
                "-live_sector_count",
            ),
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::Range,
        response: ResponseType::SomeRows(all_daily_columns, 2),
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
            SELECTED_COLUMNS,
            GROUP,
            query_parameter(
                "sort",
                ParameterType::Sort(|| vec!["stat_date"]),
                "`-stat_date` for the latest day first.",
                "-stat_date",
            ),
            LIMIT,
            query_parameter(
                "cursor",
                ParameterType::Cursor,
                "Where to go on: what the page before gives as `next`.",
                "2026-09-20.0",
            ),
            FORMAT,
        ],
        days: DaySelection::Range,
        response: ResponseType::SomeRows(all_network_columns, 2),
        example: "/v1/network/daily?from=2026-09-19&to=2026-09-20&columns=live_sector_count,active_fault_rbp,active_sector_qap",
    },
    Operation {
        id: OperationId::Miners,
        name: "miners",
        path: paths::MINERS,
        summary: "The storage providers there are.",
        doc: "A row for each storage provider that has ever had a sector event, as of the latest closed day.",
        parameters: &[
            query_parameter("prefix", ParameterType::Prefix, "Only those whose address begins so.", "f011"),
            query_parameter(
                "sort",
                ParameterType::Sort(miner_sort_columns),
                "By which column to sort, with a minus before it downwards; by default `miner_id`.",
                "-active_sector_qap",
            ),
            LIMIT,
            query_parameter(
                "cursor",
                ParameterType::Cursor,
                "Where to go on: what the page before gives as `next`. Good until the next day is closed.",
                "7.100",
            ),
            FORMAT,
        ],
        days: DaySelection::Latest,
        response: ResponseType::Rows(miner_columns),
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
        response: ResponseType::Rows(miner_columns),
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
            query_parameter(
                "day",
                ParameterType::Day,
                "One day, in the place of `from` and `to`.",
                "2026-09-20",
            ),
            FROM,
            TO,
            KIND,
            CAUSE,
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::OneOrRange,
        response: ResponseType::Rows(event_columns),
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
            path_parameter("n", ParameterType::Sector, "The sector's number.", "85"),
            LIMIT,
            CURSOR,
            FORMAT,
        ],
        days: DaySelection::All,
        response: ResponseType::Rows(event_columns),
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
        response: ResponseType::Rows(expiration_columns),
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
        response: ResponseType::Rows(expiration_columns),
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
                ..query_parameter(
                    "column",
                    ParameterType::Column,
                    "The number's column.",
                    "total_terminate_rbp",
                )
            },
            Parameter {
                required: true,
                ..query_parameter("miner", ParameterType::Miner, "The storage provider.", "f0107")
            },
            DAY,
            query_parameter(
                "limit",
                ParameterType::Limit(DEFAULT_ROWS),
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
            query_parameter(
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
        response: ResponseType::Rows(reconciliation_columns),
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
    use super::columns::SUMMARY_COLUMNS;
    use super::*;

    #[test]
    fn every_path_of_v1_has_an_operation() {
        assert!(OPERATIONS.iter().map(|operation| operation.path).eq(paths::V1));
    }

    #[test]
    fn the_columns_shown_are_in_the_registry_and_sorts_are_by_headings() {
        assert_eq!(summary_columns().count(), SUMMARY_COLUMNS.len());
        let headings = miner_columns();
        for name in miner_sort_columns() {
            assert!(headings.iter().any(|heading| heading.name == name), "{name}");
        }
    }
}
