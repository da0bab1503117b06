//! What is no request is answered in JSON, too.
//!
//! hyper answers what it cannot read as a request by itself, with a status and nothing else. On its way to the peer such
//! an answer is replaced by one that says why, in the envelope. No answer of ours looks like it: ours with such a status
//! say what type their body has.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::envelope;
use crate::server::Server;

/// What every refusal of hyper's begins with, up to the status's first digit.
const REFUSED: &[u8] = b"HTTP/1.1 4";
/// What a head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A stream that gives hyper's own refusals a body.
pub(crate) struct Explaining<S> {
    stream: S,
    server: Server,
    /// What is still to be written in the place of a refusal.
    pending: Vec<u8>,
}

impl<S> Explaining<S> {
    pub(crate) fn new(stream: S, server: Server) -> Self {
        Self { stream, server, pending: Vec::new() }
    }

    /// What is written in the place of these bytes, if they are a refusal of hyper's.
    fn explained(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !bytes.starts_with(REFUSED) || !bytes.ends_with(HEAD_END) {
            return None;
        }
        let head = std::str::from_utf8(bytes).ok()?;
        if head.contains("content-type") {
            return None;
        }
        let line = head.lines().next()?;
        let code: u16 = line.get(9..12)?.parse().ok()?;
        let message = match code {
            414 => "The address is too long.",
            431 => "The request's head is too long, has too many headers, or announces too long a body.",
            _ => {
                "This is not a well-formed HTTP/1.1 request: its first line or one of its headers cannot be read."
            }
        };
        let body = envelope::failure_text(&self.server.shared.ids.next(), code, message, "");
        let length = body.len();
        let head = format!(
            "{line}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             cache-control: no-store\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\r\n"
        );
        tracing::info!(status = code, "refused what is no request");
        Some([head, body].concat().into_bytes())
    }
}

impl<S: AsyncWrite + Unpin> Explaining<S> {
    /// Writes what is pending.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Explaining<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Explaining<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        if let Some(explained) = self.explained(bytes) {
            self.pending = explained;
            // hyper flushes before it closes, and what is left is written then.
            return match self.drain(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Ready(Ok(bytes.len())),
            };
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = buffers.first().filter(|first| first.starts_with(REFUSED)) {
            return self.poll_write(cx, first);
        }
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
