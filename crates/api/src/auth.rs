//! Who may ask: the bearer token.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

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

/// Lets requests in that carry the token, or all of them where none is set.
pub(crate) struct Gate {
    /// SHA-256 of the token.
    digest: Option<[u8; 32]>,
}

impl Gate {
    /// A gate for that token; without one, an open gate.
    pub(crate) fn new(token: Option<&str>) -> Self {
        Self { digest: token.map(|token| digest(token.trim())) }
    }

    /// Whether anybody may pass.
    pub(crate) fn is_open(&self) -> bool {
        self.digest.is_none()
    }

    /// Whether a request with these headers may pass.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), TokenProblem> {
        let Some(expected) = &self.digest else {
            return Ok(());
        };
        let token = presented(headers)?;
        // The digests are compared, so the time taken tells nothing about the token, its length included.
        if bool::from(digest(token).as_slice().ct_eq(expected)) {
            return Ok(());
        }
        Err(diagnose(token))
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
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

    fn check(token: Option<&str>, headers: &[&'static str]) -> Result<(), TokenProblem> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Gate::new(token).check(&map)
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
        assert_eq!(check(sesame, &[]), Err(TokenProblem::Missing));
        assert_eq!(check(sesame, &["Bearer sesame", "Bearer sesame"]), Err(TokenProblem::HeaderTwice));
        assert_eq!(check(sesame, &["sesame"]), Err(TokenProblem::NotBearer));
        assert_eq!(check(sesame, &["Bearersesame"]), Err(TokenProblem::NotBearer));
        assert_eq!(check(sesame, &["Bearer"]), Err(TokenProblem::Empty));
        assert_eq!(check(sesame, &["Bearer \"sesame\""]), Err(TokenProblem::Quoted));
        assert_eq!(check(sesame, &["'Bearer sesame'"]), Err(TokenProblem::Quoted));
        assert_eq!(check(sesame, &["Bearer Bearer sesame"]), Err(TokenProblem::BearerTwice));
        assert_eq!(check(sesame, &["Bearer sesamE"]), Err(TokenProblem::Unknown));
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        assert_eq!(check(Some(" "), &["Bearer "]), Err(TokenProblem::Empty));
        assert_eq!(check(Some(""), &["Bearer x"]), Err(TokenProblem::Unknown));
    }
}
