//! The paths that the server answers. Whatever routes, limits or describes them takes them from here.

use ledger::columns::Endpoint;

/// What this server is.
pub(crate) const HOME: &str = "/";
/// Whether the process lives.
pub(crate) const HEALTHZ: &str = "/healthz";
/// Whether to send it requests.
pub(crate) const READYZ: &str = "/readyz";
/// Figures for Prometheus.
pub(crate) const METRICS: &str = "/metrics";
/// The interface as OpenAPI describes it.
pub(crate) const OPENAPI: &str = "/openapi.json";
/// The viewer of the interface.
pub(crate) const DOCS: &str = "/docs";
/// The reference without scripts.
pub(crate) const DOCS_REFERENCE: &str = "/docs/reference";
/// The stylesheet of pages without scripts.
pub(crate) const DOCS_STYLE: &str = "/docs/style.css";
/// The script that starts the viewer.
pub(crate) const VIEWER_SCRIPT: &str = "/docs/viewer.js";
/// The stylesheet of the page around the viewer.
pub(crate) const VIEWER_STYLE: &str = "/docs/viewer.css";
/// The viewer itself.
pub(crate) const SWAGGER_SCRIPT: &str = "/docs/swagger-ui-bundle.js";
/// Its stylesheet.
pub(crate) const SWAGGER_STYLE: &str = "/docs/swagger-ui.css";
/// The licences of the viewer.
pub(crate) const DOCS_LICENSES: &str = "/docs/licenses.txt";

/// Where a client that does not know the paths reads of them.
pub(crate) const GUIDES: [&str; 3] = [DOCS, OPENAPI, STATUS];

/// The paths of `/v1`, in the order of the reference.
pub(crate) const V1: [&str; 11] = [
    SECTORS_DAILY,
    NETWORK_DAILY,
    MINERS,
    MINER,
    MINER_EVENTS,
    MINER_SECTOR,
    MINER_EXPIRATIONS,
    NETWORK_EXPIRATIONS,
    EXPLAIN,
    RECONCILIATION,
    STATUS,
];

pub(crate) const SECTORS_DAILY: &str = "/v1/sectors/daily";
pub(crate) const NETWORK_DAILY: &str = "/v1/network/daily";
pub(crate) const MINERS: &str = "/v1/miners";
pub(crate) const MINER: &str = "/v1/miners/{id}";
pub(crate) const MINER_EVENTS: &str = "/v1/miners/{id}/events";
pub(crate) const MINER_SECTOR: &str = "/v1/miners/{id}/sectors/{n}";
pub(crate) const MINER_EXPIRATIONS: &str = "/v1/miners/{id}/expirations";
pub(crate) const NETWORK_EXPIRATIONS: &str = "/v1/network/expirations";
pub(crate) const EXPLAIN: &str = "/v1/explain";
pub(crate) const RECONCILIATION: &str = "/v1/reconciliation";
pub(crate) const STATUS: &str = "/v1/status";

/// What the paths of `/v2` begin with.
const V2: &str = "/v2/storage_provider/sector/";

/// The path of an endpoint of `/v2`.
pub(crate) fn of_endpoint(endpoint: Endpoint) -> String {
    format!("{V2}{}", endpoint.name())
}

/// The endpoint of `/v2` at a path.
pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Endpoint::from_name(path.strip_prefix(V2)?)
}

/// An address of an endpoint that gives a row of the bundled sample.
pub(crate) fn endpoint_example(endpoint: Endpoint) -> String {
    format!("{}?state_date=2026-09-20&miner_id=f0113", of_endpoint(endpoint))
}

/// The paths that an unknown path outside `/v1` is answered with.
pub(crate) fn listed() -> impl Iterator<Item = String> {
    let fixed = GUIDES.into_iter().chain([HEALTHZ, READYZ, METRICS]).map(str::to_owned);
    Endpoint::ALL.iter().copied().map(of_endpoint).chain(fixed)
}

/// Whether a path belongs to `/v1`.
pub(crate) fn is_v1(path: &str) -> bool {
    path.strip_prefix("/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The name by which a key's scope knows a path.
pub(crate) fn scope_of_path(path: &str) -> &str {
    path.strip_prefix("/v2/storage_provider/").or_else(|| path.strip_prefix('/')).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::scope_of_path;

    #[test]
    fn places_are_spelled_as_scopes_are() {
        assert_eq!(scope_of_path("/v2/storage_provider/sector/total"), "sector/total");
        assert_eq!(scope_of_path("/v1/miners/f01000"), "v1/miners/f01000");
        assert_eq!(scope_of_path("/metrics"), "metrics");
    }
}
