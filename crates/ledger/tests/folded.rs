//! Folded chains of every kind end within what their budget allows, in work and in memory.
#![allow(clippy::unwrap_used)]

#[path = "common/folded/mod.rs"]
mod folded;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use chain::{CarStore, Error, NoProgress};
use folded::{Folded, Kind, Knobs, WAYS, WalkOptions};

/// The system's allocator, which counts what is in use.
struct Counting;

static USED: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is the system allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = USED.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(used, Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller's.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What is counted is the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What reading in some way spent, the most memory that it took, and what it ended with.
fn measured(folded: &Folded, way: WalkOptions) -> (u64, usize, chain::Result<()>) {
    let before = USED.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let read = way(folded, &folded.roots);
    (folded.budget.spent(), MOST.load(Ordering::Relaxed).saturating_sub(before), read)
}

/// Of each kind one that asks for more than a budget of [`BOUND`], in well under a megabyte.
const GREEDY: Knobs = Knobs { height: 16, count: 500, bytes: 4000 };
/// A fraction of the real floor, so that the test is quick.
const BOUND: u64 = 100_000_000;
/// What threads may have spent that is not added up yet.
const LEFT_OVER: u64 = 10_000_000;

#[test]
fn every_kind_of_folding_ends_within_its_budget_and_in_bounded_memory() {
    let _alone = alone();
    let mut refused = 0;
    for kind in Kind::ALL {
        for (name, way) in WAYS {
            let folded = kind.folded(GREEDY).with_most(BOUND);
            assert!(folded.bytes() < 1_000_000, "{kind:?}: {} bytes", folded.bytes());
            let (spent, memory, read) = measured(&folded, way);
            // Work is counted before it is done, so the last piece of each thread was not.
            let threads = std::thread::available_parallelism().unwrap().get() as u64;
            let pieces = folded.largest.load(Ordering::Relaxed) * threads;
            assert!(spent < BOUND + LEFT_OVER + pieces, "{kind:?}, {name}: {spent} units");
            // Sixteen units are a byte; a structure may grow to twice its size, and blocks are read beside it.
            assert!(memory < 40_000_000, "{kind:?}, {name}: {memory} bytes");
            if let Err(error) = read {
                let said = error.to_string();
                refused += 1;
                assert!(
                    matches!(error, Error::TooMuchWork { .. } | Error::Decode { .. })
                        || said.contains("roots"),
                    "{kind:?}, {name}: {said}"
                );
            }
        }
    }
    assert!(refused > Kind::ALL.len(), "{refused} readings were refused");
}

#[test]
fn few_of_each_kind_read_to_their_end_or_are_malformed() {
    let _alone = alone();
    for kind in Kind::ALL {
        for (name, way) in WAYS {
            let folded = kind.folded(Knobs { height: 1, count: 4, bytes: 8 });
            let (spent, _, read) = measured(&folded, way);
            assert!(spent < folded.budget.limit() / 10, "{kind:?}, {name}: {spent} units");
            let few_messages = |error: &Error| error.to_string().contains("has 1 messages, but");
            let well = match &read {
                Ok(()) | Err(Error::Decode { .. }) => true,
                Err(error) => few_messages(error),
            };
            assert!(well, "{kind:?}, {name}: {read:?}");
        }
    }
}

/// The files of S5 and S6 of the review of security: twenty kilobytes whose partitions took ten gigabytes, or ten minutes.
#[test]
fn twenty_kilobytes_of_folded_partitions_are_refused_by_name_with_the_budget_of_their_size() {
    let _alone = alone();
    for kind in [Kind::Partitions, Kind::NewMiner, Kind::ChangedPartitions] {
        let car = kind.folded(Knobs { height: 11, count: 0, bytes: 5_000 }).car();
        assert!(car.len() < 50_000, "{} bytes", car.len());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("folded.car");
        std::fs::write(&path, &car).unwrap();
        for (name, way) in &WAYS[1..] {
            let cars = CarStore::open(std::slice::from_ref(&path), folder.path(), &NoProgress).unwrap();
            let roots: Vec<_> = cars.roots().collect();
            MOST.store(USED.load(Ordering::Relaxed), Ordering::Relaxed);
            let said = way(&cars, &roots).unwrap_err().to_string();
            let expected = format!("partitions: more work than files of {} bytes can need", car.len());
            assert!(said.starts_with("block baf") && said.contains(&expected), "{kind:?}, {name}: {said}");
            let memory = MOST.load(Ordering::Relaxed);
            assert!(memory < 250_000_000, "{kind:?}, {name}: {memory} bytes");
        }
    }
}
