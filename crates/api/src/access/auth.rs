//! Who asks: the bearer token, the key that it belongs to, and what that key may do.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chain::Day;

use crate::access::denial::{Denial, TokenProblem};
use crate::access::history_window::Window;
use crate::access::keys::{self, Key, Ring, Standing, UsedUp};
use crate::access::rate::Meter;

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
}
