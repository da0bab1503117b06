//! The fields of a reconciliation row.

use chain::{Bytes, MinerId};

use super::accessor::{Accessor, FieldValue, NamesAccessor, Record, Storable, accessor};
use super::field::Field;
use crate::power::Power;

/// Raw and quality-adjusted power in bytes, each of which may be unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Raw bytes.
    pub rbp: Option<Bytes>,
    /// Quality-adjusted bytes.
    pub qap: Option<Bytes>,
}

impl Figures {
    /// Both; `None` if one is unknown.
    #[must_use]
    pub fn power(self) -> Option<Power> {
        Some(Power { rbp: self.rbp?, qap: self.qap? })
    }
}

impl From<Power> for Figures {
    fn from(power: Power) -> Self {
        Self { rbp: Some(power.rbp), qap: Some(power.qap) }
    }
}

/// A storage provider's power at a day's end, by the ledger and by the chain, and what does not hold. Rows of layout 1
/// have the active sectors, the claim and their difference alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconciliationRow {
    /// The storage provider.
    pub miner: MinerId,
    /// The names of the identities and checks that do not hold; `None` if that was not stored.
    pub failed: Option<Vec<String>>,
    /// The names of the chain's own anomalies; `None` if that was not stored.
    pub anomalies: Option<Vec<String>>,
    /// The active sectors.
    pub ledger_active: Figures,
    /// The power actor's claim.
    pub claim: Figures,
    /// Active sectors less claim.
    pub difference: Figures,
    /// The live sectors.
    pub ledger_live: Figures,
    /// The live power in the provider's partitions.
    pub chain_live: Figures,
    /// The faulty sectors.
    pub ledger_faulty: Figures,
    /// The faulty power in the provider's partitions.
    pub chain_faulty: Figures,
    /// The unproven sectors.
    pub ledger_unproven: Figures,
    /// The unproven power in the provider's partitions.
    pub chain_unproven: Figures,
}

impl Default for ReconciliationRow {
    /// A row of which nothing is known, and in which the provider is to be set.
    fn default() -> Self {
        let unknown = Figures::default();
        Self {
            miner: MinerId(0),
            failed: None,
            anomalies: None,
            ledger_active: unknown,
            claim: unknown,
            difference: unknown,
            ledger_live: unknown,
            chain_live: unknown,
            ledger_faulty: unknown,
            chain_faulty: unknown,
            ledger_unproven: unknown,
            chain_unproven: unknown,
        }
    }
}

impl Record for ReconciliationRow {
    type Draft = Self;

    fn miner(&self) -> MinerId {
        self.miner
    }
}

/// Power in bytes of a member of the row.
macro_rules! power {
    ($member:ident.$power:ident) => {
        FieldValue::Bytes(accessor!(ReconciliationRow, |row| row.$member.$power, |row, value| row
            .$member
            .$power =
            value))
    };
}

/// Names of a member of the row.
macro_rules! names {
    ($member:ident) => {
        FieldValue::Names(NamesAccessor {
            get: |row: &ReconciliationRow| row.$member.as_deref(),
            set: |row: &mut ReconciliationRow, names| row.$member = names,
        })
    };
}

const MINER: Accessor<ReconciliationRow, MinerId> =
    accessor!(ReconciliationRow, |row| Some(row.miner), |row, value| if let Some(value) = value {
        row.miner = value;
    });

/// Every field of a reconciliation row, in the order of answers.
#[rustfmt::skip]
pub const RECONCILIATION_FIELDS: &[Field<ReconciliationRow>] = &[
    Field::new(0, "stat_date", FieldValue::Day, "The UTC day at whose end both stand."),
    Field::new(1, "miner_id", FieldValue::Miner(MINER), "The storage provider."),
    // Since layout 2.
    Field::new(20, "failed", names!(failed), "Names of the identities and checks that do not hold, joined by commas; without those that an anomaly explains.").or_null(),
    // Since layout 4.
    Field::new(21, "anomalies", names!(anomalies), "Name of the chain's own anomaly, if there is one: the ledger is right, and the claim is not the sum of active sectors.").or_null(),
    Field::new(2, "ledger_active_rbp", power!(ledger_active.rbp), "Raw bytes of the active sectors, by the ledger."),
    Field::new(3, "ledger_active_qap", power!(ledger_active.qap), "Their quality-adjusted power, by the ledger."),
    Field::new(4, "claim_rbp", power!(claim.rbp), "Raw power by the power actor's claim."),
    Field::new(5, "claim_qap", power!(claim.qap), "Quality-adjusted power by the power actor's claim."),
    Field::new(6, "difference_rbp", power!(difference.rbp), "Ledger less claim, raw."),
    Field::new(7, "difference_qap", power!(difference.qap), "Ledger less claim, quality-adjusted."),
    // Since layout 2.
    Field::new(8, "ledger_live_rbp", power!(ledger_live.rbp), "Raw bytes of the live sectors, by the ledger.").or_null(),
    Field::new(9, "ledger_live_qap", power!(ledger_live.qap), "Their quality-adjusted power, by the ledger.").or_null(),
    Field::new(10, "chain_live_rbp", power!(chain_live.rbp), "Live raw power, by the provider's partitions.").or_null(),
    Field::new(11, "chain_live_qap", power!(chain_live.qap), "Live quality-adjusted power, by the provider's partitions.").or_null(),
    Field::new(12, "ledger_faulty_rbp", power!(ledger_faulty.rbp), "Raw bytes of the faulty sectors, by the ledger.").or_null(),
    Field::new(13, "ledger_faulty_qap", power!(ledger_faulty.qap), "Their quality-adjusted power, by the ledger.").or_null(),
    Field::new(14, "chain_faulty_rbp", power!(chain_faulty.rbp), "Faulty raw power, by the provider's partitions.").or_null(),
    Field::new(15, "chain_faulty_qap", power!(chain_faulty.qap), "Faulty quality-adjusted power, by the provider's partitions.").or_null(),
    Field::new(16, "ledger_unproven_rbp", power!(ledger_unproven.rbp), "Raw bytes of the unproven sectors, by the ledger.").or_null(),
    Field::new(17, "ledger_unproven_qap", power!(ledger_unproven.qap), "Their quality-adjusted power, by the ledger.").or_null(),
    Field::new(18, "chain_unproven_rbp", power!(chain_unproven.rbp), "Unproven raw power, by the provider's partitions.").or_null(),
    Field::new(19, "chain_unproven_qap", power!(chain_unproven.qap), "Unproven quality-adjusted power, by the provider's partitions.").or_null(),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::in_table_order;

    #[test]
    fn the_columns_of_the_reconciliation_have_their_names_and_order_for_good() {
        let names: Vec<_> = in_table_order(RECONCILIATION_FIELDS).iter().map(|field| field.name).collect();
        let columns = "stat_date miner_id ledger_active_rbp ledger_active_qap claim_rbp claim_qap difference_rbp \
                       difference_qap ledger_live_rbp ledger_live_qap chain_live_rbp chain_live_qap \
                       ledger_faulty_rbp ledger_faulty_qap chain_faulty_rbp chain_faulty_qap ledger_unproven_rbp \
                       ledger_unproven_qap chain_unproven_rbp chain_unproven_qap failed anomalies";
        assert_eq!(names, columns.split(' ').collect::<Vec<_>>());
        let numbers: Vec<_> =
            in_table_order(RECONCILIATION_FIELDS).iter().map(|field| field.number).collect();
        assert_eq!(numbers, (0..RECONCILIATION_FIELDS.len()).collect::<Vec<_>>());
    }
}
