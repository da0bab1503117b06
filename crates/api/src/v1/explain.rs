//! `/v1/explain`: the provenance of a number.

use lake::{ExplanationBody, IntegerStyle, Provenance};
use ledger::Anomaly;
use serde::Serialize;

use super::resolved_query::ResolvedQuery;
use super::response::ResponseData;
use crate::errors::problem::Problem;

#[derive(Serialize)]
struct ExplainResponse {
    stat_date: String,
    miner_id: String,
    history_since: Option<String>,
    receipts: &'static str,
    messages_inferred: u64,
    messages_refuted: u64,
    events_uncertain: u64,
    anomaly: Option<&'static str>,
    version: u64,
    explanation: ExplanationBody,
}

pub(super) async fn answer(query: &ResolvedQuery<'_>) -> Result<ResponseData, Problem> {
    let ResolvedQuery { context, parameters, window, .. } = query;
    let day = *query.days.end();
    let (Some(miner), [column, ..]) = (parameters.miner("miner"), parameters.columns("column")) else {
        return Err(Problem::Internal);
    };
    let version = query.version();
    let provenance = {
        let _permit = context.query_permit().await?;
        Provenance::read(context.reader().directory(), miner, day).await?
    };
    let (column, most) = (*column, query.max_rows());
    // The total of a day that may not be seen is not told by what stands on it either.
    let sees_previous = !window.hides_days() || window.visible(day.previous()).is_some();
    let response = tokio::task::spawn_blocking(move || {
        let explanation = ExplanationBody::of(&provenance.explain(column)?, day, IntegerStyle::Bare, most);
        let receipts = provenance.receipts;
        Ok::<_, Problem>(ExplainResponse {
            stat_date: day.to_string(),
            miner_id: miner.to_string(),
            history_since: provenance.history_since.map(|since| since.to_string()),
            receipts: receipts.receipts().name(),
            messages_inferred: receipts.messages_inferred,
            messages_refuted: receipts.messages_refuted,
            events_uncertain: receipts.events_uncertain,
            anomaly: provenance.anomaly.map(Anomaly::name),
            version,
            explanation: if sees_previous { explanation } else { explanation.without_previous() },
        })
    });
    let response = response.await.map_err(|error| {
        tracing::error!(%error, "an explanation was broken off");
        Problem::Internal
    })??;
    Ok(ResponseData::Object(serde_json::to_string(&response).map_err(|_| Problem::Internal)?))
}
