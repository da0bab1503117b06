//! The tables and their columns. Delta has no unsigned types and other programs read the files as they are,
//! so there are only five types. Rows' columns come from the column registry, those of events and of the reconciliation
//! from their declared fields.

pub(crate) mod checked;

use std::sync::{Arc, LazyLock};

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use deltalake::kernel::{DataType as DeltaType, StructField};
use ledger::columns::{COLUMNS, Storage};
use ledger::fields::{self, EVENT_FIELDS, FieldValue, RECONCILIATION_FIELDS, Record, in_table_order};
use strum::{EnumString, IntoStaticStr};

/// Name of the day's column in every table.
pub(crate) const STAT_DATE: &str = "stat_date";
/// Name of the storage provider's column.
pub(crate) const MINER_ID: &str = "miner_id";
/// Name of the column of `progress` with the day from which on events are known.
pub(crate) const HISTORY_SINCE: &str = "history_since";
/// Name of the events' column with their places among those of their day, in the order of execution.
pub(crate) const POSITION: &str = "position";
/// Name of the reconciliation's column that names the chain's own anomalies, joined by commas.
pub(crate) const ANOMALIES: &str = "anomalies";
/// Decimal digits of wide integers.
pub(crate) const DIGITS: u8 = 38;
/// The largest wide integer, 10^38 − 1.
pub(crate) const MAX_DECIMAL: i128 = 10_i128.pow(DIGITS as u32) - 1;

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum TableName {
    #[strum(serialize = "sector_events")]
    Events,
    #[strum(serialize = "sp_sector_daily")]
    Rows,
    #[strum(serialize = "sp_sector_history")]
    History,
    Reconciliation,
    Progress,
}

impl TableName {
    /// All tables, in the order in which they are committed: the last one publishes.
    pub(crate) const ALL: [Self; 5] =
        [Self::Events, Self::Reconciliation, Self::Progress, Self::History, Self::Rows];

    /// All but the one that publishes, in the order in which they are committed.
    pub(crate) const BASE_TABLES: [Self; 4] =
        [Self::Events, Self::Reconciliation, Self::Progress, Self::History];

    /// The table's directory, and its name in SQL.
    pub(crate) const fn name(self) -> &'static str {
        self.into_str()
    }

    /// What one row is; kept in the table's metadata for those who meet the files without us.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::Events => "A row is something that happened to one sector.",
            Self::Rows => "A row is a storage provider's day. Its newest day is the newest closed day.",
            Self::History => {
                "The rows of sp_sector_daily again, a provider's days together. What is not here is there."
            }
            Self::Reconciliation => {
                "A row is a storage provider's power at a day's end: the ledger's beside the chain's, and the identities that do not hold."
            }
            Self::Progress => "A row is a day that was taken from a source.",
        }
    }

    /// Whether the table has a row for a storage provider's day.
    pub(crate) fn has_miners(self) -> bool {
        self != Self::Progress
    }

    /// The table's columns.
    pub(crate) fn schema(self) -> SchemaRef {
        static EVENTS: LazyLock<SchemaRef> = LazyLock::new(|| arrow(&fields(EVENT_FIELDS)));
        static ROWS: LazyLock<SchemaRef> = LazyLock::new(|| arrow(&rows()));
        static RECONCILIATION: LazyLock<SchemaRef> = LazyLock::new(|| arrow(&fields(RECONCILIATION_FIELDS)));
        static PROGRESS: LazyLock<SchemaRef> = LazyLock::new(|| arrow(&progress()));
        let schema = match self {
            Self::Events => &EVENTS,
            Self::Rows | Self::History => &ROWS,
            Self::Reconciliation => &RECONCILIATION,
            Self::Progress => &PROGRESS,
        };
        Arc::clone(schema)
    }
}

fn integer(name: &str) -> Field {
    Field::new(name, DataType::Int64, false)
}

fn wide(name: &str) -> Field {
    Field::new(name, DataType::Decimal128(DIGITS, 0), false)
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, false)
}

fn date() -> Field {
    Field::new(STAT_DATE, DataType::Date32, false)
}

fn arrow(fields: &[Field]) -> SchemaRef {
    Arc::new(Schema::new(fields.to_vec()))
}

/// The columns of declared fields.
fn fields<R: Record>(fields: &'static [fields::Field<R>]) -> Vec<Field> {
    let column = |field: &fields::Field<R>| {
        let column = match field.value {
            FieldValue::Day => date(),
            FieldValue::Position
            | FieldValue::Miner(_)
            | FieldValue::Sector(_)
            | FieldValue::Number(_)
            | FieldValue::Sectors(_)
            | FieldValue::Epoch(_)
            | FieldValue::Flag(_) => integer(field.name),
            FieldValue::Bytes(_) | FieldValue::AttoFil(_) => wide(field.name),
            FieldValue::Name(_) | FieldValue::Names(_) | FieldValue::Message(_) => text(field.name),
        };
        column.with_nullable(field.nullable)
    };
    in_table_order(fields).into_iter().map(column).collect()
}

/// Columns of the registry that lakes of layout 3 lack. A column can be added to a table only
/// if its values may be absent; in the rows from before it there was nothing to count, so they are read as 0.
const SINCE_LAYOUT_4: [&str; 8] = [
    "daily_new_upgrade_count",
    "daily_new_upgrade_rbp",
    "daily_new_upgrade_qap",
    "total_upgrade_count",
    "total_upgrade_rbp",
    "total_upgrade_qap",
    "total_dropped_count",
    "total_dropped_rbp",
];

fn rows() -> Vec<Field> {
    let columns = COLUMNS.iter().map(|column| {
        let field = match column.unit.storage() {
            Storage::Integer => integer(column.name),
            Storage::Wide => wide(column.name),
            Storage::Double => Field::new(column.name, DataType::Float64, false),
        };
        field.with_nullable(SINCE_LAYOUT_4.contains(&column.name))
    });
    [date(), integer(MINER_ID)].into_iter().chain(columns).collect()
}

/// What rows of a file have in a column that the file lacks: 0 in one of the registry, since what it counts could not
/// happen before it was there; elsewhere nothing is known.
pub(crate) fn default_value(field: &Field) -> Option<ScalarValue> {
    SINCE_LAYOUT_4.contains(&field.name().as_str()).then(|| match field.data_type() {
        DataType::Int64 => ScalarValue::Int64(Some(0)),
        _ => ScalarValue::Decimal128(Some(0), DIGITS, 0),
    })
}

/// In the order in which `progress::batch` fills them.
fn progress() -> Vec<Field> {
    vec![
        date(),
        text("source"),
        text("network"),
        integer("genesis"),
        integer("first_epoch"),
        integer("last_epoch"),
        text("tipset_key"),
        text("state_root"),
        text("version"),
        // Since layout 2.
        Field::new(HISTORY_SINCE, DataType::Date32, true),
        integer("closed_at").with_nullable(true),
        // Since layout 4; of days closed before it, receipts were read, since there was no closing without.
        text("receipts").with_nullable(true),
        integer("tipsets_read").with_nullable(true),
        integer("tipsets_inferred").with_nullable(true),
        integer("messages_inferred").with_nullable(true),
        integer("messages_refuted").with_nullable(true),
        integer("events_uncertain").with_nullable(true),
    ]
}

/// The table's columns as Delta's log names them; `None` for a type that no table of ours has.
pub(crate) fn delta_fields(table: TableName) -> Option<Vec<StructField>> {
    let schema = table.schema();
    let fields = schema.fields().iter().map(|field| {
        let data_type = match field.data_type() {
            DataType::Int64 => DeltaType::LONG,
            DataType::Float64 => DeltaType::DOUBLE,
            DataType::Utf8 => DeltaType::STRING,
            DataType::Date32 => DeltaType::DATE,
            DataType::Decimal128(digits, 0) => DeltaType::decimal(*digits, 0).ok()?,
            _ => return None,
        };
        Some(StructField::new(field.name().clone(), data_type, field.is_nullable()))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_the_day_first_and_only_types_that_delta_and_others_know() {
        for table in TableName::ALL {
            let fields = delta_fields(table).expect("known types");
            assert_eq!(fields.first().map(|field| field.name().as_str()), Some(STAT_DATE));
            assert_eq!(fields.len(), table.schema().fields().len());
        }
    }

    /// A table's columns, a line each: name, type, and whether values may be absent.
    fn rendered(table: TableName) -> Vec<String> {
        let schema = table.schema();
        let line = |field: &Arc<Field>| {
            let null = if field.is_nullable() { " or null" } else { "" };
            format!("{}: {}{null}", field.name(), field.data_type())
        };
        schema.fields().iter().map(line).collect()
    }

    #[test]
    fn the_columns_of_events_are_those_that_lakes_have() {
        let columns = [
            "stat_date: Date32",
            "position: Int64",
            "epoch: Int64",
            "miner_id: Int64",
            "sector: Int64",
            "kind: Utf8",
            "cause: Utf8 or null",
            "sector_size: Decimal128(38, 0)",
            "qap_before: Decimal128(38, 0) or null",
            "qap_after: Decimal128(38, 0) or null",
            "activation: Int64 or null",
            "expiration_before: Int64 or null",
            "expiration_after: Int64 or null",
            "status_before: Utf8",
            "status_after: Utf8",
            "message: Utf8 or null",
            "method: Int64 or null",
            "message_sectors: Int64 or null",
            "content_before: Utf8 or null",
            "content_after: Utf8 or null",
            "pledge_before: Decimal128(38, 0) or null",
            "pledge_after: Decimal128(38, 0) or null",
            "uncertain: Int64 or null",
            "daily_fee_before: Decimal128(38, 0) or null",
            "daily_fee_after: Decimal128(38, 0) or null",
        ];
        assert_eq!(rendered(TableName::Events), columns);
        assert!(TableName::Events.schema().metadata().is_empty());
    }

    #[test]
    fn the_columns_of_the_reconciliation_are_those_that_lakes_have() {
        let power = |of: &str, null: &str| {
            ["rbp", "qap"].map(|power| format!("{of}_{power}: Decimal128(38, 0){null}"))
        };
        let mut columns = vec!["stat_date: Date32".to_owned(), "miner_id: Int64".to_owned()];
        columns.extend(["ledger_active", "claim", "difference"].iter().flat_map(|of| power(of, "")));
        let since_layout_2 = [
            "ledger_live",
            "chain_live",
            "ledger_faulty",
            "chain_faulty",
            "ledger_unproven",
            "chain_unproven",
        ];
        columns.extend(since_layout_2.iter().flat_map(|of| power(of, " or null")));
        columns.extend(["failed: Utf8 or null".to_owned(), "anomalies: Utf8 or null".to_owned()]);
        assert_eq!(rendered(TableName::Reconciliation), columns);
        assert!(TableName::Reconciliation.schema().metadata().is_empty());
    }

    #[test]
    fn columns_that_older_lakes_lack_stand_last() {
        let last = COLUMNS.iter().rev().take(SINCE_LAYOUT_4.len()).rev().map(|column| column.name);
        assert_eq!(last.collect::<Vec<_>>(), SINCE_LAYOUT_4);
    }
}
