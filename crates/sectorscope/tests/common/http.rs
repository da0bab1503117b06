//! A client: one request, one connection; and JSON with the order of its keys and the text of its numbers kept.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Where the ten endpoints stand.
pub(crate) const SECTOR: &str = "/v2/storage_provider/sector";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Asks for a path.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    get_with(address, path, "")
}

/// Asks for a path, with header lines of one's own.
pub(crate) fn get_with(address: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut stream = connect(address);
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    finish(stream)
}

/// Opens a connection.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server accepts connections");
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

/// Reads a connection's one answer.
pub(crate) fn finish(mut stream: TcpStream) -> Answer {
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => {
            assert_eq!(length, body.len().to_string(), "the body is whole");
            body.to_owned()
        }
        None => unchunked(head, body),
    };
    Answer { status, head: head.to_owned(), body }
}

/// A body that came in chunks, whose last one says that it is whole.
fn unchunked(head: &str, mut body: &str) -> String {
    assert!(head.lines().any(|line| line == "transfer-encoding: chunked"), "{head}");
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("a chunk's size");
        let (chunk, rest) = rest.split_at(usize::from_str_radix(size, 16).expect("a chunk's size"));
        whole += chunk;
        body = rest.strip_prefix("\r\n").expect("the end of a chunk");
        if chunk.is_empty() {
            return whole;
        }
    }
}

impl Answer {
    /// The `data` array of a success, as it stands in the body.
    pub(crate) fn data(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.body);
        data(&self.body)
    }
}

/// The `data` array of a successful `/v2` answer, as it stands there; checks what is around it.
pub(crate) fn data(body: &str) -> String {
    let envelope = Object::parse(body);
    assert_eq!(envelope.keys(), ["request_id", "code", "message", "data"], "{body}");
    assert_eq!((envelope.get("code"), envelope.get("message")), ("0", r#""success.""#), "{body}");
    let id = envelope.get("request_id").trim_matches('"');
    let (uuid, count) = id.split_once('#').expect("<uuid>#<n>");
    let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    assert!(count.parse::<u64>().is_ok(), "{id}");
    envelope.get("data").to_owned()
}

/// A JSON object: its keys in order, and each value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object(pub(crate) Vec<(String, String)>);

impl Object {
    pub(crate) fn parse(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// An array of objects.
    pub(crate) fn parse_all(text: &str) -> Vec<Self> {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    pub(crate) fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(key, _)| key.as_str()).collect()
    }

    pub(crate) fn get(&self, key: &str) -> &str {
        let found = self.0.iter().find(|(name, _)| name == key);
        &found.unwrap_or_else(|| panic!("{key} in {self:?}")).1
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object, M::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    entries.push((key, value.get().to_owned()));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
