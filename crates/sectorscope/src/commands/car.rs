//! `sectorscope car`

use anyhow::{Context, bail};
use chain::state::{Codes, Miner, StateTree};
use chain::{Cars, Chain, Clock, Epoch, Progress, Unit};
use ledger::{Claims, Differ, Portrait};

use crate::bars::Bars;
use crate::cli::{Car, Files};
use crate::human;
use crate::output::{self, Align};

/// Problems listed in full; the rest is counted.
const MOST_LISTED: usize = 20;

pub(crate) fn run(arguments: &Car) -> anyhow::Result<()> {
    match arguments {
        Car::Info(files) => info(files),
        Car::Verify(files) => verify(files),
    }
}

/// What the files are, how far the chain reads, and who is in its newest state.
fn info(files: &Files) -> anyhow::Result<()> {
    let cars = Cars::open(&files.files, &files.data.cache()?, &Bars::default())?;
    let header = [
        ("file", Align::Left),
        ("form", Align::Left),
        ("size", Align::Right),
        ("blocks", Align::Right),
        ("roots", Align::Right),
    ];
    let lines = cars.files().iter().map(|file| {
        let form = format!("CARv{}{}", file.version, if file.compressed { " in zstd" } else { "" });
        let name = file.path.file_name().unwrap_or(file.path.as_os_str()).to_string_lossy().into_owned();
        vec![
            name,
            form,
            human::bytes(i128::from(file.bytes)),
            file.blocks.to_string(),
            file.roots.len().to_string(),
        ]
    });
    output::table(&header, lines)?;

    let chain = Chain::open(&cars, cars.roots())?;
    let clock = chain.clock();
    let (first, head) =
        chain.tipsets().first().zip(chain.tipsets().last()).context("the chain has no tipset")?;
    let tree = StateTree::open(&cars, &head.parent_state_root)?;
    let mut codes = Codes::new();
    codes.learn(&tree)?;
    let miners = Miner::all(&tree, &codes)?;
    let version = miners.iter().map(|(_, miner)| miner.layout().version).max();
    output::say(format_args!("\nnetwork  {} (epoch 0 at unix time {})", clock.network(), clock.genesis()));
    output::say(format_args!(
        "states   {} tipsets, height {} to {}",
        chain.tipsets().len(),
        at(clock, first.height),
        at(clock, head.height)
    ));
    output::say(format_args!(
        "actors   {}\n",
        version.map_or_else(|| "no storage provider".to_owned(), |version| format!("v{version}"))
    ));

    let mut claims = Claims::default();
    claims.advance(&cars, &head.parent_state_root, &codes)?;
    let header = ["miner", "in state", "live", "faulty", "unproven", "RBP", "QAP"]
        .map(|name| (name, if name == "miner" { Align::Left } else { Align::Right }));
    let mut lines = Vec::new();
    for (id, miner) in &miners {
        let portrait = Portrait::of(miner, clock)?;
        if portrait.in_state > 0 {
            let claim = claims.of(*id);
            let numbers =
                [portrait.in_state, portrait.live(), portrait.faulty.sectors, portrait.unproven.sectors];
            let mut line = vec![id.to_string()];
            line.extend(numbers.map(|number| number.to_string()));
            line.extend([human::bytes(claim.rbp.0), human::bytes(claim.qap.0)]);
            lines.push(line);
        }
    }
    output::say(format_args!(
        "{} storage providers, {} with sectors; at the head:\n",
        miners.len(),
        lines.len()
    ));
    output::table(&header, lines)?;
    Ok(())
}

fn at(clock: Clock, epoch: Epoch) -> String {
    format!("{epoch} ({})", clock.day_of(epoch))
}

/// Reads everything that deriving events reads, and lists what is missing. Opening has checked every hash.
fn verify(files: &Files) -> anyhow::Result<()> {
    let bars = Bars::default();
    let cache = files.data.cache()?;
    let cars = Cars::open_anew(&files.files, &cache, &bars)?;
    let chain = Chain::open(&cars, cars.roots())?;
    let mut differ = Differ::new();
    let mut claims = Claims::default();
    let mut problems = Vec::new();
    let tipsets = chain.tipsets();
    bars.begin("following links".to_owned(), tipsets.len() as u64, Unit::Tipsets);
    let mut note = |height: Epoch, result: chain::Result<()>| {
        if let Err(error) = result {
            problems.push(format!("height {height}: {error}"));
        }
    };
    for (index, tipset) in tipsets.iter().enumerate() {
        if index == 0 {
            note(tipset.height, differ.open(&cars, &tipset.parent_state_root, tipset.height).map(drop));
        }
        note(tipset.height, claims.advance(&cars, &tipset.parent_state_root, differ.codes()));
        let events = chain.transition(index).and_then(|transition| match transition {
            Some(transition) => differ.events(&cars, &transition).map(drop),
            None => Ok(()),
        });
        note(tipset.height, events);
        bars.at(index as u64 + 1);
    }
    bars.end();
    for problem in problems.iter().take(MOST_LISTED) {
        output::say(format_args!("{problem}"));
    }
    if problems.len() > MOST_LISTED {
        output::say(format_args!("… and {} more", problems.len() - MOST_LISTED));
    }
    if !problems.is_empty() {
        bail!("{} of {} tipsets do not read", problems.len(), tipsets.len());
    }
    output::say(format_args!(
        "{} blocks, every hash good; {} tipsets, every link there",
        cars.blocks(),
        tipsets.len()
    ));
    Ok(())
}
