//! An ingest that is killed at any instant, over and over, beside a server that is never stopped.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::http::{SECTOR, get};
use common::outside::{Kind, skip};
use common::server::Serve;
use common::{program, run_in, sample};
use lake::{Lake, Reader};
use ledger::columns::Endpoint;

/// Processes killed.
const KILLS: usize = 200;

/// A generator of its own, so that each run kills after alike times (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// What the lake shows.
fn shown(data: &Path) -> Shown {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let reader = match Reader::open(&data.join("lake")).await {
            Ok(reader) => reader,
            Err(lake::Error::NoLake { .. }) => return BTreeMap::new(),
            Err(error) => panic!("a lake that does not open: {error}"),
        };
        let mut days = BTreeMap::new();
        let mut at = reader.days().map(|days| *days.start());
        while let Some(day) = at
            && let Some(rows) = reader.day(day).await.expect("a day that is shown is whole")
        {
            let of = |endpoint: &Endpoint| {
                let mut text = String::new();
                rows.write_json(*endpoint, None, &mut text);
                text
            };
            days.insert(day.to_string(), Endpoint::ALL.iter().map(of).collect());
            at = Some(day.next());
        }
        days
    })
}

/// Checks that what is shown is the beginning of what an undisturbed ingest ends with.
fn is_beginning(seen: &Shown, whole: &Shown) {
    assert!(seen.len() <= whole.len());
    for ((day, rows), (expected, whole)) in seen.iter().zip(whole) {
        assert_eq!(day, expected, "no day is left out");
        assert!(rows == whole, "{day} is whole or absent");
    }
}

/// The ten endpoints' rows of each closed day, by day.
type Shown = BTreeMap<String, Vec<String>>;

/// A server that is asked for days, again and again, by a thread.
struct Asked {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<usize>,
}

impl Asked {
    /// Serves the lake in `data`. Each answer must be a whole day, or that there is none.
    fn begin(data: &Path, whole: &Arc<Shown>) -> Self {
        let server = Serve::start(data, &[], &[]);
        let stop = Arc::new(AtomicBool::new(false));
        let (whole, stopped) = (Arc::clone(whole), Arc::clone(&stop));
        let asking = std::thread::spawn(move || ask_on(&server, &whole, &stopped));
        Self { stop, asking }
    }

    /// As [`Asked::begin`], from before anything is in the lake.
    fn begin_empty(data: &Path, whole: &Arc<Shown>) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        drop(runtime.block_on(Lake::open(&data.join("lake"))).unwrap());
        Self::begin(data, whole)
    }

    /// How many answers there were.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().expect("every answer is whole")
    }
}

/// Asks for days until asked to stop.
fn ask_on(server: &Serve, whole: &Shown, stop: &AtomicBool) -> usize {
    let total = Endpoint::ALL.iter().position(|endpoint| endpoint.name() == "total").unwrap();
    let (mut dice, mut asked) = (Dice(0x0a5c), 0);
    let days: Vec<&String> = whole.keys().collect();
    while !stop.load(Ordering::Relaxed) {
        let day = days[dice.below(days.len() as u64) as usize];
        let answer = get(server.address, &format!("{SECTOR}/total?state_date={day}"));
        let none = answer.body.contains("\"code\":30004");
        assert!(none || answer.body.contains(&whole[day][total]), "{day}: {}", answer.body);
        asked += 1;
    }
    asked
}

#[test]
fn an_ingest_killed_at_two_hundred_instants_ends_as_an_undisturbed_one() {
    let undisturbed = tempfile::tempdir().unwrap();
    let sample = sample();
    let arguments = ["ingest", "car", sample.to_str().unwrap()];
    let started = Instant::now();
    run_in(undisturbed.path(), &arguments).printed();
    // The longest that one runs before it is killed, in milliseconds: about what a whole ingest takes on this machine. What
    // one has committed the next one need not do again, so a busy machine comes to the end, too.
    let longest = (u64::try_from(started.elapsed().as_millis()).unwrap() * 5 / 4).min(1500);
    let whole = Arc::new(shown(undisturbed.path()));
    assert_eq!(whole.len(), 222);

    let (mut dice, mut kills, mut ends, mut asked) = (Dice(0x6b11_1ed5), 0, 0, 0);
    while kills < KILLS {
        let data = tempfile::tempdir().unwrap();
        let mut asking = None;
        loop {
            let mut child = program()
                .args(arguments)
                .arg("--data")
                .arg(data.path())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            std::thread::sleep(Duration::from_millis(dice.below(longest)));
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            let seen = shown(data.path());
            is_beginning(&seen, &whole);
            if let Some(status) = ended {
                assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                assert!(seen == *whole, "it ends as an undisturbed one");
                ends += 1;
                break;
            }
            kills += 1;
            if asking.is_none() && !seen.is_empty() {
                asking = Some(Asked::begin(data.path(), &whole));
            }
        }
        asked += asking.map_or(0, Asked::end);
        let again = run_in(data.path(), &arguments).printed();
        assert!(again.contains("nothing new"), "{again}");
        assert!(run_in(data.path(), &["stats", "total"]).printed().lines().count() > 6);
    }
    assert!(ends > 0 && asked > 100, "{ends} ingests came to their end, {asked} requests were answered");
}

/// A file system in memory of a chosen size; `None` where one may not be mounted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mounted(size: &str) -> Option<Self> {
        let at = tempfile::tempdir().unwrap();
        let small = Self(at);
        if small.mount(&format!("size={size}")) {
            return Some(small);
        }
        skip(Kind::Mounts, "a small file system cannot be mounted here");
        None
    }

    fn mount(&self, options: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_full_disk_leaves_whole_days_and_the_ingest_goes_on_once_there_is_room() {
    let Some(disk) = SmallDisk::mounted("3m") else { return };
    let undisturbed = tempfile::tempdir().unwrap();
    let sample = sample();
    let arguments = ["ingest", "car", sample.to_str().unwrap()];
    run_in(undisturbed.path(), &arguments).printed();
    let whole = Arc::new(shown(undisturbed.path()));
    // Only the lake is on the small disk.
    let data = tempfile::tempdir().unwrap();
    std::fs::rename(undisturbed.path().join("cache"), data.path().join("cache")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(disk.0.path(), data.path().join("lake")).unwrap();
    let asked = Asked::begin_empty(data.path(), &whole);
    for _ in 0..2 {
        let error = run_in(data.path(), &arguments);
        assert!(error.error().contains("No space left on device"), "{}", error.stderr);
        is_beginning(&shown(data.path()), &whole);
    }
    assert!(disk.mount("remount,size=100m"));
    run_in(data.path(), &arguments).printed();
    assert!(shown(data.path()) == *whole);
    assert!(asked.end() > 100);
}

#[test]
fn of_two_ingests_started_at_once_one_is_told_of_the_other() {
    let (undisturbed, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sample = sample();
    run_in(undisturbed.path(), &["ingest", "car", sample.to_str().unwrap()]).printed();
    let whole = Arc::new(shown(undisturbed.path()));
    let asked = Asked::begin_empty(data.path(), &whole);
    let start = || {
        let mut command = program();
        command.args(["ingest", "car", sample.to_str().unwrap(), "--data"]).arg(data.path());
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (first, second) = (start(), start());
    let ended = [first.wait_with_output().unwrap(), second.wait_with_output().unwrap()];
    let failed: Vec<_> = ended.iter().filter(|output| !output.status.success()).collect();
    // Should one have ended before the other came to the lake, both did well.
    assert!(failed.len() < 2);
    for output in failed {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("another process is writing to this lake: process "), "{said}");
    }
    assert!(shown(data.path()) == *whole);
    assert!(asked.end() > 100);
}
