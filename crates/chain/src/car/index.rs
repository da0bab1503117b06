//! Where in a file each block is.
//!
//! A sorted array of (first 8 bytes of the digest, offset of the section), with a table of where each value of
//! the first 16 bits begins. Digests are uniform, so a bucket holds few entries; equal prefixes are told apart by
//! the CID in the file itself.

/// Maps digests to offsets.
#[derive(Debug)]
pub(super) struct Index {
    /// Sorted by prefix.
    entries: Vec<(u64, u64)>,
    /// Where the entries of each 16-bit prefix begin; one more at the end.
    buckets: Vec<u32>,
}

const BUCKETS: usize = 1 << 16;

/// The part of a digest by which it is looked up.
pub(super) fn prefix(digest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let length = digest.len().min(8);
    bytes[..length].copy_from_slice(&digest[..length]);
    u64::from_be_bytes(bytes)
}

impl Index {
    /// Builds the index of (prefix, offset) pairs. `None` above 2^32 blocks.
    pub(super) fn new(mut entries: Vec<(u64, u64)>) -> Option<Self> {
        u32::try_from(entries.len()).ok()?;
        entries.sort_unstable();
        let mut buckets = vec![0_u32; BUCKETS + 1];
        for (prefix, _) in &entries {
            buckets[(prefix >> 48) as usize + 1] += 1;
        }
        for bucket in 0..BUCKETS {
            buckets[bucket + 1] += buckets[bucket];
        }
        Some(Self { entries, buckets })
    }

    /// Offsets of the sections whose digest may be that one.
    pub(super) fn candidates(&self, digest: &[u8]) -> impl Iterator<Item = u64> {
        let prefix = prefix(digest);
        let bucket = (prefix >> 48) as usize;
        let entries = &self.entries[self.buckets[bucket] as usize..self.buckets[bucket + 1] as usize];
        let first = entries.partition_point(|entry| entry.0 < prefix);
        entries[first..].iter().take_while(move |entry| entry.0 == prefix).map(|entry| entry.1)
    }

    /// How many blocks it knows.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
