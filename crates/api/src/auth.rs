//! Who asks: the bearer token, the key that it belongs to, and what that key may do.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use chain::Day;

use crate::keys::{self, Key, Quota, Ring, Standing, UsedUp};
use crate::rate::{Exceeded, Meter};
use crate::window::Window;

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

/// Why who asks may not have what is asked for. Each face of the API spells it in its own way; this is its kind, its
/// true HTTP status, and a sentence that says what the limit is.
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
    Rate { exceeded: Exceeded, of_key: bool },
}

impl Denial {
    /// The HTTP status that says so.
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
    pub(crate) fn meter(&self) -> Option<Meter> {
        let limit = match self {
            Self::Quota { quota, .. } => quota.requests.get(),
            Self::Rate { exceeded, .. } => exceeded.rate.requests.get(),
            _ => return None,
        };
        Some(Meter { limit, remaining: 0, reset: self.retry_after()? })
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
            Self::Rate { exceeded: Exceeded { rate, retry_after }, of_key } => {
                let whose = if *of_key { "key" } else { "address" };
                write!(f, "More than {} requests a {} from this {whose}. ", rate.requests, rate.per)?;
                write!(f, "Ask again in {retry_after} seconds.")
            }
        }
    }
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Anyone: no key is asked for.
    Anyone,
    /// The holder of a key in force.
    Holder(Arc<Key>),
    /// Nobody who may have data.
    Stranger(Denial),
}

impl Caller {
    /// The key, where one is in force.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Holder(key) => Some(key),
            Self::Anyone | Self::Stranger(_) => None,
        }
    }

    /// Lets the caller in to what stands at `place` (such as `sector/total` or `v1/miners`), and counts that as one of
    /// the key's requests.
    pub(crate) fn admit(&self, place: &str) -> Result<Pass, Denial> {
        let key = match self {
            Self::Anyone => return Ok(Pass { key: None, meter: None }),
            Self::Stranger(denial) => return Err(denial.clone()),
            Self::Holder(key) => key,
        };
        if let Some(scope) = key.terms.scope.as_ref().filter(|scope| !scope.allows(place)) {
            return Err(Denial::Scope { asked: place.to_owned(), scope: scope.to_string() });
        }
        let meter = match key.terms.quota {
            None => None,
            Some(quota) => {
                let now = keys::now();
                let taken = key.counters.take(quota, now);
                let resets_in = |resets_at: i64| u64::try_from(resets_at.saturating_sub(now)).unwrap_or(0);
                let taken = taken.map_err(|UsedUp { resets_at }| Denial::Quota {
                    quota,
                    resets_at,
                    resets_in: resets_in(resets_at),
                })?;
                let reset = resets_in(taken.resets_at);
                Some(Meter { limit: quota.requests.get(), remaining: taken.remaining, reset })
            }
        };
        Ok(Pass { key: Some(Arc::clone(key)), meter })
    }
}

/// Leave to ask for data: a request that was let in carries it.
#[derive(Clone, Debug)]
pub(crate) struct Pass {
    key: Option<Arc<Key>>,
    /// How far the key's quota is used up.
    pub(crate) meter: Option<Meter>,
}

impl Pass {
    /// Those of the closed days that may be seen.
    pub(crate) fn window(&self, closed: &RangeInclusive<Day>) -> Window {
        Window::new(closed, self.key.as_ref().and_then(|key| key.terms.history_days))
    }
}

/// Knows who may ask.
pub(crate) struct Gate {
    pub(crate) ring: ArcSwap<Ring>,
}

impl Gate {
    pub(crate) fn new(ring: Ring) -> Self {
        Self { ring: ArcSwap::from_pointee(ring) }
    }

    /// Whether anybody may pass.
    pub(crate) fn is_open(&self) -> bool {
        !self.ring.load().is_guarded()
    }

    /// Who sends a request with these headers.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Caller {
        let ring = self.ring.load();
        if !ring.is_guarded() {
            return Caller::Anyone;
        }
        let token = match presented(headers) {
            Ok(token) => token,
            Err(problem) => return Caller::Stranger(Denial::Token(problem)),
        };
        match ring.find(token) {
            None => Caller::Stranger(Denial::Token(diagnose(token))),
            Some(key) => match key.standing(keys::now()) {
                Standing::Good => Caller::Holder(Arc::clone(key)),
                Standing::Expired => Caller::Stranger(Denial::Expired),
                Standing::Revoked => Caller::Stranger(Denial::Revoked),
            },
        }
    }
}

/// What stands after `Bearer` in the `authorization` header.
fn presented(headers: &HeaderMap) -> Result<&str, TokenProblem> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(TokenProblem::Missing)?;
    if values.next().is_some() {
        return Err(TokenProblem::HeaderTwice);
    }
    let value = value.to_str().map_err(|_| TokenProblem::Unknown)?.trim();
    if value.is_empty() {
        return Err(TokenProblem::Missing);
    }
    match after_bearer(value) {
        Some("") => Err(TokenProblem::Empty),
        Some(token) => Ok(token),
        None if quoted(value) => Err(TokenProblem::Quoted),
        None => Err(TokenProblem::NotBearer),
    }
}

/// The rest after the scheme, which HTTP spells in either case.
fn after_bearer(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("Bearer").then(|| rest.trim())
}

fn quoted(text: &str) -> bool {
    text.starts_with(['"', '\'']) || text.ends_with(['"', '\''])
}

/// Why a token that is not the right one is probably not.
fn diagnose(token: &str) -> TokenProblem {
    if after_bearer(token).is_some() {
        TokenProblem::BearerTwice
    } else if quoted(token) {
        TokenProblem::Quoted
    } else {
        TokenProblem::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(token: Option<&str>, headers: &[&'static str]) -> Result<(), Denial> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Gate::new(Ring::new(token, None)).caller(&map).admit("sector/total").map(|_| ())
    }

    fn problem(of: TokenProblem) -> Result<(), Denial> {
        Err(Denial::Token(of))
    }

    #[test]
    fn without_a_token_any_or_none_is_accepted() {
        assert_eq!(check(None, &[]), Ok(()));
        assert_eq!(check(None, &["whatever"]), Ok(()));
    }

    #[test]
    fn with_a_token_the_header_must_be_bearer_and_that_token() {
        let sesame = Some("sesame");
        assert_eq!(check(sesame, &["Bearer sesame"]), Ok(()));
        assert_eq!(check(sesame, &["bearer  sesame "]), Ok(()));
        assert_eq!(check(sesame, &[]), problem(TokenProblem::Missing));
        assert_eq!(check(sesame, &["Bearer sesame", "Bearer sesame"]), problem(TokenProblem::HeaderTwice));
        assert_eq!(check(sesame, &["sesame"]), problem(TokenProblem::NotBearer));
        assert_eq!(check(sesame, &["Bearersesame"]), problem(TokenProblem::NotBearer));
        assert_eq!(check(sesame, &["Bearer"]), problem(TokenProblem::Empty));
        assert_eq!(check(sesame, &["Bearer \"sesame\""]), problem(TokenProblem::Quoted));
        assert_eq!(check(sesame, &["'Bearer sesame'"]), problem(TokenProblem::Quoted));
        assert_eq!(check(sesame, &["Bearer Bearer sesame"]), problem(TokenProblem::BearerTwice));
        assert_eq!(check(sesame, &["Bearer sesamE"]), problem(TokenProblem::Unknown));
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        assert_eq!(check(Some(" "), &["Bearer "]), problem(TokenProblem::Empty));
        assert_eq!(check(Some(""), &["Bearer x"]), problem(TokenProblem::Unknown));
    }

    #[test]
    fn a_quota_that_is_used_up_says_when_it_resets() {
        let quota = "10/day".parse().expect("a quota");
        let denial = Denial::Quota { quota, resets_at: 86_400 * 2, resets_in: 60 };
        assert_eq!(
            denial.to_string(),
            "The key's 10 requests a day are used up. The quota resets at 1970-01-03T00:00:00Z, in 60 seconds."
        );
        assert_eq!(denial.meter(), Some(Meter { limit: 10, remaining: 0, reset: 60 }));
        assert_eq!(denial.status(), StatusCode::TOO_MANY_REQUESTS);
    }
}
