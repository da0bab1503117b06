//! Permits that all clients share, of which each address has at most a quarter.
//!
//! Without the quarter, one client that waits for something that it has used up itself could hold all permits, and every
//! other client would wait with it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::host::host_of;

/// The part of all permits that one address may have.
const ADDRESS_SHARE: u32 = 4;

/// The permits.
pub(crate) struct FairShare {
    all: Arc<Semaphore>,
    max: u32,
    max_per_address: u32,
    /// The permits of each address that has some, or waits for one.
    addresses: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// Some of the permits, until it is dropped.
#[derive(Debug)]
pub(crate) struct FairPermit {
    /// Of all, and of the address where that is known.
    held: [Option<OwnedSemaphorePermit>; 2],
}

impl FairShare {
    /// `max` permits, and a quarter of them for each address; at least one of each.
    pub(crate) fn new(max: u32) -> Self {
        let most = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let max = max.clamp(1, most);
        Self {
            all: Arc::new(Semaphore::new(max as usize)),
            max,
            max_per_address: (max / ADDRESS_SHARE).max(1),
            addresses: Mutex::default(),
        }
    }

    /// Waits for so many permits for an address. More than the address may have become as many as it may have, so that what
    /// needs more than that can be done alone. `None` never comes while the permits exist.
    pub(crate) async fn acquire(&self, address: Option<IpAddr>, wanted: u32) -> Option<FairPermit> {
        let wanted = wanted.min(if address.is_some() { self.max_per_address } else { self.max });
        // First of its own: a client that waits for these is in nobody's way.
        let of_address = match address {
            Some(address) => {
                let of_address = self.of(host_of(address));
                Some(of_address.acquire_many_owned(wanted).await.ok()?)
            }
            None => None,
        };
        let of_all = Arc::clone(&self.all).acquire_many_owned(wanted).await.ok()?;
        Some(FairPermit { held: [Some(of_all), of_address] })
    }

    /// How many permits are held.
    pub(crate) fn used(&self) -> usize {
        (self.max as usize).saturating_sub(self.all.available_permits())
    }

    /// Forgets addresses that hold nothing and wait for nothing.
    pub(crate) fn evict_idle(&self) {
        self.addresses().retain(|_, of| of.strong_count() > 0);
    }

    fn of(&self, address: IpAddr) -> Arc<Semaphore> {
        let mut addresses = self.addresses();
        if let Some(of) = addresses.get(&address).and_then(Weak::upgrade) {
            return of;
        }
        let of = Arc::new(Semaphore::new(self.max_per_address as usize));
        addresses.insert(address, Arc::downgrade(&of));
        of
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Weak<Semaphore>>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FairPermit {
    /// Releases the permits beyond so many.
    pub(crate) fn shrink_to(&mut self, permits: u32) {
        for held in self.held.iter_mut().flatten() {
            drop(held.split(held.num_permits().saturating_sub(permits as usize)));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Permits that are there at once.
    fn now(of: &FairShare, address: &str, wanted: u32) -> Option<FairPermit> {
        of.acquire(Some(address.parse().expect("an address")), wanted).now_or_never().flatten()
    }

    #[test]
    fn an_address_has_a_quarter_and_all_have_the_whole() {
        let of = FairShare::new(400);
        let held: Vec<_> = (1..=4).map(|at| now(&of, &format!("192.0.2.{at}"), 100)).collect();
        assert!(held.iter().all(Option::is_some) && of.used() == 400);
        assert!(now(&of, "192.0.2.9", 1).is_none(), "all are taken");
        drop(held);
        let one = now(&of, "192.0.2.1", 100);
        assert!(one.is_some() && now(&of, "192.0.2.1", 1).is_none(), "its quarter is taken");
        assert!(now(&of, "::ffff:192.0.2.1", 1).is_none(), "it is the same address");
        assert!(now(&of, "192.0.2.2", 1).is_some(), "others are not in its way");
        drop(one);
        assert!(now(&of, "192.0.2.1", 1).is_some());
    }

    #[test]
    fn more_than_its_part_becomes_its_part_and_what_is_not_needed_goes_back() {
        let of = FairShare::new(400);
        let mut permit = now(&of, "192.0.2.1", u32::MAX).expect("permits");
        assert_eq!(of.used(), 100);
        assert!(now(&of, "192.0.2.1", 1).is_none() && now(&of, "192.0.2.2", u32::MAX).is_some());
        permit.shrink_to(10);
        assert_eq!(of.used(), 10);
        assert!(now(&of, "192.0.2.1", 90).is_some() && now(&of, "192.0.2.1", 91).is_none());
        permit.shrink_to(u32::MAX);
        assert_eq!(of.used(), 10);
        drop(permit);
        let of_nobody = of.acquire(None, u32::MAX).now_or_never().flatten();
        assert_eq!(of.used(), 400);
        drop(of_nobody);
        of.evict_idle();
        assert!(of.addresses().is_empty());
    }
}
