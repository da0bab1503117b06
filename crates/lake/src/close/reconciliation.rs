//! The rows of `reconciliation`: the ledger's power beside the chain's, for every miner that has either, and what failed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chain::{Bytes, MinerId};
use datafusion::arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Int64Array, RecordBatch, StringArray,
};
use datafusion::arrow::datatypes::{Decimal128Type, Int64Type};
use ledger::{ChainPower, Power};

use crate::close::failures::DayFindings;
use crate::error::{Error, Result};
use crate::records::finished_day::FinishedDay;
use crate::schema::checked::RangeCheck;
use crate::schema::{DIGITS, MINER_ID, TableName};

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
    let range = RangeCheck(day);
    let mut powers: BTreeMap<i64, (LedgerPower, Option<ChainPower>)> = BTreeMap::new();
    for (miner, ledger) in ledger_powers(rows)? {
        powers.entry(miner).or_default().0 = ledger;
    }
    for chain in &finished.powers {
        let miner = range.integer("a storage provider's ID", chain.miner.0)?;
        if powers.entry(miner).or_default().1.replace(*chain).is_some() {
            let problem = format!("the chain's power of {} is given twice", chain.miner);
            return Err(Error::Inconsistent { day, problem });
        }
    }
    let mut figures: [Vec<i128>; 18] = Default::default();
    let mut names: Vec<String> = Vec::with_capacity(powers.len());
    let mut anomalies: Vec<&str> = Vec::with_capacity(powers.len());
    for (miner, (ledger, chain)) in &powers {
        let chain = chain.unwrap_or_else(|| ChainPower::none(MinerId(0)));
        let difference = Power {
            rbp: less(ledger.active.rbp, chain.claim.rbp),
            qap: less(ledger.active.qap, chain.claim.qap),
        };
        let row = [
            ledger.active,
            chain.claim,
            difference,
            ledger.live,
            chain.live,
            ledger.faulty,
            chain.faulty,
            ledger.unproven,
            chain.unproven,
        ];
        for (at, power) in row.iter().enumerate() {
            figures[2 * at].push(range.wide("a storage provider's raw power", power.rbp.0)?);
            figures[2 * at + 1].push(range.wide("a storage provider's QAP", power.qap.0)?);
        }
        let miner = u64::try_from(*miner).ok().map(MinerId);
        let failed = miner.and_then(|miner| found.failures.get(&miner));
        names.push(failed.map(|of| of.keys().copied().collect::<Vec<_>>().join(",")).unwrap_or_default());
        let anomalous = miner.and_then(|miner| found.anomalous.get(&miner));
        anomalies.push(anomalous.map_or("", |of| of.anomaly.name()));
    }
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(Date32Array::from_value(day.unix_days(), powers.len())),
        Arc::new(Int64Array::from_iter_values(powers.keys().copied())),
    ];
    for figure in figures {
        columns.push(wide(figure)?);
    }
    columns.push(Arc::new(StringArray::from_iter_values(names)));
    columns.push(Arc::new(StringArray::from_iter_values(anomalies)));
    RecordBatch::try_new(TableName::Reconciliation.schema(), columns).map_err(rows_error)
}

/// Both have 38 digits by now, so their difference has 128 bits.
fn less(ledger: Bytes, chain: Bytes) -> Bytes {
    Bytes(ledger.0.saturating_sub(chain.0))
}

fn wide(values: Vec<i128>) -> Result<ArrayRef> {
    let array = Decimal128Array::from(values).with_precision_and_scale(DIGITS, 0).map_err(rows_error)?;
    Ok(Arc::new(array))
}

fn rows_error(source: datafusion::arrow::error::ArrowError) -> Error {
    Error::Rows { table: TableName::Reconciliation.name(), source }
}

/// What the rows say of each miner's power.
fn ledger_powers(rows: &RecordBatch) -> Result<Vec<(i64, LedgerPower)>> {
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
        (*miner, power)
    };
    Ok(miners.values().iter().enumerate().map(of).collect())
}
