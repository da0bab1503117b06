//! Files of strangers: what asks for work without end is refused by name, and so are heights and times that no chain has.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../ledger/tests/common/folded/mod.rs"]
mod folded;

use std::path::{Path, PathBuf};

use common::{Ran, program, run_in, sample};
use folded::parts::HEIGHT;
use folded::{Folded, Kind, Knobs, of_heights};

fn write(folder: &Path, name: &str, folded: &Folded) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, folded.car()).unwrap();
    path
}

/// Each command that reads files, on one.
fn all(folder: &Path, file: &Path) -> [(&'static str, Ran); 5] {
    let file = file.to_str().unwrap();
    [
        ("car info", run_in(folder, &["car", "info", file])),
        ("car verify", run_in(folder, &["car", "verify", file])),
        ("miner", run_in(folder, &["miner", "f01000", "--car", file])),
        ("events", run_in(folder, &["events", "--format", "ndjson", "--car", file])),
        ("ingest", run_in(folder, &["ingest", "car", file])),
    ]
}

/// What a command said, on stdout and on stderr.
fn said(ran: &Ran) -> String {
    format!("{}{}", ran.stdout, ran.stderr)
}

#[test]
fn every_command_refuses_folded_partitions_by_the_name_of_their_block() {
    let folder = tempfile::tempdir().unwrap();
    for kind in [Kind::Partitions, Kind::NewMiner] {
        let folded = kind.folded(Knobs { height: 11, count: 0, bytes: 5_000 });
        let file = write(folder.path(), &format!("{kind:?}.car"), &folded);
        let size = std::fs::metadata(&file).unwrap().len();
        for (command, ran) in all(folder.path(), &file) {
            let said = said(&ran);
            assert_eq!(ran.code, Some(1), "{kind:?}, {command}: {said}");
            let expected = format!("partitions: more work than files of {size} bytes can need");
            assert!(said.contains("block baf") && said.contains(&expected), "{kind:?}, {command}: {said}");
        }
    }
}

#[test]
fn every_command_refuses_heights_and_times_that_no_chain_has() {
    let folder = tempfile::tempdir().unwrap();
    let heads = [
        ("far", (HEIGHT + (1 << 31), 0), "of the year 2100 or later"),
        ("far-in-height", (HEIGHT + (1 << 31), -30 * (1_i64 << 31)), "of the year 2100 or later"),
        ("jump", (HEIGHT + 2_880_000, 0), "2879998 empty rounds between it and its parent"),
        ("below", (HEIGHT - 5, 0), "is not below it but at height"),
        ("beside", (HEIGHT + 1, 0), "is not below it but at height"),
        ("late", (HEIGHT + 2, 12_345), "an epoch takes 30 seconds"),
    ];
    for (name, head, why) in heads {
        let (folded, headers) = of_heights(&[(HEIGHT, 0), (HEIGHT + 1, 0), head]);
        let file = write(folder.path(), &format!("{name}.car"), &folded);
        for (command, ran) in all(folder.path(), &file) {
            let said = said(&ran);
            assert_eq!(ran.code, Some(1), "{name}, {command}: {said}");
            let named = format!("block {}, a header at height {}: ", headers[2], head.0);
            assert!(said.contains(&named) && said.contains(why), "{name}, {command}: {said}");
        }
    }
    assert!(!folder.path().join("lake").exists(), "a bad file leaves no trace");
}

#[test]
fn empty_rounds_beyond_a_month_are_read_if_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (folded, _) = of_heights(&[(HEIGHT, 0), (HEIGHT + 100_001, 0)]);
    let file = write(folder.path(), "still.car", &folded);
    let verify = |rounds: &str| {
        run_in(folder.path(), &["car", "verify", file.to_str().unwrap(), "--empty-rounds", rounds])
    };
    assert!(verify("99999").error().contains("--empty-rounds 100000"));
    assert!(verify("100000").printed().contains("3 tipsets, every link there"));
}

#[test]
fn a_head_ahead_of_the_clock_is_a_warning_and_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    // A day of 2099, which is ahead of every clock that runs this.
    let (folded, _) = of_heights(&[(0, 0), (82_000_000, 0)]);
    let file = write(folder.path(), "ahead.car", &folded);
    let run = |file: &Path| -> Ran {
        let mut command = program();
        command.env_remove("RUST_LOG").args(["car", "verify"]).arg(file).arg("--data").arg(folder.path());
        command.output().unwrap().into()
    };
    let ran = run(&file);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("WARN") && ran.stderr.contains("at height 82000000"), "{ran:?}");
    assert!(ran.stderr.contains("ahead of this machine's clock"), "{ran:?}");
    assert!(ran.stdout.contains("every link there"), "{ran:?}");
    assert_eq!(run(&sample()).code, Some(0));
}
