//! Who may pass, and how often: rates at the door, scopes and quotas at the gate.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::SemaphorePermit;

use crate::access::auth::{Caller, Pass};
use crate::access::denial::Denial;
use crate::access::rate::Meter;
use crate::access::rate_headers;
use crate::errors::v2_error::Refusal;
use crate::http::request_id::RequestId;
use crate::paths::{HEALTHZ, READYZ, scope_of_path};
use crate::state::Server;

/// Takes the request, which comes from `address`, out of what its key may make, or where it has none, its address.
pub(crate) fn take(
    server: &Server,
    caller: &Caller,
    head: &Parts,
    address: Option<IpAddr>,
) -> Result<Option<Meter>, Denial> {
    // Whoever watches over the server must not be told that it is busy, and these cost next to nothing.
    if [HEALTHZ, READYZ].contains(&head.uri.path()) {
        return Ok(None);
    }
    if let Some(key) = caller.key() {
        let Some(bucket) = &key.bucket else { return Ok(None) };
        return bucket.take().map(Some).map_err(|exceeded| Denial::Rate { exceeded, of_key: true });
    }
    // Decided now: the first key may have come since the last request.
    if matches!(caller, Caller::Anyone) && !server.shared.config.address_rate_when_open {
        return Ok(None);
    }
    let (Some(addresses), Some(address)) = (&server.shared.addresses, address) else { return Ok(None) };
    addresses.take(address).map(Some).map_err(|exceeded| Denial::Rate { exceeded, of_key: false })
}

/// Where a request comes from, left beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender(pub(crate) Option<IpAddr>);

/// Where the request comes from: the connection's other end, or, behind a proxy, what the proxy says of it.
pub(crate) fn address(server: &Server, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
    if !server.shared.config.behind_proxy {
        return peer;
    }
    // The last one is the proxy's own; those before it are whatever the client wrote.
    let said = headers.get_all("x-forwarded-for").iter().next_back();
    let said = said.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    said.or(peer)
}

/// Lets requests pass whose key is for what they ask. What is behind finds its [`Pass`].
pub(crate) async fn gate(
    State(server): State<Server>,
    Extension(id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let run = async |leave| {
        request.extensions_mut().insert::<Pass>(leave);
        next.run(request).await
    };
    pass(&server, &id, &caller, &path, run).await
}

/// Does the work for a request to that path if its key is for it and there is a place to work on it.
pub(crate) async fn pass(
    server: &Server,
    id: &RequestId,
    caller: &Caller,
    path: &str,
    work: impl AsyncFnOnce(Pass) -> Response,
) -> Response {
    let leave = match caller.admit(scope_of_path(path)) {
        Ok(leave) => leave,
        Err(denial) => return Refusal::Denied(denial).answer_at(path, id),
    };
    let meter = leave.meter;
    let mut response = match slot(server).await {
        Some(_permit) => work(leave).await,
        None => Refusal::Busy.answer_at(path, id),
    };
    if let Some(meter) = meter {
        rate_headers::tell(meter, response.headers_mut());
    }
    response
}

/// Lets as many requests for data be worked on at once as the configuration says. Waiting takes at most half the
/// time a request may take, so that who gets in late has time left.
async fn slot(server: &Server) -> Option<SemaphorePermit<'_>> {
    let slots = &server.shared.slots;
    if let Ok(permit) = slots.try_acquire() {
        return Some(permit);
    }
    let patience = server.shared.config.request_timeout / 2;
    tokio::time::timeout(patience, slots.acquire()).await.ok()?.ok()
}
