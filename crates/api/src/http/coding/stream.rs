//! Compression of a body as it is sent.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::Frame;

use super::content_coding::ContentCoding;

/// The effort for what is made for one request, as each format counts it.
const GZIP_EFFORT: flate2::Compression = flate2::Compression::new(4);
const BROTLI_EFFORT: u32 = 3;
const ZSTD_EFFORT: i32 = 1;

/// Bytes that brotli gathers before it passes them on.
const BROTLI_BUFFER: usize = 4096;
/// Base-two logarithm of how far back brotli looks; a decoder needs as much memory.
const BROTLI_WINDOW: u32 = 18;

/// A compressor in one of the codings.
pub(super) enum Encoder {
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
    Brotli(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// A compressor; `None` where there is nothing to compress.
    pub(super) fn new(coding: ContentCoding) -> io::Result<Option<Self>> {
        let out = Vec::new();
        Ok(match coding {
            ContentCoding::Identity => None,
            ContentCoding::Gzip => Some(Self::Gzip(flate2::write::GzEncoder::new(out, GZIP_EFFORT))),
            ContentCoding::Brotli => Some(Self::Brotli(Box::new(brotli::CompressorWriter::new(
                out,
                BROTLI_BUFFER,
                BROTLI_EFFORT,
                BROTLI_WINDOW,
            )))),
            ContentCoding::Zstd => Some(Self::Zstd(zstd::stream::write::Encoder::new(out, ZSTD_EFFORT)?)),
        })
    }

    /// Takes bytes in.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// What is compressed so far and was not taken yet.
    fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        })
    }

    /// Ends the stream and gives what was not taken yet.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

/// A body that is compressed as it goes.
pub(super) struct Encoded {
    body: Body,
    /// Until the body has ended.
    encoder: Option<Encoder>,
}

impl Encoded {
    pub(super) fn new(body: Body, encoder: Encoder) -> Self {
        Self { body, encoder: Some(encoder) }
    }
}

impl hyper::body::Body for Encoded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, encoder: held } = &mut *self;
        while let Some(encoder) = held {
            // What the encoder has gathered is passed on when more comes: waiting is for the source alone.
            let out = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(frame) => {
                    let Ok(data) = frame?.into_data() else { continue };
                    encoder.write(&data).map_err(axum::Error::new)?;
                    // What compresses takes more memory than what it makes, so it goes as soon as it can: the client may
                    // take its time.
                    match held.take_if(|_| hyper::body::Body::is_end_stream(body)) {
                        Some(encoder) => encoder.finish().map_err(axum::Error::new)?,
                        None => held.as_mut().map(Encoder::take_output).unwrap_or_default(),
                    }
                }
                None => match held.take() {
                    Some(encoder) => encoder.finish().map_err(axum::Error::new)?,
                    None => break,
                },
            };
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(out)))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.encoder.is_none()
    }
}
