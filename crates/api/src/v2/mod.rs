//! `/v2`: the ten endpoints of the hosted original, as its clients expect them.
//!
//! A day's answers are held rendered ([`crate::rendered`]): to answer is to write a fresh beginning before them, or before
//! the one row that was asked for.

mod parameters;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, ETAG, HeaderName};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use chain::{Day, MinerId};
use lake::{Edition, Published};
use ledger::columns::Endpoint;

use crate::access::auth::Pass;
use crate::errors::v2_error::Refusal;
use crate::http::coding::Coding;
use crate::http::entity_tag::{Tag, X_RECEIPTS, cache_control};
use crate::http::envelope::{self, Code};
use crate::http::request_id::RequestId;
use crate::rendered::{self, Failure};
use crate::state::Server;
use crate::v2::parameters::Asked;

/// The day from which on events are known, where that is not the day of epoch 0 (`docs/DEFINITIONS.md`, "Opening
/// balance").
const HISTORY_SINCE: HeaderName = HeaderName::from_static("x-history-since");
/// Bytes that a row takes beside its columns' names and values.
const ROW: usize = 80;
/// Bytes that a value takes at most, with its punctuation.
const VALUE: usize = 24;

/// Answers a request for an endpoint's rows of a day.
pub(crate) async fn rows(
    server: &Server,
    endpoint: Endpoint,
    id: &RequestId,
    pass: Pass,
    head: &Parts,
) -> Response {
    let asked = match Asked::parse(head.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(problem) => return Refusal::from(problem).answer(id),
    };
    let request = Request { server, endpoint, id, pass: &pass, headers: &head.headers, asked };
    loop {
        let published = server.shared.reader.published();
        match request.answer(&published).await {
            Ok(mut response) => {
                request.note(&published, &mut response);
                return response;
            }
            // The day was closed again meanwhile: what is published now has it.
            Err(Problem::Failed(Failure::Replaced)) => {}
            Err(Problem::Failed(Failure::Crowded)) => return Refusal::Busy.answer(id),
            Err(Problem::Failed(failure)) => {
                let error: &(dyn std::error::Error + 'static) = &failure;
                tracing::error!(request_id = %id, error, "a day could not be answered");
                return Refusal::Internal.answer(id);
            }
            Err(Problem::Refused(refusal)) => return refusal.answer(id),
        }
    }
}

/// Why there is no success: the client's doing, or ours.
#[derive(Debug)]
enum Problem {
    Refused(Refusal),
    Failed(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A request that was understood.
struct Request<'r> {
    server: &'r Server,
    endpoint: Endpoint,
    id: &'r RequestId,
    pass: &'r Pass,
    headers: &'r HeaderMap,
    asked: Asked,
}

impl Request<'_> {
    /// The answer from that published version.
    async fn answer(&self, published: &Published) -> Result<Response, Problem> {
        let Some(closed) = published.days() else {
            return Err(Problem::Refused(Refusal::NothingClosed));
        };
        let day = self.asked.day.unwrap_or(*closed.end());
        self.pass.window(&closed).may_see(day).map_err(|denial| Problem::Refused(denial.into()))?;
        if day < *closed.start() {
            // Before the first closed day there is nothing to wait for, unless an older day is closed.
            let tag = Tag::new(published.version(), self.endpoint, self.asked.miner);
            let control = self.control(*closed.end(), *closed.end());
            return if tag.is_held(self.headers) {
                Ok(unchanged(&tag, control))
            } else {
                self.one(&[], &tag, control)
            };
        }
        let edition = (day <= *closed.end()).then(|| published.edition(day)).flatten();
        // A hole inside history must not be; if there is one, it is not ready, never empty.
        let Some(edition) = edition else {
            return Err(Problem::Refused(Refusal::NotClosed { asked: day, latest: *closed.end() }));
        };
        let tag = Tag::new(edition, self.endpoint, self.asked.miner);
        let control = self.control(day, *closed.end());
        if tag.is_held(self.headers) {
            return Ok(unchanged(&tag, control));
        }
        match self.asked.miner {
            Some(miner) => self.miner(edition, miner, &tag, control).await,
            None => self.everybody(edition, &tag, control).await,
        }
    }

    /// Every miner's rows.
    async fn everybody(
        &self,
        edition: Edition,
        tag: &Tag,
        control: HeaderValue,
    ) -> Result<Response, Problem> {
        let shared = &self.server.shared;
        let coding = Coding::asked(self.headers);
        let rendered = shared.bodies.get(&shared.reader, edition, self.endpoint, coding).await?;
        let parts = rendered.ending().after(&envelope::beginning(self.id, 0));
        Ok(success(Body::new(parts), coding, tag, control))
    }

    /// One miner's row, or nothing where it has none: a slice of the rendered day, or where that is not held, rendered
    /// alone.
    async fn miner(
        &self,
        edition: Edition,
        miner: MinerId,
        tag: &Tag,
        control: HeaderValue,
    ) -> Result<Response, Problem> {
        let shared = &self.server.shared;
        if let Some(rendered) = shared.bodies.held(edition, self.endpoint) {
            return self.one(rendered.row(miner).unwrap_or_default(), tag, control);
        }
        let rows = rendered::rows(&shared.reader, edition).await?;
        let mut array = String::with_capacity(row_size(self.endpoint));
        rows.write_json(self.endpoint, Some(miner), &mut array);
        let row = array.strip_prefix('[').and_then(|array| array.strip_suffix(']')).unwrap_or_default();
        self.one(row.as_bytes(), tag, control)
    }

    /// An answer with that row, or with none where it is empty.
    fn one(&self, row: &[u8], tag: &Tag, control: HeaderValue) -> Result<Response, Problem> {
        let mut text = envelope::beginning(self.id, row.len() + 3).into_bytes();
        text.push(b'[');
        text.extend_from_slice(row);
        text.extend_from_slice(b"]}");
        let coding = Coding::asked(self.headers);
        let bytes = coding.encode(text).map_err(Failure::Compression)?;
        Ok(success(Body::from(bytes), coding, tag, control))
    }

    /// Says from which day on events are in totals, and how the outcomes of the day's messages are known. The rows cannot
    /// say it: their keys are fixed.
    fn note(&self, published: &Published, response: &mut Response) {
        let since = published.history_since().map(|since| HeaderValue::from_str(&since.to_string()));
        if let Some(Ok(since)) = since {
            response.headers_mut().insert(HISTORY_SINCE, since);
        }
        let day = self.asked.day.or_else(|| published.days().map(|closed| *closed.end()));
        if let Some(day) = day.filter(|day| published.edition(*day).is_some()) {
            let receipts = published.receipts(day).receipts().name();
            response.headers_mut().insert(X_RECEIPTS, HeaderValue::from_static(receipts));
        }
    }

    /// What caches may do with the answer.
    fn control(&self, day: Day, latest: Day) -> HeaderValue {
        cache_control(self.asked.day.is_some(), day, latest, self.server.shared.gate.is_open())
    }
}

/// A success with its headers.
fn success(body: Body, coding: Coding, tag: &Tag, control: HeaderValue) -> Response {
    let mut response = envelope::json(StatusCode::OK, body, Code(0));
    coding.note(response.headers_mut());
    validators(&mut response, tag, control);
    response
}

/// To who has the answer already.
fn unchanged(tag: &Tag, control: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.extensions_mut().insert(Code(0));
    validators(&mut response, tag, control);
    response
}

fn validators(response: &mut Response, tag: &Tag, control: HeaderValue) {
    if let Some(tag) = tag.header() {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(CACHE_CONTROL, control);
}

/// About how long a row's JSON is at most: names, punctuation, and values of up to 20 digits.
fn row_size(endpoint: Endpoint) -> usize {
    let columns: usize = endpoint.columns().map(|column| column.name.len() + VALUE).sum();
    columns + ROW
}
