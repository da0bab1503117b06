//! A connection that gives up on a peer who takes or sends nothing, and that speaks JSON where hyper would say nothing.
//!
//! A peer that asks and then does not read would hold its connection, and the answer in memory, for ever; one that sends
//! its request a byte at a time, its connection. A peer that idles between requests costs little and may.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::http::cors::AllowedOrigin;

/// Bytes of an answer's head that hyper writes by itself at most.
const LONGEST_HEAD: usize = 512;
/// Bytes of a malformed request that are still read, so that its sender reads the answer before it hears of the end.
const LINGER_BYTES: usize = 1 << 20;
/// How long for.
const LINGER: Duration = Duration::from_secs(2);

/// What a connection is doing, shared between its stream and its service.
#[derive(Debug)]
pub(crate) struct Activity {
    born: Instant,
    /// Milliseconds from birth to the last byte that came or went.
    moved: AtomicU64,
    /// A request is being answered.
    answering: AtomicBool,
    /// Bytes have come that are no whole request so far.
    partial: AtomicBool,
    /// The bytes that have come do not end where a request's head does: some are left over for the next one.
    left_over: AtomicBool,
    /// Requests that have come whole.
    requests: AtomicU64,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            moved: AtomicU64::new(0),
            answering: AtomicBool::new(false),
            partial: AtomicBool::new(false),
            left_over: AtomicBool::new(false),
            requests: AtomicU64::new(0),
        })
    }

    /// A request has come whole.
    pub(crate) fn request_received(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.partial.store(false, Ordering::Relaxed);
        self.answering.store(true, Ordering::Relaxed);
    }

    /// Its answer is there. What came after it begins the next request.
    pub(crate) fn response_ready(&self) {
        self.partial.store(self.left_over.load(Ordering::Relaxed), Ordering::Relaxed);
        self.answering.store(false, Ordering::Relaxed);
        self.moved();
    }

    /// Bytes have come, of which these are the last.
    fn came(&self, last: Tail) {
        self.moved();
        self.left_over.store(!last.ends_a_head(), Ordering::Relaxed);
        self.partial.store(true, Ordering::Relaxed);
    }

    fn moved(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// For how long nothing has come or gone; `None` while a request is coming or being answered.
    pub(crate) fn idle_for(&self) -> Option<Duration> {
        let busy = self.answering.load(Ordering::Relaxed) || self.partial.load(Ordering::Relaxed);
        let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        (!busy).then(|| self.born.elapsed().saturating_sub(moved))
    }
}

/// The last three bytes that have come.
#[derive(Clone, Copy, Debug, Default)]
struct Tail([u8; 3]);

impl Tail {
    fn with(self, bytes: &[u8]) -> Self {
        let kept = self.0.iter().chain(bytes).rev().take(3);
        let mut tail = [0; 3];
        tail.iter_mut().rev().zip(kept).for_each(|(place, byte)| *place = *byte);
        Self(tail)
    }

    /// Whether they end with an empty line, as a head does; a line may end without a carriage return.
    fn ends_a_head(self) -> bool {
        matches!(self.0, [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'])
    }
}

/// The error response in the place of hyper's own, to what is no request.
pub(crate) struct ErrorResponse {
    /// In JSON.
    pub(crate) body: String,
    /// Which pages of other origins may read it.
    pub(crate) allowed_origin: Option<AllowedOrigin>,
}

/// Explains such an answer, by its status.
pub(crate) type FormatError = Box<dyn Fn(u16) -> Option<ErrorResponse> + Send>;

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
    /// Length of what this stands for.
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

    /// As [`TimeoutStream::watch`], for a write of bytes: they are what shows that the peer takes them.
    fn watch_bytes(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = outcome {
            self.activity.moved();
        }
        self.watch(cx, outcome)
    }

    /// Passes a write's outcome on, and turns waiting too long into an error.
    fn watch<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
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
    /// Writes what stands in the place of hyper's own answer.
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
            ready!(self.watch_bytes(cx, outcome))?;
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
        self.watch_bytes(cx, outcome)
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
        self.watch_bytes(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch(cx, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        ready!(self.watch(cx, outcome))?;
        ready!(self.linger(cx));
        Poll::Ready(Ok(()))
    }
}

/// Whether that is an answer of hyper's own to something malformed: ours always say what type they are of.
fn is_own_answer(bytes: &[u8]) -> bool {
    bytes.len() <= LONGEST_HEAD
        && bytes.starts_with(b"HTTP/1.1 4")
        && bytes.ends_with(b"\r\n\r\n")
        && contains(bytes, b"\r\ncontent-length: 0\r\n")
        && !contains(bytes, b"\r\ncontent-type: ")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// An answer of hyper's own with a body in JSON; `None` for all other bytes.
fn reformatted(bytes: &[u8], format_error: &FormatError) -> Option<Vec<u8>> {
    if !is_own_answer(bytes) {
        return None;
    }
    let head = std::str::from_utf8(bytes).ok()?;
    let status: u16 = head.split(' ').nth(1)?.parse().ok()?;
    let ErrorResponse { body, allowed_origin } = format_error(status)?;
    let allow_header = allowed_origin
        .map(|allowed_origin| format!("access-control-allow-origin: {allowed_origin}\r\n"))
        .unwrap_or_default();
    let described = format!(
        "\r\ncontent-type: application/json\r\n{allow_header}cache-control: no-store\r\ncontent-length: {}\r\n",
        body.len()
    );
    Some((head.replacen("\r\ncontent-length: 0\r\n", &described, 1) + &body).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// A peer that takes and sends nothing.
    struct Stuck;

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Stuck {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn timeout_stream<S>(stream: S) -> TimeoutStream<S> {
        let soon = Duration::from_millis(20);
        let format_error: FormatError = Box::new(|status| {
            Some(ErrorResponse { body: format!("{{\"code\":{status}}}"), allowed_origin: None })
        });
        TimeoutStream::new(stream, Timeouts { head: soon, write: soon }, Activity::new(), format_error)
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let mut stream = timeout_stream(Stuck);
        let outcome = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, b"answer")).await;
        assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn a_request_that_does_not_end_is_given_up_and_an_idle_peer_is_not() {
        let (mut client, server) = duplex(64);
        let mut stream = timeout_stream(server);
        let mut byte = [0];
        let idle = tokio::time::timeout(Duration::from_millis(100), stream.read(&mut byte)).await;
        assert!(idle.is_err(), "it waits");
        client.write_all(b"G").await.expect("a byte");
        assert_eq!(stream.read(&mut byte).await.ok(), Some(1));
        let slow = stream.read(&mut byte).await;
        assert_eq!(slow.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[tokio::test]
    async fn what_is_left_over_after_a_request_has_as_long_as_any_head() {
        for (left, given_up) in
            [("", false), ("GET /hea", true), ("GET / HTTP/1.1\r\n\r\n", false), ("\r\n", false)]
        {
            let (mut client, server) = duplex(256);
            let mut stream = timeout_stream(server);
            let sent = format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{left}");
            client.write_all(sent.as_bytes()).await.expect("both in one");
            let mut bytes = vec![0; sent.len()];
            stream.read_exact(&mut bytes).await.expect("all of it");
            stream.activity.request_received();
            stream.activity.response_ready();
            assert_eq!(stream.activity.idle_for().is_none(), given_up, "{left:?}");
            let next = tokio::time::timeout(Duration::from_millis(200), stream.read(&mut bytes)).await;
            assert_eq!(next.is_ok_and(|read| read.is_err()), given_up, "{left:?}");
        }
    }

    #[test]
    fn a_heads_end_is_known_however_it_comes() {
        let ends = |parts: &[&str]| {
            let tail = parts.iter().fold(Tail::default(), |tail, part| tail.with(part.as_bytes()));
            tail.ends_a_head()
        };
        assert!(
            ends(&["GET / HTTP/1.1\r\n\r\n"]) && ends(&["x\r\n\r", "\n"]) && ends(&["x\r", "\n", "\r", "\n"])
        );
        assert!(ends(&["x\n\n"]) && ends(&["x\n", "\r\n"]) && ends(&["x\r\n\n"]));
        assert!(!ends(&[]) && !ends(&["x\r\n"]) && !ends(&["\r\n\r\nG"]) && !ends(&["x\r\r\n"]));
    }

    #[tokio::test]
    async fn an_answer_without_a_type_gets_a_body() {
        let (mut client, server) = duplex(4096);
        let mut stream = timeout_stream(server);
        let own = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(stream.write(own).await.ok(), Some(own.len()));
        drop(stream);
        let mut text = String::new();
        client.read_to_string(&mut text).await.expect("an answer");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        assert_eq!(body, "{\"code\":400}");
        assert!(head.contains("content-length: 12") && head.contains("application/json"), "{head}");
        assert!(head.contains("connection: close"), "{head}");
    }

    #[test]
    fn our_own_answers_pass_as_they_are() {
        for ours in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 414 URI Too Long\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}",
        ] {
            assert!(!is_own_answer(ours.as_bytes()), "{ours}");
        }
    }
}
