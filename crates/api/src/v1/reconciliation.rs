//! `/v1/reconciliation`: the ledger reconciled with the chain.

use chain::MinerId;
use lake::ReconciliationFilter;
use ledger::identities::IDENTITIES;

use super::parameters::Cursor;
use super::resolved_query::ResolvedQuery;
use super::response::{ResponseData, Rows};
use crate::errors::problem::Problem;

pub(super) async fn answer(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { context, parameters, days, .. } = query;
    let after = match query.after {
        None => None,
        Some(Cursor::After(day, miner)) => Some((day, MinerId(miner))),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let filter = ReconciliationFilter {
        days: days.clone(),
        miners: parameters.miners("miner"),
        status: parameters.names("status").first().copied(),
        after,
        limit: query.max_rows(),
    };
    let page = {
        let _permit = context.query_permit().await?;
        context.resources.questions.reconciliation(query.version(), &filter).await?
    };
    let next = page.next.map(|(day, miner)| Cursor::After(day, miner.0));
    let identities: Vec<&str> = IDENTITIES.iter().map(|identity| identity.name).collect();
    let rows = Rows::of_days(page.rows, days, next).with("identities", identities);
    Ok(ResponseData::Rows(rows.with_receipts(&query.published, days)))
}
