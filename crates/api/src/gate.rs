//! Access control of requests: rates, then scopes and quotas.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;

use crate::access::auth::{Caller, Grant};
use crate::access::denial::Denial;
use crate::access::rate::RateLimitStatus;
use crate::access::rate_headers;
use crate::errors::v2_error::V2Error;
use crate::http::fair_share::FairPermit;
use crate::http::request_id::RequestId;
use crate::paths::{HEALTHZ, READYZ, scope_of_path};
use crate::state::Server;

/// Takes a token for the request from the bucket of its key, or without a key from that of its `address`.
pub(crate) fn take_token(
    server: &Server,
    caller: &Caller,
    head: &Parts,
    address: Option<IpAddr>,
) -> Result<Option<RateLimitStatus>, Denial> {
    // Health checks must not be refused for the rate, and cost next to nothing.
    if [HEALTHZ, READYZ].contains(&head.uri.path()) {
        return Ok(None);
    }
    if let Some(key) = caller.key() {
        let Some(bucket) = &key.bucket else { return Ok(None) };
        return bucket.take_token().map(Some).map_err(|exceeded| Denial::Rate { exceeded, of_key: true });
    }
    // Decided now: the first key may have come since the last request.
    if matches!(caller, Caller::Anonymous) && !server.shared.config.address_rate_when_open {
        return Ok(None);
    }
    let (Some(addresses), Some(address)) = (&server.shared.address_limiter, address) else { return Ok(None) };
    addresses.take_token(address).map(Some).map_err(|exceeded| Denial::Rate { exceeded, of_key: false })
}

/// The address that a request comes from, attached to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) Option<IpAddr>);

/// The address of the client: that of the peer, or, behind a proxy, the one that the proxy names.
pub(crate) fn client_address(server: &Server, headers: &HeaderMap, peer: Option<IpAddr>) -> Option<IpAddr> {
    if !server.shared.config.behind_proxy {
        return peer;
    }
    // The last one is the proxy's own; those before it are whatever the client wrote.
    let said = headers.get_all("x-forwarded-for").iter().next_back();
    let said = said.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    said.or(peer)
}

/// Lets only authorized requests through, each with its [`Grant`].
pub(crate) async fn require_authorization(
    State(server): State<Server>,
    Extension(id): Extension<RequestId>,
    Extension(caller): Extension<Caller>,
    Extension(ClientAddress(address)): Extension<ClientAddress>,
    mut request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let run = async |grant| {
        request.extensions_mut().insert::<Grant>(grant);
        next.run(request).await
    };
    authorized(&server, &id, (&caller, address), &path, run).await
}

/// Does the work for a request to that path if its key covers the path and a permit is free.
pub(crate) async fn authorized(
    server: &Server,
    id: &RequestId,
    (caller, address): (&Caller, Option<IpAddr>),
    path: &str,
    work: impl AsyncFnOnce(Grant) -> Response,
) -> Response {
    let grant = match caller.admit(scope_of_path(path), server.shared.config.clock.unix_seconds()) {
        Ok(grant) => grant,
        Err(denial) => return V2Error::Denied(denial).response_at(path, id),
    };
    let rate_limit = grant.rate_limit;
    let mut response = match request_permit(server, address).await {
        Some(_permit) => work(grant).await,
        None => V2Error::Busy.response_at(path, id),
    };
    if let Some(rate_limit) = rate_limit {
        rate_headers::set_rate_headers(rate_limit, response.headers_mut());
    }
    response
}

/// A permit to work on a request for data. There are as many as the configuration says, and a quarter of these for each
/// address. Waits for at most half of the request's timeout, so that there is time left to answer.
async fn request_permit(server: &Server, address: Option<IpAddr>) -> Option<FairPermit> {
    let patience = server.shared.config.request_timeout / 2;
    tokio::time::timeout(patience, server.shared.request_permits.acquire(address, 1)).await.ok()?
}
