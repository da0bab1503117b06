//! The ledger's power beside the power actor's claim, for every miner that has either.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Bytes, Day, MinerId};
use datafusion::arrow::array::{ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use ledger::columns::Holding;
use ledger::{Claim, Power};

use crate::fit::Fit;
use crate::schema::{DIGITS, MINER_ID, TableName};
use crate::{Error, Result, sql};

/// The day's reconciliation from its rows and the claims at its end, ordered by miner. A difference is reported, not
/// an error: it is there to be seen.
pub(crate) fn batch(day: Day, rows: &RecordBatch, claims: &[Claim]) -> Result<RecordBatch> {
    let fit = Fit(day);
    let mut powers: BTreeMap<i64, (Power, Power)> = BTreeMap::new();
    for (miner, ledger) in ledger_powers(rows)? {
        powers.entry(miner).or_default().0 = ledger;
    }
    let mut last: Option<MinerId> = None;
    let mut sorted: Vec<&Claim> = claims.iter().collect();
    sorted.sort_by_key(|claim| claim.miner);
    for claim in sorted {
        if last.replace(claim.miner) == Some(claim.miner) {
            let problem = format!("{} has two claims", claim.miner);
            return Err(Error::Inconsistent { day, problem });
        }
        let miner = fit.integer("a storage provider's ID", claim.miner.0)?;
        powers.entry(miner).or_default().1 = claim.power;
    }

    let mut figures: [Vec<i128>; 6] = Default::default();
    for (ledger, claim) in powers.values() {
        let row = [
            ledger.rbp.0,
            ledger.qap.0,
            fit.wide("a claim's raw bytes", claim.rbp)?,
            fit.wide("a claim's QAP", claim.qap)?,
            fit.wide("the difference of ledger and claim in raw bytes", less(ledger.rbp, claim.rbp))?,
            fit.wide("the difference of ledger and claim in QAP", less(ledger.qap, claim.qap))?,
        ];
        for (column, value) in figures.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let date: ArrayRef = Arc::new(Date32Array::from_value(day.unix_days(), powers.len()));
    let miners: ArrayRef = Arc::new(Int64Array::from_iter_values(powers.keys().copied()));
    let mut columns = vec![date, miners];
    for figure in figures {
        columns.push(wide(figure)?);
    }
    RecordBatch::try_new(TableName::Reconciliation.schema(), columns).map_err(wrong)
}

/// Both have 38 digits by now, so their difference has 128 bits.
fn less(ledger: Bytes, claim: Bytes) -> Bytes {
    Bytes(ledger.0.saturating_sub(claim.0))
}

fn wide(values: Vec<i128>) -> Result<ArrayRef> {
    let array = Decimal128Array::from(values).with_precision_and_scale(DIGITS, 0).map_err(wrong)?;
    Ok(Arc::new(array))
}

fn wrong(source: datafusion::arrow::error::ArrowError) -> Error {
    Error::Rows { table: TableName::Reconciliation.name(), source }
}

/// Active power by miner, as the rows have it.
fn ledger_powers(rows: &RecordBatch) -> Result<impl Iterator<Item = (i64, Power)>> {
    let column =
        |name: &str| rows.column_by_name(name).ok_or_else(|| Error::Registry { what: name.to_owned() });
    let wide = |name| {
        column(name)?
            .as_primitive_opt::<Decimal128Type>()
            .ok_or_else(|| Error::Registry { what: format!("{name} in bytes") })
    };
    let (rbp, qap) = (wide(sql::active(Holding::Rbp)?)?, wide(sql::active(Holding::Qap)?)?);
    let miners = column(MINER_ID)?.as_primitive::<Int64Type>();
    let powers = rbp.values().iter().zip(qap.values().iter());
    Ok(miners
        .values()
        .iter()
        .zip(powers)
        .map(|(miner, (rbp, qap))| (*miner, Power { rbp: Bytes(*rbp), qap: Bytes(*qap) })))
}
