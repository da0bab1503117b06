//! Every reason not to give data, and the answer it makes.

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use chain::Day;

use crate::auth::TokenProblem;
use crate::envelope;
use crate::parameters::ParameterProblem;
use crate::request_id::RequestId;
use crate::routes;

/// Why a request gets no data. Its text is the answer's message, so it holds nothing that must not leak.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("The token format error. It should have 'Bearer $token' set in the 'authorization' header. {0}")]
    Token(#[from] TokenProblem),
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

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            // The original answers these with 200, and its clients look at the code only.
            Self::Parameter(_) | Self::NotClosed { .. } | Self::NothingClosed | Self::Internal => {
                StatusCode::OK
            }
            Self::Token(_) => StatusCode::UNAUTHORIZED,
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
            Self::Token(_) => 10011,
            Self::Parameter(_) => 30002,
            Self::Internal => 30003,
            Self::NotClosed { .. } | Self::NothingClosed => 30004,
            _ => self.status().as_u16(),
        }
    }

    /// The answer to the request with that id.
    pub(crate) fn answer(&self, id: &RequestId) -> Response {
        let extra = match self {
            Self::UnknownPath => format!(r#","endpoints":{}"#, serde_json::Value::from_iter(routes::paths())),
            _ => String::new(),
        };
        let mut response = envelope::failure(id, self.status(), self.code(), &self.to_string(), &extra);
        match self {
            Self::Token(_) => {
                response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Busy | Self::TimedOut => {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
