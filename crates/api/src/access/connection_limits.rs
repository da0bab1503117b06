//! Limits of connections for each address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use crate::http::host::host_of;

/// What is said to an address that has as many connections as it may. It is written without reading a request.
pub(crate) const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\n\
    cache-control: no-store\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 83\r\n\r\n\
    {\"code\":429,\"message\":\"This address has too many connections: close some of them.\"}";

/// Counts the connections of each address.
pub(crate) struct ConnectionLimits {
    /// Where they are limited.
    max_per_address: Option<NonZeroUsize>,
    count_loopback: bool,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A permit for one connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    address: Option<IpAddr>,
    counts: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Whether a connection may stay.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It has a permit.
    Granted(ConnectionPermit),
    /// Its address has too many.
    Refused,
}

impl ConnectionLimits {
    /// So many for each address, and any number for those of this machine where these do not count.
    pub(crate) fn new(
        max_per_address: Option<NonZeroUsize>,
        count_loopback: bool,
        behind_proxy: bool,
    ) -> Self {
        // Behind a proxy every connection is the proxy's.
        let max_per_address = max_per_address.filter(|_| !behind_proxy);
        Self { max_per_address, count_loopback, counts: Arc::default() }
    }

    /// A permit for a connection from an address.
    pub(crate) fn admit(&self, address: IpAddr) -> Admission {
        let address = host_of(address);
        let counted = self.max_per_address.filter(|_| self.count_loopback || !address.is_loopback());
        let Some(max_per_address) = counted else {
            return Admission::Granted(ConnectionPermit { address: None, counts: Arc::clone(&self.counts) });
        };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= max_per_address.get() {
            return Admission::Refused;
        }
        *count += 1;
        Admission::Granted(ConnectionPermit { address: Some(address), counts: Arc::clone(&self.counts) })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(count_loopback: bool, behind_proxy: bool) -> ConnectionLimits {
        ConnectionLimits::new(NonZeroUsize::new(2), count_loopback, behind_proxy)
    }

    fn ask(limits: &ConnectionLimits, address: &str) -> Option<ConnectionPermit> {
        match limits.admit(address.parse().expect("an address")) {
            Admission::Granted(permit) => Some(permit),
            Admission::Refused => None,
        }
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let limits = limits(false, false);
        let counts = [ask(&limits, "192.0.2.1"), ask(&limits, "::ffff:192.0.2.1")];
        assert!(counts.iter().all(Option::is_some) && ask(&limits, "192.0.2.1").is_none());
        assert!(ask(&limits, "192.0.2.2").is_some());
        drop(counts);
        assert!(limits.counts.lock().expect("counts").is_empty());
        assert!(ask(&limits, "192.0.2.1").is_some());
    }

    #[test]
    fn of_version_6_a_host_is_one_address() {
        let limits = limits(false, false);
        let counts = [ask(&limits, "2001:db8::1"), ask(&limits, "2001:db8::2")];
        assert!(counts.iter().all(Option::is_some) && ask(&limits, "2001:db8::3").is_none());
        assert!(ask(&limits, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn this_machine_and_a_proxy_stand_for_many() {
        let of_loopback =
            |limits: &ConnectionLimits| (0..3).map(|_| ask(limits, "127.0.0.1")).collect::<Vec<_>>();
        assert!(of_loopback(&limits(false, false)).iter().all(Option::is_some));
        assert!(of_loopback(&limits(true, false)).iter().any(Option::is_none));
        let proxied = limits(false, true);
        let counts: Vec<_> = (0..3).map(|_| ask(&proxied, "192.0.2.1")).collect();
        assert!(counts.iter().all(Option::is_some));
    }

    #[test]
    fn the_refusal_is_as_long_as_it_says() {
        let text = std::str::from_utf8(TOO_MANY_CONNECTIONS).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        assert_eq!(length, Some(body.len().to_string().as_str()));
        serde_json::from_str::<serde_json::Value>(body).expect("JSON");
    }
}
