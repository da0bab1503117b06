//! How fast state is read: a walk over every sector of a chain's head, the events of one tipset, and those of a chain.
//!
//! `cargo bench -p sectorscope-ledger` reads `large` of the chains with known truth (1.3 million sectors) where it
//! is beside the project, or else the bundled sample; the chain is always the sample. Everything runs on one core,
//! but for the chain on all of them. The last lines say what one tipset costs in parts of the walk, what more cores
//! gain, and what it costs to do without receipts.
#![allow(clippy::unwrap_used)]

#[path = "../tests/common/withheld.rs"]
mod withheld;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use chain::state::{ActorCodes, Miner, StateTree};
use chain::{BlockStore, CarStore, Chain, NoProgress, Transition};
use divan::Bencher;
use divan::counter::ItemsCount;
use ledger::{Differ, EventReader};
use rayon::{ThreadPool, ThreadPoolBuilder};
use withheld::Withheld;

fn main() {
    println!("reading {}", path().file_name().unwrap().to_string_lossy());
    divan::main();
    let (walked, derived) = (best(walk_all), best(derive_events));
    println!(
        "{:.2} million sectors per second; one tipset takes {:.3} % of a full walk",
        walk_all() as f64 / walked.as_secs_f64() / 1e6,
        derived.as_secs_f64() / walked.as_secs_f64() * 100.0
    );
    let (one, all) = (best(|| read_chain(&ONE_CORE)), best(|| read_chain(&ALL_CORES)));
    let (with, without) = best_of_both(|| read_chain(&ONE_CORE), || read_from(&*WITHHELD, &ONE_CORE));
    println!(
        "the sample's {} events: {:.0} ms on one core, {:.2} times as fast on {}",
        read_chain(&ALL_CORES),
        one.as_secs_f64() * 1e3,
        one.as_secs_f64() / all.as_secs_f64(),
        ALL_CORES.current_num_threads()
    );
    println!(
        "without receipts they take {:.0} ms on one core, {:.3} times as long as with",
        without.as_secs_f64() * 1e3,
        without.as_secs_f64() / with.as_secs_f64()
    );
}

#[divan::bench]
fn full_walk(bencher: Bencher<'_, '_>) {
    bencher.counter(ItemsCount::new(walk_all())).bench(walk_all);
}

#[divan::bench]
fn one_tipset_with_few_changes(bencher: Bencher<'_, '_>) {
    LazyLock::force(&QUIET);
    bencher.bench(derive_events);
}

#[divan::bench]
fn events_of_the_sample_on_one_core(bencher: Bencher<'_, '_>) {
    LazyLock::force(&SAMPLE);
    bencher.bench(|| read_chain(&ONE_CORE));
}

#[divan::bench]
fn events_of_the_sample_on_all_cores(bencher: Bencher<'_, '_>) {
    LazyLock::force(&SAMPLE);
    bencher.bench(|| read_chain(&ALL_CORES));
}

#[divan::bench]
fn events_of_the_sample_without_receipts_on_one_core(bencher: Bencher<'_, '_>) {
    LazyLock::force(&WITHHELD);
    bencher.bench(|| read_from(&*WITHHELD, &ONE_CORE));
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn sample() -> PathBuf {
    root().join("samples/long.car.zst")
}

fn path() -> PathBuf {
    let large = root().join("../shared/data/large.car.zst");
    if large.exists() { large } else { sample() }
}

fn open(path: PathBuf) -> CarStore {
    let cache = tempfile::tempdir().unwrap();
    CarStore::open(&[path], cache.path(), &NoProgress).unwrap()
}

fn threads(count: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(count).build().unwrap()
}

static CARS: LazyLock<CarStore> = LazyLock::new(|| open(path()));
static SAMPLE: LazyLock<CarStore> = LazyLock::new(|| open(sample()));
static WITHHELD: LazyLock<Withheld<'static>> =
    LazyLock::new(|| Withheld::of(&Chain::open(&*SAMPLE, SAMPLE.roots()).unwrap()));
static ONE_CORE: LazyLock<ThreadPool> = LazyLock::new(|| threads(1));
static ALL_CORES: LazyLock<ThreadPool> = LazyLock::new(|| threads(0));

static MINERS: LazyLock<Vec<Miner<'static>>> = LazyLock::new(|| {
    let chain = Chain::open(&*CARS, CARS.roots()).unwrap();
    let tree = StateTree::open(&*CARS, &chain.tipsets().last().unwrap().parent_state_root).unwrap();
    let codes = ActorCodes::new();
    codes.add_manifest(&tree).unwrap();
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

fn derive_events() -> usize {
    ONE_CORE.install(|| Differ::new().events(&*CARS, &QUIET).unwrap().len())
}

/// Derives every event of the sample.
fn read_chain(threads: &ThreadPool) -> usize {
    read_from(&*SAMPLE, threads)
}

fn read_from(store: &dyn BlockStore, threads: &ThreadPool) -> usize {
    let chain = Chain::open(store, SAMPLE.roots()).unwrap();
    threads.install(|| {
        let (opening, reading) = EventReader::open(&chain, 0).unwrap();
        opening.all().unwrap().len() + reading.map(|tipset| tipset.unwrap().events.len()).sum::<usize>()
    })
}

/// The shortest of several runs.
fn best<T>(run: impl Fn() -> T) -> Duration {
    (0..10).map(|_| time(&run)).min().unwrap()
}

/// The same of two, by turns, so that what else the machine does disturbs both alike.
fn best_of_both<T>(one: impl Fn() -> T, other: impl Fn() -> T) -> (Duration, Duration) {
    let times = (0..20).map(|_| (time(&one), time(&other)));
    times.reduce(|a, b| (a.0.min(b.0), a.1.min(b.1))).unwrap()
}

fn time<T>(run: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}
