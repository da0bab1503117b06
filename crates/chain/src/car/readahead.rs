//! What is likely to be asked for next of a file in frames is fetched ahead.
//!
//! Blocks of one state lie together, in the order in which they are walked, and so do those that the next tipset has of its
//! own. So where several frames of a stretch of the file were read, the system is asked for the stretches beside it, and
//! where frames are read one behind the other, a thread decompresses the next few. It sleeps while nobody does so, and
//! ends with the file.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use super::frames::{Frame, Frames};
use super::mapped_file::FileBytes;

/// What the system is asked for at once.
const STRETCH: usize = 1 << 20;
/// Frames that were read of a stretch when those beside it are asked for.
const DENSE: u8 = 4;
/// Set for a stretch that was asked for.
const ASKED: u8 = 0x80;
/// Readers that are followed: one a thread, usually.
const FOLLOWED: usize = 16;
/// Frames that are decompressed ahead of a reader.
const FRAMES_AHEAD: usize = 4;

/// Watches which frames are read.
#[derive(Debug)]
pub(super) struct Readahead {
    frames: Arc<Frames>,
    /// How many frames were read of each stretch.
    stretches: Vec<AtomicU8>,
    /// Where the frames end that were read last.
    ends: [AtomicU64; FOLLOWED],
    next: AtomicUsize,
    thread: OnceLock<Option<Thread>>,
}

/// The thread that decompresses, once there is one.
#[derive(Debug)]
struct Thread {
    /// Offsets from which it continues.
    offsets: SyncSender<u64>,
    stop: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Readahead {
    pub(super) fn of(frames: &Arc<Frames>) -> Self {
        let stretches = frames.end().div_ceil(STRETCH);
        Self {
            frames: Arc::clone(frames),
            stretches: std::iter::repeat_with(AtomicU8::default).take(stretches).collect(),
            ends: std::array::from_fn(|_| AtomicU64::new(u64::MAX)),
            next: AtomicUsize::new(0),
            thread: OnceLock::new(),
        }
    }

    /// Takes note that the frame at an offset was read; `missed` if it was not in the cache.
    pub(super) fn note(&self, offset: u64, frame: &Frame, missed: bool) {
        if frame.was_ahead() {
            self.go_on(frame.end);
        } else if missed {
            self.count(offset);
            let follows = self.ends.iter().find(|end| end.load(Ordering::Relaxed) == offset);
            match follows {
                Some(end) => {
                    end.store(frame.end, Ordering::Relaxed);
                    self.go_on(frame.end);
                }
                None => {
                    let place = self.next.fetch_add(1, Ordering::Relaxed) % FOLLOWED;
                    self.ends[place].store(frame.end, Ordering::Relaxed);
                }
            }
        }
    }

    /// Counts a frame of its stretch, and asks the system for those beside it if there are several.
    fn count(&self, offset: u64) {
        let Some(stretch) = usize::try_from(offset).ok().map(|offset| offset / STRETCH) else { return };
        let Some(read) = self.stretches.get(stretch) else { return };
        if read.load(Ordering::Relaxed) & !ASKED >= DENSE {
            return;
        }
        // Several threads at once pass the bound by a few, and one of them meets it.
        if read.fetch_add(1, Ordering::Relaxed) & !ASKED == DENSE - 1 {
            // Snapshots begin with the head, so a chain is read towards their beginning as well as their end.
            [Some(stretch + 1), stretch.checked_sub(1)]
                .into_iter()
                .flatten()
                .for_each(|beside| self.ask(beside));
        }
    }

    fn ask(&self, stretch: usize) {
        let (Some(read), FileBytes::Mapped(map)) = (self.stretches.get(stretch), &self.frames.bytes) else {
            return;
        };
        if read.fetch_or(ASKED, Ordering::Relaxed) & ASKED == 0 {
            let begin = stretch * STRETCH;
            map.will_need(begin..self.frames.end().min(begin + STRETCH));
        }
    }

    /// Has the frames from an offset on decompressed, unless the thread has enough to do.
    fn go_on(&self, offset: u64) {
        if let Some(thread) = self.thread.get_or_init(|| start(&self.frames)) {
            let _ = thread.offsets.try_send(offset);
        }
    }
}

/// Starts the thread, where there is a core to spare for it.
fn start(frames: &Arc<Frames>) -> Option<Thread> {
    std::thread::available_parallelism().ok().filter(|cores| cores.get() > 1)?;
    let (offsets, receiver) = sync_channel(FOLLOWED);
    let stop = Arc::new(AtomicBool::new(false));
    let (frames, stopped) = (Arc::clone(frames), Arc::clone(&stop));
    let thread = std::thread::Builder::new().name("frames ahead".into());
    let handle = thread.spawn(move || run(&frames, &receiver, &stopped)).ok()?;
    Some(Thread { offsets, stop, handle })
}

/// Decompresses at the offsets that it receives, until it is to stop.
fn run(frames: &Frames, offsets: &Receiver<u64>, stop: &AtomicBool) {
    while let Ok(mut offset) = offsets.recv() {
        for _ in 0..FRAMES_AHEAD {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(frame) = frames.get_ahead(offset) else { break };
            offset = frame.end;
        }
    }
}

impl Drop for Readahead {
    /// Waits for the thread: who lets go of a file may cut it off, and then nobody may read the mapping any more.
    fn drop(&mut self) {
        if let Some(Thread { offsets, stop, handle }) = self.thread.take().flatten() {
            stop.store(true, Ordering::Relaxed);
            drop(offsets);
            let _ = handle.join();
        }
    }
}
