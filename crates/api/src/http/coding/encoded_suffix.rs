//! Suffixes of responses, held compressed and completed by a prefix of each response's own.
//!
//! Every answer begins with its request's id, and the rest is the same for all. In each format the fresh prefix goes
//! uncompressed before the compressed rest, and both are one stream, since many clients read no further than the end
//! of the first:
//!
//! ```text
//! gzip    header │ stored block(s): prefix    │ deflate blocks: suffix │ CRC-32 of both │ length
//! zstd    header │ raw block(s): prefix       │ compressed blocks: suffix
//! brotli  window │ raw meta-block(s): prefix    │ compressed meta-blocks: suffix │ empty last meta-block
//! ```
//!
//! A suffix may be decoded after any prefix, because it refers to nothing before itself: deflate and zstd refer to
//! earlier bytes only by distances, of which a compressor never makes one that leads out of what it was given; zstd's
//! remembered distances and tables are not touched by raw blocks. Brotli also has a dictionary whose words are found by
//! distances beyond the stream's beginning, a remembered distance and contexts made of the two bytes before; its
//! compressor goes without them when it is told that its output will be concatenated ("catable").

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use hyper::body::{Frame, SizeHint};

use super::content_coding::ContentCoding;
use crate::http::response_memory::ByteCounter;

/// The effort for what is compressed once and given often, as each format counts it.
const GZIP_EFFORT: flate2::Compression = flate2::Compression::new(6);
const BROTLI_EFFORT: i32 = 5;
const ZSTD_EFFORT: i32 = 3;

/// Bytes that brotli gathers before it passes them on.
const BROTLI_BUFFER: usize = 64 << 10;
/// Base-two logarithm of how far back brotli looks, and the four bits by which a stream says so (RFC 7932, 9.1).
const BROTLI_WINDOW: (i32, u32) = (22, 0b1011);
/// The last meta-block, without content, after one that ended on a whole byte.
const BROTLI_END: u8 = 0b11;

/// deflate with nothing said: no name, no time, system unknown.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// What begins a zstd frame, and a descriptor that says neither length nor checksum follow (RFC 8878, 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const ZSTD_DESCRIPTOR: u8 = 0;
/// The least window that is said: no block may be longer than it, and the prefix's are up to [`LONGEST`].
const ZSTD_LEAST_WINDOW: u8 = (17 - 10) << 3;

/// Longest uncompressed piece that all formats can have in one block.
const LONGEST: usize = 0xffff;

/// The suffix of a response, in one content coding.
#[derive(Debug)]
pub(crate) struct EncodedSuffix {
    coding: ContentCoding,
    bytes: Bytes,
    /// For zstd, how far back its blocks refer, as the frame's header says it.
    window: u8,
    /// For gzip, the CRC-32 and the length of the plain bytes.
    sum: crc32fast::Hasher,
    length: usize,
}

impl EncodedSuffix {
    /// A suffix that is given as it is.
    pub(crate) fn plain(bytes: Bytes) -> Self {
        let length = bytes.len();
        Self { coding: ContentCoding::Identity, bytes, window: 0, sum: crc32fast::Hasher::new(), length }
    }

    /// The same, its bytes counted as long as anybody holds them.
    pub(crate) fn counted(mut self, byte_counter: &ByteCounter) -> Self {
        self.bytes = byte_counter.count(self.bytes);
        self
    }

    /// Compresses a suffix. Takes some tenths of a second for some megabytes: do it on a thread that may block.
    pub(crate) fn new(coding: ContentCoding, plain: &Bytes) -> io::Result<Self> {
        let mut suffix = Self::plain(plain.clone());
        suffix.coding = coding;
        let out = Vec::with_capacity(plain.len() / 8);
        match coding {
            ContentCoding::Identity => {}
            ContentCoding::Gzip => {
                let mut encoder = flate2::write::DeflateEncoder::new(out, GZIP_EFFORT);
                encoder.write_all(plain)?;
                suffix.bytes = encoder.finish()?.into();
                suffix.sum.update(plain);
            }
            ContentCoding::Brotli => {
                let parameters = brotli::enc::BrotliEncoderParams {
                    quality: BROTLI_EFFORT,
                    lgwin: BROTLI_WINDOW.0,
                    size_hint: plain.len(),
                    catable: true,
                    appendable: true,
                    use_dictionary: false,
                    // Neither the window's size before it nor a last meta-block after it.
                    bare_stream: true,
                    byte_align: true,
                    ..Default::default()
                };
                let mut encoder = brotli::CompressorWriter::with_params(out, BROTLI_BUFFER, &parameters);
                encoder.write_all(plain)?;
                let mut out = encoder.into_inner();
                out.push(BROTLI_END);
                suffix.bytes = out.into();
            }
            ContentCoding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(out, ZSTD_EFFORT)?;
                encoder.include_contentsize(false)?;
                encoder.include_checksum(false)?;
                encoder.write_all(plain)?;
                let frame = Bytes::from(encoder.finish()?);
                let Some(([a, b, c, d, ZSTD_DESCRIPTOR, window], _)) = frame.split_first_chunk() else {
                    return Err(io::Error::other("a zstd frame of another form than was asked for"));
                };
                if [*a, *b, *c, *d] != ZSTD_MAGIC {
                    return Err(io::Error::other("no zstd frame"));
                }
                // A window larger than was looked back on is as good.
                suffix.window = (*window).max(ZSTD_LEAST_WINDOW);
                suffix.bytes = frame.slice(6..);
            }
        }
        Ok(suffix)
    }

    /// The bytes as they are held.
    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A whole answer: that prefix, and this suffix. The suffix is not copied.
    pub(crate) fn with_prefix(&self, prefix: &str) -> Parts {
        let pieces = prefix.as_bytes().chunks(LONGEST);
        let mut head = Vec::with_capacity(prefix.len() + 32);
        let mut trailer = Bytes::new();
        match self.coding {
            ContentCoding::Identity => head.extend_from_slice(prefix.as_bytes()),
            ContentCoding::Gzip => {
                head.extend(GZIP_HEADER);
                for piece in pieces {
                    let length = piece.len() as u16;
                    // Not the last, stored (RFC 1951, 3.2.4).
                    head.push(0);
                    head.extend(length.to_le_bytes());
                    head.extend((!length).to_le_bytes());
                    head.extend_from_slice(piece);
                }
                let mut sum = crc32fast::Hasher::new();
                sum.update(prefix.as_bytes());
                sum.combine(&self.sum);
                // The length counts modulo 2^32.
                let length = (prefix.len() + self.length) as u32;
                trailer = Bytes::from([sum.finalize().to_le_bytes(), length.to_le_bytes()].concat());
            }
            ContentCoding::Brotli => {
                // The window's size shares the first meta-block's first byte.
                let (mut said, mut bits) = (BROTLI_WINDOW.1, 4);
                for piece in pieces {
                    // Not the last, its length less one in four nibbles, uncompressed (RFC 7932, 9.2).
                    let length = piece.len() as u32 - 1;
                    let header = said | length << (bits + 3) | 1 << (bits + 19);
                    head.extend_from_slice(&header.to_le_bytes()[..3]);
                    head.extend_from_slice(piece);
                    (said, bits) = (0, 0);
                }
            }
            ContentCoding::Zstd => {
                head.extend(ZSTD_MAGIC);
                head.extend([ZSTD_DESCRIPTOR, self.window]);
                for piece in pieces {
                    // Not the last, raw, and its length (RFC 8878, 3.1.1.2).
                    head.extend_from_slice(&((piece.len() as u32) << 3).to_le_bytes()[..3]);
                    head.extend_from_slice(piece);
                }
            }
        }
        Parts::new([Bytes::from(head), self.bytes.clone(), trailer])
    }
}

/// A body of a few pieces that are there already.
#[derive(Debug)]
pub(crate) struct Parts {
    pieces: [Bytes; 3],
    given: usize,
}

impl Parts {
    fn new(pieces: [Bytes; 3]) -> Self {
        Self { pieces, given: 0 }
    }

    fn rest(&self) -> impl Iterator<Item = &Bytes> {
        self.pieces.iter().skip(self.given)
    }
}

impl hyper::body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let given = self.given;
        for (at, piece) in self.pieces.iter_mut().enumerate().skip(given) {
            if !piece.is_empty() {
                let piece = std::mem::take(piece);
                self.given = at + 1;
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.rest().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::{Body, to_bytes};

    use super::*;

    /// What a decoder that stops at the end of the first stream makes of it.
    fn decoded(coding: ContentCoding, bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            ContentCoding::Identity => plain.extend_from_slice(bytes),
            ContentCoding::Gzip => {
                flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
            }
            ContentCoding::Brotli => {
                brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain).expect("brotli");
            }
            ContentCoding::Zstd => {
                let decoder = zstd::stream::read::Decoder::new(bytes).expect("a decoder");
                decoder.single_frame().read_to_end(&mut plain).expect("zstd");
            }
        }
        plain
    }

    /// Texts of many kinds: empty, short, rows as they are served, words that brotli's dictionary has, noise, zeros.
    fn suffixes() -> Vec<Vec<u8>> {
        let row = |at: u64| {
            let value = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at % 60);
            format!(
                r#"{{"stat_date":"2022-10-01T00:00:00Z","miner_id":"f0{at}","total_num_sector":{value}}},"#
            )
        };
        let rows: String = (0..40_000).map(row).collect();
        let mut noise = 0x2545_f491_4f6c_dd1d_u64;
        let noise = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        });
        let mut all: Vec<Vec<u8>> =
            ["", "]", "[]}", "time and the people of the world, on the other hand "].map(Vec::from).into();
        all.push("<div class=\"the\">".repeat(500).into());
        all.push(rows.into());
        all.push(noise.take(300_000).collect());
        all.push(vec![0; 300_000]);
        all
    }

    #[tokio::test]
    async fn an_ending_follows_any_beginning_as_one_stream() {
        let long = "beginning of the answer ".repeat(9_000);
        for plain in suffixes().into_iter().map(Bytes::from) {
            for coding in ContentCoding::ALL.iter().copied() {
                let suffix = EncodedSuffix::new(coding, &plain).expect("an ending");
                for prefix in ["{", "{\"request_id\":\"x#1\",\"data\":[", &long] {
                    let parts = suffix.with_prefix(prefix);
                    let announced = hyper::body::Body::size_hint(&parts).exact();
                    let bytes = to_bytes(Body::new(parts), usize::MAX).await.expect("a body");
                    assert_eq!(announced, Some(bytes.len() as u64));
                    let whole = [prefix.as_bytes(), &plain].concat();
                    assert!(decoded(coding, &bytes) == whole, "{coding:?} of {} bytes", plain.len());
                }
            }
        }
    }

    #[test]
    fn rows_take_a_fraction_compressed() {
        let plain = Bytes::from(suffixes().swap_remove(5));
        for coding in [ContentCoding::Gzip, ContentCoding::Brotli, ContentCoding::Zstd] {
            let suffix = EncodedSuffix::new(coding, &plain).expect("an ending");
            assert!(suffix.bytes().len() * 4 < plain.len(), "{coding:?}: {}", suffix.bytes().len());
        }
    }
}
