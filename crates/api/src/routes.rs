//! Every route there is.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use ledger::columns::Endpoint;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

use crate::config::Config;
use crate::door;
use crate::health;
use crate::reference;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::server::Server;
use crate::{v1, v2};

const HEALTHZ: &str = "/healthz";

/// The whole application over a lake: what [`serve`](crate::serve()) serves, without a socket.
pub fn router(reader: Arc<lake::Reader>, config: Config) -> Router {
    Server::new(reader, config).router()
}

/// The paths that answer, for those who asked for another.
pub(crate) fn paths() -> impl Iterator<Item = String> {
    Endpoint::ALL.iter().copied().map(v2::path).chain([HEALTHZ.to_owned()])
}

impl Server {
    /// The whole application. Routers of one server count their requests together.
    pub fn router(&self) -> Router {
        // The routes stand behind the door as its fallback, because a layer of a router runs only after the
        // route is chosen, and the door may yet change the path.
        Router::new()
            .fallback_service(self.routes())
            .layer(middleware::from_fn_with_state(self.clone(), door::door))
            .layer(CompressionLayer::new())
            .layer(cross_origin())
    }

    fn routes(&self) -> Router {
        let mut data = Router::new();
        for &endpoint in Endpoint::ALL {
            let rows = move |State(server): State<Server>,
                             Extension(id): Extension<RequestId>,
                             headers: HeaderMap,
                             RawQuery(query): RawQuery| {
                v2::rows(server, endpoint, id, headers, query)
            };
            data = data.route(&v2::path(endpoint), get(rows));
        }
        data.route_layer(middleware::from_fn_with_state(self.clone(), door::slot))
            .route(HEALTHZ, get(health::healthz))
            .merge(v1::routes(self))
            .merge(reference::routes())
            .method_not_allowed_fallback(wrong_method)
            .fallback(unknown_path)
            .with_state(self.clone())
    }
}

async fn unknown_path(Extension(id): Extension<RequestId>) -> Response {
    Refusal::UnknownPath.answer(&id)
}

async fn wrong_method(Extension(id): Extension<RequestId>) -> Response {
    Refusal::WrongMethod.answer(&id)
}

/// Any page may read. The headers a request may carry are those it names: `*` would leave `authorization` out.
fn cross_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(Any)
}
