//! The reconciliation by day and storage provider.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use chain::{Day, MinerId};

use crate::error::Result;
use crate::formats::row_set::{ColumnSpec, ColumnType, RowSet};
use crate::query::queries::rows::{between, day, empty_page, integer, page, select};
use crate::query::queries::{Page, Queries};
use crate::schema::{ANOMALIES, FAILED, MINER_ID, STAT_DATE, TableName};

/// Selects rows of the reconciliation.
#[derive(Clone, Debug)]
pub struct ReconciliationFilter {
    /// Of these closed days.
    pub days: RangeInclusive<Day>,
    /// Only of these storage providers; of all if empty.
    pub miners: Vec<MinerId>,
    /// Only rows of this status: `holds`, `fails` or `anomaly`.
    pub status: Option<&'static str>,
    /// Only rows after this day and storage provider.
    pub after: Option<(Day, MinerId)>,
    /// At most this many.
    pub limit: usize,
}

/// The columns of the reconciliation.
pub fn reconciliation_columns() -> Arc<[ColumnSpec]> {
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let wide = |name, doc| ColumnSpec::new(name, ColumnType::Wide, "bytes", doc);
        [
            ColumnSpec::new(STAT_DATE, ColumnType::Day, "", "The UTC day at whose end both stand."),
            ColumnSpec::new(MINER_ID, ColumnType::Miner, "", "The storage provider."),
            ColumnSpec::new(
                "status",
                ColumnType::Text,
                "",
                "`holds`; `fails` if anything does not hold; `anomaly` if all that does not is an anomaly of the chain's own.",
            ),
            ColumnSpec::new(
                FAILED,
                ColumnType::Text,
                "",
                "Names of the identities and checks that do not hold, joined by commas; without those that an anomaly explains.",
            )
            .or_null(),
            ColumnSpec::new(
                ANOMALIES,
                ColumnType::Text,
                "",
                "Name of the chain's own anomaly, if there is one: the ledger is right, and the claim is not the sum of active sectors.",
            )
            .or_null(),
            wide("ledger_active_rbp", "Raw bytes of the active sectors, by the ledger."),
            wide("ledger_active_qap", "Their quality-adjusted power, by the ledger."),
            wide("claim_rbp", "Raw power by the power actor's claim."),
            wide("claim_qap", "Quality-adjusted power by the power actor's claim."),
            wide("difference_rbp", "Ledger less claim, raw."),
            wide("difference_qap", "Ledger less claim, quality-adjusted."),
            wide("ledger_live_rbp", "Raw bytes of the live sectors, by the ledger.").or_null(),
            wide("ledger_live_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_live_rbp", "Live raw power, by the provider's partitions.").or_null(),
            wide("chain_live_qap", "Live quality-adjusted power, by the provider's partitions.").or_null(),
            wide("ledger_faulty_rbp", "Raw bytes of the faulty sectors, by the ledger.").or_null(),
            wide("ledger_faulty_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_faulty_rbp", "Faulty raw power, by the provider's partitions.").or_null(),
            wide("chain_faulty_qap", "Faulty quality-adjusted power, by the provider's partitions.")
                .or_null(),
            wide("ledger_unproven_rbp", "Raw bytes of the unproven sectors, by the ledger.").or_null(),
            wide("ledger_unproven_qap", "Their quality-adjusted power, by the ledger.").or_null(),
            wide("chain_unproven_rbp", "Unproven raw power, by the provider's partitions.").or_null(),
            wide("chain_unproven_qap", "Unproven quality-adjusted power, by the provider's partitions.")
                .or_null(),
        ]
        .into()
    });
    Arc::clone(&COLUMNS)
}

/// Whether a row's identities hold; of a day closed under layout 1, whether the claim is the ledger's. Where all that does
/// not hold is the chain's own, it is an anomaly.
const RECONCILED: &str = "CASE WHEN failed <> '' OR (failed IS NULL AND (difference_rbp <> 0 OR difference_qap <> 0)) \
                          THEN 'fails' WHEN anomalies <> '' THEN 'anomaly' ELSE 'holds' END";

impl Queries {
    /// The reconciliation by day and storage provider.
    ///
    /// # Errors
    /// As [`Queries::events`].
    pub async fn reconciliation(
        &self,
        version: u64,
        filter: &ReconciliationFilter,
    ) -> Result<Page<(Day, MinerId)>> {
        let first = *filter.days.start();
        let from = filter.after.map_or(first, |(day, _)| day.max(first));
        let mut condition = between(from, *filter.days.end());
        if !filter.miners.is_empty() {
            let miners = filter.miners.iter().filter_map(|miner| i64::try_from(miner.0).ok());
            let miners: Vec<String> = miners.map(|miner| miner.to_string()).collect();
            if miners.is_empty() {
                return empty_page(reconciliation_columns());
            }
            let _ = write!(condition, " AND {MINER_ID} IN ({})", miners.join(", "));
        }
        if let Some(status) = filter.status {
            let _ = write!(condition, " AND {RECONCILED} = '{status}'");
        }
        if let Some((day, MinerId(miner))) = filter.after {
            let _ = write!(condition, " AND ({STAT_DATE} > DATE '{day}' OR {MINER_ID} > {miner})");
        }
        let expression = |name: &str| match name {
            "status" => format!("{RECONCILED} AS status"),
            name => name.to_owned(),
        };
        let statement = select(&reconciliation_columns(), TableName::Reconciliation, expression)
            + &format!(" WHERE {condition} ORDER BY {STAT_DATE}, {MINER_ID} LIMIT {}", filter.limit + 1);
        let rows =
            RowSet::of(reconciliation_columns(), &self.session(version).await?.collect(&statement).await?)?;
        let cursor = |row: usize| {
            Some((day(&rows, row)?, MinerId(u64::try_from(integer(&rows, MINER_ID, row)?).ok()?)))
        };
        Ok(page(&rows, filter.limit, cursor))
    }
}
