//! Rate limits: a token bucket for each key, and one for each address without a key.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::{StateInformationMiddleware, StateSnapshot};
use governor::state::{InMemoryState, NotKeyed};
use governor::{DefaultKeyedRateLimiter, NotUntil, RateLimiter};

use crate::access::period::Period;
use crate::http::host::host_of;

/// So many requests in a period, all at once or one by one: what was used comes back evenly over the period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of requests.
    pub requests: NonZeroU32,
    /// The period.
    pub per: Period,
}

impl Rate {
    /// So many requests a second.
    #[must_use]
    pub fn per_second(requests: NonZeroU32) -> Self {
        Self { requests, per: Period::Second }
    }

    fn quota(self) -> governor::Quota {
        // An interval of zero, which is more requests than a period has nanoseconds, cannot be: 2³² < 10⁹ · 60, and a
        // second's share of 2³² is no less than one.
        let each = Duration::from_secs(self.per.seconds().into()) / self.requests.get();
        let quota = governor::Quota::with_period(each.max(Duration::from_nanos(1)));
        quota.unwrap_or_else(|| governor::Quota::per_second(self.requests)).allow_burst(self.requests)
    }

    /// How long until `missing` requests have come back, in whole seconds.
    fn refill(self, missing: u32) -> u64 {
        let seconds = u64::from(self.per.seconds()) * u64::from(missing);
        seconds.div_ceil(u64::from(self.requests.get()))
    }
}

/// What is wrong with a rate that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate: expected a number of requests and a period, such as 100/s or 600/min")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let read = || {
            let (requests, per) = text.split_once('/')?;
            let per = per.parse().ok().filter(|per| matches!(per, Period::Second | Period::Minute))?;
            Some(Self { requests: requests.parse().ok()?, per })
        };
        read().ok_or_else(|| RateError(text.to_owned()))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.requests, self.per)
    }
}

/// How far a limit is used up, for the `RateLimit-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateLimitStatus {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until all of it is there again.
    pub(crate) reset: u64,
}

/// A limit is used up; there is room again after so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateExceeded {
    pub(crate) rate: Rate,
    pub(crate) retry_after: u64,
}

type Direct = RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>;
type Keyed = DefaultKeyedRateLimiter<IpAddr, StateInformationMiddleware>;

/// The requests that one key may make.
pub(crate) struct TokenBucket {
    rate: Rate,
    limiter: Direct,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate) -> Self {
        let limiter = RateLimiter::direct(rate.quota()).with_middleware();
        Self { rate, limiter }
    }

    /// Takes a request out.
    pub(crate) fn take_token(&self) -> Result<RateLimitStatus, RateExceeded> {
        outcome(self.rate, self.limiter.check())
    }
}

impl fmt::Debug for TokenBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("rate", &self.rate).finish_non_exhaustive()
    }
}

/// The requests that each address may make.
pub(crate) struct AddressLimiter {
    rate: Rate,
    limiter: Keyed,
}

impl AddressLimiter {
    pub(crate) fn new(rate: Rate) -> Self {
        let limiter = RateLimiter::dashmap(rate.quota()).with_middleware();
        Self { rate, limiter }
    }

    /// Takes a request out of an address's.
    pub(crate) fn take_token(&self, address: IpAddr) -> Result<RateLimitStatus, RateExceeded> {
        outcome(self.rate, self.limiter.check_key(&host_of(address)))
    }

    /// Forgets addresses whose requests have all come back.
    pub(crate) fn evict_idle(&self) {
        self.limiter.retain_recent();
    }
}

fn outcome(
    rate: Rate,
    checked: Result<StateSnapshot, NotUntil<<DefaultClock as Clock>::Instant>>,
) -> Result<RateLimitStatus, RateExceeded> {
    let limit = rate.requests.get();
    match checked {
        Ok(state) => {
            let remaining = state.remaining_burst_capacity().min(limit);
            Ok(RateLimitStatus { limit, remaining, reset: rate.refill(limit - remaining) })
        }
        Err(not_until) => {
            let wait = not_until.wait_time_from(DefaultClock::default().now());
            Err(RateExceeded { rate, retry_after: wait.as_secs() + 1 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().expect("a rate")
    }

    #[test]
    fn so_many_may_be_asked_at_once_and_no_more() {
        // What comes back while this runs is less than one.
        let bucket = TokenBucket::new(rate("3/min"));
        let taken: Vec<_> =
            (0..3).map(|_| bucket.take_token().map(|rate_limit| rate_limit.remaining)).collect();
        assert_eq!(taken, [Ok(2), Ok(1), Ok(0)]);
        let exceeded = bucket.take_token().expect_err("a limit");
        assert!((1..=21).contains(&exceeded.retry_after), "{exceeded:?}");
    }

    #[test]
    fn what_was_used_is_said_to_come_back_evenly() {
        let rate_limit = TokenBucket::new(rate("60/min")).take_token().expect("room");
        assert_eq!(rate_limit, RateLimitStatus { limit: 60, remaining: 59, reset: 1 });
        assert_eq!(rate("100/s").refill(100), 1);
        assert_eq!(rate("600/min").refill(300), 30);
    }

    #[test]
    fn addresses_are_counted_apart_and_those_of_one_host_together() {
        let addresses = AddressLimiter::new(rate("1/min"));
        let take = |address: &str| addresses.take_token(address.parse().expect("an address")).is_ok();
        assert!(take("192.0.2.1") && take("192.0.2.2"));
        assert!(!take("192.0.2.1") && !take("::ffff:192.0.2.1"));
        assert!(take("2001:db8::1") && !take("2001:db8::ffff:1") && take("2001:db8:0:1::1"));
    }

    #[test]
    fn rates_read_as_people_write_them() {
        assert_eq!(rate("100/s").to_string(), "100/second");
        for wrong in ["", "100", "0/s", "-1/s", "10/day", "1.5/s", "99999999999/s"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
        assert!(TokenBucket::new(rate("4294967295/s")).take_token().is_ok());
    }
}
