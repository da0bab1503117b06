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
    most: Option<NonZeroUsize>,
    count_loopback: bool,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// A permit for one connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct ConnectionPermit {
    address: Option<IpAddr>,
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Whether a connection may stay.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It has a permit.
    Admitted(ConnectionPermit),
    /// Its address has too many.
    Refused,
}

impl ConnectionLimits {
    /// So many for each address, and any number for those of this machine where these do not count.
    pub(crate) fn new(most: Option<NonZeroUsize>, count_loopback: bool, behind_proxy: bool) -> Self {
        // Behind a proxy every connection is the proxy's.
        let most = most.filter(|_| !behind_proxy);
        Self { most, count_loopback, held: Arc::default() }
    }

    /// A permit for a connection from an address.
    pub(crate) fn admit(&self, address: IpAddr) -> Admission {
        let address = host_of(address);
        let counted = self.most.filter(|_| self.count_loopback || !address.is_loopback());
        let Some(most) = counted else {
            return Admission::Admitted(ConnectionPermit { address: None, held: Arc::clone(&self.held) });
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(address).or_default();
        if *count >= most.get() {
            return Admission::Refused;
        }
        *count += 1;
        Admission::Admitted(ConnectionPermit { address: Some(address), held: Arc::clone(&self.held) })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                held.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(count_loopback: bool, behind_proxy: bool) -> ConnectionLimits {
        ConnectionLimits::new(NonZeroUsize::new(2), count_loopback, behind_proxy)
    }

    fn ask(places: &ConnectionLimits, address: &str) -> Option<ConnectionPermit> {
        match places.admit(address.parse().expect("an address")) {
            Admission::Admitted(place) => Some(place),
            Admission::Refused => None,
        }
    }

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = places(false, false);
        let held = [ask(&places, "192.0.2.1"), ask(&places, "::ffff:192.0.2.1")];
        assert!(held.iter().all(Option::is_some) && ask(&places, "192.0.2.1").is_none());
        assert!(ask(&places, "192.0.2.2").is_some());
        drop(held);
        assert!(places.held.lock().expect("counts").is_empty());
        assert!(ask(&places, "192.0.2.1").is_some());
    }

    #[test]
    fn of_version_6_a_host_is_one_address() {
        let places = places(false, false);
        let held = [ask(&places, "2001:db8::1"), ask(&places, "2001:db8::2")];
        assert!(held.iter().all(Option::is_some) && ask(&places, "2001:db8::3").is_none());
        assert!(ask(&places, "2001:db8:0:1::1").is_some());
    }

    #[test]
    fn this_machine_and_a_proxy_stand_for_many() {
        let of_loopback =
            |places: &ConnectionLimits| (0..3).map(|_| ask(places, "127.0.0.1")).collect::<Vec<_>>();
        assert!(of_loopback(&places(false, false)).iter().all(Option::is_some));
        assert!(of_loopback(&places(true, false)).iter().any(Option::is_none));
        let proxied = places(false, true);
        let held: Vec<_> = (0..3).map(|_| ask(&proxied, "192.0.2.1")).collect();
        assert!(held.iter().all(Option::is_some));
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
