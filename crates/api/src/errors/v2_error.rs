//! The errors of `/v2` and of paths outside `/v1`, and the responses they make.

use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use chain::Day;

use crate::access::denial::{self, Denial};
use crate::errors::parameter::ParameterProblem;
use crate::http::envelope;
use crate::http::request_id::RequestId;
use crate::paths;

/// What the original says of a token that it does not take.
const TOKEN_FORMAT: &str =
    "The token format error. It should have 'Bearer $token' set in the 'authorization' header.";
/// How the original begins to say that a key may not do something.
const FORBIDDEN: &str = "Spacescope API forbidden";

/// An error that a request is answered with. Its text is the answer's message, so it holds nothing that must not leak.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum V2Error {
    #[error("{}", in_v2_words(.0))]
    Denied(Denial),
    #[error("{0}")]
    Parameter(#[from] ParameterProblem),
    #[error("The data are not ready yet: {asked} is not closed. The latest closed day is {latest}.")]
    NotClosed { asked: Day, latest: Day },
    #[error("The data are not ready yet: no day is closed so far, so there is no latest closed day.")]
    NothingClosed,
    #[error("Internal error. The server's log has it under the request_id.")]
    Internal,
    #[error("There is nothing at this path. The paths there are stand under endpoints.")]
    UnknownPath,
    #[error("This path answers GET and HEAD only.")]
    WrongMethod,
    #[error("The address is {length} bytes long: expected at most {limit}.")]
    UriTooLong { length: usize, limit: usize },
    #[error("The request's body is larger than {limit} bytes: expected none.")]
    BodyTooLarge { limit: u64 },
    #[error("The server has too many requests to do. Ask again a little later.")]
    Busy,
    #[error("The answer took too long. Ask again a little later.")]
    TimedOut,
}

impl From<Denial> for V2Error {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// A denial in the words of the original, which its clients may look for.
fn in_v2_words(denial: &Denial) -> String {
    match denial {
        Denial::Token(problem) => format!("{TOKEN_FORMAT} {problem}"),
        // The original knows one sentence for both.
        Denial::Expired | Denial::Revoked => Denial::Expired.to_string(),
        Denial::Quota { .. } => format!("{FORBIDDEN}: quota limited. {denial}"),
        Denial::History { .. } => format!("{FORBIDDEN}: historical limited. {denial}"),
        Denial::Scope { .. } => format!("{FORBIDDEN}: API limited. {denial}"),
        Denial::Rate { .. } => denial.to_string(),
    }
}

impl V2Error {
    /// The HTTP status in `/v2`.
    fn status(&self) -> StatusCode {
        match self {
            // The original answers these with 200, and its clients look at the code only.
            Self::Parameter(_)
            | Self::NotClosed { .. }
            | Self::NothingClosed
            | Self::Internal
            | Self::Denied(Denial::Quota { .. } | Denial::History { .. } | Denial::Scope { .. }) => {
                StatusCode::OK
            }
            Self::Denied(denial) => denial.status(),
            Self::UnknownPath => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::UriTooLong { .. } => StatusCode::URI_TOO_LONG,
            Self::BodyTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy | Self::TimedOut => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The envelope's `code`: the original's where it has one, else the status.
    fn code(&self) -> u16 {
        match self {
            Self::Denied(Denial::Token(_)) => 10011,
            Self::Denied(Denial::Expired | Denial::Revoked) => 10012,
            Self::Denied(Denial::Quota { .. } | Denial::History { .. } | Denial::Scope { .. }) => 30001,
            Self::Parameter(_) => 30002,
            Self::Internal => 30003,
            Self::NotClosed { .. } | Self::NothingClosed => 30004,
            _ => self.status().as_u16(),
        }
    }

    /// The answer of `/v2` to the request with that id.
    pub(crate) fn response(&self, id: &RequestId) -> Response {
        let extra = match self {
            Self::UnknownPath => format!(r#","endpoints":{}"#, serde_json::Value::from_iter(paths::listed())),
            _ => String::new(),
        };
        let response = envelope::error_response(id, self.status(), self.code(), &self.to_string(), &extra);
        self.with_headers(response)
    }

    fn with_headers(&self, mut response: Response) -> Response {
        match self {
            Self::Denied(denial) => denial::annotate(denial, &mut response),
            Self::WrongMethod => {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            }
            Self::Busy | Self::TimedOut => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
