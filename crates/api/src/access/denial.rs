//! Denials: why a key or an address may not have what it asks for.

use std::fmt;

use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use chain::Day;

use super::rate_headers;
use crate::access::keys::Quota;
use crate::access::rate::{RateExceeded, RateLimitStatus};

/// What is wrong with a request's token. Never holds the token itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenProblem {
    #[error("The header is missing.")]
    Missing,
    #[error("The header is given twice.")]
    HeaderTwice,
    #[error("The header does not begin with Bearer.")]
    NotBearer,
    #[error("There is no token after Bearer.")]
    Empty,
    #[error("There are quotes round the token: leave them out.")]
    Quoted,
    #[error("\"Bearer\" is there twice.")]
    BearerTwice,
    #[error("The token is unknown.")]
    Unknown,
}

/// Why a request is denied. Each interface words it in its own way; this is its kind, its true HTTP status, and a sentence
/// that names the limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denial {
    /// There is no good token.
    Token(TokenProblem),
    /// The key's time is over.
    Expired,
    /// The key was taken back.
    Revoked,
    /// The key's quota is used up.
    Quota {
        quota: Quota,
        /// When the next period begins, in Unix seconds.
        resets_at: i64,
        /// And in how many seconds that is.
        resets_in: u64,
    },
    /// The day is older than the key may see.
    History { asked: Day, first: Day },
    /// The key is not for this.
    Scope { asked: String, scope: String },
    /// Too many requests in a short time.
    Rate { exceeded: RateExceeded, of_key: bool },
}

impl Denial {
    /// Its HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Token(_) | Self::Expired | Self::Revoked => StatusCode::UNAUTHORIZED,
            Self::History { .. } | Self::Scope { .. } => StatusCode::FORBIDDEN,
            Self::Quota { .. } | Self::Rate { .. } => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// A stable name of it, for programs and for counts.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Quota { .. } => "quota",
            Self::History { .. } => "history",
            Self::Scope { .. } => "scope",
            Self::Rate { of_key: true, .. } => "key-rate",
            Self::Rate { of_key: false, .. } => "address-rate",
        }
    }

    /// How many seconds to wait before asking again, where that helps.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Quota { resets_in, .. } => Some(*resets_in),
            Self::Rate { exceeded, .. } => Some(exceeded.retry_after),
            _ => None,
        }
    }

    /// The limit that is used up, for the `RateLimit-*` headers.
    pub(crate) fn rate_limit(&self) -> Option<RateLimitStatus> {
        let limit = match self {
            Self::Quota { quota, .. } => quota.requests.get(),
            Self::Rate { exceeded, .. } => exceeded.rate.requests.get(),
            _ => return None,
        };
        Some(RateLimitStatus { limit, remaining: 0, reset: self.retry_after()? })
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(problem) => problem.fmt(f),
            Self::Expired => f.write_str("The token has expired."),
            Self::Revoked => f.write_str("The token has been revoked."),
            Self::Quota { quota, resets_at, resets_in } => {
                let of_day = resets_at.rem_euclid(86_400);
                let day = i32::try_from(resets_at.div_euclid(86_400)).unwrap_or(i32::MAX);
                let (day, hour, minute) = (Day::from_unix_days(day), of_day / 3_600, of_day / 60 % 60);
                write!(f, "The key's {} requests a {} are used up. ", quota.requests, quota.per)?;
                write!(f, "The quota resets at {day}T{hour:02}:{minute:02}:00Z, in {resets_in} seconds.")
            }
            Self::History { asked, first } => {
                write!(f, "{asked} is older than the key may see: its first day is {first} now.")
            }
            Self::Scope { asked, scope } => write!(f, "The key is not for {asked}, only for {scope}."),
            Self::Rate { exceeded: RateExceeded { rate, retry_after }, of_key } => {
                let whose = if *of_key { "key" } else { "address" };
                write!(f, "More than {} requests a {} from this {whose}. ", rate.requests, rate.per)?;
                write!(f, "Ask again in {retry_after} seconds.")
            }
        }
    }
}

/// The kind of a denial, attached to its response for the log and the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DenialKind(pub(crate) &'static str);

/// Attaches the kind of a denial to its response, and sets the headers that help against it.
pub(crate) fn annotate(denial: &Denial, response: &mut Response) {
    response.extensions_mut().insert(DenialKind(denial.kind()));
    let headers = response.headers_mut();
    if denial.status() == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(seconds) = denial.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(rate_limit) = denial.rate_limit() {
        rate_headers::set_rate_headers(rate_limit, headers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_that_is_used_up_says_when_it_resets() {
        let quota = "10/day".parse().expect("a quota");
        let denial = Denial::Quota { quota, resets_at: 86_400 * 2, resets_in: 60 };
        assert_eq!(
            denial.to_string(),
            "The key's 10 requests a day are used up. The quota resets at 1970-01-03T00:00:00Z, in 60 seconds."
        );
        assert_eq!(denial.rate_limit(), Some(RateLimitStatus { limit: 10, remaining: 0, reset: 60 }));
        assert_eq!(denial.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
