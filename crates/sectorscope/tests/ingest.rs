//! Taking in snapshots: once, and only whole ones.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use common::car::{Car, Section};
use common::outside::shared;
use common::{Ran, run, run_in, sample};
use tempfile::TempDir;

/// A folder for one test.
fn folder() -> TempDir {
    tempfile::Builder::new().prefix("sectorscope-ingest-").tempdir().unwrap()
}

fn ingest(file: &Path, data: &Path) -> Ran {
    run_in(data, &["ingest", "car", file.to_str().unwrap()])
}

/// Every file of the lake in a data directory, with its contents.
fn lake(data: &Path) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    fn walk(path: PathBuf, found: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
        if let Ok(entries) = fs::read_dir(&path) {
            entries.for_each(|entry| walk(entry.unwrap().path(), found));
            found.insert(path, None);
        } else if let Ok(bytes) = fs::read(&path) {
            found.insert(path, Some(bytes));
        }
    }
    let mut found = BTreeMap::new();
    walk(data.join("lake"), &mut found);
    found
}

/// Decompressed copies in a data directory, and what was left of making them; indexes are small and may stay.
fn copies(data: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(data.join("cache")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.ends_with(".index")).collect()
}

fn taken_in_once(file: &Path, first: &str, second: &str) {
    let data = folder();
    assert_eq!(ingest(file, data.path()).printed(), format!("{first}\n"));
    let before = lake(data.path());
    assert_eq!(ingest(file, data.path()).printed(), format!("{second}\n"));
    assert!(before == lake(data.path()), "the second time changes no file");
}

#[test]
fn tiny_is_taken_in_once() {
    let Some(file) = shared("data/tiny.car.zst") else { return };
    taken_in_once(
        &file,
        "tiny.car.zst: closed 2 days, 2026-06-12 to 2026-06-13, with 3 events (2026-06-14 is not finished)",
        "tiny.car.zst: nothing new; its finished days are all in the lake (2026-06-14 is not finished)",
    );
}

#[test]
fn the_sample_is_taken_in_once() {
    taken_in_once(
        &sample(),
        "long.car.zst: closed 222 days, 2026-06-12 to 2027-01-19, with 7485 events (2027-01-20 is not finished)",
        "long.car.zst: nothing new; its finished days are all in the lake (2027-01-20 is not finished)",
    );
}

#[test]
fn a_plain_car_gives_what_its_compressed_form_gives() {
    let Some(file) = shared("data/tiny.car.zst") else { return };
    let (folder, data) = (folder(), folder());
    let plain = folder.path().join("tiny.car");
    fs::write(&plain, Car::decompressed(&file).bytes).unwrap();
    let said = ingest(&plain, data.path()).printed();
    assert!(said.starts_with("tiny.car: closed 2 days, 2026-06-12 to 2026-06-13, with 3 events"), "{said}");
    let said = ingest(&file, data.path()).printed();
    assert!(said.starts_with("tiny.car.zst: nothing new"), "{said}");
}

/// A damaged snapshot, and at which bytes of it the fault may be said to lie.
struct Damaged {
    what: String,
    name: &'static str,
    bytes: Vec<u8>,
    at: Option<RangeInclusive<usize>>,
}

impl Damaged {
    fn new(what: &str, name: &'static str, bytes: &[u8], at: RangeInclusive<usize>) -> Self {
        Self { what: what.to_owned(), name, bytes: bytes.to_vec(), at: Some(at) }
    }

    fn flipped(what: &str, name: &'static str, bytes: &[u8], byte: usize, at: RangeInclusive<usize>) -> Self {
        let mut damaged = Self::new(&format!("{what} (byte {byte})"), name, bytes, at);
        damaged.bytes[byte] ^= 0x10;
        damaged
    }
}

/// The ways in which a snapshot comes damaged: as a whole, and in some of its blocks.
fn ways(file: &Path, blocks: &[(&str, usize)]) -> Vec<Damaged> {
    let car = Car::decompressed(file);
    let zst = fs::read(file).unwrap();
    let (plain, whole) = (&car.bytes[..], car.bytes.len());
    let mut ways = vec![
        Damaged::new("empty", "empty.car", &[], 0..=0),
        Damaged::new("a text", "text.car", b"This is a text, and by its name a snapshot.\n", 0..=0),
        Damaged::new("a text named .zst", "text.car.zst", b"f01000,1\n", 0..=0),
        Damaged::new("cut off within the zstd magic", "magic.car.zst", &zst[..3], 0..=0),
        Damaged::new("cut off after the zstd magic", "cut.car.zst", &zst[..4], 0..=4),
        Damaged::new("half a .zst", "cut.car.zst", &zst[..zst.len() / 2], 0..=zst.len() / 2),
        Damaged::new(".zst without its last byte", "cut.car.zst", &zst[..zst.len() - 1], 0..=zst.len()),
        Damaged::new("cut off within the header", "cut.car", &plain[..car.header / 2], 0..=0),
        Damaged::flipped("zstd magic", "flip.car.zst", &zst, 1, 0..=0),
        Damaged::flipped("zstd data", "flip.car.zst", &zst, zst.len() / 2, 0..=whole),
        Damaged::flipped("zstd checksum", "flip.car.zst", &zst, zst.len() - 2, 0..=whole),
        Damaged::flipped("length of the header", "flip.car", plain, 0, 0..=car.header),
        Damaged::flipped("a key of the header", "flip.car", plain, 4, 0..=car.header),
        // A root that is none of the blocks: which byte is wrong cannot be known.
        Damaged { at: None, ..Damaged::flipped("a root", "flip.car", plain, 30, 0..=0) },
        Damaged::flipped("version of the header", "flip.car", plain, car.header - 1, 0..=car.header),
    ];
    for (name, half) in blocks {
        let block = &car.sections[(car.sections.len() - 1) * half / 2];
        let (cid, end) = (block.cid.start, block.data.end);
        let cut = [("CID", cid + 9), ("data", end - 1)];
        ways.extend(cut.map(|(part, length)| {
            let what = format!("cut off in the {name} block's {part}");
            Damaged::new(&what, "cut.car", &plain[..length], block.start..=end)
        }));
        let flipped = [
            ("version", cid),
            ("kind of hash", cid + 2),
            ("digest", cid + 20),
            ("first byte", block.data.start),
            ("last byte", end - 1),
        ];
        ways.extend(flipped.map(|(part, byte)| {
            Damaged::flipped(
                &format!("the {name} block's {part}"),
                "flip.car",
                plain,
                byte,
                block.start..=end,
            )
        }));
        // A wrong length leads to another place: what is wrong there may show later.
        let what = format!("the {name} block's length");
        ways.push(Damaged::flipped(&what, "flip.car", plain, block.start, block.start..=whole));
    }
    ways
}

/// One line that names the file, the place where there is one, and what to do.
fn refused(ran: &Ran, file: &Path, what: &str, at: Option<&RangeInclusive<usize>>) {
    let error = ran.error();
    assert!(error.contains(&file.display().to_string()), "{what}: the file is named: {error}");
    if let Some(range) = at {
        let place = error.split("at byte ").nth(1).and_then(|rest| rest.split(':').next()?.parse().ok());
        assert!(place.is_some_and(|place| range.contains(&place)), "{what}: a place in {range:?}: {error}");
    }
    let advice = ["fetch it again", "fetch a whole snapshot again", "give a", "check that"];
    assert!(advice.iter().any(|advice| error.contains(advice)), "{what}: what to do is said: {error}");
}

/// Neither a lake that is there nor one that is not changes.
fn leaves_no_trace(file: &Path, what: &str, at: Option<&RangeInclusive<usize>>, data: &Path) {
    let before = (lake(data), copies(data));
    refused(&ingest(file, data), file, what, at);
    assert!(before == (lake(data), copies(data)), "{what}: the lake is as it was");

    let fresh = folder();
    refused(&ingest(file, fresh.path()), file, what, at);
    let stats = run_in(fresh.path(), &["stats", "total"]);
    let error = stats.error();
    let empty = error.contains("there is no lake here yet") || error.contains("no closed day");
    assert!(empty, "{what}: no day is closed: {error}");
    assert!(copies(fresh.path()).is_empty(), "{what}: no copy is left in the cache");
}

fn damaged_ones_leave_no_trace(chain: &Path, blocks: &[(&str, usize)]) {
    let (folder, data) = (folder(), folder());
    ingest(chain, data.path()).printed();
    for Damaged { what, name, bytes, at } in ways(chain, blocks) {
        let file = folder.path().join(name);
        fs::write(&file, bytes).unwrap();
        leaves_no_trace(&file, &what, at.as_ref(), data.path());
    }
}

#[test]
fn a_damaged_snapshot_of_tiny_is_refused_and_leaves_the_lake_as_it_was() {
    let Some(chain) = shared("data/tiny.car.zst") else { return };
    damaged_ones_leave_no_trace(&chain, &[("first", 0), ("middle", 1), ("last", 2)]);
}

#[test]
fn a_damaged_snapshot_of_the_sample_is_refused_and_leaves_the_lake_as_it_was() {
    damaged_ones_leave_no_trace(&sample(), &[("middle", 1)]);
}

#[test]
fn what_is_no_file_is_refused_and_leaves_the_lake_as_it_was() {
    let (folder, data) = (folder(), folder());
    ingest(&sample(), data.path()).printed();
    leaves_no_trace(&folder.path().join("missing.car.zst"), "a missing file", None, data.path());
    leaves_no_trace(folder.path(), "a directory", None, data.path());
}

#[test]
fn no_flipped_byte_of_the_header_changes_what_is_taken_in() {
    let Some(chain) = shared("data/tiny.car.zst") else { return };
    let car = Car::decompressed(&chain);
    let folder = folder();
    let file = folder.path().join("flip.car");
    for byte in 0..car.header {
        let mut bytes = car.bytes.clone();
        bytes[byte] ^= 0x01;
        fs::write(&file, bytes).unwrap();
        let data = tempfile::tempdir_in(folder.path()).unwrap();
        let ran = ingest(&file, data.path());
        let what = format!("byte {byte}");
        if ran.code == Some(0) {
            // The codec of a root's CID says nothing that the block's hash does not.
            let said = "flip.car: closed 2 days, 2026-06-12 to 2026-06-13, with 3 events (2026-06-14 is not finished)\n";
            assert_eq!(ran.stdout, said, "{what}");
        } else {
            refused(&ran, &file, &what, None);
        }
    }
}

/// CBOR's array of 16, with which block headers begin.
const HEADER_OF_16: u8 = 0x90;

#[test]
fn a_snapshot_cut_off_between_two_blocks_is_refused() {
    let Some(chain) = shared("data/tiny.car.zst") else { return };
    let car = Car::decompressed(&chain);
    let folder = folder();
    let file = folder.path().join("cut.car");
    let mut accepted = Vec::new();
    // Before and after every block header, where a chain may seem to begin, and here and there between.
    let header =
        |section: Option<&Section>| section.is_some_and(|it| car.bytes[it.data.start] == HEADER_OF_16);
    let cuts = car.sections.iter().enumerate().filter(|(at, section)| {
        let before = at.checked_sub(1).and_then(|before| car.sections.get(before));
        at % 10 == 0 || header(Some(section)) || header(before)
    });
    for (_, section) in cuts {
        fs::write(&file, &car.bytes[..section.start]).unwrap();
        let data = tempfile::tempdir_in(folder.path()).unwrap();
        let ran = ingest(&file, data.path());
        if ran.code == Some(0) {
            accepted.push((section.start, ran.stdout));
        } else {
            refused(&ran, &file, &format!("cut off at byte {}", section.start), None);
        }
    }
    assert!(accepted.is_empty(), "these were taken in: {accepted:?}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [
        &[][..],
        &["ingest"],
        &["ingest", "car"],
        &["ingest", "elephant", "x"],
        &["ingest", "car", "x.car", "--nonsense"],
        &["stats"],
        &["stats", "totals"],
        &["stats", "total", "--date", "2026-02-30"],
        &["stats", "total", "--miner", "1000"],
        &["events"],
        &["events", "--car", "x.car", "--format", "xml"],
        &["serve", "--listen", "here"],
    ] {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("Usage:") || ran.stderr.contains("--help"),
            "{arguments:?}: {}",
            ran.stderr
        );
    }
}
