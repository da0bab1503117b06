//! A client that sends exactly the bytes it is given.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer, its transfer coding undone.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The header of that (lower-case) name; several are joined by commas.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let values: Vec<_> =
            self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body in UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type").as_deref(), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).expect("a body in JSON")
    }

    /// The members of the body in their order.
    pub(crate) fn keys(&self) -> Vec<String> {
        keys(self.text())
    }

    /// Checks that this is an error of `/v2` as the contract has it; gives its message.
    pub(crate) fn refused(&self, status: u16, code: u64) -> String {
        let body = self.json();
        assert_eq!((self.status, &body["code"]), (status, &code.into()), "{}", self.text());
        assert_eq!(self.keys(), ["request_id", "code", "message"]);
        body["message"].as_str().expect("a message").to_owned()
    }

    /// Checks that this is a success; gives its data.
    pub(crate) fn data(&self) -> Value {
        let body = self.json();
        assert_eq!((self.status, &body["code"]), (200, &0.into()), "{}", self.text());
        assert_eq!(body["message"], "success.");
        assert_eq!(self.keys(), ["request_id", "code", "message", "data"]);
        body["data"].clone()
    }
}

/// The keys of a flat reading of a JSON object: those at its first depth, in the order written.
pub(crate) fn keys(text: &str) -> Vec<String> {
    let (mut depth, mut keys, mut at) = (0, Vec::new(), 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let mut strings = serde_json::Deserializer::from_str(&text[at..]).into_iter::<String>();
                let string = strings.next().expect("a string").expect("a whole string");
                at += strings.byte_offset();
                if depth == 1 && text.as_bytes().get(at) == Some(&b':') {
                    keys.push(string);
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    keys
}

/// Opens a connection.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream
}

/// Sends `head` (its lines without the last, empty one) and reads the one answer.
pub(crate) fn send(address: SocketAddr, head: &str) -> Answer {
    let mut stream = connect(address);
    let head = format!("{head}\r\nhost: sectorscope.test\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("the request is sent");
    finish(stream)
}

/// Reads the connection to its end and takes it for one answer.
pub(crate) fn finish(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the answer is read");
    answer(bytes)
}

/// Takes all that a connection gave for one answer.
pub(crate) fn answer(mut bytes: Vec<u8>) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").expect("a header"))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let mut body = bytes.split_off(end + 4);
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        body = unchunk(&body);
    }
    Answer { status: status.parse().expect("a status"), headers, body }
}

/// Undoes the chunked transfer coding.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 2 + size + 2..];
    }
    body
}
