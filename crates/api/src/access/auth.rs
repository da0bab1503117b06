//! Authentication: the bearer token of a request, the key that it belongs to, and what that key may do.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use chain::Day;

use crate::access::denial::{Denial, TokenProblem};
use crate::access::history_window::HistoryWindow;
use crate::access::keys::{Key, KeySet, KeyState, QuotaExhausted};
use crate::access::rate::RateLimitStatus;

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) enum Caller {
    /// Anyone: no key is required.
    Anonymous,
    /// The holder of a key in force.
    KeyHolder(Arc<Key>),
    /// A sender without a valid key.
    Rejected(Denial),
}

impl Caller {
    /// The key, where one is in force.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::KeyHolder(key) => Some(key),
            Self::Anonymous | Self::Rejected(_) => None,
        }
    }

    /// Authorizes the caller for `path` (such as `sector/total` or `v1/miners`), and counts that as one of
    /// the key's requests. `now` is in Unix seconds.
    pub(crate) fn admit(&self, path: &str, now: i64) -> Result<Grant, Denial> {
        let key = match self {
            Self::Anonymous => return Ok(Grant { key: None, rate_limit: None }),
            Self::Rejected(denial) => return Err(denial.clone()),
            Self::KeyHolder(key) => key,
        };
        if let Some(scope) = key.terms.scope.as_ref().filter(|scope| !scope.allows(path)) {
            return Err(Denial::Scope { asked: path.to_owned(), scope: scope.to_string() });
        }
        let rate_limit = match key.terms.quota {
            None => None,
            Some(quota) => {
                let taken = key.counters.take_request(quota, now);
                let resets_in = |resets_at: i64| u64::try_from(resets_at.saturating_sub(now)).unwrap_or(0);
                let taken = taken.map_err(|QuotaExhausted { resets_at }| Denial::Quota {
                    quota,
                    resets_at,
                    resets_in: resets_in(resets_at),
                })?;
                let reset = resets_in(taken.resets_at);
                Some(RateLimitStatus { limit: quota.requests.get(), remaining: taken.remaining, reset })
            }
        };
        Ok(Grant { key: Some(Arc::clone(key)), rate_limit })
    }
}

/// What an authorized request may see. The request carries it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    key: Option<Arc<Key>>,
    /// How far the key's quota is used up.
    pub(crate) rate_limit: Option<RateLimitStatus>,
}

impl Grant {
    /// Those of the closed days that may be seen.
    pub(crate) fn window(&self, closed: &RangeInclusive<Day>) -> HistoryWindow {
        HistoryWindow::new(closed, self.key.as_ref().and_then(|key| key.terms.history_days))
    }
}

/// Authenticates requests by the keys that are loaded.
pub(crate) struct Authenticator {
    pub(crate) key_set: ArcSwap<KeySet>,
}

impl Authenticator {
    pub(crate) fn new(key_set: KeySet) -> Self {
        Self { key_set: ArcSwap::from_pointee(key_set) }
    }

    /// Whether no key is required.
    pub(crate) fn allows_anonymous(&self) -> bool {
        !self.key_set.load().requires_key()
    }

    /// The sender of a request with these headers. `now` is in Unix seconds.
    pub(crate) fn caller(&self, headers: &HeaderMap, now: i64) -> Caller {
        let key_set = self.key_set.load();
        if !key_set.requires_key() {
            return Caller::Anonymous;
        }
        let token = match bearer_token(headers) {
            Ok(token) => token,
            Err(problem) => return Caller::Rejected(Denial::Token(problem)),
        };
        match key_set.find(token) {
            None => Caller::Rejected(Denial::Token(diagnose(token))),
            Some(key) => match key.state(now) {
                KeyState::Active => Caller::KeyHolder(Arc::clone(key)),
                KeyState::Expired => Caller::Rejected(Denial::Expired),
                KeyState::Revoked => Caller::Rejected(Denial::Revoked),
            },
        }
    }
}

/// The token after `Bearer` in the `authorization` header.
fn bearer_token(headers: &HeaderMap) -> Result<&str, TokenProblem> {
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
        Authenticator::new(KeySet::new(token, None)).caller(&map, 0).admit("sector/total", 0).map(|_| ())
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
