//! `sectorscope miner`

use std::collections::BTreeMap;

use anyhow::bail;
use chain::{CarStore, Clock, Epoch, MinerId};
use ledger::{Content, MinerSummary, Power, SectorTotals};
use serde::Serialize;

use super::state_at::StateAt;
use super::with_file_context;
use crate::cli::{Miner, ReportFormat};
use crate::human;
use crate::output::{self, Align};
use crate::progress_bar::ProgressBars;

/// Lines of expirations shown.
const MAX_LINES: usize = 36;
/// Epochs that are one line of expirations where no clock gives months.
const EPOCHS_PER_LINE: i64 = 30 * chain::EPOCHS_PER_DAY;

/// The report of a miner.
#[derive(Serialize)]
struct MinerReport {
    miner: String,
    /// The state is that before the tipset of this height.
    height: Option<i64>,
    day: Option<String>,
    state_root: String,
    actors_version: u8,
    sectors_in_state: u64,
    active: TotalsReport,
    faulty: TotalsReport,
    unproven: TotalsReport,
    claim: PowerReport,
    /// Whether the active sectors' power is the claim.
    reconciles: bool,
    current_deadline: u64,
    deadlines: Vec<DeadlineReport>,
    /// Live sectors by month of expiration, or by 30 days' epochs.
    expirations: Vec<ExpirationReport>,
}

#[derive(Serialize)]
struct TotalsReport {
    sectors: u64,
    #[serde(flatten)]
    power: PowerReport,
    /// In attoFIL, as a decimal string.
    initial_pledge: String,
    /// What they pay a day, in attoFIL, as a decimal string.
    daily_fee: String,
}

/// Bytes as decimal strings.
#[derive(Serialize)]
struct PowerReport {
    rbp: String,
    qap: String,
}

#[derive(Serialize)]
struct DeadlineReport {
    deadline: u64,
    partitions: u64,
    live: u64,
    faulty: u64,
    unproven: u64,
}

#[derive(Serialize)]
struct ExpirationReport {
    period: String,
    #[serde(flatten)]
    sum: TotalsReport,
    /// Committed capacity.
    cc: TotalsReport,
    /// With unverified deals alone.
    deals: TotalsReport,
    /// With verified deals.
    verified: TotalsReport,
    /// Of full quality by their flag, whatever they hold.
    full_quality: TotalsReport,
}

impl PowerReport {
    fn of(power: Power) -> Self {
        Self { rbp: power.rbp.to_string(), qap: power.qap.to_string() }
    }
}

impl TotalsReport {
    fn of(holding: &SectorTotals) -> Self {
        Self {
            sectors: holding.sectors,
            power: PowerReport::of(holding.power),
            initial_pledge: holding.pledge.to_string(),
            daily_fee: holding.daily_fee.to_string(),
        }
    }

    fn cells(&self) -> [String; 5] {
        let number = |text: &str| text.parse().unwrap_or_default();
        let PowerReport { rbp, qap } = &self.power;
        let pledge = human::fil(number(&self.initial_pledge));
        let fee = human::fil(number(&self.daily_fee));
        [self.sectors.to_string(), human::bytes(number(rbp)), human::bytes(number(qap)), pledge, fee]
    }
}

pub(crate) fn run(arguments: &Miner) -> anyhow::Result<()> {
    let cars = CarStore::open(&arguments.cars, &arguments.data.cache()?, &ProgressBars::default())?;
    let state = with_file_context(StateAt::open(&cars, &arguments.at), &arguments.cars)?;
    let Some(report) = with_file_context(build_report(&state, arguments.miner), &arguments.cars)? else {
        let place = state.height().map_or("in that state".to_owned(), |height| format!("at height {height}"));
        bail!(
            "{} is no storage provider {place}; `sectorscope car info` lists those that are",
            arguments.miner
        )
    };
    match arguments.format {
        ReportFormat::Json => output::json(&report),
        ReportFormat::Table => print(&report),
    }
}

/// `None` if it is no storage provider.
fn build_report(state: &StateAt<'_>, id: MinerId) -> chain::Result<Option<MinerReport>> {
    let Some(actor) = state.tree.actor(id.0)? else { return Ok(None) };
    let Some(miner) = chain::state::Miner::of(state.tree.store(), &actor, &state.codes)? else {
        return Ok(None);
    };
    let portrait = MinerSummary::of(&miner)?;
    let (claim, clock) = (state.powers.of(id).claim, state.clock());
    let deadline = |(index, of): (&u64, &ledger::DeadlineSummary)| DeadlineReport {
        deadline: *index,
        partitions: of.partitions,
        live: of.live,
        faulty: of.faulty,
        unproven: of.unproven,
    };
    Ok(Some(MinerReport {
        miner: id.to_string(),
        height: state.height().map(|height| height.0),
        day: clock.zip(state.height()).map(|(clock, height)| clock.day_of(height).to_string()),
        state_root: state.state.to_string(),
        actors_version: miner.layout().version,
        sectors_in_state: portrait.in_state,
        active: TotalsReport::of(&portrait.active),
        faulty: TotalsReport::of(&portrait.faulty),
        unproven: TotalsReport::of(&portrait.unproven),
        claim: PowerReport::of(claim),
        reconciles: portrait.active.power == claim,
        current_deadline: miner.current_deadline,
        deadlines: portrait.deadlines.iter().map(deadline).collect(),
        expirations: expirations(&portrait, clock),
    }))
}

/// Expirations by month, or by spans of epochs where no clock gives months.
fn expirations(portrait: &MinerSummary, clock: Option<Clock>) -> Vec<ExpirationReport> {
    let mut periods: BTreeMap<i64, (String, BTreeMap<Content, SectorTotals>)> = BTreeMap::new();
    for (epoch, by_content) in &portrait.expirations {
        let (order, name) = period(*epoch, clock);
        let (_, sums) = periods.entry(order).or_insert_with(|| (name, BTreeMap::new()));
        for (content, holding) in by_content {
            sums.entry(*content).or_default().add(holding);
        }
    }
    let expiring = |(period, sums): (String, BTreeMap<Content, SectorTotals>)| {
        let of = |content| TotalsReport::of(&sums.get(&content).copied().unwrap_or_default());
        let mut all = SectorTotals::default();
        sums.values().for_each(|holding| all.add(holding));
        ExpirationReport {
            period,
            sum: TotalsReport::of(&all),
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
            let span = epoch.0.div_euclid(EPOCHS_PER_LINE);
            // A sector may name any epoch at all.
            let first = span.saturating_mul(EPOCHS_PER_LINE);
            (span, format!("epochs {first} to {}", first.saturating_add(EPOCHS_PER_LINE - 1)))
        }
    }
}

fn print(report: &MinerReport) -> anyhow::Result<()> {
    let place = match (report.height, &report.day) {
        (Some(height), Some(day)) => format!("before height {height} ({day})"),
        _ => format!("in state {}", report.state_root),
    };
    output::print_line(format_args!("{} {place}, actors v{}\n", report.miner, report.actors_version));
    holdings(report)?;
    let verdict = if report.reconciles { "equal to" } else { "NOT equal to" };
    let bytes = |text: &str| human::bytes(text.parse().unwrap_or_default());
    output::print_line(format_args!(
        "\nactive power is {verdict} the power actor's claim: {} raw, {} quality-adjusted\n",
        bytes(&report.claim.rbp),
        bytes(&report.claim.qap)
    ));
    deadlines(report)?;
    output::print_line("");
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
    let lines = report.expirations.iter().take(MAX_LINES).map(|expiring| {
        let mut line = vec![expiring.period.clone()];
        line.extend(expiring.sum.cells());
        let groups = [&expiring.cc, &expiring.deals, &expiring.verified, &expiring.full_quality];
        line.extend(groups.map(|sum| sum.sectors.to_string()));
        line
    });
    output::table(&header, lines)?;
    if report.expirations.len() > MAX_LINES {
        output::print_line(format_args!(
            "… and {} later ones (--format json has all)",
            report.expirations.len() - MAX_LINES
        ));
    }
    Ok(())
}

fn holdings(report: &MinerReport) -> std::io::Result<()> {
    let header = [
        ("sectors", Align::Left),
        ("number", Align::Right),
        ("RBP", Align::Right),
        ("QAP", Align::Right),
        ("pledge", Align::Right),
        ("fee a day", Align::Right),
    ];
    let named = [("active", &report.active), ("faulty", &report.faulty), ("unproven", &report.unproven)];
    let live: u64 = named.iter().map(|(_, sum)| sum.sectors).sum();
    let gone = report.sectors_in_state.saturating_sub(live);
    let mut lines: Vec<Vec<String>> = named
        .iter()
        .map(|(name, sum)| std::iter::once((*name).to_owned()).chain(sum.cells()).collect())
        .collect();
    let mut last = vec!["gone, not yet compacted".to_owned(), gone.to_string()];
    last.resize(header.len(), String::new());
    lines.push(last);
    output::table(&header, lines)
}

fn deadlines(report: &MinerReport) -> std::io::Result<()> {
    let header = ["deadline", "partitions", "live", "faulty", "unproven", ""]
        .map(|name| (name, if name.is_empty() { Align::Left } else { Align::Right }));
    let lines = report.deadlines.iter().map(|deadline| {
        let open = if deadline.deadline == report.current_deadline { "open" } else { "" };
        let numbers =
            [deadline.deadline, deadline.partitions, deadline.live, deadline.faulty, deadline.unproven];
        let mut line: Vec<String> = numbers.map(|number| number.to_string()).into();
        line.push(open.to_owned());
        line
    });
    output::table(&header, lines)
}
