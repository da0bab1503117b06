//! What a day's rows of `reconciliation` say, in words.

use chain::{Bytes, Day};
use ledger::Anomaly;
use ledger::columns::column;
use ledger::fields::{Figures, ReconciliationRow};
use ledger::identities::{IDENTITIES, Identity};

use crate::audit::report::Finding;

/// The chain's anomaly of a storage provider's day, with its figures.
pub(crate) fn anomaly_finding(day: Day, row: &ReconciliationRow, anomaly: Anomaly) -> Finding {
    let [rbp, qap] = [row.difference.rbp, row.difference.qap].map(|of| of.unwrap_or_default().0);
    let detail = format!("{} Active power less claim: {rbp} raw, {qap} quality-adjusted.", anomaly.doc());
    Finding { day, miner: row.miner, name: anomaly.name().to_owned(), detail, anomaly: true }
}

/// The claims that are not the ledger's, where that is all that is kept.
pub(crate) fn failed_claims(row: &ReconciliationRow) -> Vec<String> {
    let differs = |power: &&(&str, Option<Bytes>)| power.1 != Some(Bytes(0));
    let differences = [("rbp", row.difference.rbp), ("qap", row.difference.qap)];
    differences.iter().filter(differs).map(|(power, _)| format!("claim_{power}")).collect()
}

/// What the name of something that does not hold means, with its figures where the row has them.
pub(crate) fn detail(row: &ReconciliationRow, name: &str) -> String {
    let Some(identity) = IDENTITIES.iter().find(|identity| identity.name == name) else {
        let statistic =
            column(name).map(|column| format!("it does not come out of the row: {}", column.definition));
        return statistic
            .unwrap_or_else(|| "events of the day; `sectorscope reconcile --deep` says which".to_owned());
    };
    match sides(row, identity) {
        Some((ledger, chain)) => {
            let difference = ledger.0.saturating_sub(chain.0);
            format!("{identity}: ledger {ledger}, chain {chain}, difference {difference}")
        }
        None => identity.to_string(),
    }
}

/// Ledger and chain, of an identity that holds them against each other.
fn sides(row: &ReconciliationRow, identity: &Identity) -> Option<(Bytes, Bytes)> {
    let (of, power) = identity.name.rsplit_once('_')?;
    let (ledger, chain) = match of {
        "claim" => (row.ledger_active, row.claim),
        "partitions_live" => (row.ledger_live, row.chain_live),
        "partitions_faulty" => (row.ledger_faulty, row.chain_faulty),
        "partitions_unproven" => (row.ledger_unproven, row.chain_unproven),
        _ => return None,
    };
    let figure = |side: Figures| match power {
        "rbp" => side.rbp,
        "qap" => side.qap,
        _ => None,
    };
    figure(ledger).zip(figure(chain))
}
