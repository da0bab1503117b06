//! Sorting more pairs than memory should hold.
//!
//! Pairs of (prefix of a digest, offset) are gathered while a file is read. Up to a bound they stay in memory;
//! beyond it they are dealt out to 256 temporary files by their first byte, of which each is small enough to be
//! sorted by itself.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};

/// Pairs held in memory: 64 MB.
const HELD: usize = 4 << 20;
const PARTS: usize = 256;
const PAIR: usize = 16;

/// Gathers pairs in any order.
pub(super) struct ExternalSorter {
    held: Vec<(u64, u64)>,
    most_held: usize,
    parts: Vec<BufWriter<File>>,
    count: u64,
}

impl ExternalSorter {
    pub(super) const fn new() -> Self {
        Self::holding(HELD)
    }

    const fn holding(most_held: usize) -> Self {
        Self { held: Vec::new(), most_held, parts: Vec::new(), count: 0 }
    }

    /// Adds a pair.
    pub(super) fn push(&mut self, prefix: u64, offset: u64) -> io::Result<()> {
        if self.held.len() >= self.most_held {
            self.spill()?;
        }
        self.held.push((prefix, offset));
        self.count += 1;
        Ok(())
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.parts.is_empty() {
            let part = |_| tempfile::tempfile().map(|file| BufWriter::with_capacity(1 << 14, file));
            self.parts = (0..PARTS).map(part).collect::<io::Result<_>>()?;
        }
        for (prefix, offset) in self.held.drain(..) {
            let part = &mut self.parts[(prefix >> 56) as usize];
            part.write_all(&prefix.to_le_bytes())?;
            part.write_all(&offset.to_le_bytes())?;
        }
        Ok(())
    }

    /// The pairs by prefix, then offset.
    pub(super) fn finish(mut self) -> io::Result<SortedPairs> {
        if self.parts.is_empty() {
            self.held.sort_unstable();
            return Ok(SortedPairs { held: self.held, parts: Vec::new(), count: self.count });
        }
        self.spill()?;
        let parts = self.parts.into_iter().map(|part| Ok(part.into_inner()?)).collect::<io::Result<_>>()?;
        Ok(SortedPairs { held: Vec::new(), parts, count: self.count })
    }
}

/// Pairs in order; may be walked through several times.
pub(super) struct SortedPairs {
    held: Vec<(u64, u64)>,
    parts: Vec<File>,
    count: u64,
}

impl SortedPairs {
    /// How many there are.
    pub(super) const fn len(&self) -> u64 {
        self.count
    }

    /// Calls `visit` with each pair.
    pub(super) fn for_each(&self, visit: &mut dyn FnMut(u64, u64) -> io::Result<()>) -> io::Result<()> {
        self.held.iter().try_for_each(|(prefix, offset)| visit(*prefix, *offset))?;
        let mut bytes = Vec::new();
        for mut part in &self.parts {
            bytes.clear();
            part.seek(SeekFrom::Start(0))?;
            part.read_to_end(&mut bytes)?;
            let number =
                |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            let pair = |pair: &[u8]| (number(&pair[..8]), number(&pair[8..]));
            let mut pairs: Vec<_> = bytes.chunks_exact(PAIR).map(pair).collect();
            pairs.sort_unstable();
            pairs.iter().try_for_each(|(prefix, offset)| visit(*prefix, *offset))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_out_in_order_whether_held_or_spilled() {
        let mut expected: Vec<(u64, u64)> =
            (0..1000).map(|at: u64| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15), at)).collect();
        let sorted = |most_held| {
            let mut unsorted = ExternalSorter::holding(most_held);
            expected.iter().try_for_each(|(prefix, offset)| unsorted.push(*prefix, *offset)).unwrap();
            let mut found = Vec::new();
            let sorted = unsorted.finish().unwrap();
            sorted
                .for_each(&mut |prefix, offset| {
                    found.push((prefix, offset));
                    Ok(())
                })
                .unwrap();
            assert_eq!(sorted.len(), found.len() as u64);
            found
        };
        let (held, spilled) = (sorted(5000), sorted(64));
        expected.sort_unstable();
        assert_eq!(held, expected);
        assert_eq!(spilled, expected);
    }
}
