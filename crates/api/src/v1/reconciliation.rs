//! `/v1/reconciliation`: the ledger held against the chain.

use chain::MinerId;
use lake::ReconciliationFilter;
use ledger::identities::IDENTITIES;

use super::answer::{Answer, Rows};
use super::parameters::Cursor;
use super::problem::Problem;
use super::question::Question;

pub(super) async fn answer(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { v1, asked, days, .. } = question;
    let after = match question.after {
        None => None,
        Some(Cursor::After(day, miner)) => Some((day, MinerId(miner))),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let wanted = ReconciliationFilter {
        days: days.clone(),
        miners: asked.miners("miner"),
        status: asked.names("status").first().copied(),
        after,
        limit: question.most(),
    };
    let page = {
        let _turn = v1.turn().await?;
        v1.held.questions.reconciliation(question.version(), &wanted).await?
    };
    let next = page.next.map(|(day, miner)| Cursor::After(day, miner.0));
    let identities: Vec<&str> = IDENTITIES.iter().map(|identity| identity.name).collect();
    let rows = Rows::of_days(page.rows, days, next).with("identities", identities);
    Ok(Answer::Rows(rows.known(&question.published, days)))
}
