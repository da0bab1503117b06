//! The memory of responses that are not sent yet: limited for all together, and for each address.
//!
//! An answer that its asker does not take stays in memory until the connection is given up. So whoever wants rows first gets
//! [`MemoryPermit`] for them, which goes with the answer's body and ends with it; who finds none waits. Rendered days are shared by
//! all who ask for them, so they are counted once each ([`ByteCounter`]), as long as anybody holds them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::host::host_of;

/// Bytes that are counted as one.
const UNIT: usize = 1024;
/// The part of all that one address may have.
const ADDRESS_SHARE: usize = 4;

/// Limits the memory of responses that are not sent yet.
pub(crate) struct ResponseMemory {
    all: Arc<Semaphore>,
    /// In units, as are the next.
    max: u32,
    max_per_address: u32,
    /// The room of each address that has some, or waits for it.
    addresses: Mutex<HashMap<IpAddr, Weak<Semaphore>>>,
}

/// A reservation of memory for one response, until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit {
    /// Of all, and of the address where that is known.
    held: [Option<OwnedSemaphorePermit>; 2],
}

impl ResponseMemory {
    /// Room for so many bytes, and a quarter of that for each address.
    pub(crate) fn new(bytes: usize) -> Self {
        let max = units(bytes).max(1);
        Self {
            all: Arc::new(Semaphore::new(max as usize)),
            max,
            max_per_address: units(bytes / ADDRESS_SHARE).max(1),
            addresses: Mutex::default(),
        }
    }

    /// Room for so many bytes for an address, once there is some. What is larger than the address's part gets all of that: it
    /// can be made, if it is the only one.
    pub(crate) async fn reserve(&self, address: Option<IpAddr>, bytes: usize) -> Option<MemoryPermit> {
        let wanted = units(bytes).min(if address.is_some() { self.max_per_address } else { self.max });
        // First of its own: who waits for that is in nobody's way.
        let of_address = match address {
            Some(address) => {
                let of_address = self.of(host_of(address));
                Some(of_address.acquire_many_owned(wanted).await.ok()?)
            }
            None => None,
        };
        let of_all = Arc::clone(&self.all).acquire_many_owned(wanted).await.ok()?;
        Some(MemoryPermit { held: [Some(of_all), of_address] })
    }

    /// Bytes that there is no room for any more.
    pub(crate) fn used(&self) -> usize {
        (self.max as usize).saturating_sub(self.all.available_permits()).saturating_mul(UNIT)
    }

    /// Forgets addresses that hold nothing.
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

impl MemoryPermit {
    /// Releases what is beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let kept = units(bytes) as usize;
        for held in self.held.iter_mut().flatten() {
            drop(held.split(held.num_permits().saturating_sub(kept)));
        }
    }
}

fn units(bytes: usize) -> u32 {
    let max = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(max)
}

/// Counts the bytes of what is shared, each once, until its last holder lets go. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteCounter(Arc<AtomicUsize>);

impl ByteCounter {
    /// The same bytes, counted.
    pub(crate) fn count(&self, bytes: Bytes) -> Bytes {
        self.0.fetch_add(bytes.len(), Ordering::Relaxed);
        Bytes::from_owner(CountedBytes { bytes, alive: self.clone() })
    }

    /// Bytes that are held now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

struct CountedBytes {
    bytes: Bytes,
    alive: ByteCounter,
}

impl AsRef<[u8]> for CountedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        self.alive.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    /// Room that is there at once.
    fn now(of: &ResponseMemory, address: &str, bytes: usize) -> Option<MemoryPermit> {
        of.reserve(Some(address.parse().expect("an address")), bytes).now_or_never().flatten()
    }

    #[test]
    fn an_address_has_a_quarter_and_all_have_the_whole() {
        let of = ResponseMemory::new(400 * UNIT);
        let held: Vec<_> = (1..=4).map(|at| now(&of, &format!("192.0.2.{at}"), 100 * UNIT)).collect();
        assert!(held.iter().all(Option::is_some) && of.used() == 400 * UNIT);
        assert!(now(&of, "192.0.2.9", UNIT).is_none(), "all is taken");
        drop(held);
        let one = now(&of, "192.0.2.1", 100 * UNIT);
        assert!(one.is_some() && now(&of, "192.0.2.1", UNIT).is_none(), "its quarter is taken");
        assert!(now(&of, "::ffff:192.0.2.1", UNIT).is_none(), "it is the same address");
        assert!(now(&of, "192.0.2.2", UNIT).is_some(), "others are not in its way");
        drop(one);
        assert!(now(&of, "192.0.2.1", UNIT).is_some());
    }

    #[test]
    fn what_is_too_large_gets_all_of_its_part_and_gives_back_what_it_needs_not() {
        let of = ResponseMemory::new(400 * UNIT);
        let mut room = now(&of, "192.0.2.1", usize::MAX).expect("room");
        assert_eq!(of.used(), 100 * UNIT);
        assert!(now(&of, "192.0.2.1", UNIT).is_none() && now(&of, "192.0.2.2", usize::MAX).is_some());
        room.shrink_to(10 * UNIT);
        assert_eq!(of.used(), 10 * UNIT);
        assert!(now(&of, "192.0.2.1", 90 * UNIT).is_some() && now(&of, "192.0.2.1", 91 * UNIT).is_none());
        room.shrink_to(usize::MAX);
        assert_eq!(of.used(), 10 * UNIT);
        drop(room);
        assert_eq!(of.used(), 0);
        let of_nobody = of.reserve(None, usize::MAX).now_or_never().flatten();
        assert_eq!(of.used(), 400 * UNIT);
        drop(of_nobody);
        of.evict_idle();
        assert!(of.addresses().is_empty());
    }

    #[test]
    fn shared_bytes_count_once_until_the_last_holder_lets_go() {
        let alive = ByteCounter::default();
        let bytes = alive.count(Bytes::from_static(b"rows of a day"));
        let part = bytes.slice(5..7);
        assert_eq!((alive.bytes(), part.as_ref()), (13, &b"of"[..]));
        drop(bytes);
        assert_eq!(alive.bytes(), 13);
        drop(part);
        assert_eq!(alive.bytes(), 0);
    }
}
