//! A day's rows of `reconciliation`, read for an audit.

use chain::{Day, MinerId};
use datafusion::arrow::array::{Array, RecordBatch};
use ledger::Anomaly;
use ledger::columns::column;
use ledger::identities::{IDENTITIES, Identity};

use crate::audit::report::Finding;
use crate::error::Result;
use crate::records::decoder::TypedColumns;
use crate::schema::{ANOMALIES, FAILED, MINER_ID, TableName};

/// A day's rows of `reconciliation`.
pub(crate) struct ReconciliationRows<'r> {
    pub(crate) columns: TypedColumns<'r>,
    rows: &'r RecordBatch,
}

impl<'r> ReconciliationRows<'r> {
    pub(crate) fn of(day: Day, rows: &'r RecordBatch) -> Result<Self> {
        Ok(Self { columns: TypedColumns { table: TableName::Reconciliation, day, rows }, rows })
    }

    pub(crate) fn miner(&self, row: usize) -> Result<MinerId> {
        let id = u64::try_from(self.columns.integers(MINER_ID)?.value(row));
        id.map(MinerId).map_err(|_| self.columns.damaged(format!("{MINER_ID} is negative")))
    }

    /// The names of what failed; `None` where that was not kept.
    pub(crate) fn failed(&self, row: usize) -> Option<Vec<String>> {
        let names = self.columns.texts(FAILED).ok()?;
        let of = |names: &str| names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        names.is_valid(row).then(|| of(names.value(row)))
    }

    /// The names of the chain's own anomalies; none of a day closed under a layout before 4.
    pub(crate) fn anomalies(&self, row: usize) -> Vec<String> {
        let Ok(names) = self.columns.texts(ANOMALIES) else { return Vec::new() };
        let of = |names: &str| names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if names.is_valid(row) { of(names.value(row)) } else { Vec::new() }
    }

    /// The chain's anomaly of a miner's day, with its figures.
    pub(crate) fn anomaly(&self, miner: MinerId, anomaly: Anomaly, row: usize) -> Finding {
        let figure = |name: &str| self.figure(name, row).unwrap_or_default();
        let (rbp, qap) = (figure("difference_rbp"), figure("difference_qap"));
        let detail = format!("{} Active power less claim: {rbp} raw, {qap} quality-adjusted.", anomaly.doc());
        Finding { day: self.columns.day, miner, name: anomaly.name().to_owned(), detail, anomaly: true }
    }

    /// The claims that are not the ledger's, where that is all that is kept.
    pub(crate) fn failed_claims(&self, row: usize) -> Vec<String> {
        let differs =
            |power: &&&str| self.figure(&format!("difference_{power}"), row).is_none_or(|of| of != 0);
        ["rbp", "qap"].iter().filter(differs).map(|power| format!("claim_{power}")).collect()
    }

    fn figure(&self, name: &str, row: usize) -> Option<i128> {
        let column = self.columns.wides(name).ok()?;
        (row < self.rows.num_rows() && column.is_valid(row)).then(|| column.value(row))
    }

    /// What a name means, with its figures where the table has them.
    pub(crate) fn detail(&self, name: &str, row: usize) -> String {
        let Some(identity) = IDENTITIES.iter().find(|identity| identity.name == name) else {
            let statistic =
                column(name).map(|column| format!("it does not come out of the row: {}", column.definition));
            return statistic.unwrap_or_else(|| {
                "events of the day; `sectorscope reconcile --deep` says which".to_owned()
            });
        };
        match self.sides(identity, row) {
            Some((ledger, chain)) => {
                let difference = ledger.saturating_sub(chain);
                format!("{identity}: ledger {ledger}, chain {chain}, difference {difference}")
            }
            None => identity.to_string(),
        }
    }

    /// Ledger and chain, of an identity that holds them against each other.
    fn sides(&self, identity: &Identity, row: usize) -> Option<(i128, i128)> {
        let (of, power) = identity.name.rsplit_once('_')?;
        let (ledger, chain) = match of {
            "claim" => ("ledger_active", "claim"),
            "partitions_live" => ("ledger_live", "chain_live"),
            "partitions_faulty" => ("ledger_faulty", "chain_faulty"),
            "partitions_unproven" => ("ledger_unproven", "chain_unproven"),
            _ => return None,
        };
        let figure = |side: &str| self.figure(&format!("{side}_{power}"), row);
        figure(ledger).zip(figure(chain))
    }
}
