//! The memory of responses that are not sent yet: limited for all together, and for each address.
//!
//! An answer that its asker does not take stays in memory until the connection is given up. So whoever wants rows first gets
//! [`MemoryPermit`] for them, which goes with the answer's body and ends with it; who finds none waits. Rendered days are shared by
//! all who ask for them, so they are counted once each ([`ByteCounter`]), as long as anybody holds them.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;

use crate::http::fair_share::{FairPermit, FairShare};

/// Bytes that are counted as one.
const UNIT: usize = 1024;

/// Limits the memory of responses that are not sent yet.
pub(crate) struct ResponseMemory(FairShare);

/// A reservation of memory for one response, until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryPermit(FairPermit);

impl ResponseMemory {
    /// Memory of so many bytes, and a quarter of that for each address.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(FairShare::new(units(bytes)))
    }

    /// Waits for so many bytes for an address. More than the address's part becomes all of its part: such a response can be
    /// made, if it is the only one.
    pub(crate) async fn reserve(&self, address: Option<IpAddr>, bytes: usize) -> Option<MemoryPermit> {
        self.0.acquire(address, units(bytes)).await.map(MemoryPermit)
    }

    /// Bytes that are reserved.
    pub(crate) fn used(&self) -> usize {
        self.0.used().saturating_mul(UNIT)
    }

    /// Forgets addresses that hold nothing.
    pub(crate) fn evict_idle(&self) {
        self.0.evict_idle();
    }
}

impl MemoryPermit {
    /// Releases what is beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        self.0.shrink_to(units(bytes));
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
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
    use super::*;

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
