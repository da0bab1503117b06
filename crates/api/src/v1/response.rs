//! A response in the format that was asked for, with what caches and paging need.

use std::ops::RangeInclusive;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LINK, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use chain::Day;
use lake::{OutputFormat, PublishedVersion, RowSet};
use serde_json::{Map, Value};

use super::format::Format;
use super::operations::Operation;
use super::parameters::{Cursor, QueryParameters};
use super::row_stream::{RowStream, STREAM_OVERHEAD, owned_body};
use crate::access::history_window::HistoryWindow;
use crate::errors::problem::Problem;
use crate::http::entity_tag::{EntityTag, IfNoneMatch, X_RECEIPTS};
use crate::http::response_memory::MemoryPermit;

/// Asking again is cheap, by the tag; what keys are for is nobody else's to keep.
const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");

/// What JSON says of receipts, in a word.
const RECEIPTS: &str = "receipts";

/// What a path has to say.
pub(super) enum ResponseData {
    Rows(Rows),
    /// A JSON object, written.
    Object(String),
}

/// Rows, and what is to be known of them.
pub(super) struct Rows {
    pub(super) sheet: RowSet,
    /// Where the next page continues, if there is one.
    pub(super) next: Option<Cursor>,
    /// What the next page's address says in the place of what was said or left out: days that are relative now.
    pub(super) next_parameters: Vec<(&'static str, String)>,
    /// What JSON says beside the rows.
    pub(super) meta: Map<String, Value>,
}

impl Rows {
    /// Rows that are all there are.
    pub(super) fn new(sheet: RowSet) -> Self {
        Self { sheet, next: None, next_parameters: Vec::new(), meta: Map::new() }
    }

    /// A page of some days' rows. The days of the next page's address are these, however many are closed meanwhile.
    pub(super) fn of_days(sheet: RowSet, days: &RangeInclusive<Day>, next: Option<Cursor>) -> Self {
        let (from, to) = (days.start().to_string(), days.end().to_string());
        let next_parameters = vec![("from", from.clone()), ("to", to.clone())];
        Self { next, next_parameters, ..Self::new(sheet) }.with("from", from).with("to", to)
    }

    /// The same, with what is known of the days of its numbers: since when there are events, and how the outcomes of these
    /// days' messages are known.
    pub(super) fn with_receipts(self, published: &PublishedVersion, days: &RangeInclusive<Day>) -> Self {
        let receipts = published.receipt_summary(days);
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

/// The published version that a response is of, and the entity tag by which caches know it.
pub(super) struct Validator {
    version: u64,
    tag: EntityTag,
}

impl Validator {
    /// Of the data's version, the address, the format, and the window that cuts it.
    pub(super) fn new(version: u64, uri: &Uri, format: Format, window: &HistoryWindow) -> Self {
        let address = uri.path_and_query().map_or("", |address| address.as_str());
        // Of keys that see different days, none has another's answer.
        let cut = if window.hides_days() { window.first().to_string() } else { String::new() };
        let parts = [env!("CARGO_PKG_VERSION"), format.name, address, &cut];
        Self { version, tag: EntityTag::of_parts(version, &parts) }
    }

    /// Whether a request names the tag.
    pub(super) fn is_named_by(&self, asked: &IfNoneMatch<'_>) -> bool {
        asked.names(&self.tag)
    }

    pub(super) fn not_modified(&self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        self.write(response.headers_mut());
        response
    }

    fn write(&self, headers: &mut HeaderMap) {
        if let Some(tag) = self.tag.header() {
            headers.insert(ETAG, tag);
        }
        headers.insert(CACHE_CONTROL, CACHING);
        headers.append(VARY, HeaderValue::from_static("accept"));
    }
}

impl ResponseData {
    /// The response. The answer's room in memory goes with its body.
    pub(super) async fn into_response(
        self,
        operation: &Operation,
        path: &str,
        parameters: &QueryParameters,
        format: Format,
        validator: &Validator,
        permit: Option<MemoryPermit>,
    ) -> Result<Response, Problem> {
        let mut receipts = None;
        let (body, link) = match self {
            Self::Object(text) => (owned_body(text.into_bytes(), permit), None),
            Self::Rows(rows) => {
                receipts = rows.meta.get(RECEIPTS).and_then(Value::as_str).map(HeaderValue::from_str);
                let link = rows.next.map(|next| link(path, parameters, &rows.next_parameters, next));
                (rows.body(format.form, validator.version, permit).await?, link)
            }
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.media_type));
        validator.write(headers);
        if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
            headers.insert(LINK, link);
        }
        // Of the forms only JSON has room for it beside the rows.
        if let Some(Ok(receipts)) = receipts {
            headers.insert(X_RECEIPTS, receipts);
        }
        if format.form != OutputFormat::Json
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
    async fn body(
        mut self,
        form: OutputFormat,
        version: u64,
        mut permit: Option<MemoryPermit>,
    ) -> Result<Body, Problem> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        if form == OutputFormat::Json {
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
            return Ok(owned_body(encoded?, permit));
        }
        if let Some(permit) = &mut permit {
            permit.shrink_to(self.sheet.size().saturating_add(STREAM_OVERHEAD));
        }
        let mut pieces = self.sheet.encode_chunks(form)?;
        if let Some(first) = pieces.next() {
            before.extend(first?);
        }
        if pieces.is_done() {
            before.extend(after);
            return Ok(owned_body(before, permit));
        }
        Ok(RowStream::body(before, pieces, after, permit))
    }
}

/// The address of the next page, as RFC 8288 has it.
fn link(
    path: &str,
    parameters: &QueryParameters,
    next_parameters: &[(&'static str, String)],
    next: Cursor,
) -> String {
    let given = parameters.query().filter(|(name, _)| {
        *name != "cursor" && !next_parameters.iter().any(|(next_parameters, _)| next_parameters == name)
    });
    let next_parameters = next_parameters.iter().map(|(name, value)| (*name, value.as_str()));
    // Values have been read, so nothing in them needs escaping: names, numbers, dates, commas and minuses.
    let pairs: Vec<String> =
        given.chain(next_parameters).map(|(name, value)| format!("{name}={value}&")).collect();
    format!("<{path}?{}cursor={next}>; rel=\"next\"", pairs.concat())
}
