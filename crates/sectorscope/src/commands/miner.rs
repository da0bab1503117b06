//! `sectorscope miner`

use std::collections::BTreeMap;

use anyhow::bail;
use chain::{CarStore, Clock, Epoch, MinerId};
use ledger::{Content, MinerSummary, Power, SectorTotals};
use serde::Serialize;

use super::in_files;
use super::moment::Moment;
use crate::bars::Bars;
use crate::cli::{LookFormat, Miner};
use crate::human;
use crate::output::{self, Align};

/// Lines of expirations shown.
const MOST_LINES: usize = 36;
/// Epochs that are one line of expirations where no clock tells months.
const SPAN: i64 = 30 * chain::EPOCHS_PER_DAY;

/// Everything that is told of a miner.
#[derive(Serialize)]
struct Told {
    miner: String,
    /// The state is that before the tipset of this height.
    height: Option<i64>,
    day: Option<String>,
    state_root: String,
    actors_version: u8,
    sectors_in_state: u64,
    active: Sum,
    faulty: Sum,
    unproven: Sum,
    claim: PowerText,
    /// Whether the active sectors' power is the claim.
    reconciles: bool,
    current_deadline: u64,
    deadlines: Vec<Deadline>,
    /// Live sectors by month of expiration, or by 30 days' epochs.
    expirations: Vec<Expiring>,
}

#[derive(Serialize)]
struct Sum {
    sectors: u64,
    #[serde(flatten)]
    power: PowerText,
    /// In attoFIL, as a decimal string.
    initial_pledge: String,
    /// What they pay a day, in attoFIL, as a decimal string.
    daily_fee: String,
}

/// Bytes as decimal strings.
#[derive(Serialize)]
struct PowerText {
    rbp: String,
    qap: String,
}

#[derive(Serialize)]
struct Deadline {
    deadline: u64,
    partitions: u64,
    live: u64,
    faulty: u64,
    unproven: u64,
}

#[derive(Serialize)]
struct Expiring {
    period: String,
    #[serde(flatten)]
    sum: Sum,
    /// Committed capacity.
    cc: Sum,
    /// With unverified deals alone.
    deals: Sum,
    /// With verified deals.
    verified: Sum,
    /// Of full quality by their flag, whatever they hold.
    full_quality: Sum,
}

impl PowerText {
    fn of(power: Power) -> Self {
        Self { rbp: power.rbp.to_string(), qap: power.qap.to_string() }
    }
}

impl Sum {
    fn of(holding: &SectorTotals) -> Self {
        Self {
            sectors: holding.sectors,
            power: PowerText::of(holding.power),
            initial_pledge: holding.pledge.to_string(),
            daily_fee: holding.daily_fee.to_string(),
        }
    }

    fn cells(&self) -> [String; 5] {
        let number = |text: &str| text.parse().unwrap_or_default();
        let PowerText { rbp, qap } = &self.power;
        let pledge = human::fil(number(&self.initial_pledge));
        let fee = human::fil(number(&self.daily_fee));
        [self.sectors.to_string(), human::bytes(number(rbp)), human::bytes(number(qap)), pledge, fee]
    }
}

pub(crate) fn run(arguments: &Miner) -> anyhow::Result<()> {
    let cars = CarStore::open(&arguments.cars, &arguments.data.cache()?, &Bars::default())?;
    let moment = in_files(Moment::open(&cars, &arguments.at), &arguments.cars)?;
    let Some(told) = in_files(gather(&moment, arguments.miner), &arguments.cars)? else {
        let place =
            moment.height().map_or("in that state".to_owned(), |height| format!("at height {height}"));
        bail!(
            "{} is no storage provider {place}; `sectorscope car info` lists those that are",
            arguments.miner
        )
    };
    match arguments.format {
        LookFormat::Json => output::json(&told),
        LookFormat::Table => print(&told),
    }
}

/// `None` if it is no storage provider.
fn gather(moment: &Moment<'_>, id: MinerId) -> chain::Result<Option<Told>> {
    let Some(actor) = moment.tree.actor(id.0)? else { return Ok(None) };
    let Some(miner) = chain::state::Miner::of(moment.tree.store(), &actor, &moment.codes)? else {
        return Ok(None);
    };
    let portrait = MinerSummary::of(&miner)?;
    let (claim, clock) = (moment.powers.of(id).claim, moment.clock());
    let deadline = |(index, of): (&u64, &ledger::DeadlineSummary)| Deadline {
        deadline: *index,
        partitions: of.partitions,
        live: of.live,
        faulty: of.faulty,
        unproven: of.unproven,
    };
    Ok(Some(Told {
        miner: id.to_string(),
        height: moment.height().map(|height| height.0),
        day: clock.zip(moment.height()).map(|(clock, height)| clock.day_of(height).to_string()),
        state_root: moment.state.to_string(),
        actors_version: miner.layout().version,
        sectors_in_state: portrait.in_state,
        active: Sum::of(&portrait.active),
        faulty: Sum::of(&portrait.faulty),
        unproven: Sum::of(&portrait.unproven),
        claim: PowerText::of(claim),
        reconciles: portrait.active.power == claim,
        current_deadline: miner.current_deadline,
        deadlines: portrait.deadlines.iter().map(deadline).collect(),
        expirations: expirations(&portrait, clock),
    }))
}

/// Expirations by month, or by spans of epochs where no clock tells months.
fn expirations(portrait: &MinerSummary, clock: Option<Clock>) -> Vec<Expiring> {
    let mut periods: BTreeMap<i64, (String, BTreeMap<Content, SectorTotals>)> = BTreeMap::new();
    for (epoch, by_content) in &portrait.expirations {
        let (order, name) = period(*epoch, clock);
        let (_, sums) = periods.entry(order).or_insert_with(|| (name, BTreeMap::new()));
        for (content, holding) in by_content {
            sums.entry(*content).or_default().add(holding);
        }
    }
    let expiring = |(period, sums): (String, BTreeMap<Content, SectorTotals>)| {
        let of = |content| Sum::of(&sums.get(&content).copied().unwrap_or_default());
        let mut all = SectorTotals::default();
        sums.values().for_each(|holding| all.add(holding));
        Expiring {
            period,
            sum: Sum::of(&all),
            cc: of(Content::Cc),
            deals: of(Content::Deals),
            verified: of(Content::Verified),
            full_quality: of(Content::FullQuality),
        }
    };
    periods.into_values().map(expiring).collect()
}

/// The period of an epoch: what orders it among others, and its name.
fn period(epoch: Epoch, clock: Option<Clock>) -> (i64, String) {
    match clock {
        Some(clock) => {
            let month: String = clock.day_of(epoch).to_string().chars().take(7).collect();
            // 2027-01 as 202701: years and months in order.
            let digits = month.bytes().filter(u8::is_ascii_digit);
            (digits.fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')), month)
        }
        None => {
            let span = epoch.0.div_euclid(SPAN);
            // A sector may name any epoch at all.
            let first = span.saturating_mul(SPAN);
            (span, format!("epochs {first} to {}", first.saturating_add(SPAN - 1)))
        }
    }
}

fn print(told: &Told) -> anyhow::Result<()> {
    let place = match (told.height, &told.day) {
        (Some(height), Some(day)) => format!("before height {height} ({day})"),
        _ => format!("in state {}", told.state_root),
    };
    output::say(format_args!("{} {place}, actors v{}\n", told.miner, told.actors_version));
    holdings(told)?;
    let verdict = if told.reconciles { "equal to" } else { "NOT equal to" };
    let bytes = |text: &str| human::bytes(text.parse().unwrap_or_default());
    output::say(format_args!(
        "\nactive power is {verdict} the power actor's claim: {} raw, {} quality-adjusted\n",
        bytes(&told.claim.rbp),
        bytes(&told.claim.qap)
    ));
    deadlines(told)?;
    output::say("");
    let header = [
        ("expiring in", Align::Left),
        ("sectors", Align::Right),
        ("RBP", Align::Right),
        ("QAP", Align::Right),
        ("pledge", Align::Right),
        ("fee a day", Align::Right),
        ("CC", Align::Right),
        ("deals", Align::Right),
        ("verified", Align::Right),
        ("full quality", Align::Right),
    ];
    let lines = told.expirations.iter().take(MOST_LINES).map(|expiring| {
        let mut line = vec![expiring.period.clone()];
        line.extend(expiring.sum.cells());
        let groups = [&expiring.cc, &expiring.deals, &expiring.verified, &expiring.full_quality];
        line.extend(groups.map(|sum| sum.sectors.to_string()));
        line
    });
    output::table(&header, lines)?;
    if told.expirations.len() > MOST_LINES {
        output::say(format_args!(
            "… and {} later ones (--format json has all)",
            told.expirations.len() - MOST_LINES
        ));
    }
    Ok(())
}

fn holdings(told: &Told) -> std::io::Result<()> {
    let header = [
        ("sectors", Align::Left),
        ("number", Align::Right),
        ("RBP", Align::Right),
        ("QAP", Align::Right),
        ("pledge", Align::Right),
        ("fee a day", Align::Right),
    ];
    let named = [("active", &told.active), ("faulty", &told.faulty), ("unproven", &told.unproven)];
    let live: u64 = named.iter().map(|(_, sum)| sum.sectors).sum();
    let gone = told.sectors_in_state.saturating_sub(live);
    let mut lines: Vec<Vec<String>> = named
        .iter()
        .map(|(name, sum)| std::iter::once((*name).to_owned()).chain(sum.cells()).collect())
        .collect();
    let mut last = vec!["gone, not yet compacted".to_owned(), gone.to_string()];
    last.resize(header.len(), String::new());
    lines.push(last);
    output::table(&header, lines)
}

fn deadlines(told: &Told) -> std::io::Result<()> {
    let header = ["deadline", "partitions", "live", "faulty", "unproven", ""]
        .map(|name| (name, if name.is_empty() { Align::Left } else { Align::Right }));
    let lines = told.deadlines.iter().map(|deadline| {
        let open = if deadline.deadline == told.current_deadline { "open" } else { "" };
        let numbers =
            [deadline.deadline, deadline.partitions, deadline.live, deadline.faulty, deadline.unproven];
        let mut line: Vec<String> = numbers.map(|number| number.to_string()).into();
        line.push(open.to_owned());
        line
    });
    output::table(&header, lines)
}
