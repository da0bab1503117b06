//! The errors of `/v1`: problem details (RFC 9457).

use axum::body::Body;
use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use chain::{Day, MinerId, SectorNumber};
use serde_json::{Map, Value};

use crate::access::denial::{self, Denial};
use crate::access::history_window::HistoryWindow;
use crate::http::envelope::ResponseCode;
use crate::http::request_id::RequestId;
use crate::paths;

/// The media type of problems.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";

/// A problem type: what stays the same from one occurrence to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProblemType {
    /// The end of its `type`, which is stable.
    pub(crate) name: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    /// What to do.
    pub(crate) doc: &'static str,
}

macro_rules! problem_types {
    ($($(#[$doc:meta])* $constant:ident = $status:literal, $name:literal, $title:literal, $advice:literal;)+) => {
        $($(#[$doc])* const $constant: ProblemType =
            ProblemType { name: $name, status: $status, title: $title, doc: $advice };)+

        /// All of them, in the order of the reference.
        pub(crate) const PROBLEM_TYPES: &[ProblemType] = &[$($constant),+];
    };
}

problem_types! {
    UNKNOWN_PARAMETER = 400, "unknown-parameter", "Unknown parameter",
        "The address has a parameter that the path does not take. `parameter` names it, `nearest` the known one that looks most like it.";
    BAD_PARAMETER = 400, "bad-parameter", "Bad parameter",
        "`parameter` names it; `detail` says what it was and what was expected.";
    CONFLICTING_PARAMETERS = 409, "conflicting-parameters", "Parameters that contradict each other",
        "Each is well-formed, and they say different things of the same: leave one out.";
    TOO_MUCH = 400, "too-much", "Too much at once",
        "Ask for fewer days or storage providers at a time; `detail` says how many there may be.";
    UNAUTHORIZED = 401, "token", "No valid token",
        "Send `authorization: Bearer TOKEN`; `detail` says what was wrong.";
    EXPIRED = 401, "expired", "Token expired",
        "The key's time is over. Ask whoever runs the server for another.";
    REVOKED = 401, "revoked", "Token revoked",
        "The key was taken back. Ask whoever runs the server for another.";
    SCOPE = 403, "scope", "Outside the key's scope",
        "The key is not for this path; `detail` says what it is for.";
    HISTORY = 403, "history", "Older than the key may see",
        "The key sees so many days back from the latest one; `detail` says the first.";
    QUOTA = 429, "quota", "Quota used up",
        "Ask again after `Retry-After` seconds, when the key's quota begins anew.";
    KEY_RATE = 429, "key-rate", "Too many requests with this key",
        "Ask again after `Retry-After` seconds.";
    ADDRESS_RATE = 429, "address-rate", "Too many requests from this address",
        "Ask again after `Retry-After` seconds, or with a key.";
    URI_TOO_LONG = 414, "uri-too-long", "Address too long",
        "`detail` says how long it may be.";
    BODY_TOO_LARGE = 413, "body-too-large", "Body too large",
        "No path takes a body.";
    UNKNOWN_PATH = 404, "unknown-path", "Unknown path",
        "`paths` lists those that there are.";
    DAY_NOT_CLOSED = 404, "day-not-closed", "Day not closed",
        "`first_day` and `latest_day` are the days there are. A later one may come.";
    GAP = 404, "gap", "Gap",
        "No source has covered the day so far. `gaps` says which epochs are missing.";
    EMPTY_RANGE = 404, "empty-range", "No days in the range",
        "`from` is after `to`.";
    NO_SUCH_MINER = 404, "no-such-miner", "No such storage provider",
        "No sector event of this storage provider is known up to the day.";
    NO_SUCH_SECTOR = 404, "no-such-sector", "No such sector",
        "No event of this sector is known.";
    STALE_CURSOR = 404, "stale-cursor", "Unknown cursor",
        "The cursor is none that this path gives, is at a day that is not asked for, or the data have changed since it was given. Begin again without it.";
    WRONG_METHOD = 405, "wrong-method", "Method not allowed",
        "The paths answer GET and HEAD only.";
    NOT_ACCEPTABLE = 406, "not-acceptable", "No acceptable format",
        "`formats` lists the media types that the path can give.";
    TOO_SLOW = 503, "too-slow", "The question took too much",
        "It passed the limits of time or memory that one question has. Ask for less.";
    BUSY = 503, "busy", "Busy",
        "Too many questions are being worked on. Ask again after `Retry-After` seconds.";
    NOTHING_CLOSED = 503, "nothing-closed", "No day is closed yet",
        "The lake is new: its first day is still to come.";
    INTERNAL = 500, "internal", "Internal error",
        "The server's log has the reason under `request_id`.";
}

/// Why a request does not get what it asked for. Its text holds nothing that must not leak.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("There is no parameter {name:?} here.{}", nearest.map(|near| format!(" Did you mean {near:?}?")).unwrap_or_default())]
    UnknownParameter { name: String, nearest: Option<&'static str> },
    #[error("The parameter {name} {problem}.")]
    BadParameter { name: &'static str, problem: String },
    #[error("{0}")]
    Conflicting(&'static str),
    #[error("{0}")]
    TooMuch(String),
    #[error("{0}")]
    Denied(Denial),
    #[error("The address is {length} bytes long: expected at most {limit}.")]
    UriTooLong { length: usize, limit: usize },
    #[error("The request's body is larger than {limit} bytes: expected none.")]
    BodyTooLarge { limit: u64 },
    #[error("There is nothing at this path.")]
    UnknownPath { paths: Vec<&'static str> },
    #[error("{day} is not closed: the closed days are {first} to {latest}.")]
    DayNotClosed { day: Day, first: Day, latest: Day },
    #[error("{day} lies in a gap that no source has covered so far.")]
    Gap { day: Day, gaps: Vec<Value> },
    #[error("There are no days from {from} to {to}.")]
    EmptyRange { from: Day, to: Day },
    #[error("{miner} has had no sector event up to {day}.")]
    NoSuchMiner { miner: MinerId, day: Day },
    #[error("{miner} has had no sector {sector} so far.")]
    NoSuchSector { miner: MinerId, sector: SectorNumber },
    #[error("The cursor is not known here, or the data have changed since it was given.")]
    StaleCursor,
    #[error("This path answers GET and HEAD only.")]
    WrongMethod,
    #[error("The path gives {}.", formats.join(", "))]
    NotAcceptable { formats: Vec<&'static str> },
    #[error("The question took longer, or held more memory, than one question may.")]
    TooSlow,
    #[error("The server has too many questions to answer.")]
    Busy,
    #[error("No day is closed so far.")]
    NothingClosed,
    #[error("The server could not answer; its log has the reason.")]
    Internal,
}

impl Problem {
    /// There is no such path, but those of all operations, and where they are described.
    pub(crate) fn unknown_path() -> Self {
        // The status is one of the operations.
        let guides = paths::GUIDES.into_iter().filter(|guide| !paths::V1.contains(guide));
        Self::UnknownPath { paths: paths::V1.into_iter().chain(guides).collect() }
    }

    /// The same, telling of no day that may not be seen.
    pub(crate) fn clipped_to(self, window: &HistoryWindow) -> Self {
        match self {
            Self::DayNotClosed { day, first, latest } => {
                Self::DayNotClosed { day, first: window.clamp(first), latest }
            }
            problem => problem,
        }
    }

    /// Its type.
    pub(crate) fn problem_type(&self) -> ProblemType {
        match self {
            Self::UnknownParameter { .. } => UNKNOWN_PARAMETER,
            Self::BadParameter { .. } => BAD_PARAMETER,
            Self::Conflicting(_) => CONFLICTING_PARAMETERS,
            Self::TooMuch(_) => TOO_MUCH,
            Self::Denied(denial) => match denial {
                Denial::Token(_) => UNAUTHORIZED,
                Denial::Expired => EXPIRED,
                Denial::Revoked => REVOKED,
                Denial::Scope { .. } => SCOPE,
                Denial::History { .. } => HISTORY,
                Denial::Quota { .. } => QUOTA,
                Denial::Rate { of_key: true, .. } => KEY_RATE,
                Denial::Rate { of_key: false, .. } => ADDRESS_RATE,
            },
            Self::UriTooLong { .. } => URI_TOO_LONG,
            Self::BodyTooLarge { .. } => BODY_TOO_LARGE,
            Self::UnknownPath { .. } => UNKNOWN_PATH,
            Self::DayNotClosed { .. } => DAY_NOT_CLOSED,
            Self::Gap { .. } => GAP,
            Self::EmptyRange { .. } => EMPTY_RANGE,
            Self::NoSuchMiner { .. } => NO_SUCH_MINER,
            Self::NoSuchSector { .. } => NO_SUCH_SECTOR,
            Self::StaleCursor => STALE_CURSOR,
            Self::WrongMethod => WRONG_METHOD,
            Self::NotAcceptable { .. } => NOT_ACCEPTABLE,
            Self::TooSlow => TOO_SLOW,
            Self::Busy => BUSY,
            Self::NothingClosed => NOTHING_CLOSED,
            Self::Internal => INTERNAL,
        }
    }

    /// What the problem knows beyond its words.
    fn members(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::UnknownParameter { name, nearest } => {
                let nearest = nearest.map(|nearest| ("nearest", nearest.into()));
                [("parameter", name.as_str().into())].into_iter().chain(nearest).collect()
            }
            Self::BadParameter { name, .. } => vec![("parameter", (*name).into())],
            Self::UnknownPath { paths } => vec![("paths", paths.as_slice().into())],
            Self::DayNotClosed { first, latest, .. } => {
                vec![("first_day", first.to_string().into()), ("latest_day", latest.to_string().into())]
            }
            Self::Gap { gaps, .. } => vec![("gaps", gaps.as_slice().into())],
            Self::NotAcceptable { formats } => vec![("formats", formats.as_slice().into())],
            _ => Vec::new(),
        }
    }

    /// The answer to the request with that id.
    pub(crate) fn response(&self, id: &RequestId) -> Response {
        let problem_type = self.problem_type();
        let mut body = Map::new();
        body.insert("type".to_owned(), type_uri(problem_type).into());
        body.insert("title".to_owned(), problem_type.title.into());
        body.insert("status".to_owned(), problem_type.status.into());
        body.insert("detail".to_owned(), self.to_string().into());
        body.insert("request_id".to_owned(), id.to_string().into());
        body.extend(self.members().into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut response = Response::new(Body::from(Value::Object(body).to_string()));
        *response.status_mut() =
            StatusCode::from_u16(problem_type.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(ResponseCode(problem_type.status));
        if let Self::Denied(denial) = self {
            denial::annotate(denial, &mut response);
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::WrongMethod => {
                headers.insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            }
            Self::Busy | Self::NothingClosed | Self::TooSlow => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
        response
    }
}

/// The URI of a type: an address of the server's own reference, which explains it.
pub(crate) fn type_uri(problem_type: ProblemType) -> String {
    format!("/docs#{}", problem_type.name)
}

impl From<lake::Error> for Problem {
    /// What the client cannot help goes to the log, not to the client.
    fn from(error: lake::Error) -> Self {
        match error {
            lake::Error::NothingClosed => Self::NothingClosed,
            lake::Error::DayNotClosed { day, first, last } => Self::DayNotClosed { day, first, latest: last },
            lake::Error::NoRow { miner, day } => Self::NoSuchMiner { miner, day },
            error if error.is_limit() => {
                tracing::warn!(%error, "a question to the lake was given up");
                Self::TooSlow
            }
            error => {
                let error: &(dyn std::error::Error + 'static) = &error;
                tracing::error!(error, "the lake could not be asked");
                Self::Internal
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::PROBLEM_TYPES;

    #[test]
    fn each_kind_has_a_name_of_its_own() {
        let names: HashSet<_> = PROBLEM_TYPES.iter().map(|problem_type| problem_type.name).collect();
        assert_eq!(names.len(), PROBLEM_TYPES.len());
    }
}
