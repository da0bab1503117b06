//! A connection: a stream that notes when bytes move, and the time at which to give the connection up.
//!
//! A peer that asks and then does not read would hold its connection, and the answer in memory, for ever; one that sends
//! its request a byte at a time, its connection. A peer that idles between requests costs little and may.
//!
//! hyper's own `header_read_timeout` also runs while a connection idles between two requests, so it would close
//! connections after the time that a head may take. [`Activity`] tells the two apart.

mod activity;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_io_timeout::TimeoutWriter;

pub(crate) use activity::{Activity, Patience};

use self::activity::Tail;

/// Bytes of a malformed request that are still read, so that its sender reads the answer before it hears of the end.
const LINGER_BYTES: usize = 1 << 20;
/// How long for.
const LINGER: Duration = Duration::from_secs(2);

/// A stream that notes in an [`Activity`] what comes and goes, and whose writes fail once the peer has taken nothing for a
/// while.
pub(crate) struct ActivityStream<S> {
    stream: Pin<Box<TimeoutWriter<S>>>,
    activity: Arc<Activity>,
    /// What came last.
    tail: Tail,
    /// Runs while the rest of a malformed request is read, and how much of it may be.
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
    /// Whether the writing side is shut down.
    is_shut_down: bool,
}

impl<S: AsyncWrite> ActivityStream<S> {
    /// The stream, whose peer must take some bytes within `write_timeout` while there are any.
    pub(crate) fn new(stream: S, write_timeout: Duration, activity: Arc<Activity>) -> Self {
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(write_timeout));
        Self {
            stream: Box::pin(stream),
            activity,
            tail: Tail::default(),
            lingering: None,
            is_shut_down: false,
        }
    }

    /// Notes a write of bytes: they are what shows that the peer takes them.
    fn note(&self, outcome: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(1..)) = outcome {
            self.activity.moved();
        }
    }
}

impl<S: AsyncRead> AsyncRead for ActivityStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = self.stream.as_mut().poll_read(cx, buffer);
        if let Some(new @ [_, ..]) = buffer.filled().get(before..) {
            self.tail = self.tail.with(new);
            self.activity.came(self.tail);
        }
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite> ActivityStream<S> {
    /// Reads on for a while, and forgets what it reads: ending at once would make the system take the answer back.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some((time, left)) = &mut self.lingering {
            let mut chunk = [0; 4096];
            let mut buffer = ReadBuf::new(&mut chunk);
            match self.stream.as_mut().poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && *left > buffer.filled().len() => {
                    *left -= buffer.filled().len();
                }
                Poll::Ready(_) => self.lingering = None,
                Poll::Pending => {
                    ready!(time.as_mut().poll(cx));
                    self.lingering = None;
                }
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite> AsyncWrite for ActivityStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = self.stream.as_mut().poll_write(cx, bytes);
        self.note(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = self.stream.as_mut().poll_write_vectored(cx, buffers);
        self.note(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    /// Ends the writing side; where bytes have come that are no request, reads on until their sender has the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut_down {
            ready!(self.stream.as_mut().poll_shutdown(cx))?;
            self.is_shut_down = true;
            if self.activity.is_receiving() {
                self.lingering = Some((Box::pin(sleep(LINGER)), LINGER_BYTES));
            }
        }
        ready!(self.linger(cx));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
