//! The routes of the documents for people, and their security headers.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::openapi::openapi;
use super::{home, reference, viewer};
use crate::http::document::Document;
use crate::paths::{
    DOCS, DOCS_LICENSES, DOCS_REFERENCE, DOCS_STYLE, HOME, OPENAPI, SWAGGER_SCRIPT, SWAGGER_STYLE,
    VIEWER_SCRIPT, VIEWER_STYLE,
};
use crate::state::Server;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Nothing from elsewhere, and no script at all.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The documents, each made at its first request.
static VIEWER: LazyLock<Document> = LazyLock::new(|| Document::plain(HTML, viewer::page()));
static VIEWER_JS: LazyLock<Document> = LazyLock::new(|| Document::plain(SCRIPT, viewer::SCRIPT));
static VIEWER_CSS: LazyLock<Document> = LazyLock::new(|| Document::plain(CSS, viewer::STYLE));
static SWAGGER_JS: LazyLock<Document> = LazyLock::new(|| Document::gzip(SCRIPT, viewer::SWAGGER_UI));
static SWAGGER_CSS: LazyLock<Document> = LazyLock::new(|| Document::gzip(CSS, viewer::SWAGGER_UI_STYLE));
static LICENSES: LazyLock<Document> = LazyLock::new(|| Document::plain(TEXT, viewer::LICENSES));
static REFERENCE: LazyLock<Document> = LazyLock::new(|| Document::plain(HTML, reference::page()));
static REFERENCE_CSS: LazyLock<Document> = LazyLock::new(|| Document::plain(CSS, reference::STYLE));

/// The paths for those who want to know what there is.
pub(crate) fn routes() -> Router<Server> {
    Router::new()
        .route(HOME, get(home))
        .route(OPENAPI, get(openapi))
        .route(DOCS, document(&VIEWER, viewer::POLICY))
        .route(VIEWER_SCRIPT, document(&VIEWER_JS, POLICY))
        .route(VIEWER_STYLE, document(&VIEWER_CSS, POLICY))
        .route(SWAGGER_SCRIPT, document(&SWAGGER_JS, POLICY))
        .route(SWAGGER_STYLE, document(&SWAGGER_CSS, POLICY))
        .route(DOCS_LICENSES, document(&LICENSES, POLICY))
        .route(DOCS_REFERENCE, document(&REFERENCE, POLICY))
        .route(DOCS_STYLE, document(&REFERENCE_CSS, POLICY))
}

/// A route to a document under that Content-Security-Policy.
fn document(document: &'static LazyLock<Document>, policy: &'static str) -> MethodRouter<Server> {
    get(async move |headers: HeaderMap| with_policy(document.response(&headers), policy))
}

/// `/`
async fn home(State(server): State<Server>, headers: HeaderMap) -> Response {
    // What a request without a key may not see, the page does not say.
    let is_public = server.shared.authenticator.allows_anonymous();
    let days = server.shared.reader.days().filter(|_| is_public);
    with_policy(Document::plain(HTML, home::page(days)).response(&headers), POLICY)
}

fn with_policy(mut response: Response, policy: &'static str) -> Response {
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}
