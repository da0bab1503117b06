//! Documents of the server itself: pages, scripts and stylesheets, each with an entity tag of its content.

use std::io::{self, Read as _};

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use crate::http::coding::ContentCoding;
use crate::http::entity_tag::{EntityTag, IfNoneMatch};

/// A body that is the same for every client, with its media type and its entity tag.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    media_type: &'static str,
    content: Content,
    tag: EntityTag,
}

/// How a document is stored.
#[derive(Clone, Debug)]
enum Content {
    Plain(Bytes),
    /// With gzip, as it is in the program; it is sent so to clients that accept it.
    Gzip(&'static [u8]),
}

impl Document {
    /// A document that is stored as it is.
    pub(crate) fn plain(media_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        Self { media_type, tag: EntityTag::of_content(&content), content: Content::Plain(content) }
    }

    /// A document that is stored with gzip.
    pub(crate) fn gzip(media_type: &'static str, compressed: &'static [u8]) -> Self {
        Self { media_type, tag: EntityTag::of_content(compressed), content: Content::Gzip(compressed) }
    }

    /// The response to a request with these headers: 304 if the client has the document already. A document of another
    /// release has the same address, so clients revalidate it.
    pub(crate) fn response(&self, headers: &HeaderMap) -> Response {
        let asked = IfNoneMatch::of(headers);
        let mut response = if asked.is_any() || asked.names(&self.tag) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        } else {
            self.full_response(headers)
        };
        let headers = response.headers_mut();
        headers.extend(self.tag.header().map(|tag| (ETAG, tag)));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }

    fn full_response(&self, headers: &HeaderMap) -> Response {
        let mut response = match &self.content {
            Content::Plain(bytes) => Response::new(Body::from(bytes.clone())),
            Content::Gzip(compressed) if ContentCoding::Gzip.is_accepted(headers) => {
                let mut response = Response::new(Body::from(*compressed));
                ContentCoding::Gzip.set_header(response.headers_mut());
                response
            }
            Content::Gzip(compressed) => match decompress(compressed) {
                Ok(plain) => Response::new(Body::from(plain)),
                Err(error) => {
                    tracing::error!(%error, "a document in the program cannot be decompressed");
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    return response;
                }
            },
        };
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media_type));
        response
    }
}

/// The content of a document that is stored with gzip. It comes with the program, so its size is known to be modest.
fn decompress(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut plain)?;
    Ok(plain)
}
