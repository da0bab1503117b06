//! A body whose rows are written as the client reads them.
//!
//! As columns in memory, rows take less than half of what they take as text, and a client that takes nothing holds these and
//! one piece of text.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::Frame;
use lake::EncodedChunks;

use crate::http::response_memory::MemoryPermit;

/// Bytes that an answer takes beside its rows while it is sent: a piece, and what hyper gathers.
pub(super) const STREAM_OVERHEAD: usize = 128 << 10;

/// A body of rows, written as they are read.
pub(super) struct RowStream {
    /// What goes before the next piece.
    before: Vec<u8>,
    pieces: EncodedChunks,
    /// What goes after the last piece.
    after: Option<Vec<u8>>,
    _permit: Option<MemoryPermit>,
}

impl RowStream {
    /// A body of what is written already, the pieces, and what goes after them.
    pub(super) fn body(
        before: Vec<u8>,
        pieces: EncodedChunks,
        after: Vec<u8>,
        permit: Option<MemoryPermit>,
    ) -> Body {
        Body::new(Self { before, pieces, after: Some(after), _permit: permit })
    }
}

impl hyper::body::Body for RowStream {
    type Data = Bytes;
    type Error = lake::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, lake::Error>>> {
        let mut bytes = std::mem::take(&mut self.before);
        if bytes.is_empty() {
            bytes = match self.pieces.next() {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => {
                    // The client sees a body that was cut off.
                    self.after = None;
                    let given: &(dyn std::error::Error + 'static) = &error;
                    tracing::error!(error = given, "an answer's rows could not be written to their end");
                    return Poll::Ready(Some(Err(error)));
                }
                None => match self.after.take() {
                    Some(after) if !after.is_empty() => after,
                    _ => return Poll::Ready(None),
                },
            };
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.before.is_empty() && self.pieces.is_done() && self.after.as_ref().is_none_or(Vec::is_empty)
    }
}

/// A body that is written, and holds its room until it is sent.
pub(super) fn owned_body(bytes: Vec<u8>, mut permit: Option<MemoryPermit>) -> Body {
    if let Some(permit) = &mut permit {
        permit.shrink_to(bytes.capacity());
    }
    Body::from(Bytes::from_owner(OwnedBytes { bytes, _permit: permit }))
}

struct OwnedBytes {
    bytes: Vec<u8>,
    _permit: Option<MemoryPermit>,
}

impl AsRef<[u8]> for OwnedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
