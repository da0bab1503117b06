//! The reconciliation by day and storage provider.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock};

use chain::{Day, MinerId};
use ledger::fields::RECONCILIATION_FIELDS;

use crate::error::Result;
use crate::formats::column_spec::{ColumnSpec, ColumnType};
use crate::formats::row_set::RowSet;
use crate::query::queries::rows::{between, day, empty_page, integer, page, select};
use crate::query::queries::{Page, Queries};
use crate::schema::{MINER_ID, STAT_DATE, TableName};

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

/// The column that no table has: whether a row's identities hold.
const STATUS: ColumnSpec = ColumnSpec::new(
    "status",
    ColumnType::Text,
    "",
    "`holds`; `fails` if anything does not hold; `anomaly` if all that does not is an anomaly of the chain's own.",
);

/// The columns of the reconciliation: those of the table, and the status after the day and the storage provider.
pub fn reconciliation_columns() -> Arc<[ColumnSpec]> {
    static COLUMNS: LazyLock<Arc<[ColumnSpec]>> = LazyLock::new(|| {
        let (keys, others) = RECONCILIATION_FIELDS.split_at(2);
        let [keys, others] = [keys, others].map(|fields| fields.iter().map(ColumnSpec::from));
        keys.chain([STATUS]).chain(others).collect()
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
        let expression = |spec: &ColumnSpec| match &spec.name {
            name if *name == STATUS.name => format!("{RECONCILED} AS {name}"),
            name => name.to_string(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_the_columns_of_the_reconciliation_in_their_order() {
        let names = "stat_date miner_id status failed anomalies ledger_active_rbp ledger_active_qap claim_rbp claim_qap \
                     difference_rbp difference_qap ledger_live_rbp ledger_live_qap chain_live_rbp chain_live_qap \
                     ledger_faulty_rbp ledger_faulty_qap chain_faulty_rbp chain_faulty_qap ledger_unproven_rbp \
                     ledger_unproven_qap chain_unproven_rbp chain_unproven_qap";
        let columns = reconciliation_columns();
        assert_eq!(
            columns.iter().map(|spec| &*spec.name).collect::<Vec<_>>(),
            names.split(' ').collect::<Vec<_>>()
        );
        let wide = columns.iter().filter(|spec| spec.column_type == ColumnType::Wide);
        assert!(wide.clone().all(|spec| spec.unit == "bytes") && wide.count() == 18);
        let nullable = columns.iter().filter(|spec| spec.nullable).map(|spec| &*spec.name);
        let of_layout_1 = ["stat_date", "miner_id", "status", "ledger_active", "claim", "difference"];
        assert!(nullable.clone().all(|name| of_layout_1.iter().all(|known| !name.starts_with(known))));
        assert_eq!(nullable.count(), 14);
    }
}
