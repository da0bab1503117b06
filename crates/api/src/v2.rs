//! `/v2`: the ten endpoints of the hosted original, as its clients expect them.

use axum::http::HeaderMap;
use axum::response::Response;
use chain::Day;
use ledger::columns::Endpoint;

use crate::envelope::Success;
use crate::parameters::Asked;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::server::Server;

/// Where the endpoints stand.
const BASE: &str = "/v2/storage_provider/sector/";

/// The path of an endpoint.
pub(crate) fn path(endpoint: Endpoint) -> String {
    format!("{BASE}{}", endpoint.name())
}

/// An address that gives a row of the bundled sample.
pub(crate) fn example(endpoint: Endpoint) -> String {
    format!("{}?state_date=2026-09-20&miner_id=f0113", path(endpoint))
}

/// Answers a request for an endpoint's rows of a day.
pub(crate) async fn rows(
    server: Server,
    endpoint: Endpoint,
    id: RequestId,
    headers: HeaderMap,
    query: Option<String>,
) -> Response {
    match answer(&server, endpoint, &id, &headers, query.as_deref().unwrap_or_default()).await {
        Ok(response) => response,
        Err(refusal) => refusal.answer(&id),
    }
}

async fn answer(
    server: &Server,
    endpoint: Endpoint,
    id: &RequestId,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Refusal> {
    server.shared.gate.check(headers)?;
    let asked = Asked::parse(query)?;
    let Some(closed) = server.shared.reader.days() else {
        return Err(Refusal::NothingClosed);
    };
    let day = asked.day.unwrap_or(*closed.end());
    if day < *closed.start() {
        // Before the first closed day there is nothing to wait for.
        return Ok(empty(id));
    }
    let not_closed = Refusal::NotClosed { asked: day, latest: *closed.end() };
    if day > *closed.end() {
        return Err(not_closed);
    }
    // A hole inside history must not be; if there is one, it is not ready, never empty.
    let rows = read(server, day, id).await?.ok_or(not_closed)?;
    let count = match asked.miner {
        Some(miner) if rows.find(miner).is_none() => return Ok(empty(id)),
        Some(_) => 1,
        None => rows.miners().len(),
    };
    let mut success = Success::open(id, count.saturating_mul(row_size(endpoint)));
    rows.write_json(endpoint, asked.miner, success.data());
    Ok(success.close())
}

/// The day's rows. What fails goes to the log, not to the client.
async fn read(
    server: &Server,
    day: Day,
    id: &RequestId,
) -> Result<Option<std::sync::Arc<lake::DayRows>>, Refusal> {
    server.shared.reader.day(day).await.map_err(|error| {
        let error: &(dyn std::error::Error + 'static) = &error;
        tracing::error!(request_id = %id, %day, error, "a day could not be read");
        Refusal::Internal
    })
}

fn empty(id: &RequestId) -> Response {
    let mut success = Success::open(id, 2);
    success.data().push_str("[]");
    success.close()
}

/// About how long a row's JSON is at most: names, punctuation, and values of up to 20 digits.
fn row_size(endpoint: Endpoint) -> usize {
    let columns: usize = endpoint.columns().map(|column| column.name.len() + 24).sum();
    columns + 80
}
