//! `sectorscope car info`: what the files are, how far the chain reads, and who is in its newest state.

use chain::{CarFile, CarStore, Chain, ChainSegment, Network, WalkOptions};
use ledger::MinerSummary;
use serde::Serialize;

use super::super::state_at::StateAt;
use super::super::{warn_if_ahead, with_file_context};
use super::coverage::{StretchCoverage, TipsetPosition};
use crate::cli::{CarInput, ReportFormat, StateSelector};
use crate::human;
use crate::output::{self, Align};
use crate::progress_bar::ProgressBars;

/// Roots shown of a file; the rest is counted.
const MAX_ROOTS: usize = 8;

/// What `car info` reports.
#[derive(Serialize)]
struct Info {
    files: Vec<FileInfo>,
    network: Option<&'static str>,
    /// Unix time of epoch 0.
    genesis: Option<i64>,
    /// The newest of the stretches.
    states: Option<States>,
    /// The tipsets whose state is in the files, the newest first: more than one stretch where something is missing between.
    stretches: Vec<StretchCoverage>,
    /// What the network runs at the head, by its table of upgrades.
    upgrade: Option<UpgradeInfo>,
    /// Height of the chain's head, if that has no state here.
    head_without_state: Option<i64>,
    state_root: String,
    actors_version: Option<u8>,
    /// The power actor's own total.
    committed: Committed,
    providers: usize,
    miners: Vec<MinerInfo>,
}

/// The tipsets of a stretch.
#[derive(Serialize)]
struct States {
    tipsets: usize,
    first: TipsetPosition,
    head: TipsetPosition,
}

#[derive(Serialize)]
struct FileInfo {
    path: String,
    form: String,
    bytes: u64,
    blocks: u64,
    roots: Vec<String>,
}

/// Bytes as decimal strings.
#[derive(Serialize)]
struct Committed {
    rbp: String,
    qap: String,
}

#[derive(Serialize)]
struct UpgradeInfo {
    name: &'static str,
    network_version: u32,
    /// The last epoch of the version before.
    height: i64,
    /// Version of the actors that left the newest state, by the table.
    actors_version: Option<u8>,
}

#[derive(Serialize)]
struct MinerInfo {
    miner: String,
    in_state: u64,
    live: u64,
    faulty: u64,
    unproven: u64,
    rbp: String,
    qap: String,
}

pub(super) fn run(look: &CarInput) -> anyhow::Result<()> {
    let cars = CarStore::open(&look.files, &look.data.cache()?, &ProgressBars::default())?;
    let info = with_file_context(collect_info(&cars, &look.at), &look.files)?;
    match look.format {
        ReportFormat::Json => output::json(&info),
        ReportFormat::Table => print(&info),
    }
}

fn collect_info(cars: &CarStore, at: &StateSelector) -> chain::Result<Info> {
    let NewestState { state_at, providers, stretches, head_without_state } = NewestState::open(cars, at)?;
    let clock = state_at.clock();
    Ok(Info {
        files: cars.files().iter().map(FileInfo::of).collect(),
        network: clock.map(chain::network_of),
        genesis: clock.map(chain::Clock::genesis),
        states: stretches.first().map(States::of),
        stretches,
        upgrade: state_at.chain.as_ref().and_then(UpgradeInfo::of),
        head_without_state,
        state_root: state_at.state.to_string(),
        actors_version: providers.actors_version,
        committed: providers.committed,
        providers: providers.count,
        miners: providers.with_sectors,
    })
}

/// The storage providers of a state.
struct Providers {
    count: usize,
    with_sectors: Vec<MinerInfo>,
    actors_version: Option<u8>,
    committed: Committed,
}

impl Providers {
    fn of(state_at: &StateAt<'_>) -> chain::Result<Self> {
        let miners = state_at.miners()?;
        let mut with_sectors = Vec::new();
        for (miner, state) in &miners {
            let portrait = MinerSummary::of(state)?;
            if portrait.in_state == 0 {
                continue;
            }
            let claim = state_at.powers.of(*miner).claim;
            with_sectors.push(MinerInfo {
                miner: miner.to_string(),
                in_state: portrait.in_state,
                live: portrait.live(),
                faulty: portrait.faulty.sectors,
                unproven: portrait.unproven.sectors,
                rbp: claim.rbp.to_string(),
                qap: claim.qap.to_string(),
            });
        }
        let committed = chain::state::PowerClaims::open(&state_at.tree, &state_at.codes)?.committed();
        Ok(Self {
            count: miners.len(),
            with_sectors,
            actors_version: miners.iter().map(|(_, miner)| miner.layout().version).max(),
            committed: Committed {
                rbp: committed.raw.to_string(),
                qap: committed.quality_adjusted.to_string(),
            },
        })
    }
}

/// The newest whole state there is, and what else: looking goes on where deriving events would have to stop.
struct NewestState<'c> {
    state_at: StateAt<'c>,
    providers: Providers,
    stretches: Vec<StretchCoverage>,
    /// Height of the chain's head, if that has no state here.
    head_without_state: Option<i64>,
}

impl<'c> NewestState<'c> {
    fn open(cars: &'c CarStore, at: &StateSelector) -> chain::Result<Self> {
        if let Some(root) = at.state_root {
            return Self::bare(cars, root);
        }
        let stretches = Chain::segments(cars, cars.roots(), at.way());
        if let Ok([newest, ..]) = stretches.as_deref() {
            warn_if_ahead(&newest.chain);
        }
        match stretches {
            Err(chain::Error::HeadWithoutState { height, newest: Some(newest) }) => {
                let way = WalkOptions { head: Some(newest), ..at.way() };
                let stretches = Chain::segments(cars, cars.roots(), way)?;
                Self::of(cars, stretches, Some(height.0))
            }
            Err(chain::Error::BareState(root)) => Self::bare(cars, *root),
            stretches => Self::of(cars, stretches?, None),
        }
    }

    fn bare(cars: &'c CarStore, root: chain::Cid) -> chain::Result<Self> {
        let state_at = StateAt::bare(cars, root)?;
        let providers = Providers::of(&state_at)?;
        Ok(Self { state_at, providers, stretches: Vec::new(), head_without_state: None })
    }

    fn of(
        cars: &'c CarStore,
        stretches: Vec<ChainSegment<'c>>,
        head_without_state: Option<i64>,
    ) -> chain::Result<Self> {
        let (mut newest, mut covered, mut not_whole) = (None, Vec::new(), None);
        for stretch in stretches {
            let Some(mut coverage) = StretchCoverage::of(&stretch)? else { continue };
            if newest.is_none() {
                let whole = StateAt::at_head(cars, stretch.chain)
                    .and_then(|state_at| Ok((Providers::of(&state_at)?, state_at)));
                match whole {
                    Ok(whole) => newest = Some(whole),
                    // A diff holds what is new in it: without those before it its states are not whole.
                    Err(error @ chain::Error::MissingBlock(..)) => {
                        coverage.mark_incomplete(&error);
                        not_whole.get_or_insert(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            covered.push(coverage);
        }
        let Some((providers, state_at)) = newest else {
            let nothing = || chain::Error::Chain("the files hold no readable tipset".into());
            return Err(not_whole.unwrap_or_else(nothing));
        };
        Ok(Self { state_at, providers, stretches: covered, head_without_state })
    }
}

impl FileInfo {
    fn of(file: &CarFile) -> Self {
        Self {
            path: file.path.display().to_string(),
            form: format!("CARv{}{}", file.version, file.encoding),
            bytes: file.bytes,
            blocks: file.blocks,
            roots: file.roots.iter().map(ToString::to_string).collect(),
        }
    }
}

impl States {
    fn of(stretch: &StretchCoverage) -> Self {
        Self { tipsets: stretch.tipsets, first: stretch.first.clone(), head: stretch.head.clone() }
    }
}

impl UpgradeInfo {
    /// The upgrade in force at the head, if the network is known.
    fn of(chain: &chain::Chain<'_>) -> Option<Self> {
        let network = Network::with_genesis(chain.clock().genesis())?;
        let mut newest_first = chain.tipsets().iter().rev();
        let upgrade = network.upgrade_at(newest_first.next()?.height)?;
        // The state at the head was left by its parent.
        let of_state = newest_first.next().and_then(|parent| network.upgrade_at(parent.height));
        Some(Self {
            name: upgrade.name,
            network_version: upgrade.network_version,
            height: upgrade.epoch.0,
            actors_version: of_state.map(|upgrade| upgrade.actors_version),
        })
    }
}

fn print(info: &Info) -> anyhow::Result<()> {
    print_files(&info.files)?;
    print_chain(info);
    print_actors(info);
    let power = |text: &str| human::bytes(text.parse().unwrap_or_default());
    output::print_line(format_args!(
        "power    {} raw, {} quality-adjusted, committed by all of the network\n",
        power(&info.committed.rbp),
        power(&info.committed.qap)
    ));
    output::print_line(format_args!(
        "{} storage providers, {} with sectors; in the newest whole state:\n",
        info.providers,
        info.miners.len()
    ));
    let header = ["miner", "in state", "live", "faulty", "unproven", "RBP", "QAP"]
        .map(|name| (name, if name == "miner" { Align::Left } else { Align::Right }));
    let lines = info.miners.iter().map(|miner| {
        let mut line = vec![miner.miner.clone()];
        line.extend([miner.in_state, miner.live, miner.faulty, miner.unproven].map(|n| n.to_string()));
        line.extend([power(&miner.rbp), power(&miner.qap)]);
        line
    });
    output::table(&header, lines)?;
    Ok(())
}

/// The files, and the first of their roots.
fn print_files(files: &[FileInfo]) -> anyhow::Result<()> {
    let header = [
        ("file", Align::Left),
        ("form", Align::Left),
        ("size", Align::Right),
        ("blocks", Align::Right),
        ("roots", Align::Right),
    ];
    let lines = files.iter().map(|file| {
        let name = file.path.rsplit(std::path::MAIN_SEPARATOR).next().unwrap_or_default();
        let size = human::bytes(i128::from(file.bytes));
        vec![name.to_owned(), file.form.clone(), size, file.blocks.to_string(), file.roots.len().to_string()]
    });
    output::table(&header, lines)?;
    output::print_line("");
    for (at, root) in files.iter().flat_map(|file| &file.roots).take(MAX_ROOTS).enumerate() {
        output::print_line(format_args!("{:<8} {root}", if at == 0 { "roots" } else { "" }));
    }
    let roots: usize = files.iter().map(|file| file.roots.len()).sum();
    if roots > MAX_ROOTS {
        output::print_line(format_args!("{:<8} … and {} more", "", roots - MAX_ROOTS));
    }
    Ok(())
}

/// The network, its upgrade, and the stretches of the chain.
fn print_chain(info: &Info) {
    if let (Some(network), Some(genesis)) = (info.network, info.genesis) {
        output::print_line(format_args!("network  {network} (epoch 0 at unix time {genesis})"));
    }
    if let Some(upgrade) = &info.upgrade {
        output::print_line(format_args!(
            "upgrade  {}: network version {} (after height {})",
            upgrade.name, upgrade.network_version, upgrade.height
        ));
    }
    for stretch in &info.stretches {
        stretch.print();
    }
    if info.stretches.is_empty() {
        output::print_line(format_args!("state    {}", info.state_root));
    }
    if let Some(height) = info.head_without_state {
        output::print_line(format_args!("head     height {height}, whose state is not in the files"));
    }
}

/// The actors version, beside the one that the network's table expects if they differ.
fn print_actors(info: &Info) {
    let version =
        info.actors_version.map_or("no storage provider".to_owned(), |version| format!("v{version}"));
    let expected = info.upgrade.as_ref().and_then(|upgrade| upgrade.actors_version);
    match expected.filter(|expected| info.actors_version.is_some_and(|found| found != *expected)) {
        Some(expected) => output::print_line(format_args!(
            "actors   {version}, where this network had v{expected}: a fork, or a test chain on its clock"
        )),
        None => output::print_line(format_args!("actors   {version}")),
    }
}
