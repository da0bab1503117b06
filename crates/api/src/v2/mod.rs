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
use lake::{DayVersion, PublishedVersion};
use ledger::columns::Endpoint;

use crate::access::auth::Grant;
use crate::errors::v2_error::V2Error;
use crate::http::coding::ContentCoding;
use crate::http::entity_tag::{EntityTag, IfNoneMatch, X_RECEIPTS, cache_control};
use crate::http::envelope::{self, ResponseCode};
use crate::http::request_id::RequestId;
use crate::rendered::{self, RenderError};
use crate::state::Server;
use crate::v2::parameters::V2Query;

/// The day from which on events are known, where that is not the day of epoch 0 (`docs/DEFINITIONS.md`, "Opening
/// balance").
const HISTORY_SINCE: HeaderName = HeaderName::from_static("x-history-since");
/// Bytes that a row takes beside its columns' names and values.
const BYTES_PER_ROW: usize = 80;
/// Bytes that a value takes at most, with its punctuation.
const BYTES_PER_VALUE: usize = 24;

/// Answers a request for an endpoint's rows of a day.
pub(crate) async fn rows(
    server: &Server,
    endpoint: Endpoint,
    id: &RequestId,
    grant: Grant,
    head: &Parts,
) -> Response {
    let query = match V2Query::parse(head.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(problem) => return V2Error::from(problem).response(id),
    };
    let request = Request { server, endpoint, id, grant: &grant, headers: &head.headers, query };
    loop {
        let published = server.shared.reader.published();
        match request.answer(&published).await {
            Ok(mut response) => {
                request.set_provenance_headers(&published, &mut response);
                return response;
            }
            // The day was closed again meanwhile: what is published now has it.
            Err(RowsError::Failed(RenderError::Replaced)) => {}
            Err(RowsError::Failed(RenderError::OutOfMemory)) => return V2Error::Busy.response(id),
            Err(RowsError::Failed(failure)) => {
                let error: &(dyn std::error::Error + 'static) = &failure;
                tracing::error!(request_id = %id, error, "a day could not be answered");
                return V2Error::Internal.response(id);
            }
            Err(RowsError::Refused(error)) => return error.response(id),
        }
    }
}

/// Why there is no success: the client's doing, or ours.
#[derive(Debug)]
enum RowsError {
    Refused(V2Error),
    Failed(RenderError),
}

impl From<RenderError> for RowsError {
    fn from(failure: RenderError) -> Self {
        Self::Failed(failure)
    }
}

/// A parsed request.
struct Request<'r> {
    server: &'r Server,
    endpoint: Endpoint,
    id: &'r RequestId,
    grant: &'r Grant,
    headers: &'r HeaderMap,
    query: V2Query,
}

impl Request<'_> {
    /// The answer from that published version.
    async fn answer(&self, published: &PublishedVersion) -> Result<Response, RowsError> {
        let Some(closed) = published.days() else {
            return Err(RowsError::Refused(V2Error::NothingClosed));
        };
        let day = self.query.day.unwrap_or(*closed.end());
        self.grant.window(&closed).check(day).map_err(|denial| RowsError::Refused(denial.into()))?;
        if day < *closed.start() {
            // Before the first closed day there is nothing to wait for, unless an older day is closed.
            let tag = EntityTag::of_endpoint(published.version(), self.endpoint, self.query.miner);
            let control = self.control(*closed.end(), *closed.end());
            return if self.is_cached(&tag) {
                Ok(not_modified(&tag, control))
            } else {
                self.single_row(&[], &tag, control)
            };
        }
        let edition = (day <= *closed.end()).then(|| published.day_version(day)).flatten();
        // A hole inside history must not be; if there is one, it is not ready, never empty.
        let Some(edition) = edition else {
            return Err(RowsError::Refused(V2Error::NotClosed { asked: day, latest: *closed.end() }));
        };
        let tag = EntityTag::of_endpoint(edition, self.endpoint, self.query.miner);
        let control = self.control(day, *closed.end());
        if self.is_cached(&tag) {
            return Ok(not_modified(&tag, control));
        }
        match self.query.miner {
            Some(miner) => self.miner(edition, miner, &tag, control).await,
            None => self.all_miners(edition, &tag, control).await,
        }
    }

    /// Every miner's rows.
    async fn all_miners(
        &self,
        edition: DayVersion,
        tag: &EntityTag,
        control: HeaderValue,
    ) -> Result<Response, RowsError> {
        let shared = &self.server.shared;
        let coding = ContentCoding::negotiate(self.headers);
        let rendered = shared.rendered.get(&shared.reader, edition, self.endpoint, coding).await?;
        let parts = rendered.suffix().with_prefix(&envelope::success_prefix(self.id, 0));
        Ok(success(Body::new(parts), coding, tag, control))
    }

    /// One miner's row, or nothing where it has none: a slice of the rendered day, or where that is not held, rendered
    /// alone.
    async fn miner(
        &self,
        edition: DayVersion,
        miner: MinerId,
        tag: &EntityTag,
        control: HeaderValue,
    ) -> Result<Response, RowsError> {
        let shared = &self.server.shared;
        if let Some(rendered) = shared.rendered.get_cached(edition, self.endpoint) {
            return self.single_row(rendered.row(miner).unwrap_or_default(), tag, control);
        }
        let rows = rendered::rows(&shared.reader, edition).await?;
        let mut array = String::with_capacity(row_size(self.endpoint));
        rows.write_json(self.endpoint, Some(miner), &mut array);
        let row = array.strip_prefix('[').and_then(|array| array.strip_suffix(']')).unwrap_or_default();
        self.single_row(row.as_bytes(), tag, control)
    }

    /// An answer with that row, or with none where it is empty.
    fn single_row(&self, row: &[u8], tag: &EntityTag, control: HeaderValue) -> Result<Response, RowsError> {
        let mut text = envelope::success_prefix(self.id, row.len() + 3).into_bytes();
        text.push(b'[');
        text.extend_from_slice(row);
        text.extend_from_slice(b"]}");
        let coding = ContentCoding::negotiate(self.headers);
        let bytes = coding.encode(text).map_err(RenderError::Compression)?;
        Ok(success(Body::from(bytes), coding, tag, control))
    }

    /// Says from which day on events are in totals, and how the outcomes of the day's messages are known. The rows cannot
    /// say it: their keys are fixed.
    fn set_provenance_headers(&self, published: &PublishedVersion, response: &mut Response) {
        let since = published.history_since().map(|since| HeaderValue::from_str(&since.to_string()));
        if let Some(Ok(since)) = since {
            response.headers_mut().insert(HISTORY_SINCE, since);
        }
        let day = self.query.day.or_else(|| published.days().map(|closed| *closed.end()));
        if let Some(day) = day.filter(|day| published.day_version(*day).is_some()) {
            let receipts = published.receipts(day).receipts().name();
            response.headers_mut().insert(X_RECEIPTS, HeaderValue::from_static(receipts));
        }
    }

    /// Whether the client has what the tag stands for.
    fn is_cached(&self, tag: &EntityTag) -> bool {
        let asked = IfNoneMatch::of(self.headers);
        asked.names(tag) || asked.is_any()
    }

    /// What caches may do with the answer.
    fn control(&self, day: Day, latest: Day) -> HeaderValue {
        cache_control(
            self.query.day.is_some(),
            day,
            latest,
            self.server.shared.authenticator.allows_anonymous(),
        )
    }
}

/// A success with its headers.
fn success(body: Body, coding: ContentCoding, tag: &EntityTag, control: HeaderValue) -> Response {
    let mut response = envelope::json_response(StatusCode::OK, body, ResponseCode(0));
    coding.set_header(response.headers_mut());
    set_validators(&mut response, tag, control);
    response
}

/// The response to a client that has the data already.
fn not_modified(tag: &EntityTag, control: HeaderValue) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.extensions_mut().insert(ResponseCode(0));
    set_validators(&mut response, tag, control);
    response
}

fn set_validators(response: &mut Response, tag: &EntityTag, control: HeaderValue) {
    if let Some(tag) = tag.header() {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(CACHE_CONTROL, control);
}

/// About how long a row's JSON is at most: names, punctuation, and values of up to 20 digits.
fn row_size(endpoint: Endpoint) -> usize {
    let columns: usize = endpoint.columns().map(|column| column.name.len() + BYTES_PER_VALUE).sum();
    columns + BYTES_PER_ROW
}
