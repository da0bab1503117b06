//! A connection with timeouts for reading a request and writing a response, and with JSON bodies for hyper's own errors.
//!
//! A peer that asks and then does not read would hold its connection, and the answer in memory, for ever; one that sends
//! its request a byte at a time, its connection. A peer that idles between requests costs little and may.

mod activity;
mod malformed;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

pub(crate) use activity::Activity;
pub(crate) use malformed::{ErrorResponse, FormatError};

use self::activity::Tail;
use self::malformed::{is_own_answer, reformatted};

/// Bytes of a malformed request that are still read, so that its sender reads the answer before it hears of the end.
const LINGER_BYTES: usize = 1 << 20;
/// How long for.
const LINGER: Duration = Duration::from_secs(2);

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// To send a request's head, from its first byte on.
    pub(crate) head: Duration,
    /// To take any byte of an answer.
    pub(crate) write: Duration,
}

/// A stream whose writes fail once nothing could be written for a while, and whose reads fail once a request has been
/// coming for too long.
pub(crate) struct TimeoutStream<S> {
    stream: S,
    timeouts: Timeouts,
    activity: Arc<Activity>,
    format_error: FormatError,
    /// What came last.
    tail: Tail,
    /// Runs while a write waits.
    writing: Option<Pin<Box<Sleep>>>,
    /// Runs while a request's head is coming, and after how many requests that is.
    reading: Option<(Pin<Box<Sleep>>, u64)>,
    /// What is written in the place of hyper's own answer, and how far that is.
    replacement: Option<Replacement>,
    /// Runs while the rest of a malformed request is read, and how much of it may be.
    lingering: Option<(Pin<Box<Sleep>>, usize)>,
}

struct Replacement {
    bytes: Vec<u8>,
    written: usize,
    /// Length of what this replaces.
    stands_for: usize,
}

impl<S> TimeoutStream<S> {
    pub(crate) fn new(
        stream: S,
        timeouts: Timeouts,
        activity: Arc<Activity>,
        format_error: FormatError,
    ) -> Self {
        Self {
            stream,
            timeouts,
            activity,
            format_error,
            tail: Tail::default(),
            writing: None,
            reading: None,
            replacement: None,
            lingering: None,
        }
    }

    /// As [`TimeoutStream::check_write_timeout`], for a write of bytes: they are what shows that the peer takes them.
    fn check_write_progress(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = outcome {
            self.activity.moved();
        }
        self.check_write_timeout(cx, outcome)
    }

    /// Passes a write's outcome on, and turns waiting too long into an error.
    fn check_write_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.writing = None;
            return outcome;
        }
        let timeouts = self.timeouts.write;
        let waiting = self.writing.get_or_insert_with(|| Box::pin(sleep(timeouts)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes no data")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if outcome.is_ready() {
            if let Some(new @ [_, ..]) = buffer.filled().get(before..) {
                self.tail = self.tail.with(new);
                self.activity.came(self.tail);
            }
            return outcome;
        }
        let coming =
            self.activity.partial.load(Ordering::Relaxed) && !self.activity.answering.load(Ordering::Relaxed);
        if !coming {
            self.reading = None;
            return Poll::Pending;
        }
        let (timeouts, requests) = (self.timeouts.head, self.activity.requests.load(Ordering::Relaxed));
        // Each head has its own time.
        self.reading.take_if(|(_, after)| *after != requests);
        let (waiting, _) = self.reading.get_or_insert_with(|| (Box::pin(sleep(timeouts)), requests));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer sends its request too slowly")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TimeoutStream<S> {
    /// Writes what replaces hyper's own response.
    fn write_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        while let Some(replacement) = &mut self.replacement {
            let rest = &replacement.bytes[replacement.written..];
            if rest.is_empty() {
                let done = replacement.stands_for;
                self.replacement = None;
                self.lingering = Some((Box::pin(sleep(LINGER)), LINGER_BYTES));
                return Poll::Ready(Ok(done));
            }
            let outcome = Pin::new(&mut self.stream).poll_write(cx, rest);
            if let Poll::Ready(Ok(written)) = outcome {
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                replacement.written += written;
            }
            ready!(self.check_write_progress(cx, outcome))?;
        }
        Poll::Ready(Ok(0))
    }

    /// Reads on for a while, and forgets what it reads: ending at once would make the system take the answer back.
    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some((time, left)) = &mut self.lingering {
            let mut chunk = [0; 4096];
            let mut buffer = ReadBuf::new(&mut chunk);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replacement.is_none()
            && let Some(replacement) = reformatted(bytes, &self.format_error)
        {
            self.replacement = Some(Replacement { bytes: replacement, written: 0, stands_for: bytes.len() });
        }
        if self.replacement.is_some() {
            return self.write_replacement(cx);
        }
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check_write_progress(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.replacement.is_some() || is_own_answer(buffers.first().map_or(&[], |first| first)) {
            let first = buffers.first().map_or(&[][..], |first| first);
            return self.poll_write(cx, first);
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.check_write_progress(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.check_write_timeout(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        ready!(self.check_write_timeout(cx, outcome))?;
        ready!(self.linger(cx));
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
