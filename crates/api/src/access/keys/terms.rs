//! The terms of a key: scope, quota, expiry and history window.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use ledger::columns::Endpoint;

use crate::access::period::Period;
use crate::paths;

/// Longest name of a key, in bytes.
const LONGEST_NAME: usize = 64;
/// What is wrong with the terms that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// A name that cannot be one.
    #[error("{0:?} is no name: use 1 to 64 letters, digits, dots, dashes or underscores")]
    Name(String),
    /// A quota that cannot be read.
    #[error(
        "{0:?} is no quota: expected a number of requests and a period, such as 10000/day, 500/hour or 60/minute"
    )]
    Quota(String),
    /// A span of time that cannot be read.
    #[error("{0:?} is no span of time: expected hours, days or weeks, such as 12h, 90d or 8w")]
    Span(String),
    /// A history window that is not whole days.
    #[error("{0:?} is no history window: expected whole days, such as 365d")]
    History(String),
    /// A scope that names nothing.
    #[error(
        "{0:?} is nothing that a key can be for: expected sector, sector/ENDPOINT, v1, v1/PATH or metrics"
    )]
    Scope(String),
}

/// Whether a key may be called that.
///
/// # Errors
/// If not: names go to logs and tables, so they are short and plain.
pub fn valid_name(name: &str) -> Result<(), TermError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(TermError::Name(name.to_owned()))
}

/// The terms of a key. The default is everything, without an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// When it ends, in Unix seconds.
    pub expires_at: Option<i64>,
    /// How many requests it may make.
    pub quota: Option<Quota>,
    /// How many days it may see, counted back from the latest closed one, that one included.
    pub history_days: Option<NonZeroU32>,
    /// What it may ask for; everything if absent.
    pub scope: Option<Scope>,
}

/// How many requests a key may make in a period: `10000/day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The number of requests.
    pub requests: NonZeroU32,
    /// The period.
    pub per: Period,
}

impl FromStr for Quota {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let read = || {
            let (requests, per) = text.split_once('/')?;
            // A quota by the second would be a rate limit, which is the server's to set.
            let per = per.parse().ok().filter(|per| *per != Period::Second)?;
            Some(Self { requests: requests.parse().ok()?, per })
        };
        read().ok_or_else(|| TermError::Quota(text.to_owned()))
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.per)
    }
}

/// A span of time: `12h`, `90d`, `8w`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    seconds: u64,
}

impl Span {
    /// In seconds.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.seconds).unwrap_or(i64::MAX)
    }

    /// In whole days.
    ///
    /// # Errors
    /// If it is not at least one, or not whole.
    pub fn days(self) -> Result<NonZeroU32, TermError> {
        let day = u64::from(Period::Day.seconds());
        let days = u32::try_from(self.seconds / day).ok().and_then(NonZeroU32::new);
        days.filter(|_| self.seconds.is_multiple_of(day)).ok_or_else(|| {
            TermError::History(format!("{}h", self.seconds / u64::from(Period::Hour.seconds())))
        })
    }
}

impl FromStr for Span {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let read = || {
            let unit = text.chars().last()?;
            let seconds: u32 = match unit {
                'h' => Period::Hour.seconds(),
                'd' => Period::Day.seconds(),
                'w' => 7 * Period::Day.seconds(),
                _ => return None,
            };
            let number: NonZeroU32 = text.strip_suffix(unit)?.parse().ok()?;
            Some(Self { seconds: u64::from(number.get()) * u64::from(seconds) })
        };
        read().ok_or_else(|| TermError::Span(text.to_owned()))
    }
}

/// What a key may ask for: paths, each with all below it. `sector` is the ten endpoints of `/v2`,
/// `sector/total` one of them, `v1` all of `/v1`, `metrics` the figures for Prometheus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// Whether it covers that path.
    pub(crate) fn allows(&self, asked: &str) -> bool {
        let below = |of: &String| {
            asked.strip_prefix(of.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().any(below)
    }
}

impl FromStr for Scope {
    type Err = TermError;

    fn from_str(text: &str) -> Result<Self, TermError> {
        let known = |part: &&str| match part.split_once('/') {
            None => ["sector", "v1", "metrics"].contains(part),
            Some(("sector", name)) => Endpoint::from_name(name).is_some(),
            Some(("v1", path)) => {
                let (head, rest) = path.split_once('/').unwrap_or((path, "daily"));
                is_of_v1(head) && !rest.is_empty()
            }
            Some(_) => false,
        };
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        match parts.iter().find(|part| !known(part)) {
            Some(part) => Err(TermError::Scope((*part).to_owned())),
            None => Ok(Self(parts.into_iter().map(str::to_owned).collect())),
        }
    }
}

/// Whether paths of `/v1` begin so; those below it are covered with it.
fn is_of_v1(head: &str) -> bool {
    let heads = paths::V1.iter().filter_map(|path| path.strip_prefix("/v1/"));
    heads.filter_map(|path| path.split('/').next()).any(|known| known == head)
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_and_spans_read_as_people_write_them() {
        assert_eq!("10000/day".parse::<Quota>().map(|quota| quota.to_string()), Ok("10000/day".to_owned()));
        assert_eq!("60/min".parse::<Quota>().map(|quota| quota.per.seconds()), Ok(60));
        for wrong in ["", "10", "0/day", "-1/day", "10/week", "10/s", "5000000000/day", "/day"] {
            assert!(wrong.parse::<Quota>().is_err(), "{wrong}");
        }
        assert_eq!("90d".parse::<Span>().map(Span::seconds), Ok(90 * 86_400));
        assert_eq!("2w".parse::<Span>().and_then(Span::days).map(NonZeroU32::get), Ok(14));
        assert_eq!("36h".parse::<Span>().and_then(Span::days), Err(TermError::History("36h".to_owned())));
        for wrong in ["", "d", "0d", "-1d", "1.5d", "90", "90 d", "1é"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scope_holds_what_stands_below_it() {
        let scope: Scope = "sector/total, v1/miners".parse().expect("a scope");
        assert_eq!(scope.to_string(), "sector/total,v1/miners");
        for allowed in ["sector/total", "v1/miners", "v1/miners/f01000/events"] {
            assert!(scope.allows(allowed), "{allowed}");
        }
        for denied in ["sector", "sector/totals", "sector/fault", "v1", "v1/minersx", "metrics", ""] {
            assert!(!scope.allows(denied), "{denied}");
        }
        assert!("sector".parse::<Scope>().expect("a scope").allows("sector/fault"));
        for wrong in
            ["", "sectors", "sector/totals", "sector/", "v1/", "v1/minors", "v2", "sector/total,,", "/v1"]
        {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(valid_name("alice-2.test_x"), Ok(()));
        for wrong in ["", "two words", "ä", "a\nb", &"x".repeat(65)] {
            assert!(valid_name(wrong).is_err(), "{wrong}");
        }
    }
}
