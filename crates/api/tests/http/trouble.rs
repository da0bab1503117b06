//! A lake in trouble beneath a server: what it answers meanwhile, and that it recovers.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api::Config;
use chain::MinerId;

use crate::server::{DAYS, FIRST, SECOND, Server, quick, wait};

/// The data files of the daily rows.
fn row_files(lake: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(lake.join("sp_sector_daily")).expect("the rows' table");
    let paths = entries.map(|entry| entry.expect("a file").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "parquet")).collect()
}

/// Does something to the rows' file of the first day (of which nothing is held in memory), checks that asking for it
/// is an internal error and that nothing else suffers, takes it back, and checks that all is well again.
fn harmed(harm: impl Fn(&Path)) {
    let server = Server::new();
    let day = format!("total?state_date={}", DAYS[0]);
    let file = row_files(server.lake.path())
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(DAYS[0])))
        .expect("the first day's file");
    let kept = fs::read(&file).expect("its bytes");
    harm(&file);
    for _ in 0..3 {
        server.ask(&day).refused(200, 30003);
    }
    server.ask("total").data();
    assert_eq!(server.get("/healthz").status, 200);
    if file.is_dir() {
        fs::remove_dir(&file).expect("removed");
    } else {
        let _ = fs::remove_file(&file);
    }
    fs::write(&file, kept).expect("mended");
    assert_eq!(server.ask(&day).data()[0]["miner_id"], FIRST.to_string());
}

#[test]
fn a_file_that_is_gone_is_an_internal_error_until_it_is_back() {
    harmed(|file| fs::remove_file(file).expect("removed"));
}

#[test]
fn a_file_that_is_cut_off_is_an_internal_error_until_it_is_whole() {
    for part in [0, 1, 2, 3] {
        harmed(|file| {
            let bytes = fs::read(file).expect("its bytes");
            fs::write(file, &bytes[..bytes.len() * part / 4]).expect("cut off");
        });
    }
}

#[test]
fn a_file_with_flipped_bytes_is_an_internal_error_and_no_wrong_answer() {
    harmed(|file| {
        let mut bytes = fs::read(file).expect("its bytes");
        let half = bytes.len() / 2;
        bytes[4..half].iter_mut().for_each(|byte| *byte ^= 0x55);
        fs::write(file, bytes).expect("damaged");
    });
}

#[test]
fn a_directory_in_the_place_of_a_file_is_an_internal_error() {
    harmed(|file| {
        fs::remove_file(file).expect("removed");
        fs::create_dir(file).expect("a directory");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fails_is_an_internal_error() {
    // Reading a process's memory at address 0 gives EIO, as a failing disk does.
    harmed(|file| {
        fs::remove_file(file).expect("removed");
        std::os::unix::fs::symlink("/proc/self/mem", file).expect("a link");
    });
}

#[test]
fn while_a_writer_holds_the_lake_it_is_served() {
    let server = Server::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let writer = runtime.block_on(lake::Lake::open(server.lake.path())).expect("the writer's lock");
    server.ask(&format!("total?state_date={}", DAYS[0])).data();
    assert_eq!(server.get("/readyz").status, 200);
    drop(writer);
}

#[test]
fn a_lake_that_is_gone_makes_unready_and_one_that_is_back_ready() {
    let server = Server::start(3, Config { unready_after: Duration::from_millis(100), ..quick() });
    server.ask("total").data();
    let away = tempfile::tempdir().expect("a directory");
    let move_all = |from: &Path, to: &Path| {
        for entry in fs::read_dir(from).expect("a directory") {
            let entry = entry.expect("an entry");
            fs::rename(entry.path(), to.join(entry.file_name())).expect("moved");
        }
    };
    move_all(server.lake.path(), away.path());
    wait(|| server.get("/readyz").status == 503);
    let message = server.get("/readyz").text().to_owned();
    assert!(message.contains("no newer data could be looked for") && !message.contains('/'), "{message}");
    // What is in memory is right still; what is not cannot be told.
    server.ask("total").data();
    server.ask(&format!("total?state_date={}", DAYS[0])).refused(200, 30003);
    server.ask("total?state_date=2022-10-04").refused(200, 30004);
    assert_eq!(server.get("/healthz").status, 200);
    move_all(away.path(), server.lake.path());
    wait(|| server.get("/readyz").status == 200);
    server.ask(&format!("total?state_date={}", DAYS[0])).data();
}

#[test]
fn another_lake_of_the_same_version_in_its_place_is_seen() {
    let server = Server::new();
    let (other, old) = (tempfile::tempdir().expect("a place"), tempfile::tempdir().expect("a place"));
    let miners = [MinerId(3000), MinerId(4000)];
    server.make_lake(&other.path().join("lake"), 0..3, miners);
    let seen = |day: &str| -> Vec<String> {
        let data = server.ask(&format!("total?state_date={day}")).data();
        let rows = data.as_array().expect("rows").iter();
        rows.map(|row| row["miner_id"].as_str().expect("a miner").to_owned()).collect()
    };
    let before = vec![SECOND.to_string(), FIRST.to_string()];
    let after: Vec<_> = miners.iter().map(ToString::to_string).collect();
    assert_eq!(seen(DAYS[2]), before);
    let lake = server.lake.path();
    fs::rename(lake, old.path().join("lake")).expect("moved away");
    fs::rename(other.path().join("lake"), lake).expect("moved here");
    let mut ready = || {
        // Old or new, and never something of both.
        let day = seen(DAYS[2]);
        assert!(day == before || day == after, "{day:?}");
        day == after
    };
    wait(&mut ready);
    assert_eq!(seen(DAYS[0]), [miners[0].to_string()]);
    assert_eq!(seen(DAYS[1]), after);
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn a_torn_publication_is_not_seen_and_its_successor_is() {
    let server = Server::start(2, quick());
    let log = server.lake.path().join("sp_sector_daily/_delta_log");
    let next = (0..).map(|version| log.join(format!("{version:020}.json"))).find(|path| !path.exists());
    let next = next.expect("a next version");
    fs::write(&next, "{\"add\":{\"path\":\"x").expect("a torn commit");
    for _ in 0..20 {
        server.ask("total").data();
        server.ask(&format!("total?state_date={}", DAYS[2])).refused(200, 30004);
    }
    assert_eq!(server.get("/healthz").json()["latest_day"], DAYS[1]);
    server.close(2..3);
    wait(|| server.get("/healthz").json()["latest_day"] == DAYS[2]);
}
