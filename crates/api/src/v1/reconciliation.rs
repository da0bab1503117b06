//! `/v1/reconciliation`: the ledger held against the chain.

use chain::MinerId;
use lake::ReconciliationWanted;
use ledger::identities::IDENTITIES;

use super::answer::{Answer, Rows};
use super::parameters::Cursor;
use super::question::Question;
use crate::errors::problem::Problem;

pub(super) async fn answer(question: &Question<'_>) -> Result<Answer, Problem> {
    let Question { v1, asked, days, .. } = question;
    let after = match question.after {
        None => None,
        Some(Cursor::After(day, miner)) => Some((day, MinerId(miner))),
        Some(Cursor::Offset { .. }) => return Err(Problem::StaleCursor),
    };
    let wanted = ReconciliationWanted {
        days: days.clone(),
        miners: asked.miners("miner"),
        status: asked.names("status").first().copied(),
        after,
        most: question.most(),
    };
    let page = {
        let _turn = v1.turn().await?;
        v1.held.questions.reconciliation(question.version(), &wanted).await?
    };
    let next = page.more.map(|(day, miner)| Cursor::After(day, miner.0));
    let identities: Vec<&str> = IDENTITIES.iter().map(|identity| identity.name).collect();
    let rows = Rows::of_days(page.rows, days, next).with("identities", identities);
    Ok(Answer::Rows(rows.known(&question.published, days)))
}
