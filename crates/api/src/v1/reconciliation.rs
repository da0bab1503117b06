//! `/v1/reconciliation`: the ledger held against the chain.

use chain::MinerId;
use lake::ReconciliationWanted;
use ledger::identities::IDENTITIES;

use super::V1;
use super::answer::{Answer, Rows};
use super::operations::ROWS;
use super::parameters::{Asked, Cursor};
use super::problem::Problem;

pub(super) async fn answer(v1: &V1, asked: &Asked) -> Result<Answer, Problem> {
    let days = v1.days(asked).await?;
    let after = match asked.cursor()? {
        None => None,
        Some(Cursor::After(day, miner)) => Some((day, MinerId(miner))),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let wanted = ReconciliationWanted {
        days: days.clone(),
        miners: asked.miners("miner"),
        status: asked.names("status").first().copied(),
        after,
        most: asked.limit(ROWS),
    };
    let page = {
        let _turn = v1.turn().await?;
        v1.held.questions.reconciliation(v1.reader().version(), &wanted).await?
    };
    let next = page.more.map(|(day, miner)| Cursor::After(day, miner.0));
    let identities: Vec<&str> = IDENTITIES.iter().map(|identity| identity.name).collect();
    let rows = Rows::of_days(page.rows, &days, next).with("identities", identities);
    Ok(Answer::Rows(rows.known(&v1.reader().published(), &days)))
}
