//! How fast state is read: a walk over every sector of a chain's head, and the events of one tipset.
//!
//! `cargo bench -p sectorscope-ledger` reads `large` of the chains with known truth (1.3 million sectors) where it
//! lies beside the project, or else the bundled sample. Everything runs on one core; the last line says what one
//! tipset costs in parts of the walk.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chain::state::{Codes, Miner, StateTree};
use chain::{Cars, Chain, NoProgress, Transition};
use divan::Bencher;
use divan::counter::ItemsCount;
use ledger::Differ;

fn main() {
    println!("reading {}", path().file_name().unwrap().to_string_lossy());
    divan::main();
    let (walked, told) = (best(walk_all), best(tell));
    println!(
        "{:.2} million sectors per second; one tipset takes {:.3} % of a full walk",
        walk_all() as f64 / walked.as_secs_f64() / 1e6,
        told.as_secs_f64() / walked.as_secs_f64() * 100.0
    );
}

#[divan::bench]
fn full_walk(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(walk_all())).bench(walk_all);
}

#[divan::bench]
fn one_tipset_with_few_changes(bencher: Bencher<'_, '_>) {
    LazyLock::force(&QUIET);
    bencher.bench(tell);
}

fn path() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let large = root.join("../shared/data/large.car.zst");
    if large.exists() { large } else { root.join("samples/long.car.zst") }
}

static CARS: LazyLock<Cars> = LazyLock::new(|| {
    let cache = tempfile::tempdir().unwrap();
    Cars::open(&[path()], cache.path(), &NoProgress).unwrap()
});

static MINERS: LazyLock<Vec<Miner<'static>>> = LazyLock::new(|| {
    let chain = Chain::open(&*CARS, CARS.roots()).unwrap();
    let tree = StateTree::open(&*CARS, &chain.tipsets().last().unwrap().parent_state_root).unwrap();
    let codes = Codes::new();
    codes.learn(&tree).unwrap();
    Miner::all(&tree, &codes).unwrap().into_iter().map(|(_, miner)| miner).collect()
});

/// Of the tipsets that did something, the one with the fewest events.
static QUIET: LazyLock<Transition> = LazyLock::new(|| {
    let chain = Chain::open(&*CARS, CARS.roots()).unwrap();
    let transitions = (1..chain.tipsets().len() - 1).map(|index| chain.transition(index).unwrap().unwrap());
    let events = |transition: &Transition| Differ::new().events(&*CARS, transition).unwrap().len();
    let counted = transitions.map(|transition| (events(&transition), transition));
    counted.filter(|(events, _)| *events > 0).min_by_key(|(events, _)| *events).unwrap().1
});

/// Decodes every sector of the head.
fn walk_all() -> u64 {
    let mut sectors = 0;
    for miner in &*MINERS {
        miner
            .for_each_sector(&mut |found| {
                black_box(found);
                sectors += 1;
                Ok(())
            })
            .unwrap();
    }
    sectors
}

fn tell() -> usize {
    Differ::new().events(&*CARS, &QUIET).unwrap().len()
}

/// The shortest of several runs.
fn best<T>(run: impl Fn() -> T) -> Duration {
    let time = |_| {
        let start = Instant::now();
        black_box(run());
        start.elapsed()
    };
    (0..10).map(time).min().unwrap()
}
