use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;

const SOON: Duration = Duration::from_millis(20);
const PATIENCE: Patience = Patience { head: SOON, idle: Duration::from_secs(60) };

/// The server's side of a connection, and the client's.
fn connection(bytes: usize) -> (DuplexStream, ActivityStream<DuplexStream>, Arc<Activity>) {
    let (client, server) = duplex(bytes);
    let activity = Activity::new();
    (client, ActivityStream::new(server, SOON, Arc::clone(&activity)), activity)
}

/// Whether the connection is given up before long.
async fn is_given_up(activity: &Activity) -> bool {
    timeout(Duration::from_millis(200), activity.outlasted(PATIENCE)).await.is_ok()
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_given_up() {
    let (_client, mut stream, _) = connection(1);
    stream.write_all(b"a").await.expect("room for one byte");
    let outcome = poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, b"nswer")).await;
    assert_eq!(outcome.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
}

#[tokio::test]
async fn a_request_that_does_not_end_is_given_up_and_an_idle_peer_is_not() {
    let (mut client, mut stream, activity) = connection(64);
    assert!(!is_given_up(&activity).await, "it may idle");
    client.write_all(b"G").await.expect("a byte");
    assert_eq!(stream.read(&mut [0]).await.ok(), Some(1));
    assert!(is_given_up(&activity).await);
}

#[tokio::test]
async fn an_idle_peer_is_given_up_in_the_end() {
    let (_client, _stream, activity) = connection(64);
    let patience = Patience { head: PATIENCE.idle, idle: SOON };
    assert!(timeout(PATIENCE.idle, activity.outlasted(patience)).await.is_ok());
}

#[tokio::test]
async fn what_is_left_over_after_a_request_has_as_long_as_any_head() {
    for (left, given_up) in
        [("", false), ("GET /hea", true), ("GET / HTTP/1.1\r\n\r\n", false), ("\r\n", false)]
    {
        let (mut client, mut stream, activity) = connection(256);
        let sent = format!("GET / HTTP/1.1\r\nhost: x\r\n\r\n{left}");
        client.write_all(sent.as_bytes()).await.expect("both in one");
        let mut bytes = vec![0; sent.len()];
        stream.read_exact(&mut bytes).await.expect("all of it");
        activity.request_received();
        assert!(!is_given_up(&activity).await, "it is answered");
        activity.response_ready();
        assert_eq!(activity.idle_for().is_none(), given_up, "{left:?}");
        assert_eq!(is_given_up(&activity).await, given_up, "{left:?}");
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
async fn the_rest_of_what_is_no_request_is_read_before_the_end() {
    let (mut client, mut stream, _) = connection(4);
    client.write_all(b"nons").await.expect("a part");
    stream.read_exact(&mut [0; 4]).await.expect("a part");
    // More than the connection holds at once, so it goes only if it is read.
    let (sent, ended) = tokio::join!(
        async {
            client.write_all(b"ense and more").await?;
            client.shutdown().await
        },
        stream.shutdown()
    );
    assert!(sent.is_ok() && ended.is_ok());
}
