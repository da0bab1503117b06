//! How fast we read the chain, beside the crates that others publish for it: one table, a row for each task.
//!
//! Both sides of a row do the same work in turns, in one process on one thread, and the medians of the rounds are
//! printed with their ratio. What is read is a snapshot, given as argument; without one, `large` of the chains with
//! known truth.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use chain::state::{ActorCodes, Miner, StateTree};
use chain::{BlockStore, CarStore, Chain, NoProgress};
use cid::Cid;
use fil_actor_miner_state::v18::{Sectors, State};
use fvm_ipld_blockstore::{Blockstore, MemoryBlockstore};
use fvm_ipld_encoding::CborStore;
use ledger::Differ;
use peers::checks::peer_of;
use peers::store::{Hashing, Loaded, Seen};

/// Rounds of a row, each of which runs both sides.
const ROUNDS: usize = 7;
/// A round of a short task repeats it until this has passed.
const ROUND: Duration = Duration::from_millis(20);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["memory", side, car, cache] => return memory(side, Path::new(car), Path::new(cache)),
        [] | [_] => {}
        _ => anyhow::bail!("usage: compare [SNAPSHOT]"),
    }
    let snapshot = arguments.first().map_or_else(large, PathBuf::from);
    let folder = tempfile::tempdir()?;
    let car = folder.path().join("snapshot.car");
    let mut packed = zstd::Decoder::new(std::fs::File::open(&snapshot).context("no snapshot")?)?;
    std::io::copy(&mut packed, &mut std::fs::File::create(&car)?)?;
    let size = std::fs::metadata(&car)?.len();
    println!("{}: {:.1} MB decompressed\n", snapshot.display(), size as f64 / 1e6);
    loading(&car, folder.path())?;
    reading(&car, folder.path())?;
    memories(&car, size, folder.path())
}

/// `large` where the shared chains lie.
fn large() -> PathBuf {
    let folder = std::env::var_os("SECTORSCOPE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    folder.join("data/large.car.zst")
}

/// Prints the head of a table.
fn head(title: &str) {
    println!("{title:<64} {:>12} {:>12} {:>8} {:>10}", "ours", "theirs", "ratio", "ours /s");
}

/// Runs both sides in turns and prints a row; `items` are what a run of ours is counted in.
fn row(
    title: &str,
    items: Option<u64>,
    ours: &mut dyn FnMut() -> Result<()>,
    theirs: &mut dyn FnMut() -> Result<()>,
) -> Result<()> {
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_times.push(time(ours)?);
        their_times.push(time(theirs)?);
    }
    let (ours, theirs) = (median(our_times), median(their_times));
    let rate =
        items.map_or(String::new(), |items| format!("{:.2} M", items as f64 / ours.as_secs_f64() / 1e6));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let [ours, theirs] = [ours, theirs].map(|time| format!("{:.3} ms", time.as_secs_f64() * 1e3));
    println!("{title:<64} {ours:>12} {theirs:>12} {ratio:>7.1}× {rate:>10}");
    Ok(std::io::stdout().flush()?)
}

/// Time of one run, by as many as fill a round.
fn time(run: &mut dyn FnMut() -> Result<()>) -> Result<Duration> {
    let start = Instant::now();
    for runs in 1.. {
        run()?;
        let passed = start.elapsed();
        if passed >= ROUND {
            return Ok(passed / runs);
        }
    }
    unreachable!("a round ends")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Opening a CAR.
fn loading(car: &Path, folder: &Path) -> Result<()> {
    head("opening a CAR; theirs: into memory");
    let cache = folder.join("cold");
    let files = [car.to_owned()];
    let load = |checked: bool| -> Result<()> {
        let reader = BufReader::with_capacity(1 << 20, std::fs::File::open(car)?);
        let store = MemoryBlockstore::new();
        black_box(if checked {
            fvm_ipld_car::load_car(&store, reader)?
        } else {
            fvm_ipld_car::load_car_unchecked(&store, reader)?
        });
        Ok(())
    };
    row(
        "first time: index made, every hash checked; theirs: checked",
        None,
        &mut || CarStore::open_uncached(&files, &cache, &NoProgress).map(drop).map_err(Into::into),
        &mut || load(true),
    )?;
    row(
        "with its index in place; theirs: unchecked",
        None,
        &mut || CarStore::open(&files, &cache, &NoProgress).map(drop).map_err(Into::into),
        &mut || load(false),
    )?;
    println!();
    Ok(())
}

/// Count and sums over sectors: what every walk must find.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    sectors: u64,
    bytes: i128,
    weights: i128,
    expirations: i128,
}

fn walk_ours(miners: &[(Miner<'_>, Cid)]) -> Result<Sums> {
    let mut sums = Sums::default();
    for (miner, _) in miners {
        miner.for_each_sector(&mut |found| {
            sums.sectors += 1;
            sums.bytes += found.sector.size.0;
            sums.weights += found.sector.deal_weight + found.sector.verified_weight;
            sums.expirations += i128::from(found.sector.expiration.0);
            Ok(())
        })?;
    }
    Ok(sums)
}

/// Their walk, without the cache that their nodes keep by default: the faster way, and the leaner one.
fn walk_theirs(store: &impl Blockstore, heads: &[Cid]) -> Result<Sums> {
    let mut sums = Sums::default();
    for head in heads {
        let state: State = store.get_cbor(head)?.context("no miner")?;
        Sectors::load(store, &state.sectors)?.amt.for_each_cacheless(|_, sector| {
            sums.sectors += 1;
            sums.bytes += sector.seal_proof.sector_size().map_err(anyhow::Error::msg)? as i128;
            sums.weights +=
                i128::try_from(&sector.deal_weight)? + i128::try_from(&sector.verified_deal_weight)?;
            sums.expirations += i128::from(sector.expiration);
            Ok(())
        })?;
    }
    Ok(sums)
}

/// The miners under a state root with the roots of their states.
fn miners<'s>(store: &'s dyn BlockStore, root: &Cid) -> Result<Vec<(Miner<'s>, Cid)>> {
    let tree = StateTree::open(store, root)?;
    let codes = ActorCodes::new();
    codes.add_manifest(&tree)?;
    let mut miners = BTreeMap::new();
    tree.for_each(&mut |id, actor| {
        if let Some(miner) = Miner::of(store, &actor, &codes)? {
            miners.insert(id, (miner, actor));
        }
        Ok(())
    })?;
    let with_peer = |(miner, actor): (Miner<'s>, chain::state::Actor)| {
        let (_, peer) = peer_of(&codes, &actor)?;
        ensure!(peer.version() == 18, "their side is set up for actors v18");
        Ok((miner, actor.head))
    };
    miners.into_values().map(with_peer).collect()
}

/// Walking over all sectors, and comparing two states.
fn reading(car: &Path, folder: &Path) -> Result<()> {
    let cars = CarStore::open(&[car.to_owned()], &folder.join("cold"), &NoProgress)?;
    let loaded = Loaded::read(car)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let roots: Vec<Cid> = chain.tipsets().iter().map(|tipset| tipset.parent_state_root).collect();
    let last = *roots.last().context("no tipset")?;
    let hashing = Hashing(&cars);
    let (known_good, hashed) = (miners(&cars, &last)?, miners(&hashing, &last)?);
    let heads: Vec<Cid> = known_good.iter().map(|(_, head)| *head).collect();
    let expected = walk_ours(&known_good)?;
    let check = |sums: Sums| {
        ensure!(sums == expected, "{sums:?} is not {expected:?}");
        Ok(())
    };
    head(&format!("walking over all {} sectors", expected.sectors));
    let count = Some(expected.sectors);
    row(
        "blocks known good; theirs: from memory",
        count,
        &mut || check(walk_ours(&known_good)?),
        &mut || check(walk_theirs(&loaded, &heads)?),
    )?;
    row(
        "blocks known good; theirs: from our mapped file",
        count,
        &mut || check(walk_ours(&known_good)?),
        &mut || check(walk_theirs(&Seen(&cars), &heads)?),
    )?;
    row(
        "every block hashed by us; theirs: from memory, not hashed",
        count,
        &mut || check(walk_ours(&hashed)?),
        &mut || check(walk_theirs(&loaded, &heads)?),
    )?;
    println!();

    head("comparing the sectors of two states; theirs: from memory");
    let neighbours = typical_neighbours(&cars, &roots)?;
    for (title, [old, new]) in [("first and last", [roots[0], last]), ("neighbouring tipsets", neighbours)] {
        let (before, after) = (miners(&cars, &old)?, miners(&cars, &new)?);
        let changes = changes_ours(&before, &after)?;
        ensure!(changes > 0, "{title}: nothing differs");
        let check = |found: u64| {
            ensure!(found == changes, "{found} changes instead of {changes}");
            Ok(())
        };
        row(
            &format!("{title}: {changes} changes"),
            None,
            &mut || check(changes_ours(&before, &after)?),
            &mut || check(changes_theirs(&loaded, &before, &after)?),
        )?;
    }
    println!();
    Ok(())
}

/// Of neighbouring states, the two whose number of changed sectors is the median of those that differ.
fn typical_neighbours(store: &dyn BlockStore, roots: &[Cid]) -> Result<[Cid; 2]> {
    let mut changed = Vec::new();
    for pair in roots.windows(2) {
        let changes = changes_ours(&miners(store, &pair[0])?, &miners(store, &pair[1])?)?;
        if changes > 0 {
            changed.push((changes, [pair[0], pair[1]]));
        }
    }
    changed.sort_by_key(|(changes, _)| *changes);
    changed.get(changed.len() / 2).map(|(_, pair)| *pair).context("no two states differ")
}

fn changes_ours(before: &[(Miner<'_>, Cid)], after: &[(Miner<'_>, Cid)]) -> Result<u64> {
    let mut changes = 0;
    for ((old, _), (new, _)) in before.iter().zip(after) {
        // Actors rewrite a sector of a shorter form when a neighbour changes: that is no change to their side, which
        // compares decoded values.
        new.diff_sectors(old, &mut |_, before, after| {
            changes += u64::from(before != after);
            Ok(())
        })?;
    }
    Ok(changes)
}

fn changes_theirs(store: &Loaded, before: &[(Miner<'_>, Cid)], after: &[(Miner<'_>, Cid)]) -> Result<u64> {
    let mut changes = 0;
    for ((_, old), (_, new)) in before.iter().zip(after) {
        let [old, new]: [State; 2] =
            [store.get_cbor(old)?.context("no miner")?, store.get_cbor(new)?.context("no miner")?];
        if old.sectors != new.sectors {
            let (old, new) = (Sectors::load(store, &old.sectors)?, Sectors::load(store, &new.sectors)?);
            changes += black_box(fvm_ipld_amt::diff(&old.amt, &new.amt)?).len() as u64;
        }
    }
    Ok(changes)
}

/// Memory, each measured in a process of its own.
fn memories(car: &Path, size: u64, folder: &Path) -> Result<()> {
    println!("{:<64} {:>12} {:>12} {:>12}", "memory", "peak", "mapped file", "beside it");
    for (title, side) in [
        ("ours: index made, all sectors walked, all events derived", "ours"),
        ("ours: the same with the index in place", "ours"),
        ("theirs: loaded into memory, all sectors walked", "theirs"),
    ] {
        let output = Command::new(std::env::current_exe()?)
            .args(["memory", side])
            .args([car, &folder.join("memory")])
            .output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let peak: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
        let mapped = if side == "ours" { size } else { 0 };
        let [peak, mapped, beside] =
            [peak, mapped, peak.saturating_sub(mapped)].map(|bytes| format!("{:.0} MB", bytes as f64 / 1e6));
        println!("{title:<64} {peak:>12} {mapped:>12} {beside:>12}");
    }
    Ok(())
}

/// Reads everything and prints the peak of resident memory in bytes.
fn memory(side: &str, car: &Path, cache: &Path) -> Result<()> {
    if side == "ours" {
        let cars = CarStore::open(&[car.to_owned()], cache, &NoProgress)?;
        let chain = Chain::open(&cars, cars.roots())?;
        let last = chain.tipsets().last().context("no tipset")?;
        black_box(walk_ours(&miners(&cars, &last.parent_state_root)?)?);
        let mut differ = Differ::new();
        for index in 0..chain.tipsets().len() {
            if let Some(transition) = chain.transition(index)? {
                black_box(differ.events(&cars, &transition)?);
            }
        }
    } else {
        let store = MemoryBlockstore::new();
        fvm_ipld_car::load_car(&store, BufReader::new(std::fs::File::open(car)?))?;
        // Where the miners are, our index says, which lies there already.
        let heads = {
            let cars = CarStore::open(&[car.to_owned()], cache, &NoProgress)?;
            let chain = Chain::open(&cars, cars.roots())?;
            let last = chain.tipsets().last().context("no tipset")?;
            let miners = miners(&cars, &last.parent_state_root)?;
            miners.into_iter().map(|(_, head)| head).collect::<Vec<_>>()
        };
        black_box(walk_theirs(&store, &heads)?);
    }
    let status = std::fs::read_to_string("/proc/self/status").context("memory is measured on Linux only")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak")?;
    let kib: u64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    println!("{}", kib * 1024);
    Ok(())
}
