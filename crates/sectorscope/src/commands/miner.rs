//! `sectorscope miner`

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chain::state::{Codes, Miner as MinerState, StateTree};
use chain::{Cars, Chain};
use ledger::{Claims, Holding, Portrait};

use crate::bars::Bars;
use crate::cli::Miner;
use crate::human;
use crate::output::{self, Align};

/// Months of expirations shown.
const MONTHS: usize = 24;

pub(crate) fn run(arguments: &Miner) -> anyhow::Result<()> {
    let cars = Cars::open(&arguments.cars, &arguments.data.cache()?, &Bars::default())?;
    let chain = Chain::open(&cars, cars.roots())?;
    let head = chain.tipsets().last().context("the chain has no tipset")?;
    let tree = StateTree::open(&cars, &head.parent_state_root)?;
    let mut codes = Codes::new();
    codes.learn(&tree)?;
    let miner = match tree.actor(arguments.miner.0)? {
        Some(actor) => MinerState::of(&cars, &actor, &codes)?,
        None => None,
    };
    let Some(miner) = miner else {
        bail!("{} is no storage provider at height {}", arguments.miner, head.height)
    };
    let mut claims = Claims::default();
    claims.advance(&cars, &head.parent_state_root, &codes)?;
    let claim = claims.of(arguments.miner);
    let portrait = Portrait::of(&miner, chain.clock())?;

    output::say(format_args!(
        "{} before height {} ({}), actors v{}\n",
        arguments.miner,
        head.height,
        chain.clock().day_of(head.height),
        miner.layout().version
    ));
    holdings(&portrait)?;
    let verdict = if portrait.active.power == claim { "equal to" } else { "NOT equal to" };
    output::say(format_args!(
        "\nactive power is {verdict} the power actor's claim: {} raw, {} quality-adjusted\n",
        human::bytes(claim.rbp.0),
        human::bytes(claim.qap.0)
    ));
    deadlines(&miner, &portrait)?;
    output::say("");
    expirations(&portrait)?;
    Ok(())
}

fn holdings(portrait: &Portrait) -> std::io::Result<()> {
    let header =
        [("sectors", Align::Left), ("number", Align::Right), ("RBP", Align::Right), ("QAP", Align::Right)];
    let line = |name: &str, holding: &Holding| {
        let power = holding.power;
        vec![
            name.to_owned(),
            holding.sectors.to_string(),
            human::bytes(power.rbp.0),
            human::bytes(power.qap.0),
        ]
    };
    let gone = portrait.in_state.saturating_sub(portrait.live());
    let mut lines = vec![
        line("active", &portrait.active),
        line("faulty", &portrait.faulty),
        line("unproven", &portrait.unproven),
    ];
    lines.push(vec!["gone, not yet compacted".to_owned(), gone.to_string(), String::new(), String::new()]);
    output::table(&header, lines)
}

fn deadlines(miner: &MinerState<'_>, portrait: &Portrait) -> std::io::Result<()> {
    let header = ["deadline", "partitions", "live", "faulty", "unproven", ""]
        .map(|name| (name, if name.is_empty() { Align::Left } else { Align::Right }));
    let lines = portrait.deadlines.iter().map(|(index, deadline)| {
        let open = if *index == miner.current_deadline { "open" } else { "" };
        vec![
            index.to_string(),
            deadline.partitions.to_string(),
            deadline.live.to_string(),
            deadline.faulty.to_string(),
            deadline.unproven.to_string(),
            open.to_owned(),
        ]
    });
    output::table(&header, lines)
}

/// Expirations by month.
fn expirations(portrait: &Portrait) -> std::io::Result<()> {
    let mut months: BTreeMap<String, Holding> = BTreeMap::new();
    for (day, holding) in &portrait.expirations {
        let month = day.to_string().chars().take(7).collect();
        let sum = months.entry(month).or_default();
        sum.sectors += holding.sectors;
        sum.power.rbp.0 += holding.power.rbp.0;
        sum.power.qap.0 += holding.power.qap.0;
    }
    let header = [
        ("expiring in", Align::Left),
        ("sectors", Align::Right),
        ("RBP", Align::Right),
        ("QAP", Align::Right),
    ];
    let lines = months.iter().take(MONTHS).map(|(month, holding)| {
        vec![
            month.clone(),
            holding.sectors.to_string(),
            human::bytes(holding.power.rbp.0),
            human::bytes(holding.power.qap.0),
        ]
    });
    output::table(&header, lines)
}
