//! Content codings: which of them a request accepts, and responses in them.
//!
//! A day's responses are held compressed (`encoded_suffix.rs`), so that only the few bytes that differ from response to
//! response are made for each; what is not held is compressed as it is sent (`stream.rs`).

mod content_coding;
mod encoded_suffix;
mod stream;

use std::io;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, VARY};
use axum::response::Response;

pub(crate) use content_coding::ContentCoding;
pub(crate) use encoded_suffix::EncodedSuffix;
use stream::{Encoded, Encoder};

impl ContentCoding {
    /// Text in this coding, as a whole.
    pub(crate) fn encode(self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        let Some(mut encoder) = Encoder::new(self)? else { return Ok(plain) };
        encoder.write(&plain)?;
        encoder.finish()
    }

    /// The answer in this coding, if it is not in one already and has a body.
    pub(crate) fn apply(self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        // Who asks otherwise gets other bytes from the same address.
        head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        let none = hyper::body::Body::is_end_stream(&body);
        if self == Self::Identity || none || head.headers.contains_key(CONTENT_ENCODING) {
            return Response::from_parts(head, body);
        }
        match Encoder::new(self) {
            Ok(Some(encoder)) => {
                head.headers.remove(CONTENT_LENGTH);
                self.set_header(&mut head.headers);
                Response::from_parts(head, axum::body::Body::new(Encoded::new(body, encoder)))
            }
            Ok(None) => Response::from_parts(head, body),
            Err(error) => {
                tracing::warn!(%error, coding = self.name(), "no encoder could be made; answering without");
                Response::from_parts(head, body)
            }
        }
    }
}
