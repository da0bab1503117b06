//! One chain in every container it may come in: each reads to the same events.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use chain::{
    BlockStore, CarEncoding, CarStore, Chain, Cid, NoProgress, ProgressSink, ProgressUnit, dag_cbor_cid,
};
use common::{forest, shared};
use ledger::{Differ, Event};

fn sample() -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/long.car.zst");
    zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap()
}

/// The first events of a chain, enough to show whether it is read.
fn read(files: &[PathBuf], cache: &Path) -> Vec<Event> {
    let cars = CarStore::open(files, cache, &NoProgress).unwrap();
    let chain = Chain::open(&cars, cars.roots()).unwrap();
    let mut differ = Differ::new();
    (0..200)
        .flat_map(|index| differ.events(&cars, &chain.transition(index).unwrap().unwrap()).unwrap())
        .collect()
}

fn varint(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn section(bytes: &[u8]) -> Vec<u8> {
    [varint(bytes.len()), bytes.to_vec()].concat()
}

/// A DAG-CBOR link: tag 42 over a byte string that begins with a zero.
fn link(cid: &Cid) -> Vec<u8> {
    let cid = cid.to_bytes();
    [&[0xd8, 0x2a, 0x58, u8::try_from(cid.len() + 1).unwrap(), 0][..], &cid].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[0x60 | u8::try_from(text.len()).unwrap()][..], text.as_bytes()].concat()
}

fn header(roots: &[Cid]) -> Vec<u8> {
    let links: Vec<u8> = roots.iter().flat_map(link).collect();
    let roots = [text("roots"), vec![0x80 | u8::try_from(roots.len()).unwrap()], links].concat();
    section(&[vec![0xa2], roots, text("version"), vec![1]].concat())
}

#[test]
fn a_chain_reads_alike_in_every_container() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> Vec<PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        vec![path]
    };
    let car = sample();
    let plain = write("plain.car", &car);
    let expected = read(&plain, folder.path());
    assert!(!expected.is_empty());
    let roots: Vec<Cid> = CarStore::open(&plain, folder.path(), &NoProgress).unwrap().roots().collect();
    let sections = &car[header(&roots).len()..];

    // CARv2: pragma, header, padding, the version 1, something behind it.
    let offset = 11 + 40 + 5;
    let numbers: Vec<u8> =
        [offset, car.len(), 0].iter().flat_map(|number| (*number as u64).to_le_bytes()).collect();
    let pragma = section(&[vec![0xa1], text("version"), vec![2]].concat());
    let v2 = [pragma, vec![0; 16], numbers, vec![0; 5], car.clone(), b"an index".to_vec()].concat();
    assert_eq!(read(&write("v2.car", &v2), folder.path()), expected);

    // Snapshot version 2 (FRC-0108): one root, a block of metadata that names the head.
    let key: Vec<u8> = roots.iter().flat_map(link).collect();
    let metadata = [
        vec![0xa3],
        text("Version"),
        vec![2],
        text("HeadTipsetKey"),
        vec![0x80 | roots.len() as u8],
        key,
        text("F3Data"),
        vec![0xf6],
    ]
    .concat();
    let cid = dag_cbor_cid(&metadata);
    let block = section(&[cid.to_bytes(), metadata].concat());
    let snapshot = [header(&[cid]), block, sections.to_vec()].concat();
    assert_eq!(read(&write("snapshot.car", &snapshot), folder.path()), expected);

    // zstd in one frame, and in many with a skippable one between, as an indexed file has.
    let one = zstd::encode_all(car.as_slice(), 1).unwrap();
    assert_eq!(read(&write("one.car.zst", &one), folder.path()), expected);
    let mut many: Vec<u8> =
        car.chunks(1 << 20).flat_map(|chunk| zstd::encode_all(chunk, 1).unwrap()).collect();
    many.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    assert_eq!(read(&write("many.car.zst", &many), folder.path()), expected);

    // Forest's form, read in place: nothing is unpacked into the cache.
    let indexed = write("snapshot.forest.car.zst", &forest::packed(&car));
    let cache = folder.path().join("untouched");
    assert_eq!(read(&indexed, &cache), expected);
    assert!(!cache.exists());

    // Two files as one store: the head's roots and half of the blocks each, the cut between two sections.
    let mut cut = 0;
    while cut < sections.len() / 2 {
        let (mut length, mut at) = (0, cut);
        for shift in (0..).step_by(7) {
            length |= usize::from(sections[at] & 0x7f) << shift;
            at += 1;
            if sections[at - 1] & 0x80 == 0 {
                break;
            }
        }
        cut = at + length;
    }
    let halves = [
        write("a.car", &[header(&roots), sections[..cut].to_vec()].concat()),
        write("b.car", &[header(&roots), sections[cut..].to_vec()].concat()),
    ];
    assert_eq!(read(&halves.concat(), folder.path()), expected);

    // A snapshot and the diff after it: each names its own head, and the newest is the chain's.
    let older = {
        let cars = CarStore::open(&plain, folder.path(), &NoProgress).unwrap();
        Chain::open(&cars, cars.roots()).unwrap().tipsets()[900].key.0.clone()
    };
    let lite = write("lite.car", &[header(&older), sections[..cut].to_vec()].concat());
    let diff = write("diff.car", &[header(&roots), sections[cut..].to_vec()].concat());
    for files in [[lite.clone(), diff.clone()], [diff, lite]] {
        let cars = CarStore::open(&files.concat(), folder.path(), &NoProgress).unwrap();
        let chain = Chain::open(&cars, cars.roots()).unwrap();
        assert_eq!(
            chain.tipsets().last().unwrap().key.0.iter().collect::<BTreeSet<_>>(),
            roots.iter().collect()
        );
        assert_eq!(read(&files.concat(), folder.path()), expected);
    }
}

/// Snapshot version 2 of a plain CAR's chain, with this block as the data of F3.
fn with_f3(car: &[u8], f3: &[u8]) -> (Vec<u8>, Cid) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plain.car");
    std::fs::write(&path, car).unwrap();
    let roots: Vec<Cid> = CarStore::open(&[path], folder.path(), &NoProgress).unwrap().roots().collect();
    // A raw block.
    let f3_cid = Cid::new_v1(0x55, *dag_cbor_cid(f3).hash());
    let key: Vec<u8> = roots.iter().flat_map(link).collect();
    let metadata = [
        vec![0xa3],
        text("Version"),
        vec![2],
        text("HeadTipsetKey"),
        vec![0x80 | roots.len() as u8],
        key,
        text("F3Data"),
        link(&f3_cid),
    ]
    .concat();
    let cid = dag_cbor_cid(&metadata);
    let block = |cid: Cid, data: &[u8]| section(&[&cid.to_bytes()[..], data].concat());
    let sections = &car[header(&roots).len()..];
    ([&header(&[cid])[..], &block(cid, &metadata), &block(f3_cid, f3), sections].concat(), f3_cid)
}

#[test]
fn f3_data_larger_than_any_block_of_a_chain_is_passed_by_and_its_hash_checked() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| -> Vec<PathBuf> {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        vec![path]
    };
    let car = sample();
    let expected = read(&write("plain.car", &car), folder.path());
    let mut state = 1_u64;
    let f3: Vec<u8> = (0..5 << 20)
        .flat_map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_le_bytes()
        })
        .collect();
    let (snapshot, f3_cid) = with_f3(&car, &f3);
    let packed = forest::packed(&snapshot);
    for files in [
        write("snapshot.car", &snapshot),
        write("snapshot.car.zst", &zstd::encode_all(&snapshot[..], 1).unwrap()),
        write("snapshot.forest.car.zst", &packed),
    ] {
        let cars = CarStore::open_uncached(&files, folder.path(), &NoProgress).unwrap();
        let asked = cars.get(&f3_cid).unwrap_err().to_string();
        assert!(asked.contains(&format!("block {f3_cid} is larger than")), "{asked}");
        assert_eq!(read(&files, folder.path()), expected);
    }
    // One byte of it is wrong.
    let mut wrong = snapshot;
    let middle = f3.len() / 2;
    wrong[middle] ^= 1;
    let plain = write("wrong.car", &wrong);
    let error = CarStore::open(&plain, folder.path(), &NoProgress).unwrap_err().to_string();
    assert!(error.contains(&f3_cid.to_string()) && error.contains("does not have the hash"), "{error}");
    // Indexed zstd is read where it is, and nobody asks for the block: verifying does.
    let indexed = write("wrong.forest.car.zst", &forest::packed(&wrong));
    assert_eq!(read(&indexed, folder.path()), expected);
    let error = CarStore::open_uncached(&indexed, folder.path(), &NoProgress).unwrap_err().to_string();
    assert!(error.contains(&f3_cid.to_string()) && error.contains("does not have the hash"), "{error}");
}

/// Counts the passes over files.
#[derive(Default)]
struct Passes(AtomicUsize);

impl ProgressSink for Passes {
    fn begin(&self, _task: String, _total: u64, _unit: ProgressUnit) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
    fn at(&self, _done: u64) {}
    fn end(&self) {}
}

#[test]
fn a_file_is_read_through_once_until_it_or_its_index_changes() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let path = folder.path().join("sample.car");
    std::fs::write(&path, sample()).unwrap();
    let passes = || {
        let passes = Passes::default();
        let cars = CarStore::open(std::slice::from_ref(&path), &cache, &passes).unwrap();
        assert_eq!(cars.blocks(), 66_079);
        assert!(Chain::open(&cars, cars.roots()).unwrap().tipsets().len() > 2_000);
        passes.0.into_inner()
    };
    assert_eq!((passes(), passes()), (1, 0));

    let index = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&index).unwrap();
    // Half a megabyte for 66 thousand blocks: no more than nine bytes each.
    assert!(bytes.len() < 66_079 * 9 + 1_000);
    // The magic of an older form, what identifies the file, the first page, the length.
    for at in [7, 9, 17, 25, 33, 100] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        std::fs::write(&index, bytes).unwrap();
        assert_eq!((passes(), passes()), (1, 0), "an index damaged at its beginning is made anew");
    }
    std::fs::write(&index, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!((passes(), passes()), (1, 0), "an index that is cut off is made anew");

    std::fs::File::options()
        .append(true)
        .open(&path)
        .unwrap()
        .set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    assert_eq!((passes(), passes()), (1, 0), "a file of another time is read again");
}

#[test]
fn every_block_is_found_wherever_the_index_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let path = folder.path().join("sample.car");
    let car = sample();
    std::fs::write(&path, &car).unwrap();
    let (_, sections) = forest::sections(&car);
    let open = || CarStore::open(std::slice::from_ref(&path), &cache, &NoProgress).unwrap();
    drop(open());
    let index = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let whole = std::fs::read(&index).unwrap();
    // Buckets, entries, sums; a page of zeros, as a crash may leave it; two pages in each other's place.
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut copies: Vec<_> = [5_000, whole.len() / 2, whole.len() - 1].map(flipped).into();
    let mut zeros = whole.clone();
    zeros[200 << 10..204 << 10].fill(0);
    let mut swapped = whole.clone();
    swapped[200 << 10..208 << 10].rotate_left(4 << 10);
    copies.extend([zeros, swapped]);
    for damaged in copies {
        assert!(damaged != whole);
        std::fs::write(&index, damaged).unwrap();
        let cars = open();
        std::thread::scope(|scope| {
            for first in 0..4 {
                let (cars, sections, car) = (&cars, &sections, &car);
                scope.spawn(move || {
                    for section in sections.iter().skip(first).step_by(4) {
                        let block = cars.get(&section.cid).unwrap().expect("every block is found");
                        assert!(car[section.begin..section.end].ends_with(&block));
                    }
                });
            }
        });
        assert!(cars.get(&dag_cbor_cid(b"nobody's block")).unwrap().is_none());
        assert!(std::fs::read(&index).unwrap() == whole, "the index was made anew");
    }
}

#[test]
fn a_damaged_index_of_a_damaged_file_is_an_error_that_names_both() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let path = folder.path().join("sample.car");
    let mut car = sample();
    std::fs::write(&path, &car).unwrap();
    let changed = std::fs::metadata(&path).unwrap().modified().unwrap();
    drop(CarStore::open(std::slice::from_ref(&path), &cache, &NoProgress).unwrap());
    let index = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&index).unwrap();
    // All but the first page and the sums, so that the root is not found.
    let most = bytes.len() / 100 * 99;
    bytes[4 << 10..most].fill(0);
    std::fs::write(&index, bytes).unwrap();
    let last = car.len() - 1;
    car[last] ^= 1;
    std::fs::write(&path, car).unwrap();
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(changed).unwrap();
    let error = CarStore::open(std::slice::from_ref(&path), &cache, &NoProgress).unwrap_err().to_string();
    assert!(error.contains("sample.car: at byte") && error.contains(".index"), "{error}");
}

#[test]
fn indexed_zstd_finds_every_block_by_its_own_index() {
    let folder = tempfile::tempdir().unwrap();
    let car = sample();
    let path = folder.path().join("sample.forest.car.zst");
    std::fs::write(&path, forest::packed(&car)).unwrap();
    let cars = CarStore::open_uncached(std::slice::from_ref(&path), folder.path(), &NoProgress).unwrap();
    assert_eq!((cars.files()[0].encoding, cars.blocks()), (CarEncoding::IndexedZstd, 66_079));
    let (_, sections) = forest::sections(&car);
    for section in &sections {
        let block = cars.get(&section.cid).unwrap().expect("every block is found");
        assert!(car[section.begin..section.end].ends_with(&block));
    }
    assert!(cars.get(&dag_cbor_cid(b"nobody's block")).unwrap().is_none());
}

#[test]
fn frames_fetched_ahead_are_the_same_to_many_threads_and_let_go_of_the_file_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let car = sample();
    let (_, sections) = forest::sections(&car);
    let packed = forest::packed(&car);
    let path = folder.path().join("sample.forest.car.zst");
    for round in 0..8 {
        std::fs::write(&path, &packed).unwrap();
        let cars = CarStore::open(std::slice::from_ref(&path), folder.path(), &NoProgress).unwrap();
        std::thread::scope(|scope| {
            for reader in 0..4 {
                let (cars, sections, car) = (&cars, &sections, &car);
                // Each from a place of its own on: a part of the file in order.
                let (first, count) = (reader * 9_000 + round * 1_000, 6_000);
                scope.spawn(move || {
                    for section in sections.iter().skip(first).take(count) {
                        let block = cars.get(&section.cid).unwrap().expect("every block is found");
                        assert!(car[section.begin..section.end].ends_with(&block));
                    }
                });
            }
        });
        // Who reads a mapping beyond the end of its file does not live on.
        drop(cars);
        std::fs::File::create(&path).unwrap().set_len(0).unwrap();
    }
}

#[test]
fn a_real_indexed_file_holds_the_blocks_of_its_plain_form() {
    let Some(path) = shared("real/mainnet-epochs-0-3.forest.car.zst") else { return };
    let folder = tempfile::tempdir().unwrap();
    let cars = CarStore::open_uncached(std::slice::from_ref(&path), folder.path(), &NoProgress).unwrap();
    assert_eq!(cars.files()[0].encoding, CarEncoding::IndexedZstd);
    let plain = zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap();
    let (_, sections) = forest::sections(&plain);
    assert_eq!(cars.blocks(), sections.len() as u64);
    for section in &sections {
        let block = cars.get(&section.cid).unwrap().expect("every block is found");
        assert!(plain[section.begin..section.end].ends_with(&block));
    }
}

#[test]
fn zstd_whose_index_is_of_another_kind_is_read_from_start_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = forest::packed(&sample());
    // Another version of the index: its first number.
    let footer = file.len() - 8;
    let index = usize::try_from(u64::from_le_bytes(file[footer..].try_into().unwrap())).unwrap();
    file[index] = 0xef;
    let path = folder.path().join("older.forest.car.zst");
    std::fs::write(&path, file).unwrap();
    let cars = CarStore::open(std::slice::from_ref(&path), folder.path(), &NoProgress).unwrap();
    assert_eq!((cars.files()[0].encoding, cars.blocks()), (CarEncoding::Zstd, 66_079));
}
