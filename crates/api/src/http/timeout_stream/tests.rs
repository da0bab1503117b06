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
