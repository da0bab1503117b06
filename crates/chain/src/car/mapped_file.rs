//! Files mapped into memory, of which only a bounded part stays there.
//!
//! The system maps what is around each byte that is read, and keeps it mapped: after some thousand lookups in the order
//! of hashes, which is none, all of a file counts as memory of the process. So what was read is noted by regions, and
//! when that is [`MAX_RESIDENT`] the mapping is emptied. What is read again comes from the system's cache.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use memmap2::{Advice, Mmap, UncheckedAdvice};

/// What the system maps around a byte that is read, unless it is configured otherwise (`fault_around_bytes`).
const REGION: usize = 64 << 10;
/// How much of a file stays mapped.
const MAX_RESIDENT: usize = 16 << 20;

/// A file's bytes.
#[derive(Debug)]
pub(super) enum FileBytes {
    /// Mapped into memory.
    Mapped(MappedFile),
    /// Where there is no place to keep it.
    Held(Vec<u8>),
}

impl FileBytes {
    /// All of them. What is read of a mapped file should be [noted](FileBytes::note).
    pub(super) fn get(&self) -> &[u8] {
        match self {
            Self::Mapped(mapped) => mapped.get(),
            Self::Held(bytes) => bytes,
        }
    }

    /// Notes that a range is read.
    pub(super) fn note(&self, range: Range<usize>) {
        if let Self::Mapped(mapped) = self {
            mapped.note(range);
        }
    }
}

/// A file mapped into memory.
#[derive(Debug)]
pub(super) struct MappedFile {
    map: Mmap,
    /// A bit for each region that was read since the mapping was empty.
    read: Vec<AtomicU64>,
    regions: AtomicUsize,
}

impl MappedFile {
    /// Maps a file, to be read in no order.
    ///
    /// # Errors
    /// If the system does not map it.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        // SAFETY: the mapping is read-only and private; that nobody truncates a snapshot under us is the condition every
        // reader of mapped files lives under. Indexes are replaced by renaming, never written in place.
        let map = unsafe { Mmap::map(file) }?;
        let words = map.len().div_ceil(REGION).div_ceil(64);
        let mapped = Self {
            map,
            read: std::iter::repeat_with(AtomicU64::default).take(words).collect(),
            regions: AtomicUsize::new(0),
        };
        mapped.advise(Advice::Random);
        Ok(mapped)
    }

    /// All of its bytes. What is read of them should be [noted](MappedFile::note).
    pub(super) fn get(&self) -> &[u8] {
        &self.map
    }

    /// How it will be read. Advice that the system does not take costs time only.
    pub(super) fn advise(&self, advice: Advice) {
        let _ = self.map.advise(advice);
    }

    /// Says that a range will be read.
    pub(super) fn will_need(&self, range: Range<usize>) {
        let _ = self.map.advise_range(Advice::WillNeed, range.start, range.len());
    }

    /// Notes that a range is read.
    pub(super) fn note(&self, range: Range<usize>) {
        for region in range.start / REGION..range.end.div_ceil(REGION) {
            let Some(word) = self.read.get(region / 64) else { return };
            let bit = 1 << (region % 64);
            if word.load(Ordering::Relaxed) & bit == 0 && word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                self.count();
            }
        }
    }

    fn count(&self) {
        if self.regions.fetch_add(1, Ordering::Relaxed) + 1 < MAX_RESIDENT / REGION {
            return;
        }
        // Several threads at once empty it several times, which costs time only.
        self.regions.store(0, Ordering::Relaxed);
        self.read.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.release(0..self.map.len());
    }

    /// Says that a range need not stay in memory: it comes back when it is read.
    pub(super) fn release(&self, range: Range<usize>) {
        // SAFETY: the mapping is of a file and never written to, so what is dropped is read from the file again.
        let _ =
            unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, range.start, range.len()) };
    }
}

// How much is mapped is read from `/proc`.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_was_read_long_ago_does_not_stay_mapped() {
        let mut file = tempfile::tempfile().expect("a file");
        let regions = 2 * MAX_RESIDENT / REGION;
        (0..regions).for_each(|region| file.write_all(&vec![region as u8; REGION]).expect("written"));
        let mapped = MappedFile::of(&file).expect("a mapping");
        let mut most = 0;
        for region in (0..regions).chain(0..regions) {
            let at = region * REGION + 7;
            assert_eq!(mapped.get()[at], region as u8);
            mapped.note(at..at + 1);
            most = most.max(resident(&mapped.map));
        }
        assert!((1 << 20..MAX_RESIDENT + (2 << 20)).contains(&most), "{most} bytes were mapped at once");
    }

    /// How much of a mapping counts as memory of the process.
    fn resident(map: &Mmap) -> usize {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("the mappings");
        let begins = format!("{:x}-", map.as_ptr() as usize);
        let lines = maps.lines().skip_while(|line| !line.starts_with(&begins));
        let line = lines.skip(1).find_map(|line| line.strip_prefix("Rss:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
    }
}
