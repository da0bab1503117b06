//! Entity tags and `Cache-Control`: how long a response may be kept, and whether a client has it already.
//!
//! An answer's tag is weak: two answers of the same tag have the same data, but each has a `request_id` of its own, and
//! one may be compressed where the other is not. A strong tag would promise that they are the same to the byte.

use std::fmt;

use axum::http::header::{HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue};
use chain::{Day, EPOCHS_PER_DAY, MinerId};
use ledger::columns::Endpoint;
use sha2::{Digest as _, Sha256};

/// How the outcomes of the messages of an answer's days are known: `read`, `inferred` or `mixed` (`docs/DEFINITIONS.md`,
/// "Missing receipts").
pub(crate) const X_RECEIPTS: HeaderName = HeaderName::from_static("x-receipts");
/// Epochs after which the chain does not change its mind.
const FINALITY: i64 = 900;

/// The entity tag of a response. It is weak: its text is that of the data, not of the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag(String);

impl EntityTag {
    /// The tag of an endpoint's rows of that miner, or of all miners. `version` is that of the data: another whenever they
    /// may be others.
    pub(crate) fn of_endpoint(
        version: impl fmt::Display,
        endpoint: Endpoint,
        miner: Option<MinerId>,
    ) -> Self {
        let endpoint = endpoint.name();
        Self(match miner {
            Some(miner) => format!("{version}-{endpoint}-{miner}"),
            None => format!("{version}-{endpoint}"),
        })
    }

    /// The tag of a version of the data, and of what else decides on the response.
    pub(crate) fn of_parts(version: u64, parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        Self(format!("{version}-{:016x}", first_64_bits(hash)))
    }

    /// The tag of content that has no version.
    pub(crate) fn of_content(content: &[u8]) -> Self {
        Self(format!("{:016x}", first_64_bits(Sha256::new_with_prefix(content))))
    }

    /// Its header; `None` if the text does not fit in one.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("W/\"{}\"", self.0)).ok()
    }
}

fn first_64_bits(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |all, byte| all << 8 | u64::from(*byte))
}

/// What a request's `If-None-Match` says; whether its tags are weak or strong makes no difference (RFC 9110, section
/// 13.1.2).
#[derive(Clone, Debug)]
pub(crate) struct IfNoneMatch<'h>(Vec<&'h str>);

impl<'h> IfNoneMatch<'h> {
    /// Reads the headers of a request.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        Self(headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).collect())
    }

    /// Whether it names that tag.
    pub(crate) fn names(&self, tag: &EntityTag) -> bool {
        self.0.iter().any(|value| tags(value).any(|named| named == tag.0))
    }

    /// Whether it is met by whatever there is: `*`.
    pub(crate) fn is_any(&self) -> bool {
        self.0.iter().any(|value| value.trim() == "*")
    }
}

/// The opaque parts of a list of tags. What is no tag ends the list.
fn tags(mut list: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        list = list.trim_start_matches([' ', '\t', ',']);
        let opened = list.strip_prefix("W/").unwrap_or(list).strip_prefix('"')?;
        let (tag, rest) = opened.split_once('"')?;
        list = rest;
        Some(tag)
    })
}

/// What caches may do with an answer of a closed day. `asked` is whether the request named the day, `latest` the latest
/// closed one, `open` whether answers are for everybody.
pub(crate) fn cache_control(asked: bool, day: Day, latest: Day, open: bool) -> HeaderValue {
    let since = (i64::from(latest.unix_days()) - i64::from(day.unix_days())) * EPOCHS_PER_DAY;
    HeaderValue::from_static(match (asked && since > FINALITY, open) {
        (true, true) => "public, max-age=31536000, immutable",
        (true, false) => "private",
        (false, true) => "no-cache",
        (false, false) => "private, no-cache",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
        }
        let (tag, asked) =
            (EntityTag::of_endpoint("v1", Endpoint::Total, Some(MinerId(7))), IfNoneMatch::of(&headers));
        asked.names(&tag) || asked.is_any()
    }

    #[test]
    fn a_tag_is_found_in_lists_weak_or_strong() {
        for values in [
            &[r#"W/"v1-total-f07""#][..],
            &[r#""v1-total-f07""#],
            &[r#""a", W/"v1-total-f07" ,"b""#],
            &[r#"W/"a,b",,"v1-total-f07""#],
            &[r#""a""#, r#"W/"v1-total-f07""#],
            &["*"],
            &[" * "],
        ] {
            assert!(held(values), "{values:?}");
        }
        for values in [
            &[][..],
            &[""],
            &["v1-total-f07"],
            &[r#"w/"v1-total-f07""#],
            &[r#""v1-total""#],
            &[r#""V1-total-f07""#],
            &[r#""v1-total-f07"#],
            &[r#""x v1-total-f07""#],
            &[r#"x, W/"v1-total-f07""#],
            &[r#""*""#],
        ] {
            assert!(!held(values), "{values:?}");
        }
    }

    #[test]
    fn a_final_day_that_was_asked_for_by_date_is_kept_for_ever() {
        let day = Day::from_unix_days;
        let said = |asked, of, open| cache_control(asked, day(of), day(9), open);
        assert_eq!(said(true, 8, true), "public, max-age=31536000, immutable");
        assert_eq!(said(true, 8, false), "private");
        assert_eq!(said(true, 9, true), "no-cache");
        assert_eq!(said(false, 9, true), "no-cache");
        assert_eq!(said(true, 9, false), "private, no-cache");
    }
}
