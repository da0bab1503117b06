//! An answer in the form that was asked for, with what caches and those who page through need.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use chain::Day;
use lake::{Form, Published, Sheet};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::format::Format;
use super::operations::Operation;
use super::parameters::{Asked, Cursor};
use super::sending::{BESIDE, Sending, written};
use crate::access::history_window::Window;
use crate::errors::problem::Problem;
use crate::http::entity_tag::X_RECEIPTS;
use crate::http::response_memory::Room;

/// Asking again is cheap, by the tag; what keys are for is nobody else's to keep.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What JSON says of receipts, in a word.
const RECEIPTS: &str = "receipts";

/// What a path has to say.
pub(super) enum Answer {
    Rows(Rows),
    /// A JSON object, written.
    Object(String),
}

/// Rows, and what is to be known of them.
pub(super) struct Rows {
    pub(super) sheet: Sheet,
    /// Where the next page goes on, if there is one.
    pub(super) next: Option<Cursor>,
    /// What the next page's address says in the place of what was said or left out: days that are relative now.
    pub(super) pinned: Vec<(&'static str, String)>,
    /// What JSON says beside the rows.
    pub(super) meta: Map<String, Value>,
}

impl Rows {
    /// Rows that are all there are.
    pub(super) fn whole(sheet: Sheet) -> Self {
        Self { sheet, next: None, pinned: Vec::new(), meta: Map::new() }
    }

    /// A page of some days' rows. The days of the next page's address are these, however many are closed meanwhile.
    pub(super) fn of_days(sheet: Sheet, days: &RangeInclusive<Day>, next: Option<Cursor>) -> Self {
        let (from, to) = (days.start().to_string(), days.end().to_string());
        let pinned = vec![("from", from.clone()), ("to", to.clone())];
        Self { next, pinned, ..Self::whole(sheet) }.with("from", from).with("to", to)
    }

    /// The same, with what is known of the days of its numbers: since when there are events, and how the outcomes of these
    /// days' messages are known.
    pub(super) fn known(self, published: &Published, days: &RangeInclusive<Day>) -> Self {
        let receipts = published.receipts_of(days);
        let counts = receipts.counts;
        self.with("history_since", published.history_since().map(|since| since.to_string()))
            .with(RECEIPTS, receipts.receipts().name())
            .with("messages_inferred", counts.messages_inferred)
            .with("messages_refuted", counts.messages_refuted)
            .with("events_uncertain", counts.events_uncertain)
    }

    /// The same, with something to be known.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }
}

/// The entity tag of an answer: of the data's version, the address, the format, and the window that cuts it. Weak, since the
/// same answer is sent compressed or not.
pub(super) struct Tag {
    version: u64,
    text: String,
}

impl Tag {
    pub(super) fn new(version: u64, uri: &Uri, format: Format, window: &Window) -> Self {
        let mut hash = Sha256::new();
        let address = uri.path_and_query().map_or("", |address| address.as_str());
        // Of keys that see different days, none has another's answer.
        let cut = if window.hides() { window.first().to_string() } else { String::new() };
        for part in [env!("CARGO_PKG_VERSION"), format.name, address, &cut] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let short = digest.iter().take(8).fold(0_u64, |all, byte| all << 8 | u64::from(*byte));
        Self { version, text: format!("W/\"{version}-{short:016x}\"") }
    }

    /// Whether whoever asks has it.
    pub(super) fn matches(&self, headers: &HeaderMap) -> bool {
        let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        let ours = opaque(&self.text);
        asked_with(headers).any(|tag| opaque(tag) == ours)
    }

    /// Whether whoever asks has whatever there is: that is known once there is an answer.
    pub(super) fn matches_any(headers: &HeaderMap) -> bool {
        asked_with(headers).any(|tag| tag.trim() == "*")
    }

    pub(super) fn not_modified(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.write(response.headers_mut());
        response
    }

    fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::from_str(&self.text) {
            headers.insert(ETAG, tag);
        }
        headers.insert(CACHE_CONTROL, CACHING);
        headers.append(VARY, HeaderValue::from_static("accept"));
    }
}

/// The tags that a request names.
fn asked_with(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let said = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    said.flat_map(|tags| tags.split(','))
}

impl Answer {
    /// The response. The answer's room in memory goes with its body.
    pub(super) async fn respond(
        self,
        operation: &Operation,
        path: &str,
        asked: &Asked,
        format: Format,
        tag: &Tag,
        room: Option<Room>,
    ) -> Result<Response, Problem> {
        let mut receipts = None;
        let (body, link) = match self {
            Self::Object(text) => (written(text.into_bytes(), room), None),
            Self::Rows(rows) => {
                receipts = rows.meta.get(RECEIPTS).and_then(Value::as_str).map(HeaderValue::from_str);
                let link = rows.next.map(|next| link(path, asked, &rows.pinned, next));
                (rows.body(format.form, tag.version, room).await?, link)
            }
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type));
        tag.write(headers);
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            headers.insert(LINK, link);
        }
        // Of the forms only JSON has room for it beside the rows.
        if let Some(Ok(receipts)) = receipts {
            headers.insert(X_RECEIPTS, receipts);
        }
        if format.form != Form::Json
            && let Ok(name) =
                HeaderValue::from_str(&format!("inline; filename=\"{}.{}\"", operation.name, format.name))
        {
            headers.insert(CONTENT_DISPOSITION, name);
        }
        Ok(response)
    }
}

impl Rows {
    /// In JSON `{"data":[…],"meta":{…}}`, else the rows alone. What is more than a piece is written as it is taken, if its
    /// form goes by rows.
    async fn body(mut self, form: Form, version: u64, mut room: Option<Room>) -> Result<Body, Problem> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if form == Form::Json {
            self.meta.insert("version".to_owned(), version.into());
            self.meta.insert("next".to_owned(), self.next.map(|next| next.to_string()).into());
            before.extend_from_slice(br#"{"data":"#);
            after = format!(r#","meta":{}}}"#, Value::Object(self.meta)).into_bytes();
        }
        if form.is_binary() {
            let sheet = self.sheet;
            let encoded = tokio::task::spawn_blocking(move || sheet.encode(form)).await;
            let encoded = encoded.map_err(|error| {
                tracing::error!(%error, "writing an answer was broken off");
                Problem::Internal
            })?;
            return Ok(written(encoded?, room));
        }
        if let Some(room) = &mut room {
            room.keep(self.sheet.size().saturating_add(BESIDE));
        }
        let mut pieces = self.sheet.pieces(form)?;
        if let Some(first) = pieces.next() {
            before.extend(first?);
        }
        if pieces.is_done() {
            before.extend(after);
            return Ok(written(before, room));
        }
        Ok(Sending::body(before, pieces, after, room))
    }
}

/// The address of the next page, as RFC 8288 has it.
fn link(path: &str, asked: &Asked, pinned: &[(&'static str, String)], next: Cursor) -> String {
    let said = asked
        .query()
        .filter(|(name, _)| *name != "cursor" && !pinned.iter().any(|(pinned, _)| pinned == name));
    let pinned = pinned.iter().map(|(name, value)| (*name, value.as_str()));
    // Values have been read, so nothing in them needs escaping: names, numbers, dates, commas and minuses.
    let pairs: Vec<String> = said.chain(pinned).map(|(name, value)| format!("{name}={value}&")).collect();
    format!("<{path}?{}cursor={next}>; rel=\"next\"", pairs.concat())
}
