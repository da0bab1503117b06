//! Errors, each in the format of the interface that was asked.

pub(crate) mod parameter;
pub(crate) mod problem;
pub(crate) mod v2_error;

use axum::response::Response;

use crate::errors::problem::Problem;
use crate::errors::v2_error::V2Error;
use crate::http::request_id::RequestId;
use crate::paths;

impl V2Error {
    /// The answer to the request with that id and path, in the form of the face that the path belongs to.
    pub(crate) fn response_at(&self, path: &str, id: &RequestId) -> Response {
        if paths::is_v1(path) { self.to_problem().response(id) } else { self.response(id) }
    }

    /// The same in `/v1`.
    fn to_problem(&self) -> Problem {
        match self {
            Self::Denied(denial) => Problem::Denied(denial.clone()),
            Self::NothingClosed => Problem::NothingClosed,
            Self::UnknownPath => Problem::unknown_path(),
            Self::WrongMethod => Problem::WrongMethod,
            Self::UriTooLong { length, limit } => Problem::UriTooLong { length: *length, limit: *limit },
            Self::BodyTooLarge { limit } => Problem::BodyTooLarge { limit: *limit },
            Self::Busy => Problem::Busy,
            Self::TimedOut => Problem::TooSlow,
            // What parameters and days are wrong is said in `/v1`'s own words, behind the door.
            Self::Internal | Self::Parameter(_) | Self::NotClosed { .. } => Problem::Internal,
        }
    }
}
