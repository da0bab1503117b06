//! The columns of rows, as responses name them.

use std::sync::{Arc, LazyLock};

use lake::{ColumnSpec, ColumnType};
use ledger::columns::{COLUMNS, Column, column};

/// The registry's columns that `/v1/miners` shows: those that summarize a storage provider's day.
pub(super) const SUMMARY_COLUMNS: [&str; 10] = [
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
pub(crate) fn summary_columns() -> impl Iterator<Item = &'static Column> {
    SUMMARY_COLUMNS.iter().filter_map(|name| column(name))
}

pub(super) fn miner_sort_columns() -> Vec<&'static str> {
    let own = ["miner_id", "first_day", "last_active_day", "sector_size", "fault_rate"];
    own.into_iter().chain(SUMMARY_COLUMNS).collect()
}

pub(super) fn daily_sort_columns() -> Vec<&'static str> {
    ["stat_date"].into_iter().chain(COLUMNS.iter().map(|column| column.name)).collect()
}

const STAT_DATE: ColumnSpec = ColumnSpec::new("stat_date", ColumnType::Day, "", "The UTC day.");
const MINER_ID: ColumnSpec = ColumnSpec::new("miner_id", ColumnType::Miner, "", "The storage provider.");

/// Day, storage provider, and these columns.
pub(crate) fn daily_columns(columns: &[&'static Column]) -> Arc<[ColumnSpec]> {
    let columns = columns.iter().map(|column| ColumnSpec::from(*column));
    [STAT_DATE, MINER_ID].into_iter().chain(columns).collect()
}

/// Day, storage providers, and each of these columns with how many storage providers have it.
pub(crate) fn network_columns(columns: &[&'static Column]) -> Arc<[ColumnSpec]> {
    let both = columns.iter().flat_map(|column| {
        let with = ColumnSpec {
            name: format!("{}_miners", column.name).into(),
            column_type: ColumnType::Integer,
            nullable: false,
            unit: "storage providers",
            doc: format!("Storage providers whose {} is not 0.", column.name).into(),
        };
        let mut sum = ColumnSpec::from(*column);
        sum.doc = format!("Over all storage providers: {}", column.doc).into();
        [sum, with]
    });
    let miners = ColumnSpec::new(
        "miners",
        ColumnType::Integer,
        "storage providers",
        "Storage providers that have a row on the day.",
    );
    [STAT_DATE, miners].into_iter().chain(both).collect()
}

/// The columns of a storage provider.
pub(crate) fn miner_columns() -> Arc<[ColumnSpec]> {
    static HEADINGS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let first = [
            MINER_ID,
            ColumnSpec::new(
                "first_day",
                ColumnType::Day,
                "",
                "The day of its first sector event, but no earlier than the first one that the key may see.",
            ),
            ColumnSpec::new(
                "last_active_day",
                ColumnType::Day,
                "",
                "The last day that ended with live sectors; absent if none did, or none that the key may see.",
            )
            .or_null(),
            ColumnSpec::new(
                "sector_size",
                ColumnType::Integer,
                "bytes",
                "Raw bytes of each of its sectors; absent before its first sector.",
            )
            .or_null(),
        ];
        let rate = ColumnSpec::new(
            "fault_rate",
            ColumnType::Double,
            "",
            "Raw bytes of its faulty sectors ÷ those of its live sectors; 0 without live sectors.",
        );
        first.into_iter().chain(summary_columns().map(ColumnSpec::from)).chain([rate]).collect()
    });
    Arc::clone(&HEADINGS)
}

/// The calendar of expirations.
pub(crate) fn expiration_columns() -> Arc<[ColumnSpec]> {
    static HEADINGS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let sectors = |name, doc| ColumnSpec::new(name, ColumnType::Integer, "sectors", doc);
        let bytes = |name, doc| ColumnSpec::new(name, ColumnType::Wide, "bytes", doc);
        [
            ColumnSpec::new("period", ColumnType::Text, "", "The UTC day (YYYY-MM-DD) or month (YYYY-MM) of expiration."),
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
            .or_null(),
            bytes("cc_rbp", "Raw bytes of those.").or_null(),
            bytes("cc_qap", "Quality-adjusted power of those.").or_null(),
            sectors("deal_sectors", "Those with unverified deals alone.").or_null(),
            bytes("deal_rbp", "Raw bytes of those.").or_null(),
            bytes("deal_qap", "Quality-adjusted power of those.").or_null(),
            ColumnSpec::new("initial_pledge", ColumnType::Wide, "attoFIL", "Initial pledge of all of them.").or_null(),
            sectors(
                "full_quality_sectors",
                "Those of full quality by their flag, from actors v19; they are among none of the groups before.",
            )
            .or_null(),
            bytes("full_quality_rbp", "Raw bytes of those.").or_null(),
            bytes("full_quality_qap", "Quality-adjusted power of those.").or_null(),
            ColumnSpec::new(
                "daily_fee",
                ColumnType::Wide,
                "attoFIL",
                "What all of them pay a day; absent where days were closed by a version that did not keep it.",
            )
            .or_null(),
        ]
        .into()
    });
    Arc::clone(&HEADINGS)
}

pub(super) fn all_daily_columns() -> Arc<[ColumnSpec]> {
    daily_columns(&COLUMNS.iter().collect::<Vec<_>>())
}

pub(super) fn all_network_columns() -> Arc<[ColumnSpec]> {
    network_columns(&COLUMNS.iter().collect::<Vec<_>>())
}
