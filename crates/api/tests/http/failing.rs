//! A server over a lake whose writer fails at each step in turn.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use lake::{Disk, DiskStep};
use serde_json::Value;

use crate::client;
use crate::server::{BASE, DAYS, Server, quick};

/// A thread that asks for one day after the other.
struct Asking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Asking {
    fn begin(address: SocketAddr, whole: &Arc<BTreeMap<&'static str, Value>>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (whole, told) = (Arc::clone(whole), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut asked = 0;
            while !told.load(Ordering::Relaxed) {
                let day = DAYS[asked % DAYS.len()];
                let answer = ask(address, day);
                if answer.json()["code"] == 30004 {
                    answer.refused(200, 30004);
                } else {
                    assert_eq!(answer.data(), whole[day], "{day} is whole or not there");
                }
                asked += 1;
            }
            asked
        });
        Self { stop, thread }
    }

    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("every answer is a whole day, or that there is none")
    }
}

fn ask(address: SocketAddr, day: &str) -> client::Answer {
    client::send(address, &format!("GET {BASE}/total?state_date={day} HTTP/1.1"))
}

/// Lets step number `fails` of the writer fail, and all after it if the disk has `died`. Returns whether the writer came
/// so far, and how many requests were answered.
fn broken_at(fails: usize, died: bool, whole: &Arc<BTreeMap<&'static str, Value>>) -> (bool, usize) {
    let server = Server::start(1, quick());
    let asking = Asking::begin(server.address, whole);
    let steps = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&steps);
    let disk = Disk::with_hook(move |_: DiskStep, _: &Path| {
        let step = count.fetch_add(1, Ordering::Relaxed);
        if step == fails || (died && step > fails) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "as if the disk were full"));
        }
        Ok(())
    });
    let failed = server.go_on(disk).is_err();
    let reached = steps.load(Ordering::Relaxed) > fails;
    assert!(failed || !died || !reached, "step {fails}: a dead disk went unnoticed");
    server.go_on(Disk::default()).expect("it goes on");
    while server.get("/healthz").json()["latest_day"] != DAYS[2] {
        std::thread::yield_now();
    }
    for day in DAYS {
        assert_eq!(ask(server.address, day).data(), whole[day], "step {fails}");
    }
    (reached, asking.end())
}

#[test]
fn whichever_step_of_the_writer_fails_each_answer_is_a_whole_day_or_30004() {
    let server = Server::new();
    let whole = DAYS.map(|day| (day, ask(server.address, day).data()));
    let whole = Arc::new(BTreeMap::from(whole));
    assert!(whole.values().all(|rows| rows.as_array().is_some_and(|rows| !rows.is_empty())));
    for died in [false, true] {
        let (mut fails, mut answers) = (0, 0);
        while let (true, asked) = broken_at(fails, died, &whole) {
            fails += 1;
            answers += asked;
        }
        assert!(fails > 40 && answers > 10 * fails, "{fails} steps, {answers} answers");
    }
}
