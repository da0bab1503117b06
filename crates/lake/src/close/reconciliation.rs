//! The rows of `reconciliation`: the ledger's power beside the chain's, for every miner that has either, and what failed.

use std::collections::BTreeMap;

use chain::{Bytes, Day, MinerId};
use datafusion::arrow::array::{AsArray, Decimal128Array, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use ledger::fields::{RECONCILIATION_FIELDS, ReconciliationRow};
use ledger::{ChainPower, Power};

use crate::close::failures::DayFindings;
use crate::error::{Error, Result};
use crate::records::field_encoder::FieldEncoder;
use crate::records::finished_day::FinishedDay;
use crate::schema::{MINER_ID, TableName};

/// What the ledger has of a miner's power, beside [`ChainPower`].
#[derive(Clone, Copy, Default)]
struct LedgerPower {
    active: Power,
    live: Power,
    faulty: Power,
    unproven: Power,
}

/// The day's reconciliation, ordered by miner: from its rows, the chain's powers at its end, and what was found not to hold.
/// That is reported, and not an error: it is there to be seen.
pub(crate) fn batch(finished: &FinishedDay, rows: &RecordBatch, found: &DayFindings) -> Result<RecordBatch> {
    let day = finished.day;
    let mut powers: BTreeMap<MinerId, (LedgerPower, Option<ChainPower>)> = BTreeMap::new();
    for (miner, ledger) in ledger_powers(day, rows)? {
        powers.entry(miner).or_default().0 = ledger;
    }
    for chain in &finished.powers {
        if powers.entry(chain.miner).or_default().1.replace(*chain).is_some() {
            let problem = format!("the chain's power of {} is given twice", chain.miner);
            return Err(Error::Inconsistent { day, problem });
        }
    }
    let rows: Vec<ReconciliationRow> = powers
        .iter()
        .map(|(miner, (ledger, chain))| {
            row(*ledger, chain.unwrap_or_else(|| ChainPower::none(*miner)), *miner, found)
        })
        .collect();
    let mut encoder = FieldEncoder::new(TableName::Reconciliation, RECONCILIATION_FIELDS, rows.len());
    encoder.push(&rows.iter().collect::<Vec<_>>());
    encoder.finish(day, None)
}

/// A miner's row.
fn row(ledger: LedgerPower, chain: ChainPower, miner: MinerId, found: &DayFindings) -> ReconciliationRow {
    let difference = Power {
        rbp: less(ledger.active.rbp, chain.claim.rbp),
        qap: less(ledger.active.qap, chain.claim.qap),
    };
    let failed = found.failures.get(&miner).into_iter().flat_map(|failed| failed.keys());
    let anomalous = found.anomalous.get(&miner).into_iter().map(|of| of.anomaly.name().to_owned());
    ReconciliationRow {
        miner,
        failed: Some(failed.map(|name| (*name).to_owned()).collect()),
        anomalies: Some(anomalous.collect()),
        ledger_active: ledger.active.into(),
        claim: chain.claim.into(),
        difference: difference.into(),
        ledger_live: ledger.live.into(),
        chain_live: chain.live.into(),
        ledger_faulty: ledger.faulty.into(),
        chain_faulty: chain.faulty.into(),
        ledger_unproven: ledger.unproven.into(),
        chain_unproven: chain.unproven.into(),
    }
}

/// Both have at most 128 bits, and their difference is checked for 38 digits as they are.
fn less(ledger: Bytes, chain: Bytes) -> Bytes {
    Bytes(ledger.0.saturating_sub(chain.0))
}

/// What the rows say of each miner's power.
fn ledger_powers(day: Day, rows: &RecordBatch) -> Result<Vec<(MinerId, LedgerPower)>> {
    let column =
        |name: &str| rows.column_by_name(name).ok_or_else(|| Error::Registry { what: name.to_owned() });
    let wide = |name: String| {
        let column = column(&name)?.as_primitive_opt::<Decimal128Type>();
        column.ok_or_else(|| Error::Registry { what: format!("{name} in bytes") })
    };
    let both = |name: &str| Ok::<_, Error>((wide(format!("{name}_rbp"))?, wide(format!("{name}_qap"))?));
    let (active, live) = (both("active_sector")?, both("live_sector")?);
    let (faulty, unproven) = (both("active_fault")?, both("unproven_sector")?);
    let miners = column(MINER_ID)?.as_primitive::<Int64Type>();
    let at = |(rbp, qap): (&Decimal128Array, &Decimal128Array), row| Power {
        rbp: Bytes(rbp.value(row)),
        qap: Bytes(qap.value(row)),
    };
    let of = |(row, miner): (usize, &i64)| {
        let power = LedgerPower {
            active: at(active, row),
            live: at(live, row),
            faulty: at(faulty, row),
            unproven: at(unproven, row),
        };
        let negative = || Error::Inconsistent { day, problem: format!("{MINER_ID} {miner} is negative") };
        Ok((MinerId(u64::try_from(*miner).map_err(|_| negative())?), power))
    };
    miners.values().iter().enumerate().map(of).collect()
}
