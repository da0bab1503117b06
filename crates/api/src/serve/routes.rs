//! The routes.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router, middleware};

use super::app;
use crate::config::Config;
use crate::docs;
use crate::errors::v2_error::V2Error;
use crate::http::request_id::RequestId;
use crate::ops::{health, metrics};
use crate::paths::{HEALTHZ, METRICS, READYZ};
use crate::serve::app::Application;
use crate::state::Server;
use crate::{gate, v1};

/// The whole application over a lake: what [`serve`](crate::serve()) serves, without a socket.
pub fn router(reader: Arc<lake::Reader>, config: Config) -> Router {
    Server::new(reader, config).router()
}

impl Server {
    /// The whole application. Routers of one server count their requests together.
    pub fn router(&self) -> Router {
        let application = self.application();
        Router::new().fallback(move |request: Request| {
            let application = application.clone();
            async move { application.answer(request, None).await }
        })
    }

    /// The application calls the routes, because a layer of a router runs only after the route is chosen, and the
    /// application may yet change the path. It sees responses as they are sent.
    pub(crate) fn application(&self) -> Application {
        let routes = Router::new()
            .route(METRICS, get(metrics::metrics))
            .route_layer(middleware::from_fn_with_state(self.clone(), gate::require_authorization))
            .route(HEALTHZ, get(health::healthz))
            .route(READYZ, get(health::readyz))
            .merge(v1::routes(self))
            .merge(docs::routes::routes())
            .route_layer(middleware::from_fn(app::attach_route))
            .method_not_allowed_fallback(wrong_method)
            .fallback(unknown_path)
            .with_state(self.clone());
        Application::new(self.clone(), routes)
    }
}

async fn unknown_path(Extension(id): Extension<RequestId>, uri: Uri) -> Response {
    V2Error::UnknownPath.response_at(uri.path(), &id)
}

async fn wrong_method(Extension(id): Extension<RequestId>, uri: Uri) -> Response {
    V2Error::WrongMethod.response_at(uri.path(), &id)
}
